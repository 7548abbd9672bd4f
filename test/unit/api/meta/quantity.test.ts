import { describe, expect, it } from "vitest";
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  isQuantity,
  milliValue,
  parseQuantity,
  quantityOfMilli,
  subtractQuantities,
  value,
  zeroQuantity,
} from "../../../../src/api/meta/quantity.ts";

describe("quantities", () => {
  it.each([
    ["0", "0"],
    ["1000m", "1"],
    ["100m", "100m"],
    ["0.1", "100m"],
    [".5", "500m"],
    ["5.", "5"],
    ["1.5Gi", "1536Mi"],
    ["1024Mi", "1Gi"],
    ["1000Mi", "1000Mi"],
    ["0.5Ki", "512"],
    ["0.1Ki", "102400m"],
    ["1Ki", "1Ki"],
    ["1000", "1k"],
    ["1000k", "1M"],
    ["1e3", "1e3"],
    ["1E3", "1e3"],
    ["1E", "1E"],
    ["1200", "1200"],
    ["12e2", "1200"],
    ["1e-3", "1e-3"],
    ["0.1n", "1n"],
    ["-1.5", "-1500m"],
    ["+2", "2"],
    ["2039264Ki", "2039264Ki"],
    ["99999999999999999999", "9223372036854775807"],
    ["1.0000000001", "1000000001n"],
  ])("prints %s as %s", (text, canonical) => expect(canonicalQuantity(text)).toBe(canonical));

  it("takes a YAML number", () => expect(canonicalQuantity(0.5)).toBe("500m"));

  it.each([
    ["", "quantities must match"],
    ["x", "quantities must match"],
    ["1.2.3", "unable to parse quantity's suffix"],
    ["1ki", "unable to parse quantity's suffix"],
    ["1Kim", "unable to parse quantity's suffix"],
    ["1mm", "unable to parse quantity's suffix"],
  ])("refuses %j", (text, message) => {
    expect(() => parseQuantity(text)).toThrow(message);
    expect(isQuantity(text)).toBe(false);
  });

  it("rounds up, away from zero", () => {
    expect(value("100m")).toBe(1);
    expect(value("-100m")).toBe(-1);
    expect(milliValue("1u")).toBe(1);
    expect(milliValue("1.5")).toBe(1500);
    expect(value("1Gi")).toBe(2 ** 30);
  });

  it("adds and compares exactly, and keeps the first one's way of writing", () => {
    expect(formatQuantity(addQuantities(parseQuantity("1Gi"), parseQuantity("1M")))).toBe("1074741824");
    expect(formatQuantity(addQuantities(zeroQuantity, parseQuantity("2Gi")))).toBe("2Gi");
    expect(formatQuantity(subtractQuantities(parseQuantity("1"), parseQuantity("100m")))).toBe("900m");
    expect(compareQuantities("1Gi", "1024Mi")).toBe(0);
    expect(compareQuantities("1", "999m")).toBe(1);
    expect(formatQuantity(quantityOfMilli(2500))).toBe("2500m");
  });
});
