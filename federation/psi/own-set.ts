// What a party does with its own set before anything is sent: checks, and the digest by which a host knows it again.
import { createHmac } from "node:crypto";
import type { EntityId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { inSlices, sortedInSlices } from "../../core/slices.ts";
import { chunkRange } from "./chunks.ts";
import { maxSetSize } from "./messages.ts";

/** Throws PSI_EMPTY_SET, PSI_SET_TOO_LARGE or PSI_DUPLICATE_ID. */
export async function checkOwnSet(ids: readonly EntityId[]): Promise<void> {
  if (ids.length === 0) throw new AppError("PSI_EMPTY_SET");
  if (ids.length > maxSetSize) throw new AppError("PSI_SET_TOO_LARGE", { size: ids.length, limit: maxSetSize });
  const different = new Set<EntityId>();
  await inSlices(ids.length, (from, to) => {
    for (let i = from; i < to; i++) different.add(ids[i] as EntityId);
  });
  const duplicates = ids.length - different.size;
  if (duplicates > 0) throw new AppError("PSI_DUPLICATE_ID", { duplicates });
}

/** 32 bytes that are equal for equal sets (in any order) under one secret. Keyed, because ids are public numbers: a host
 *  that could compute the digest itself would try sets until one fits. */
export async function setDigest(ids: readonly EntityId[], secret: Uint8Array): Promise<Uint8Array> {
  if (secret.length < 32) throw new RangeError("a set secret has at least 32 bytes");
  const mac = createHmac("sha256", secret).update("yunei/psi/set/v1\n");
  // JSON text of an id holds no line break, so that two different sets never give one text.
  const sorted = await sortedInSlices(ids);
  await inSlices(sorted.length, (from, to) => {
    let text = "";
    for (let i = from; i < to; i++) text += `${JSON.stringify(sorted[i])}\n`;
    mac.update(text);
  });
  return new Uint8Array(mac.digest());
}

/** The ids of chunk `index` of a set in its secret order. */
export function shuffledChunk(ids: readonly EntityId[], order: Int32Array, index: number): EntityId[] {
  return Array.from(order.subarray(...chunkRange(ids.length, index)), (at) => ids[at] as EntityId);
}
