// The configuration of an enclave: one JSON file in its folder, written by `enclave init`, edited by its operator.
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "../core/errors.ts";
import { partyIdSchema } from "../core/names.ts";
import { datasetDefinitionSchema } from "./data/definition.ts";
import { readBytes } from "../core/files.ts";

export const refreshSchema = z.strictObject({
  /** Whether files that change are loaded by themselves; otherwise by `yunei enclave refresh` alone. */
  automatic: z.boolean().default(true),
  /** How often the files are looked at, and how long they have to stay as they are before they are loaded. */
  everySeconds: z.number().int().min(1).max(86_400).default(60),
  settleSeconds: z.number().int().min(0).max(86_400).default(10),
  /** Fewer companies than so many percent of those in service are taken by a person's word alone. */
  leastRowsPercent: z.number().min(0).max(100).default(50),
});

export const enclaveConfigSchema = z.strictObject({
  version: z.literal(1),
  party: partyIdSchema,
  /** https://host:port of the platform's enclave listener. */
  platform: z.url(),
  dataset: datasetDefinitionSchema,
  /** Folder that holds the dataset's files; the only place that the data engine may read. */
  dataFolder: z.string().min(1),
  /** CSV `id,part` with train/test, for jobs that split by file. */
  splitFile: z.string().optional(),
  splitIdColumn: z.string().optional(),
  /** As a provider: guests with much smaller sets may keep its tags (federation/psi/README.md). */
  reusableTags: z.boolean().optional(),
  /** The data are no information of the sharing lists but the party's own: without outcomes and with credit codes they would need a declaration. */
  ownData: z.boolean().optional(),
  workers: z.number().int().min(1).max(64).default(2),
  /** Lets plans lift noise, caps and floors: for a sandbox, where all parties are one person's files. */
  experiments: z.boolean().optional(),
  /** A slower connection to the platform, for measurements (transport/network.ts). */
  network: z.strictObject({ latencyMs: z.number().min(0).max(10_000).default(0), mbitPerSecond: z.number().min(0.01).max(100_000).optional() }).optional(),
  /** Data-quality checks (quality/README.md): hours between runs, the data engine's memory for them, and whether rates go to the platform. */
  quality: z.strictObject({ everyHours: z.number().min(1).max(8760).default(24), memoryMb: z.number().int().min(64).max(65_536).default(512), publish: z.boolean().default(true) }).optional(),
  /** As a provider: tells the platform which items its finished jobs used (federation/feedback/README.md). */
  publishUsage: z.boolean().optional(),
  /** Tells the platform each month how far what was scored is from training, per model, as indices (monitoring/README.md). */
  publishStability: z.boolean().optional(),
  peerTimeoutSeconds: z.number().int().min(5).max(7 * 86_400).default(86_400),
  /** New data without a restart (refresh/README.md). */
  refresh: refreshSchema.optional(),
});
export type EnclaveConfig = z.output<typeof enclaveConfigSchema>;
export type RefreshConfig = z.output<typeof refreshSchema>;

/** Where things are in an enclave's folder. */
export function enclavePaths(folder: string) {
  return {
    config: join(folder, "enclave.json"), policy: join(folder, "policy.json"), operators: join(folder, "operators.json"), operatorKeys: join(folder, "operators"), keys: join(folder, "keys"),
    state: join(folder, "state", "state.db"), lock: join(folder, "state", "lock.db"), box: join(folder, "keys", "state.key"), witness: join(folder, "keys", "witness.key"), inbox: join(folder, "state", "inbox"), tags: join(folder, "state", "tags"),
    consents: join(folder, "consents"), revocations: join(folder, "revocations"), results: join(folder, "results"), models: join(folder, "models"),
  } as const;
}

/** Throws ENCLAVE_CONFIG. */
export function readConfig(folder: string): EnclaveConfig {
  try {
    return enclaveConfigSchema.parse(JSON.parse(Buffer.from(readBytes(enclavePaths(folder).config)).toString("utf8")));
  } catch (cause) {
    throw new AppError("ENCLAVE_CONFIG", {}, { cause });
  }
}
