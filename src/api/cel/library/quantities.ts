import type { Environment } from "@marcbachmann/cel-js";
import {
  addQuantities,
  approximateValue,
  compareQuantities,
  isQuantity,
  parseQuantity,
  type Quantity,
  quantityOf,
  subtractQuantities,
} from "../../meta/quantity.ts";

/** A resource.Quantity as CEL has it. */
class CelQuantity {
  readonly quantity: Quantity;

  constructor(quantity: Quantity) {
    this.quantity = quantity;
  }

  equals(other: unknown): boolean {
    return other instanceof CelQuantity && compareQuantities(this.quantity, other.quantity) === 0;
  }
}

const billion = 1_000_000_000n;

/** Kubernetes' quantity library. */
export function registerQuantities(environment: Environment): void {
  const type = "kubernetes.Quantity";
  const compare = (a: CelQuantity, b: CelQuantity): number => compareQuantities(a.quantity, b.quantity);
  const calculate =
    (how: typeof addQuantities) =>
    (a: CelQuantity, b: CelQuantity | bigint): CelQuantity =>
      new CelQuantity(how(a.quantity, typeof b === "bigint" ? quantityOf(b) : b.quantity));
  const isInteger = ({ quantity: { nano } }: CelQuantity): boolean => nano % billion === 0n;
  environment
    .registerType(type, CelQuantity)
    .registerOperator(`${type} == ${type}`, (a: CelQuantity, b: CelQuantity) => a.equals(b))
    .registerFunction(`quantity(string): ${type}`, (text: string) => {
      if (!isQuantity(text)) throw new Error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
      return new CelQuantity(parseQuantity(text));
    })
    .registerFunction("isQuantity(string): bool", (text: string) => isQuantity(text))
    .registerFunction(`${type}.isInteger(): bool`, isInteger)
    .registerFunction(`${type}.asInteger(): int`, (quantity: CelQuantity) => {
      if (!isInteger(quantity)) throw new Error("cannot convert value to integer");
      return quantity.quantity.nano / billion;
    })
    .registerFunction(`${type}.asApproximateFloat(): double`, ({ quantity }: CelQuantity) => approximateValue(quantity))
    .registerFunction(`${type}.sign(): int`, ({ quantity: { nano } }: CelQuantity) => (nano > 0n ? 1n : nano < 0n ? -1n : 0n))
    .registerFunction(`${type}.compareTo(${type}): int`, (a: CelQuantity, b: CelQuantity) => BigInt(compare(a, b)))
    .registerFunction(`${type}.isGreaterThan(${type}): bool`, (a: CelQuantity, b: CelQuantity) => compare(a, b) > 0)
    .registerFunction(`${type}.isLessThan(${type}): bool`, (a: CelQuantity, b: CelQuantity) => compare(a, b) < 0);
  for (const other of [type, "int"])
    environment
      .registerFunction(`${type}.add(${other}): ${type}`, calculate(addQuantities))
      .registerFunction(`${type}.sub(${other}): ${type}`, calculate(subtractQuantities));
}
