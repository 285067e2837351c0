// How the guest splits its companies into training and test part.
import { createHash } from "node:crypto";
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { seededRng } from "../../core/rng.ts";
import { secretPermutation } from "../psi/permutation.ts";

/** "file": by the split that the guest's enclave was given; else seeded and stratified. */
export const splitSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("file") }),
  z.strictObject({ kind: z.literal("stratified"), testShare: z.number().min(0.05).max(0.8), seed: z.number().int().min(0).max(2 ** 31) }),
]).default({ kind: "stratified", testShare: 0.3, seed: 42 });
export type Split = z.output<typeof splitSchema>;

/** A seeded stratified split: the same seed gives the same parts, so that runs can be compared. */
export function stratified(label: Uint8Array, split: Split): Uint8Array {
  if (split.kind === "file") throw new AppError("JOB_PARAMS");
  const trainOf = new Uint8Array(label.length).fill(1);
  const seed = new Uint8Array(createHash("sha256").update(`yunei/split/v1|${split.seed}`).digest());
  for (const value of [0, 1]) {
    const records = Int32Array.from([...label.keys()].filter((r) => label[r] === value));
    const order = secretPermutation(records.length, seededRng(seed, `split/${value}`));
    const tests = Math.round(records.length * split.testShare);
    for (let k = 0; k < tests; k++) trainOf[records[order[k] ?? 0] ?? 0] = 0;
  }
  return trainOf;
}
