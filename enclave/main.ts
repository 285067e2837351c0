// Process entry of an enclave: `node enclave/main.ts FOLDER`. Builds the real randomness, clock and log, opens what the
// worker needs, prints one JSON line when ready, stops on SIGTERM and SIGINT.
import type { Env } from "../core/env.ts";
import { AppError } from "../core/errors.ts";
import { weighExternalMemory } from "../core/heap.ts";
import { lockFolder } from "../core/lock.ts";
import { stderrLog } from "../core/log.ts";
import { systemRng } from "../core/rng.ts";
import { CurvePool } from "../federation/psi/curve-pool.ts";
import { kkrtIntersection } from "../federation/kkrt/kkrt.ts";
import { ecdhIntersection } from "../federation/psi/ecdh.ts";
import { createKernels } from "../kernels/kernels.ts";
import { enclavePaths, readConfig } from "./config.ts";
import { openReportDesk, startDuties } from "./duties.ts";
import { activeLayers } from "./confinement.ts";
import { HeadExchange } from "./audit/heads.ts";
import { openEnclaveAudit, ticking } from "./audit/open.ts";
import { Sent } from "./audit/sent.ts";
import { loadApart } from "./data/apart.ts";
import { memoryKeyOf } from "./data/own.ts";
import { ConsentDesk } from "./consents/desk.ts";
import { SecretBox } from "./keys/box.ts";
import { certificatesEnd, loadIdentity } from "./keys/identity.ts";
import { largestBatch } from "./drift/batches.ts";
import { developmentOf } from "./outcomes/development.ts";
import { GivenScores, modelDigests } from "./outcomes/scores.ts";
import { openWitnessKey } from "./receipts/witnessing.ts";
import { readPolicy, type Policy } from "./policy.ts";
import { filesStamp } from "./refresh/files.ts";
import { startRefresher, versionOf } from "./refresh/refresher.ts";
import { RefreshStore } from "./refresh/store.ts";
import { DataVersions } from "./refresh/versions.ts";
import { StateDatabase } from "./store/database.ts";
import { startLogCheckpoints } from "./store/log-checkpoints.ts";
import { openTags } from "./tags/shelves.ts";
import { LiveConnection } from "./transport/live.ts";
import { HttpPlatform } from "./transport/http.ts";
import { placeOf } from "./fault.ts";
import { EnclaveWorker } from "./worker.ts";

const log = stderrLog("info");

async function main(folder: string): Promise<void> {
  weighExternalMemory();
  const env: Env = { rng: systemRng, now: Date.now, log };
  const config = readConfig(folder);
  const paths = enclavePaths(folder);
  const layers = activeLayers();
  log.info("protection", Object.fromEntries(layers.map((l) => [l.name, l.active])));
  const identity = loadIdentity(paths.keys, config.party);
  const daysLeft = Math.floor((certificatesEnd(identity) - env.now()) / 86_400_000);
  if (daysLeft < 30) log.warn("certificates-end", { days: daysLeft });
  const box = SecretBox.open(paths.box, env.rng);
  const memoryKey = memoryKeyOf(paths.box);
  const loadedStamp = await filesStamp(config);
  const data = new DataVersions(versionOf(config, await loadApart(config, memoryKey, { log }), policyOf(paths.policy)));
  using held = new DisposableStack();
  held.use(lockFolder(paths.lock, "ENCLAVE_STATE"));
  const db = held.use(new StateDatabase(paths.state));
  await using audited = ticking(await openEnclaveAudit({ folder, identity, memoryKey, env }), env);
  const audit = audited.trail;
  await using kernels = createKernels({ threads: config.workers });
  await using curve = new CurvePool({ workers: config.workers });
  await using platform = new HttpPlatform({ url: config.platform, key: identity.tlsKey, certificate: identity.tlsCertificate, ca: identity.ca, network: config.network, sent: new Sent(audit, env.rng) });
  using live = new LiveConnection({ url: config.platform, key: identity.tlsKey, certificate: identity.tlsCertificate, ca: identity.ca, log });
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort(new AppError("JOB_CANCELLED")));
  const consents = config.dataset.idKind !== "uscc" ? undefined : new ConsentDesk({
    db, box, memoryKey, env, platform, ca: identity.ca, folders: { consents: paths.consents, revocations: paths.revocations }, registrars: () => policyOf(paths.policy)?.registrars,
  });
  const worker = new EnclaveWorker({
    folder, config, env, identity, db, box, platform, kernels, curve, intersections: { ecdh: ecdhIntersection(curve), kkrt: kkrtIntersection() }, data, layers, memoryKey, consents, rights: platform,
    audit, live, evaluation: { desk: openReportDesk({ folder, env, db, audit, reports: platform }), platform }, heads: new HeadExchange({ audit, platform, ca: identity.ca, env }), log: platform, witness: openWitnessKey(paths.witness, config.party),
  });
  process.stdout.write(`${JSON.stringify({ event: "ready", party: config.party, rows: data.current.summary.rows, layers })}\n`);
  await using beside = new AsyncDisposableStack();
  beside.use(startLogCheckpoints(db, log));
  beside.use(startDuties({ folder, config, env, db, box, audit, reports: platform, policy: () => policyOf(paths.policy),
    drift: {
      scores: new GivenScores({ db, box, memoryKey }), batch: (model, month) => largestBatch({ db, results: paths.results }, model, month),
      development: (digest) => developmentOf(digest, { db, box, results: paths.results, data: async () => data.current.dataset }), digestOf: (model) => modelDigests(db).get(model),
    } }));
  const { made } = openTags({ db, box, rng: env.rng, folder: paths.tags });
  beside.use(startRefresher({
    config, env, memoryKey, store: new RefreshStore(db), data, audit, platform, policy: () => policyOf(paths.policy), loadedStamp, pinned: () => worker.pinned(), sweep: (snapshots) => made.sweep(...snapshots),
  }));
  await worker.serve(stop.signal);
}

/** A policy that cannot be read allows nothing: every job says so. */
function policyOf(path: string): Policy | undefined {
  try {
    return readPolicy(path);
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
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
