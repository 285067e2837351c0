// The form in which public records reach the platform: a signed header, then one JSON object a line. The header (compact JWS, typ
// yunei-public-batch+jws, EdDSA by the party's identity key) says item, day and the digest of the lines; a batch is taken whole or not at all.
import { createHash, type Hash, type KeyObject } from "node:crypto";
import { CompactSign, compactVerify } from "jose";
import { z } from "zod";
import type { ItemId } from "../core/brand.ts";
import { canonicalJson, sha256Hex, type Json } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { catalogueAt } from "../catalogue/load.ts";
import { itemIdSchema, versionSchema, type CatalogueItem } from "../catalogue/schema.ts";
import { addDays, regionForm, regionOf, sectionCodes, type Section } from "./places.ts";
import { publicItem, requirePublicField } from "./publishable.ts";
import { fits, isOwnCode, recordKey, usccText, type Value } from "./values.ts";

/** Bounds of one batch: it is one transaction, which others wait for. Longer files are sent as several. */
export const maxBatchRows = 2_000;
export const maxBatchBytes = 4 * 1024 * 1024;
const maxHeaderBytes = 4096;
const maxRowBytes = 64 * 1024;
export const batchMedia = "application/x-ndjson";
const batchType = "yunei-public-batch+jws";

/** The item that says where a company is and what it does: only its rows classify. */
export const classifyingItem = "registry.basic";

/** The field 公示截止日期 of an item (行政处罚信息, P21): it sets the term of publication. */
export const termField = "published_until";

/** Why a record is taken back. credit-repair: 信用修复; expired: its term of publication is over. */
export const withdrawalReasons = ["credit-repair", "expired", "published-in-error", "record-removed"] as const;
export type WithdrawalReason = (typeof withdrawalReasons)[number];

const headerSchema = z.strictObject({
  version: z.literal(1), party: partyIdSchema, item: itemIdSchema, catalogue: versionSchema,
  /** Day that the rows stand for. */
  asOf: z.iso.date(), records: z.int().min(1).max(maxBatchRows),
  /** SHA-256 of the lines, each with its line feed, hex. */
  rows: z.string().regex(/^[0-9a-f]{64}$/),
});
export type BatchHeader = z.output<typeof headerSchema>;

const putSchema = z.strictObject({
  uscc: usccText, key: recordKey.default(""), values: z.record(z.string().max(64), z.union([z.string(), z.number(), z.boolean()])),
  /** Last day of the term of publication. */
  until: z.iso.date().optional(),
  region: z.string().regex(regionForm).optional(), sector: z.enum(sectionCodes).optional(),
});
const withdrawSchema = z.strictObject({ uscc: usccText, key: recordKey.default(""), withdraw: z.enum(withdrawalReasons) });

export type PutRow = {
  readonly row: number; readonly uscc: string; readonly key: string; readonly values: Readonly<Record<string, Value>>; readonly until: string | undefined;
  readonly region: string | undefined; readonly sector: Section | undefined; readonly withdraw: undefined;
  /** Region of the authority that gave the code. */
  readonly home: string;
};
export type WithdrawRow = { readonly row: number; readonly uscc: string; readonly key: string; readonly withdraw: WithdrawalReason };
export type BatchRow = PutRow | WithdrawRow;

/** The lines of a batch, checked one by one against the item of its header; at most one row for each record. */
export class RowCheck {
  readonly #item: CatalogueItem;
  readonly #asOf: string;
  readonly #limit: number;
  readonly #seen = new Map<string, number>();
  #count = 0;

  /** limit: most rows. Throws CATALOGUE_VERSION, CATALOGUE_UNKNOWN_ITEM, and CATALOGUE_MODE with the clause for an item that is not public. */
  constructor(header: Pick<BatchHeader, "item" | "catalogue" | "asOf">, limit = maxBatchRows) {
    this.#limit = limit;
    catalogueAt(header.catalogue); // a version that is known; what may be public is for the latest one to say
    this.#item = publicItem(header.item).item;
    this.#asOf = header.asOf;
  }

  get item(): CatalogueItem {
    return this.#item;
  }

  /** Throws PUBLIC_ROW, PUBLIC_VALUE, PUBLIC_TERM, PUBLIC_DUPLICATE, PUBLIC_LIMIT, CATALOGUE_UNKNOWN_FIELD, CATALOGUE_MODE; facts name the row, from 1. */
  take(value: unknown): BatchRow {
    const row = (this.#count += 1);
    if (row > this.#limit) throw new AppError("PUBLIC_LIMIT", { limit: this.#limit });
    const isWithdrawal = typeof value === "object" && value !== null && "withdraw" in value;
    const parsed = (isWithdrawal ? withdrawSchema : putSchema).safeParse(value);
    if (!parsed.success) throw new AppError("PUBLIC_ROW", { row, problems: parsed.error.issues.length });
    const { uscc, key } = parsed.data;
    const name = `${uscc} ${key}`;
    const before = this.#seen.get(name);
    if (before !== undefined) throw new AppError("PUBLIC_DUPLICATE", { row, before });
    this.#seen.set(name, row);
    if ("withdraw" in parsed.data) return { row, uscc, key, withdraw: parsed.data.withdraw };
    const { values, region, sector } = parsed.data;
    const home = regionOf(uscc);
    if (home === undefined) throw new AppError("PUBLIC_ROW", { row, region: false });
    this.#checkValues(values, uscc, row);
    const until = this.#term(parsed.data.until, values[termField], row);
    const classifies = region !== undefined || sector !== undefined;
    if (classifies && this.#item.id !== classifyingItem) throw new AppError("PUBLIC_ROW", { row, classification: true });
    return { row, uscc, key, values, until, region, sector, home, withdraw: undefined };
  }

  /** The last day of publication: the shorter of the two may only be the one that the row itself gives. */
  #term(until: string | undefined, stated: Value | undefined, row: number): string | undefined {
    const published = typeof stated === "string" ? stated : undefined;
    const last = until ?? published;
    if (last !== undefined && (last < this.#asOf || (published !== undefined && last > published))) throw new AppError("PUBLIC_TERM", { row });
    return last;
  }

  #checkValues(values: Readonly<Record<string, Value>>, uscc: string, row: number): void {
    const entries = Object.entries(values);
    if (entries.length === 0) throw new AppError("PUBLIC_ROW", { row, empty: true });
    for (const [id, value] of entries) {
      const field = requirePublicField(this.#item, id, row);
      const isRight = fits(field, value) && (!isOwnCode(field) || value === uscc);
      if (!isRight) throw new AppError("PUBLIC_VALUE", { item: this.#item.id, row, field: this.#item.fields.indexOf(field) + 1 });
    }
  }
}

export type Batch = { readonly header: BatchHeader; readonly item: ItemId; readonly rows: readonly BatchRow[]; readonly statement: string; readonly digest: string; readonly bytes: number };
/** The identity key (Ed25519) of a party that may sign; undefined: no such party. */
export type KeyOf = (party: string) => Promise<KeyObject | undefined>;

/**
 * Reads a batch while it streams by; memory holds its checked rows, at most `maxBatchRows` of at most `maxBatchBytes`.
 * Throws PUBLIC_FORM, PUBLIC_LIMIT, PUBLIC_SIGNATURE, PUBLIC_DAY for a day after `today`, and what `RowCheck` throws.
 */
export async function readBatch(source: AsyncIterable<Uint8Array>, options: { readonly keyOf: KeyOf; readonly party: string; readonly today: string }): Promise<Batch> {
  const whole = createHash("sha256");
  const lines = createHash("sha256");
  const rows: BatchRow[] = [];
  let bytes = 0;
  let opened: { header: BatchHeader; statement: string; check: RowCheck } | undefined;
  const measured = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > maxBatchBytes) throw new AppError("PUBLIC_LIMIT", { limit: maxBatchBytes });
      whole.update(chunk);
      yield chunk;
    }
  };
  for await (const line of linesOf(measured())) {
    if (opened === undefined) {
      const { header, statement } = await openHeader(line, options);
      opened = { header, statement, check: new RowCheck(header) };
    } else {
      lines.update(line).update("\n");
      rows.push(opened.check.take(parseLine(line, rows.length + 1)));
    }
  }
  if (opened === undefined) throw new AppError("PUBLIC_FORM");
  const { header, statement, check } = opened;
  if (rows.length !== header.records || hex(lines) !== header.rows) throw new AppError("PUBLIC_SIGNATURE", { rows: rows.length });
  return { header, item: check.item.id, rows, statement, digest: hex(whole), bytes };
}

const hex = (hash: Hash): string => hash.digest("hex");

async function openHeader(line: Buffer, options: { readonly keyOf: KeyOf; readonly party: string; readonly today: string }): Promise<{ header: BatchHeader; statement: string }> {
  if (line.length > maxHeaderBytes) throw new AppError("PUBLIC_FORM");
  const statement = line.toString("latin1");
  const key = await options.keyOf(options.party);
  let header: BatchHeader;
  try {
    if (key === undefined) throw new AppError("PUBLIC_SIGNATURE");
    const { payload, protectedHeader } = await compactVerify(statement, key, { algorithms: ["EdDSA"] });
    if (protectedHeader.typ !== batchType) throw new AppError("PUBLIC_SIGNATURE");
    header = headerSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload)));
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("PUBLIC_SIGNATURE", {}, { cause });
  }
  if (header.party !== options.party) throw new AppError("PUBLIC_SIGNATURE");
  // Clocks of two domains may stand on both sides of midnight.
  if (header.asOf > addDays(options.today, 1)) throw new AppError("PUBLIC_DAY");
  return { header, statement };
}

function parseLine(line: Buffer, row: number): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
  } catch {
    throw new AppError("PUBLIC_ROW", { row, json: false });
  }
}

/** Lines without their line feeds; the last one must have its own. */
async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      yield Buffer.concat([rest, chunk.subarray(from, at)]);
      rest = Buffer.alloc(0);
      from = at + 1;
    }
    rest = Buffer.concat([rest, chunk.subarray(from)]);
    if (rest.length > maxRowBytes) throw new AppError("PUBLIC_LIMIT", { limit: maxRowBytes });
  }
  if (rest.length > 0) throw new AppError("PUBLIC_FORM");
}

export type RowInput = z.input<typeof putSchema> | z.input<typeof withdrawSchema>;

/** A signed batch of these rows: what `readBatch` reads. Equal input and key give equal bytes. */
export async function writeBatch(rows: readonly RowInput[], header: Omit<BatchHeader, "version" | "records" | "rows">, key: KeyObject): Promise<{ bytes: Buffer; digest: string }> {
  const body = rows.map((row) => `${canonicalJson(row as Json)}\n`).join("");
  const payload = canonicalJson({ ...header, version: 1, records: rows.length, rows: sha256Hex(body) });
  const statement = await new CompactSign(new TextEncoder().encode(payload)).setProtectedHeader({ alg: "EdDSA", typ: batchType }).sign(key);
  const bytes = Buffer.from(`${statement}\n${body}`, "utf8");
  return { bytes, digest: sha256Hex(bytes) };
}
