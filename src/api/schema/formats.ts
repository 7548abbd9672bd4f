import { isIPv4, isIPv6 } from "node:net";
import { checkDnsLabel, checkDnsSubdomain } from "../meta/names.ts";
import { canonicalTime } from "./scalars.ts";

const hostname =
  /^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$/u;
const goDuration = /^[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*$/;
const durationUnit = /^(ns|nanos?|us|µs|μs|micros?|ms|millis?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)$/;
const creditCard =
  /^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})$/;
const uuid = (version: string): RegExp => new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, "i");
const date = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text) && canonicalTime(`${text}T00:00:00Z`) !== undefined;

/** What the formats of JSON schemas mean; formats that are not here say nothing. */
const formats: Record<string, RegExp | ((text: string) => boolean) | undefined> = {
  "date-time": (text) => canonicalTime(text.toUpperCase()) !== undefined,
  datetime: (text) => canonicalTime(text.toUpperCase()) !== undefined,
  date,
  duration: isDuration,
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: /^(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})$/i,
  uuid: uuid("[0-9a-f]"),
  uuid3: uuid("3"),
  uuid4: uuid("4"),
  uuid5: uuid("5"),
  byte: /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/,
  email: /^(?:[^<>@]*<[^@\s<>]+@[^@\s<>]+>|[^@\s]+@[^@\s]+)$/,
  hostname: (text) => text.length <= 255 && hostname.test(text),
  uri: (text) => URL.canParse(text) || text.startsWith("/"),
  hexcolor: /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i,
  rgbcolor: /^rgb\(\s*(?:(?:1?\d?\d|2[0-4]\d|25[0-5])\s*(?:,\s*|\)$)){3}/,
  bsonobjectid: /^[0-9a-f]{24}$/i,
  isbn: (text) => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  ssn: /^\d{3}[- ]?\d{2}[- ]?\d{4}$/,
  creditcard: (text) => creditCard.test(text.replace(/\D/g, "")) && isLuhn(text.replace(/\D/g, "")),
  "k8s-short-name": (text) => checkDnsLabel(text).length === 0,
  "k8s-long-name": (text) => checkDnsSubdomain(text).length === 0,
  password: () => true,
};

/** Whether the text has the format ("date-time", "ipv4", ...). True for formats that Kubernetes does not check. */
export function isFormat(format: string, text: string): boolean {
  const known = Object.hasOwn(formats, format) ? formats[format] : undefined;
  return known instanceof RegExp ? known.test(text) : (known?.(text) ?? true);
}

const numberFormats: Record<string, readonly string[] | undefined> = { integer: ["int32", "int64"], number: ["float", "double"] };

/** Whether Kubernetes knows the format of values of that type. */
export function isKnownFormat(format: string, type = "string"): boolean {
  return type === "string" ? Object.hasOwn(formats, format) : (numberFormats[type]?.includes(format) ?? false);
}

/** As Go writes them, or numbers with units in words. */
function isDuration(text: string): boolean {
  const parts = [...text.matchAll(/\d+\s*([A-Za-zµ]+)/g)];
  return (
    text === "0" || goDuration.test(text) || (parts.length > 0 && parts.every(([, unit = ""]) => durationUnit.test(unit.toLowerCase())))
  );
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[\s-]/g, "");
  const sum = [...digits].reduce((total, digit, i) => total + (10 - i) * (digit === "X" ? 10 : Number(digit)), 0);
  return /^\d{9}[\dX]$/.test(digits) && sum % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[\s-]/g, "");
  return /^\d{13}$/.test(digits) && [...digits].reduce((total, digit, i) => total + Number(digit) * (i % 2 ? 3 : 1), 0) % 10 === 0;
}

function isLuhn(digits: string): boolean {
  const doubled = (digit: number): number => (digit > 4 ? digit * 2 - 9 : digit * 2);
  return [...digits].reverse().reduce((total, digit, i) => total + (i % 2 ? doubled(Number(digit)) : Number(digit)), 0) % 10 === 0;
}

function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  if (rest.length || !/^\d{1,3}$/.test(bits)) return false;
  return (isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128);
}
