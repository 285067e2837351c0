// The enclave's own data set as its jobs name it.
import { createHmac } from "node:crypto";
import type { Log } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { readBytes } from "../../core/files.ts";
import type { EnclaveConfig } from "../config.ts";
import { loadDataset, type LoadedDataset } from "./load.ts";

/** Secret of this enclave under which ids and versions of its data are remembered. box: file of its state key. */
export function memoryKeyOf(box: string): Uint8Array {
  return new Uint8Array(createHmac("sha256", readBytes(box)).update("yunei/memory/v1").digest());
}

/** Information about companies by their credit codes says which items of the sharing catalogue it is of, unless it is the party's own or has
 *  outcomes (a bank's). Opaque ids name nobody that another source knows. */
export function lacksDeclaration({ dataset, ownData }: Pick<EnclaveConfig, "dataset" | "ownData">): boolean {
  const isProviders = dataset.idKind === "uscc" && dataset.labelColumn === undefined;
  return isProviders && dataset.catalogue === undefined && ownData !== true;
}

/** Throws CATALOGUE_UNDECLARED for data that lack their declaration. */
export function requireDeclaration(config: Pick<EnclaveConfig, "dataset" | "ownData">): void {
  if (lacksDeclaration(config)) throw new AppError("CATALOGUE_UNDECLARED");
}

/** Loads the data. Its digest is keyed: a published digest of a small table could otherwise be found by trying tables. */
export async function loadOwn(config: Pick<EnclaveConfig, "dataset" | "dataFolder" | "ownData">, memoryKey: Uint8Array, log: Log, signal?: AbortSignal): Promise<LoadedDataset> {
  requireDeclaration(config);
  const loaded = await loadDataset(config.dataset, { directory: config.dataFolder, log, signal });
  return { ...loaded, snapshotDigest: createHmac("sha256", memoryKey).update(`yunei/snapshot/v1|${loaded.snapshotDigest}`).digest("hex") };
}
