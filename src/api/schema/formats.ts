import { isIPv4, isIPv6 } from "node:net";
import { canonicalTime } from "./scalars.ts";

const hostnameLabel = /^[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?$/;
const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** What the formats of JSON schemas mean; formats that are not here say nothing. */
const formats: Record<string, ((text: string) => boolean) | undefined> = {
  "date-time": (text) => canonicalTime(text.toUpperCase().replace(" ", "T")) !== undefined,
  datetime: (text) => canonicalTime(text) !== undefined,
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && canonicalTime(`${text}T00:00:00Z`) !== undefined,
  duration: (text) =>
    /^[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*$/.test(text) || text === "0",
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: (text) => /^([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4}[0-9a-f]{2}$/i.test(text),
  uuid: (text) => uuid.test(text),
  uuid3: (text) => uuid.test(text),
  uuid4: (text) => uuid.test(text),
  uuid5: (text) => uuid.test(text),
  byte: (text) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text),
  email: (text) => /^[^@\s]+@[^@\s]+$/.test(text),
  hostname: (text) => text.length <= 255 && text.split(".").every((label) => hostnameLabel.test(label)),
  uri: (text) => URL.canParse(text) || text.startsWith("/"),
  hexcolor: (text) => /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.test(text),
  bsonobjectid: (text) => /^[0-9a-f]{24}$/i.test(text),
};

/** Whether the text has the format ("date-time", "ipv4", ...). True for formats that Kubernetes does not check. */
export function isFormat(format: string, text: string): boolean {
  return formats[format]?.(text) ?? true;
}

const unchecked = ["isbn", "isbn10", "isbn13", "creditcard", "ssn", "rgbcolor", "password", "k8s-short-name", "k8s-long-name"];

/** Whether Kubernetes knows the format, checked here or not. */
export function isKnownFormat(format: string): boolean {
  return Object.hasOwn(formats, format) || unchecked.includes(format);
}

function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  if (rest.length || !/^\d{1,3}$/.test(bits)) return false;
  return (isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128);
}
