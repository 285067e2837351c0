// One spelling for each value, so that a claim and a register's entry that mean the same are the same text. By the type that the sharing
// catalogue gives a field.
import { AppError } from "../../core/errors.ts";

export const claimTypes = ["text", "number", "money", "date", "code", "enumeration", "boolean"] as const;
export type ClaimType = (typeof claimTypes)[number];

const longest = 512;
const decimal = /^([+-]?)([0-9]{1,15})(?:\.([0-9]{1,6}))?$/;
const words: ReadonlyMap<string, string> = new Map([["true", "true"], ["false", "false"], ["是", "true"], ["否", "false"], ["yes", "true"], ["no", "false"]]);

/**
 * The canonical text of a value. Numbers: decimal, no trailing zeros, up to 15 digits before and 6 after the point, so never through floating
 * point. Money: yuan with two decimals. Dates: ISO. Codes: upper case, without spaces and hyphens. Texts: NFKC, single spaces.
 * Throws VERIFY_VALUE.
 */
export function canonicalValue(type: ClaimType, text: string): string {
  const given = text.normalize("NFKC").trim().replace(/\s+/gu, " ");
  if (given.length === 0 || given.length > longest || /\p{Cc}/u.test(given)) throw new AppError("VERIFY_VALUE");
  return spell[type](given);
}

const spell: Readonly<Record<ClaimType, (text: string) => string>> = {
  text: (text) => text,
  enumeration: (text) => text,
  code: (text) => text.replace(/[\s-]/g, "").toUpperCase(),
  boolean: (text) => words.get(text.toLowerCase()) ?? refuse(),
  date: (text) => {
    const time = Date.parse(`${text}T00:00:00Z`);
    return /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) && Number.isFinite(time) && new Date(time).toISOString().startsWith(text) ? text : refuse();
  },
  number: (text) => decimalOf(text, 6),
  money: (text) => decimalOf(text, 2),
};

function decimalOf(text: string, places: number): string {
  const [, sign = "", whole = "", fraction = ""] = decimal.exec(text.replaceAll(",", "")) ?? refuse();
  if (fraction.slice(places).replace(/0+$/, "") !== "") return refuse();
  const left = whole.replace(/^0+(?=[0-9])/, "");
  const right = fraction.slice(0, places).replace(/0+$/, "");
  const size = right === "" ? left : `${left}.${right}`;
  return sign === "-" && /[1-9]/.test(size) ? `-${size}` : size;
}

export const isOrdered = (type: ClaimType): boolean => type === "number" || type === "money" || type === "date";

/** A value as an integer, for comparisons: millionths of a number, fen of money, days since 1970 of a date. Throws VERIFY_VALUE for the other types. */
export function ordinal(type: ClaimType, text: string): bigint {
  const value = canonicalValue(type, text);
  if (type === "date") return BigInt(Date.parse(`${value}T00:00:00Z`) / 86_400_000);
  const places = type === "money" ? 2 : type === "number" ? 6 : refuse();
  const [, sign, whole = "", fraction = ""] = decimal.exec(value) ?? refuse();
  const size = BigInt(whole + fraction.padEnd(places, "0"));
  return sign === "-" ? -size : size;
}

/** Bits of the integers among which a blind range lies: days of some 700 years, or 40. */
export const blindDepth = (type: ClaimType): number => (type === "date" ? 18 : 40);

/** The least and the greatest integer of so many bits. */
export function boundsOf(depth: number): { readonly least: bigint; readonly greatest: bigint } {
  const half = 1n << BigInt(depth - 1);
  return { least: -half, greatest: half - 1n };
}

/** A value as an integer of `blindDepth` bits: fen, days, and thousandths of a number, rounded, half up. Throws VERIFY_VALUE. */
export function blindOrdinal(type: ClaimType, text: string): bigint {
  const exact = ordinal(type, text);
  if (type !== "number") return exact;
  const up = exact + 500n;
  return (up - (((up % 1000n) + 1000n) % 1000n)) / 1000n;
}

function refuse(): never {
  throw new AppError("VERIFY_VALUE");
}
