// Process entry of an enclave: `node enclave/main.ts FOLDER`. Builds the real randomness, clock and log, opens what the
// worker needs, prints one JSON line when ready, stops on SIGTERM and SIGINT.
import { z } from "zod";
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { weighExternalMemory } from "../core/heap.ts";
import { stderrLog } from "../core/log.ts";
import { systemRng } from "../core/rng.ts";
import type { DatasetSummary } from "../federation/plan-schema.ts";
import { CurvePool } from "../federation/psi/curve-pool.ts";
import { kkrtIntersection } from "../federation/kkrt/kkrt.ts";
import { ecdhIntersection } from "../federation/psi/ecdh.ts";
import { createKernels } from "../kernels/kernels.ts";
import { enclavePaths, readConfig } from "./config.ts";
import { activeLayers } from "./confinement.ts";
import { loadOwn, memoryKeyOf } from "./data/own.ts";
import { SecretBox } from "./keys/box.ts";
import { loadIdentity } from "./keys/identity.ts";
import { readSplit } from "./split.ts";
import { StateDatabase } from "./store/database.ts";
import { lockFolder } from "./store/lock.ts";
import { HttpPlatform } from "./transport/http.ts";
import { EnclaveWorker, placeOf } from "./worker.ts";

const log = stderrLog("info");

async function main(folder: string): Promise<void> {
  weighExternalMemory();
  const env: Env = { rng: systemRng, now: Date.now, log };
  const config = readConfig(folder);
  const paths = enclavePaths(folder);
  const layers = activeLayers();
  log.info("protection", Object.fromEntries(layers.map((l) => [l.name, l.active])));
  const identity = loadIdentity(paths.keys, config.party);
  const box = SecretBox.open(paths.box, env.rng);
  const memoryKey = memoryKeyOf(paths.box);
  const dataset = await loadOwn(config, memoryKey, log);
  const trainOf = config.splitFile === undefined ? undefined : await readSplit(config.splitFile, dataset.ids, {
    directory: config.dataFolder, idColumn: config.splitIdColumn ?? config.dataset.idColumn, idKind: config.dataset.idKind, log,
  });
  const summary: DatasetSummary = {
    name: publicName(config.dataset.name), rows: dataset.rows, features: dataset.features.length,
    labelled: dataset.label !== undefined, snapshotDigest: dataset.snapshotDigest,
    ...(config.reusableTags === true ? { reusable: true } : {}),
  };
  using held = new DisposableStack();
  held.use(lockFolder(paths.lock));
  const db = held.use(new StateDatabase(paths.state));
  await using kernels = createKernels({ threads: config.workers });
  await using curve = new CurvePool({ workers: config.workers });
  await using platform = new HttpPlatform({ url: config.platform, key: identity.tlsKey, certificate: identity.tlsCertificate, ca: identity.ca, network: config.network });
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort(new AppError("JOB_CANCELLED")));
  const worker = new EnclaveWorker({
    folder, config, env, identity, db, box, platform, kernels, curve, intersections: { ecdh: ecdhIntersection(curve), kkrt: kkrtIntersection() }, dataset, summary, trainOf, layers, memoryKey,
  });
  process.stdout.write(`${JSON.stringify({ event: "ready", party: config.party, rows: dataset.rows, layers })}\n`);
  await worker.serve(stop.signal);
}

/** Data set names are free text at the provider; the plan wants a short public one. */
function publicName(name: string): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9_-]/g, "-").slice(0, 64);
  return z.string().regex(/^[a-z]/).safeParse(plain).success ? plain : `data-${plain}`.slice(0, 64);
}

// An error that nobody caught is written down by its place alone: its text may quote data.
for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.once(event, (error: unknown) => {
    log.error("crashed", { at: placeOf(error) });
    process.exit(1);
  });
}

const [folder] = process.argv.slice(2);
try {
  if (folder === undefined) throw new AppError("ENCLAVE_CONFIG");
  await main(folder);
} catch (error) {
  const code = error instanceof AppError ? error.code : "JOB_INTERNAL";
  log.error("stopped", { code, ...(error instanceof AppError ? error.facts : { at: placeOf(error) }) });
  process.stdout.write(`${JSON.stringify({ event: "failed", code, facts: error instanceof AppError ? error.facts : {} })}\n`);
  process.exitCode = 1;
}
