// Enclave workers of three parties in this process, on folders and state databases of their own, over an exchange in memory.
// Killing one drops its objects in the middle of whatever it does; only its folder remains, as after kill -9.
import { createHmac, generateKeyPairSync } from "node:crypto";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import type { JobId, PartyId } from "../../core/brand.ts";
import type { Env } from "../../core/env.ts";
import { noAudit } from "./no-audit.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, type EnclaveConfig } from "../../enclave/config.ts";
import { ConsentDesk } from "../../enclave/consents/desk.ts";
import type { FeatureTableDefinition } from "../../enclave/data/definition.ts";
import { loadDataset, type LoadedDataset } from "../../enclave/data/load.ts";
import { Records } from "../../enclave/data/records.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { readPolicy } from "../../enclave/policy.ts";
import { StateDatabase, type Row } from "../../enclave/store/database.ts";
import { summaryOf } from "../../enclave/summary.ts";
import type { ConsentPlatform } from "../../enclave/transport/consents.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import type { LogPlatform } from "../../enclave/transport/log.ts";
import { DataVersions, type Version } from "../../enclave/refresh/versions.ts";
import { EnclaveWorker } from "../../enclave/worker.ts";
import type { DatasetSummary, JobPlan } from "../../federation/plan-schema.ts";
import { CurvePool } from "../../federation/psi/curve-pool.ts";
import { kkrtIntersection } from "../../federation/kkrt/kkrt.ts";
import { ecdhIntersection } from "../../federation/psi/ecdh.ts";
import type { Kernels } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { bank, Ca, planOf, power, sealTo, tax, temporaryFolder } from "./enclave.ts";
import { Exchange } from "./exchange.ts";
import { keptLog } from "./platform.ts";
import { eventually } from "./process.ts";
import { smallTables, type TableOptions } from "./tables.ts";

export const parties = [bank, tax, power] as const;
/** A transparency log that never answers: no job waits for it. */
const never = (_: unknown, signal: AbortSignal): Promise<never> => new Promise((_resolve, reject) => {
  signal.addEventListener("abort", () => reject(new AppError("JOB_PLATFORM_UNREACHABLE")), { once: true });
});
const quietLog: LogPlatform = {
  putReceipt: never, placeOf: never, putWitness: never, refuseCheckpoint: never,
  offer: (old, _, signal) => never(old, signal), cosign: (checkpoint, _, signal) => never(checkpoint, signal),
};
type Running = { readonly stop: AbortController; readonly served: Promise<void>; readonly db: StateDatabase; readonly data: DataVersions; readonly worker: EnclaveWorker; failure: unknown };

/** The data and the keys: made once for many worlds. */
export class Stock implements AsyncDisposable {
  readonly datasets: ReadonlyMap<PartyId, LoadedDataset>;
  readonly kernels: Kernels = createKernels({ threads: 1 });
  readonly curve = new CurvePool({ workers: 1 });
  readonly ca: Ca;
  readonly definitions: ReadonlyMap<PartyId, FeatureTableDefinition>;

  private constructor(ca: Ca, datasets: ReadonlyMap<PartyId, LoadedDataset>, definitions: ReadonlyMap<PartyId, FeatureTableDefinition>) {
    this.ca = ca;
    this.datasets = datasets;
    this.definitions = definitions;
  }

  /** declared: the companies are named by credit codes (`id` gives them), and these parties say what their tables hold. */
  static async make(options: TableOptions & { readonly declared?: Readonly<Record<string, FeatureTableDefinition["catalogue"]>> } = {}): Promise<Stock> {
    using folder = temporaryFolder();
    const tables = smallTables(options);
    const datasets = new Map<PartyId, LoadedDataset>();
    const { declared } = options;
    const definitions = new Map(parties.map((p) => [p, declared === undefined ? definitionOf(p) : { ...definitionOf(p), idKind: "uscc" as const, ...(declared[p] && { catalogue: declared[p] }) }]));
    for (const party of parties) {
      writeFileSync(join(folder.path, `${party}.csv`), tables[party as keyof typeof tables]);
      datasets.set(party, await loadDataset(definitions.get(party) ?? assert.fail(party), { directory: folder.path, log: keptLog([]) }));
    }
    return new Stock(await Ca.create(), datasets, definitions);
  }
  summaryOf(party: PartyId): DatasetSummary {
    const data = this.datasets.get(party) ?? assert.fail(party);
    const dataset = this.definitions.get(party) ?? assert.fail(party);
    if (dataset.idKind === "uscc") return summaryOf({ dataset } as EnclaveConfig, data, undefined);
    return { name: party, rows: data.rows, features: data.features.length, labelled: data.label !== undefined, snapshotDigest: data.snapshotDigest };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kernels[Symbol.asyncDispose]();
    await this.curve[Symbol.asyncDispose]();
  }
}

function definitionOf(party: PartyId): FeatureTableDefinition {
  return { name: party, idColumn: "ent_id", idKind: "opaque", features: { file: `${party}.csv` }, columns: {}, missingTokens: [""], ...(party === bank ? { labelColumn: "y" } : {}) };
}

export class Workers implements AsyncDisposable {
  readonly exchange = new Exchange();
  readonly logs: string[] = [];
  readonly identities = new Map<PartyId, Identity>();
  /** What a party says of its data in place of the truth; another digest is another version of it. */
  readonly said = new Map<PartyId, Partial<DatasetSummary>>();
  readonly #stock: Stock;
  readonly #root = temporaryFolder();
  readonly #running = new Map<PartyId, Running>();
  peerTimeoutSeconds = 600;
  /** Plans may lift noise, caps and floors. */
  experiments = false;
  /** The platform's part in authorisation, where companies are named. */
  consents: ((party: PartyId) => ConsentPlatform) | undefined;

  private constructor(stock: Stock) {
    this.#stock = stock;
  }

  /** Enrolled parties with policies that allow this guest; nobody is running yet. */
  static async make(stock: Stock): Promise<Workers> {
    const workers = new Workers(stock);
    for (const party of parties) {
      const paths = enclavePaths(workers.folder(party));
      mkdirSync(paths.keys, { recursive: true, mode: 0o700 });
      const identity = await stock.ca.enrol(paths.keys, party);
      workers.identities.set(party, identity);
      workers.exchange.certificates.set(party, identity.identityCertificate);
      workers.setPolicy(party, { allow: [{ guest: "bank", kinds: ["scorecard", "score"], purposes: ["model-development"], approve: "auto", sealTo: sealTo.x }] });
    }
    return workers;
  }

  summaryOf(party: PartyId): DatasetSummary {
    return { ...this.#stock.summaryOf(party), ...this.said.get(party) };
  }
  versionOf(party: PartyId): Version {
    const dataset = this.#stock.datasets.get(party) ?? assert.fail(party);
    const summary = this.summaryOf(party);
    return { dataset: { ...dataset, snapshotDigest: summary.snapshotDigest }, summary, trainOf: undefined };
  }
  /** Puts other data with this digest in service while the worker runs: nobody's. */
  refresh(party: PartyId, snapshotDigest: string): DataVersions {
    const { data, worker } = this.#running.get(party) ?? assert.fail(party);
    this.said.set(party, { ...this.said.get(party), snapshotDigest });
    const { dataset, ...version } = this.versionOf(party);
    data.replace({ ...version, dataset: { ...dataset, rows: 0, ids: [], records: new Records([]), features: [] } }, worker.pinned());
    return data;
  }
  folder(party: PartyId): string {
    return join(this.#root.path, party);
  }
  setPolicy(party: PartyId, policy: object): void {
    writeDurably(enclavePaths(this.folder(party)).policy, JSON.stringify({ version: 1, ...policy }));
  }

  /** A plan as these parties' platform would compile it. */
  plan(job: string, change: Parameters<typeof planOf>[0] = {}, more: { expiresAt?: string } = {}): JobPlan {
    const datasets = Object.fromEntries(parties.map((p) => [p, this.summaryOf(p)]));
    return planOf({ params: { scorecard: { fit: { refinementRounds: 0 } } }, ...change }, { job, datasets, ...more });
  }

  /** Starts the worker of a party on its folder. now: its clock. */
  start(party: PartyId, now: () => number = Date.now): void {
    const { kernels, curve } = this.#stock;
    const folder = this.folder(party);
    const paths = enclavePaths(folder);
    const env: Env = { rng: systemRng, now, log: keptLog(this.logs) };
    const box = SecretBox.open(paths.box, env.rng);
    const config: EnclaveConfig = {
      version: 1, party, platform: "https://127.0.0.1:1", dataset: this.#stock.definitions.get(party) ?? assert.fail(party), dataFolder: folder, workers: 1, peerTimeoutSeconds: this.peerTimeoutSeconds, ...(this.experiments && { experiments: true }),
    };
    const stop = new AbortController();
    const db = new StateDatabase(paths.state);
    const memoryKey = new Uint8Array(createHmac("sha256", readBytes(paths.box)).update("test").digest());
    const desk = this.consents && new ConsentDesk({
      db, box, memoryKey, env, platform: this.consents(party), ca: this.#stock.ca.stored.certificatePem, folders: { consents: paths.consents, revocations: paths.revocations },
      registrars: () => readPolicy(paths.policy)?.registrars,
    });
    const data = new DataVersions(this.versionOf(party));
    const worker = new EnclaveWorker({
      folder, config, env, identity: this.identities.get(party) ?? assert.fail(party), db, box, kernels, curve, intersections: { ecdh: ecdhIntersection(curve), kkrt: kkrtIntersection() },
      platform: this.exchange.platform(party), data,
      audit: noAudit, log: quietLog, witness: { name: `yunei-witness/${party}`, key: generateKeyPairSync("ed25519").privateKey }, layers: [], memoryKey, consents: desk,
    });
    const running: Running = { stop, db, data, worker, failure: undefined, served: worker.serve(stop.signal).catch((error: unknown) => void (running.failure = error)) };
    this.#running.set(party, running);
  }
  startAll(): void {
    for (const party of parties) this.start(party);
  }

  /** The worker stops where it is; its jobs are not ended. */
  async stop(party: PartyId): Promise<unknown> {
    const running = this.#running.get(party);
    this.#running.delete(party);
    if (running === undefined) return undefined;
    running.stop.abort(new AppError("JOB_CANCELLED"));
    await running.served;
    running.db[Symbol.dispose]();
    return running.failure;
  }

  /** Keeps a copy of the state of a stopped party, and puts it back. */
  snapshot(party: PartyId): void {
    cpSync(join(this.folder(party), "state"), join(this.folder(party), "kept"), { recursive: true });
  }
  restore(party: PartyId): void {
    rmSync(join(this.folder(party), "state"), { recursive: true });
    cpSync(join(this.folder(party), "kept"), join(this.folder(party), "state"), { recursive: true });
  }

  /** What `serve` ended with by itself. */
  async failure(party: PartyId): Promise<unknown> {
    const running = this.#running.get(party) ?? assert.fail(party);
    await running.served;
    return running.failure;
  }

  rows(party: PartyId, sql: string, ...values: (string | number)[]): Row[] {
    using db = new StateDatabase(enclavePaths(this.folder(party)).state);
    return db.all(sql, ...values);
  }
  /** What a command beside the worker writes. */
  change(party: PartyId, sql: string, ...values: (string | number)[]): void {
    using db = new StateDatabase(enclavePaths(this.folder(party)).state);
    db.run(sql, ...values);
  }
  stateAt(party: PartyId, job: JobId): string | undefined {
    return this.rows(party, "select state from jobs where job = ?", job)[0]?.["state"] as string | undefined;
  }
  /** Waits until the exchange says that the job is in this state. */
  until(job: JobId, state: string): Promise<unknown> {
    return eventually(`job ${state}`, () => {
      const { state: now, failure } = this.exchange.notice(job);
      if (now === "failed" && state !== "failed") throw new Error(`${failure?.code ?? ""} ${failure?.party ?? ""}\n${this.logs.slice(-10).join("\n")}`);
      return now === state;
    });
  }
  untilAt(party: PartyId, job: JobId, state: string): Promise<unknown> {
    return eventually(`${party}: ${state}`, () => this.stateAt(party, job) === state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(parties.map((p) => this.stop(p)));
    this.#root[Symbol.dispose]();
  }
}
