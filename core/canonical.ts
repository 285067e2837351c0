// Canonical JSON (keys sorted, no spaces; RFC 8785 for the values we use) and digests over it.
import { hash } from "node:crypto";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Canonical JSON text. Throws a TypeError for NaN and infinities: they have no JSON form. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("a number without a JSON form");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item as Json)).join(",")}]`;
  const entries = Object.entries(value as Record<string, Json | undefined>).filter(([, v]) => v !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v as Json)}`).join(",")}}`;
}

/** Whether a text, from which JSON.parse read `value`, is its canonical form. Where the keys stand in order already, as in all that we sign,
 *  the engine's own writer tells; it is several times as fast. */
export function isCanonicalJson(text: string, value: Json): boolean {
  return (isInOrder(value) && JSON.stringify(value) === text) || canonicalJson(value) === text;
}

function isInOrder(value: Json | undefined): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every((item) => isInOrder(item as Json));
  const fields = value as Readonly<Record<string, Json | undefined>>;
  let last: string | undefined;
  for (const key in fields) {
    if ((last !== undefined && key <= last) || !isInOrder(fields[key])) return false;
    last = key;
  }
  return true;
}

/** SHA-256 as lower-case hex. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash("sha256", data, "hex");
}

export function digestOf(value: Json): string {
  return sha256Hex(canonicalJson(value));
}

/** What a text says as JSON; undefined for one that is none. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
