// The snapshot digest: SHA-256 over what was loaded, whatever file it came from. Equal ids, labels and features in equal
// order give an equal digest (CSV or Parquet); one changed cell another one. Receipts and resumed jobs name it.
import { createHash } from "node:crypto";
import { canonicalJson } from "../../core/canonical.ts";
import type { EntityId } from "../../core/brand.ts";
import type { Feature } from "../../models/features.ts";

const idBlock = 4096;

/** Lower-case hex. Arrays enter as little-endian bytes; NaN has one bit pattern by the writers. */
export function snapshotDigest(ids: readonly EntityId[], label: Uint8Array | undefined, features: readonly Feature[]): string {
  const hash = createHash("sha256");
  const shape = features.map((f) => ({ kind: f.kind, name: f.name, codes: [...(f.kind === "numeric" ? f.special : f.levels)] }));
  // The head fixes the length of everything that follows; ids hold no line feeds.
  hash.update(`${canonicalJson({ version: 1, rows: ids.length, label: label !== undefined, features: shape })}\n`);
  for (let at = 0; at < ids.length; at += idBlock) hash.update(`${ids.slice(at, at + idBlock).join("\n")}\n`);
  if (label !== undefined) hash.update(label);
  for (const feature of features) hash.update(bytesOf(feature.kind === "numeric" ? feature.values : feature.codes));
  return hash.digest("hex");
}

function bytesOf(array: Float64Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
