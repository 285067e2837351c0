// Companies, keys and batches for tests of the public part.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { assert } from "chai";
import { AppError, type Code, type Facts } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { writeBatch, type RowInput } from "../../public-credit/batch.ts";
import type { ReportInput, ReportRecord } from "../../public-credit/report/compose.ts";

/** The n-th made-up company registered in a region. */
export function usccOf(n: number, region = "110105"): string {
  const first17 = `91${region}MA${String(n).padStart(7, "0")}`;
  return `${first17}${usccCheckCharacter(first17) ?? ""}`;
}

export const registry = partyId("registry");
export const basic = itemIdSchema.parse("registry.basic");
export const penalties = itemIdSchema.parse("administrative.penalties");

export function newSigner(): { key: KeyObject; publicKey: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { key: privateKey, publicKey };
}

type Header = Partial<Parameters<typeof writeBatch>[1]>;
/** A signed batch of "registry". */
export function batchOf(rows: readonly RowInput[], key: KeyObject, header: Header = {}): Promise<{ bytes: Buffer; digest: string }> {
  return writeBatch(rows, { party: registry, item: basic, catalogue: "2024-15", asOf: "2026-01-04", ...header }, key);
}

/** In pieces of a size that cuts lines and characters. */
export async function* inPieces(bytes: Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function refused(work: Promise<unknown>, code: Code, facts: Facts = {}): Promise<void> {
  try {
    await work;
  } catch (error) {
    assert.instanceOf(error, AppError);
    assert.equal(error.code, code);
    assert.deepInclude(error.facts, facts);
    return;
  }
  assert.fail(`no ${code}`);
}

export const hostileName = '北京<script>alert("1")</script>&\u0027堃喆䶮㛃𬭎𠮷机械有限公司';

export function recordOf(item: string, values: ReportRecord["values"], more: Partial<ReportRecord> = {}): ReportRecord {
  const at = Date.parse("2026-01-02T00:00:00Z");
  return { item, party: registry, key: "", values, asOf: "2026-01-01", until: null, version: 1, publishedAt: at, changedAt: at, region: "110105", sector: "C", ...more };
}

export function inputOf(records: readonly ReportRecord[], more: Partial<ReportInput> = {}): ReportInput {
  return {
    uscc: usccOf(1), number: `CR20260105-${"0a".repeat(12)}`, at: Date.parse("2026-01-05T00:00:00Z"), purpose: "loan-approval", requester: "示范银行", records, more: new Map(),
    sourced: new Set<string>([basic]), marks: [], ...more,
  };
}
