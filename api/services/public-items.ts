// Intake of public items: a signed batch of one item from a party that the operator has named as its source. The whole batch or nothing, once.
import { createPublicKey, X509Certificate, type KeyObject } from "node:crypto";
import type { Readable } from "node:stream";
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { partyIdSchema } from "../../core/names.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { classifyingItem, readBatch, withdrawalReasons, type Batch, type BatchRow, type PutRow } from "../../public-credit/batch.ts";
import { dayAt } from "../../public-credit/places.ts";
import type { BatchOutcome } from "../contract/public-credit.ts";
import type { Platform } from "../platform.ts";
import type { Tx } from "../store/database.ts";
import { dropReportsOn } from "../store/credit-reports.ts";
import { findCertificates } from "../store/parties.ts";
import {
  addBatch, ensurePublicCounter, eraseHistory, findBatch, findClassification, findOverdue, findPublicRows, findRowsOfSubjects, isSource, lockPublic, replacePublicRows,
  setPublicChange, valuesOf, type PublicRow,
} from "../store/public-items.ts";
import type { InFlight } from "./in-flight.ts";

export type BatchPut = { readonly digest: string; readonly bytes: number; readonly source: AsyncIterable<Uint8Array> | Readable };
const overduePage = 500;

/** Throws PUBLIC_*, CATALOGUE_* with the row and the clause, REQUEST_LENGTH, PLATFORM_BUSY. */
export async function putPublicBatch(platform: Platform, inFlight: InFlight, party: PartyId, put: BatchPut): Promise<BatchOutcome> {
  const { db, env } = platform;
  return inFlight.during(put.bytes, async () => {
    const batch = await readBatch(put.source, { party, today: dayAt(env.now()), keyOf: (name) => identityKey(db.read, name) });
    if (batch.bytes !== put.bytes) throw new AppError("REQUEST_LENGTH", { declared: put.bytes, received: batch.bytes });
    if (batch.digest !== put.digest) throw new AppError("PUBLIC_DIGEST");
    await ensurePublicCounter(db);
    return db.write((tx) => storeBatch(tx, party, batch, new Date(env.now())));
  });
}

async function identityKey(tx: Tx, party: string): Promise<KeyObject | undefined> {
  const certificates = await findCertificates(tx, party);
  return certificates === undefined ? undefined : createPublicKey(new X509Certificate(certificates.identityCertificate).publicKey.export({ format: "pem", type: "spki" }));
}

async function storeBatch(tx: Tx, party: PartyId, batch: Batch, now: Date): Promise<BatchOutcome> {
  const { header, item } = batch;
  const head = await lockPublic(tx);
  const known = await findBatch(tx, batch.digest);
  if (known !== undefined) return known;
  if (!(await isSource(tx, party, item))) throw new AppError("PUBLIC_SOURCE", { item });
  const change = await changesOf(tx, party, batch, now, head);
  await replacePublicRows(tx, change.before, change.after);
  await erase(tx, change.after.filter((row) => row.withdrawnAt !== null));
  await setPublicChange(tx, head + change.after.length);
  const { added, corrected, withdrawn, repeated } = change;
  const { catalogue, asOf, records } = header;
  const outcome: BatchOutcome = { digest: batch.digest, party, item, catalogue, asOf, records, added, corrected, withdrawn, repeated, receivedAt: now.toISOString() };
  await addBatch(tx, outcome, { bytes: batch.bytes, statement: batch.statement });
  return outcome;
}

type Change = { before: PublicRow[]; after: PublicRow[]; added: number; corrected: number; withdrawn: number; repeated: number };

const idOf = (party: string, item: string, { uscc, key }: Pick<BatchRow, "uscc" | "key">): string => sha256Hex(canonicalJson([party, item, uscc, key]));

async function changesOf(tx: Tx, party: PartyId, batch: Batch, now: Date, head: number): Promise<Change> {
  const { header, item, rows } = batch;
  const stored = new Map((await findPublicRows(tx, rows.map((row) => idOf(party, item, row)))).map((row) => [row.id, row]));
  const subjects = [...new Set(rows.map((row) => row.uscc))];
  const places = item === classifyingItem ? new Map<string, Place>() : await findClassification(tx, subjects, classifyingItem);
  const change: Change = { before: [], after: [], added: 0, corrected: 0, withdrawn: 0, repeated: 0 };
  const push = (before: PublicRow | undefined, after: Omit<PublicRow, "change">): void => {
    if (before !== undefined) change.before.push(before);
    change.after.push({ ...after, change: head + change.after.length + 1 });
  };
  for (const row of rows) {
    const before = stored.get(idOf(party, item, row));
    if (before !== undefined && before.asOf > header.asOf) throw new AppError("PUBLIC_OUTDATED", { row: row.row });
    if (row.withdraw !== undefined) {
      if (before === undefined) throw new AppError("PUBLIC_UNKNOWN_RECORD", { row: row.row });
      if (before.withdrawnAt !== null) change.repeated += 1;
      else {
        push(before, withdrawnRow(before, row.withdraw, header.asOf, batch.digest, now));
        change.withdrawn += 1;
      }
      continue;
    }
    if (before !== undefined && before.withdrawnAt !== null) throw new AppError("PUBLIC_WITHDRAWN", { row: row.row });
    const after = publishedRow(party, batch, row, before, places.get(row.uscc), now);
    if (before !== undefined && isSame(before, after)) change.repeated += 1;
    else {
      push(before, after);
      change[before === undefined ? "added" : "corrected"] += 1;
    }
  }
  if (item === classifyingItem) await reclassify(tx, rows, stored, batch, now, push);
  return change;
}

type Place = { readonly region: string; readonly sector: string | null };

function publishedRow(party: PartyId, batch: Batch, row: PutRow, before: PublicRow | undefined, place: Place | undefined, now: Date): Omit<PublicRow, "change"> {
  const values = canonicalJson(row.values);
  return {
    id: idOf(party, batch.item, row), partyId: party, item: batch.item, subject: row.uscc, recordKey: row.key,
    region: row.region ?? place?.region ?? before?.region ?? row.home, sector: row.sector ?? place?.sector ?? before?.sector ?? null,
    values, digest: sha256Hex(values), asOf: batch.header.asOf, until: row.until ?? null, version: (before?.version ?? 0) + 1, batch: batch.digest,
    publishedAt: before?.publishedAt ?? now, changedAt: now, withdrawnAt: null, reason: null,
  };
}

/** Says the same; a later day alone is no change. */
function isSame(before: PublicRow, after: Omit<PublicRow, "change">): boolean {
  return before.digest === after.digest && before.until === after.until && before.region === after.region && before.sector === after.sector;
}

function withdrawnRow(before: PublicRow, reason: string, asOf: string, batch: string, now: Date): Omit<PublicRow, "change"> {
  return { ...before, values: null, digest: "", asOf, version: before.version + 1, batch, changedAt: now, withdrawnAt: now, reason };
}

/** Other records of a company go along when the register says that it moved, or what it does: subscriptions by region and section see them. */
async function reclassify(tx: Tx, rows: readonly BatchRow[], stored: ReadonlyMap<string, PublicRow>, batch: Batch, now: Date, push: (before: PublicRow, after: Omit<PublicRow, "change">) => void): Promise<void> {
  const moved = new Map(rows.flatMap((row) => (row.withdraw === undefined && (row.region ?? row.sector) !== undefined ? [[row.uscc, row] as const] : [])));
  if (moved.size === 0) return;
  for (const other of await findRowsOfSubjects(tx, [...moved.keys()])) {
    const place = moved.get(other.subject);
    if (place === undefined || stored.has(other.id)) continue;
    const [region, sector] = [place.region ?? other.region, place.sector ?? other.sector];
    if (region !== other.region || sector !== other.sector) push(other, { ...other, region, sector, version: other.version + 1, batch: batch.digest, changedAt: now });
  }
}

/** Withdraws records whose term of publication is over. May be interrupted and run again. */
export async function withdrawOverdue(platform: Platform): Promise<void> {
  const { db, env } = platform;
  const day = dayAt(env.now());
  if ((await findOverdue(db.read, day, 1)).length === 0) return;
  await ensurePublicCounter(db);
  await db.write(async (tx) => {
    const head = await lockPublic(tx);
    const before = await findOverdue(tx, day, overduePage);
    const now = new Date(env.now());
    const after = before.map((row, i) => ({ ...withdrawnRow(row, "expired", row.asOf, row.batch, now), change: head + i + 1 }));
    await replacePublicRows(tx, before, after);
    await erase(tx, after);
    await setPublicChange(tx, head + after.length);
  });
}

/** The values of withdrawn records, wherever the platform has them: in their history, and in the texts of reports. */
async function erase(tx: Tx, withdrawn: readonly PublicRow[]): Promise<void> {
  if (withdrawn.length === 0) return;
  await eraseHistory(tx, withdrawn.map((row) => row.id));
  await dropReportsOn(tx, withdrawn.map((row) => row.subject), new Date(Math.min(...withdrawn.map((row) => row.publishedAt.getTime()))));
}

/** A record as the company itself sees it. */
export function ownRecord(row: PublicRow) {
  const { recordKey: key, asOf, until, version } = row;
  return {
    item: itemIdSchema.parse(row.item), key, source: partyIdSchema.parse(row.partyId), asOf, until, version, publishedAt: row.publishedAt.toISOString(),
    changedAt: row.changedAt.toISOString(), withdrawn: withdrawalReasons.find((reason) => reason === row.reason) ?? null, values: valuesOf(row),
  };
}
