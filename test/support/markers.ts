// Looks for values in bytes, in every form in which a program might let them out: text, UTF-16, hex, base64 at any offset,
// and as binary numbers. Many thousand values at once: a filter over four bytes at every position, then exact comparison.
import { readFileSync } from "node:fs";

export type Marker = {
  readonly name: string;
  /** Who may hold it. */
  readonly owners: readonly string[];
  readonly value: string | number | Uint8Array;
  /** Also as 32-bit integers: for a few only, since four bytes come about by chance. */
  readonly isShort?: boolean;
};
export type Find = { readonly marker: Marker; readonly form: string; readonly at: number };
type Pattern = { readonly marker: Marker; readonly form: string; readonly bytes: Buffer };

/** The middle of the base64 text of `bytes` when they begin at offset 0, 1 or 2 of a group: what does not depend on neighbours. */
function base64(bytes: Buffer, offset: number): Buffer {
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64").replace(/=+$/, "");
  const from = offset === 0 ? 0 : offset + 1;
  const whole = Math.floor(((offset + bytes.length) * 8) / 6);
  return Buffer.from(text.slice(from, whole));
}

function encodings(form: string, bytes: Buffer): [string, Buffer][] {
  const hex = bytes.toString("hex");
  return [
    [form, bytes], [`${form}, hex`, Buffer.from(hex)], [`${form}, HEX`, Buffer.from(hex.toUpperCase())],
    ...[0, 1, 2].flatMap((offset): [string, Buffer][] => {
      const text = base64(bytes, offset);
      const url = Buffer.from(text.toString("latin1").replaceAll("+", "-").replaceAll("/", "_"));
      return [[`${form}, base64 at ${offset}`, text], ...(url.equals(text) ? [] : [[`${form}, base64url at ${offset}`, url] as [string, Buffer]])];
    }),
  ];
}

function formsOf({ value, isShort }: Marker): [string, Buffer][] {
  if (value instanceof Uint8Array) return encodings("bytes", Buffer.from(value));
  const text = Buffer.from(String(value), "utf8");
  const wide = Buffer.from(String(value), "utf16le");
  const forms: [string, Buffer][] = [...encodings("text", text), ["UTF-16 LE", wide], ["UTF-16 BE", Buffer.from(wide).swap16()]];
  if (typeof value !== "number") return forms;
  const double = Buffer.alloc(8);
  double.writeDoubleLE(value);
  forms.push(...encodings("float64 LE", double), ...encodings("float64 BE", Buffer.from(double).swap64()));
  if (isShort === true) {
    const int = Buffer.alloc(4);
    int.writeInt32LE(value);
    forms.push(["int32 LE", int], ["int32 BE", Buffer.from(int).swap32()]);
  }
  return forms;
}

export class Search {
  readonly #filter = new Uint8Array(1 << 24);
  readonly #byKey = new Map<number, Pattern[]>();
  readonly #texts = new Set<string>();

  constructor(markers: readonly Marker[]) {
    for (const marker of markers) {
      for (const [form, bytes] of formsOf(marker)) {
        if (bytes.length < 4) throw new RangeError(`${marker.name} is too short to look for`);
        const key = bytes.readUInt32LE(0);
        this.#filter[slot(key)] = 1;
        this.#byKey.set(key, [...(this.#byKey.get(key) ?? []), { marker, form, bytes }]);
        this.#texts.add(form);
      }
    }
  }

  /** Names of all forms that are looked for. */
  get forms(): string[] {
    return [...this.#texts];
  }

  /** Every marker in these bytes, once per form. */
  in(bytes: Buffer): Find[] {
    const finds = new Map<Pattern, Find>();
    let key = bytes.length >= 4 ? bytes.readUInt32LE(0) : 0;
    for (let at = 0; at + 4 <= bytes.length; at++) {
      if (at > 0) key = (key >>> 8) | ((bytes[at + 3] ?? 0) << 24);
      if (this.#filter[slot(key)] === 0) continue;
      for (const pattern of this.#byKey.get(key >>> 0) ?? []) {
        const end = at + pattern.bytes.length;
        if (finds.has(pattern) || end > bytes.length || bytes.compare(pattern.bytes, 0, pattern.bytes.length, at, end) !== 0) continue;
        finds.set(pattern, { marker: pattern.marker, form: pattern.form, at });
      }
    }
    return [...finds.values()];
  }

  inFile(path: string): Find[] {
    return this.in(readFileSync(path));
  }
}

const slot = (key: number): number => Math.imul(key, 2_654_435_761) >>> 8;

/** What may not be there: markers in a place that belongs to `owner` (nobody's: undefined) which another party owns. One
 *  integer of 32 bits may be chance; three different ones of one party in one place are not. */
export function violations(finds: readonly Find[], owner: string | undefined): Find[] {
  const foreign = finds.filter(({ marker }) => owner === undefined || !marker.owners.includes(owner));
  const isShort = (find: Find): boolean => find.form.startsWith("int32");
  const short = foreign.filter((find) => isShort(find));
  const distinct = new Set(short.map((find) => find.marker)).size;
  return [...foreign.filter((find) => !isShort(find)), ...(distinct >= 3 ? short : [])];
}
