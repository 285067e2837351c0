// The processes of a standing service for the bench: a platform, a bank and four providers as users start them, a scorecard trained once, and
// services on it. Everything lies in one temporary folder and goes with it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { initialisePlatform, openAdmin } from "../api/admin.ts";
import type { JobStateName } from "../api/contract.ts";
import { ApiClient } from "../cli/api-client.ts";
import { createInstitutionKey, openSealed } from "../cli/institution-key.ts";
import { LocalRegistrar } from "../cli/local-registrar.ts";
import { enclaveCommand, startPlatform, startProcess, type Started } from "../cli/processes.ts";
import { fileParty, partyFolder, setUpParty, type SandboxParty } from "../cli/sandbox/parties.ts";
import { ServiceClient } from "../cli/service-client.ts";
import { silentLog, type Env } from "../core/env.ts";
import { partyId } from "../core/names.ts";
import { seededRng, systemRng } from "../core/rng.ts";
import { writeDurably } from "../core/files.ts";
import { enclavePaths } from "../enclave/config.ts";
import { jointReportSchema } from "../report/schema.ts";
import { usccOf } from "../test/support/subjects.ts";
import { z } from "zod";

const bank = partyId("bank");
/** Each with the item of the sharing catalogue of which its columns are. */
const itemOf = { tax: "tax.financial-filings", power: "utilities.electricity", customs: "customs.basic", research: "research.activities" } as const;
export const providers = Object.keys(itemOf).map(partyId);
export const companies = 5_000;
const columnNames = Array.from({ length: 6 }, (_, k) => `x${k}`);
const pollMs = 100;
const patienceMs = 180_000;
const ready = z.object({ event: z.literal("ready"), rows: z.number() });

export type WorldOptions = {
  /** Where each process leaves its CPU profile at its end. */
  readonly profiles?: string;
  /** Companies are named by credit codes and every question needs the company's consent. */
  readonly consents?: boolean;
};

export class ServingWorld implements AsyncDisposable {
  readonly work = mkdtempSync(join(tmpdir(), "yunei-bench-serving-"));
  readonly key = createInstitutionKey();
  readonly #options: WorldOptions;
  readonly #registrar = new LocalRegistrar({ rng: systemRng, now: Date.now });
  readonly #running = new Map<string, Started<unknown>>();
  #api: ApiClient | undefined;
  apiKey = "";
  url = "";
  model = "";

  private constructor(options: WorldOptions) {
    this.#options = options;
  }

  static async start(options: WorldOptions = {}): Promise<ServingWorld> {
    const world = new ServingWorld(options);
    try {
      await world.#setUp();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  get api(): ApiClient {
    if (this.#api === undefined) throw new Error("not started");
    return this.#api;
  }
  get ca(): string {
    return readFileSync(join(this.work, "platform", "ca.pem"), "utf8");
  }
  get companyNames(): string[] {
    return Array.from({ length: companies }, (_, i) => this.#nameOf(i));
  }
  /** Process ids by name. */
  get pids(): ReadonlyMap<string, number> {
    return new Map([...this.#running].map(([name, { process: child }]) => [name, child.pid ?? -1]));
  }

  async #setUp(): Promise<void> {
    const env: Env = { rng: systemRng, now: Date.now, log: silentLog };
    const platformFolder = join(this.work, "platform");
    await initialisePlatform({ data: platformFolder, env });
    const platform = await startPlatform(platformFolder, this.#logFile("platform"), { api: 0, enclave: 0 });
    this.#running.set("platform", platform);
    this.url = `https://127.0.0.1:${platform.ready.apiPort}`;
    const enclaveUrl = `https://127.0.0.1:${platform.ready.enclavePort}`;
    const tables = tablesOf(this.companyNames);
    const admin = await openAdmin({ data: platformFolder, env });
    try {
      for (const name of [bank, ...providers]) {
        const dataFolder = this.#dataFolder(name);
        mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
        writeFileSync(join(dataFolder, `${name}.csv`), tables.get(name) ?? "");
        await setUpParty(this.#party(name, join(dataFolder, `${name}.csv`)), {
          folder: this.#folder(name), apiUrl: this.url, enclaveUrl, token: await admin.createEnrolToken(name), guest: bank, sealTo: this.key.publicJwk.x, hosts: providers.length,
          kinds: ["scorecard", "score", "serve"], workers: 1, peerTimeoutSeconds: 120, ...(this.#options.consents === true ? { registrars: this.#registrar.policy } : {}),
        });
        const path = enclavePaths(this.#folder(name)).policy;
        const policy = JSON.parse(readFileSync(path, "utf8")) as { allow: object[] };
        writeDurably(path, JSON.stringify({ ...policy, allow: policy.allow.map((rule) => ({ ...rule, service: { maxSetsPerCompany: 2, maxPerCompanyPerDay: 10_000 } })) }));
      }
      ({ apiKey: this.apiKey } = await admin.addInstitution({ name: "bank", guest: bank, sealTo: this.key.publicJwk }));
    } finally {
      await admin.close();
    }
    this.#api = new ApiClient({ url: this.url, apiKey: this.apiKey, ca: this.ca });
    if (this.#options.consents === true) await this.#agree();
    // All are there or have failed before anything is thrown: none may be left behind.
    const started = await Promise.allSettled([bank, ...providers].map((name) => this.#launch(name)));
    for (const one of started) if (one.status === "rejected") throw one.reason;
    await until("data sets", async () => (await this.api.datasets()).datasets.length === providers.length + 1);
    const { id } = await this.api.submit({ kind: "scorecard", guest: bank, hosts: providers, purpose: "model-development", params: { scorecard: { fit: { refinementRounds: 0 } } } });
    await this.#reached(id, "done");
    this.model = jointReportSchema.parse(JSON.parse(await openSealed(await this.api.result(id, "report"), this.key))).model.id;
  }

  #party(name: string, file: string): SandboxParty {
    const { consents } = this.#options;
    const party = fileParty(name, file, "ent_id", { label: name === bank ? "y" : undefined, idKind: consents === true ? "uscc" : "opaque" });
    const item = Object.entries(itemOf).find(([of]) => of === name)?.[1];
    if (consents !== true || item === undefined) return party;
    const columns = Object.fromEntries(columnNames.map((column) => [column, { items: [item], grade: undefined }]));
    return { ...party, ownData: false, definition: { ...party.definition, catalogue: { version: 1, catalogue: "2024-15", tables: { features: { subject: "ent_id", columns } } } } };
  }

  /** Every company's consents in the bank's folder, and the list of withdrawals, an empty one, at the providers. */
  async #agree(): Promise<void> {
    for (const purpose of ["model-development", "loan-approval"] as const) {
      const text = await this.#registrar.consents(this.companyNames, { grantee: bank, items: Object.values(itemOf).sort(), purpose });
      writeIn(enclavePaths(this.#folder(bank)).consents, `${purpose}.jws`, text);
    }
    const list = this.#registrar.revocations();
    for (const name of providers) writeIn(enclavePaths(this.#folder(name)).revocations, "registrar.jws", list);
  }

  #nameOf(i: number): string {
    return this.#options.consents === true ? usccOf(i) : `C${String(100_000 + i * 7)}`;
  }

  async #launch(name: string): Promise<void> {
    const { profiles } = this.#options;
    const command = enclaveCommand(this.#folder(name), this.#dataFolder(name), { bubblewrap: false });
    const profile = profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}.cpuprofile`, "--allow-inspector", `--allow-fs-write=${profiles}/*`];
    this.#running.set(name, await startProcess(name, { ...command, args: [...profile, ...command.args] }, this.#logFile(name), ready));
  }

  /** A running service that every provider answers. */
  async service(params: Record<string, unknown>): Promise<ServiceClient> {
    const { id } = await this.api.submit({ kind: "serve", guest: bank, hosts: providers, purpose: "loan-approval", model: this.model, params });
    await this.#reached(id, "running");
    const client = await ServiceClient.open(this.api, { service: id, ca: this.ca, now: Date.now() });
    await until("all providers", async () => {
      const answer = await client.ask({ company: this.#nameOf(0) }).catch(() => undefined);
      return answer?.status === "scored" && !answer.partial;
    });
    return client;
  }

  async #reached(job: string, state: JobStateName): Promise<void> {
    await until(state, async () => {
      const view = await this.api.job(job);
      if (view.failure !== null) throw new Error(`${view.failure.code} at ${view.failure.party ?? "?"}`);
      return view.state === state;
    });
  }

  #folder(name: string): string {
    return partyFolder(this.work, name);
  }
  #dataFolder(name: string): string {
    return join(this.work, "data", name);
  }
  #logFile(name: string): string {
    return join(this.work, "logs", `${name}.log`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api?.[Symbol.asyncDispose]();
    await Promise.all([...this.#running.values()].map((started) => started.stop()));
    rmSync(this.work, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await delay(pollMs)) if (await look()) return;
  throw new Error(`waited in vain: ${what}`);
}

function writeIn(folder: string, name: string, text: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeDurably(join(folder, name), text);
}

/** CSV by party: every provider knows something about the label and holds nine of ten companies. */
function tablesOf(names: readonly string[]): Map<string, string> {
  const bytes = seededRng(new TextEncoder().encode("serving".padEnd(32, ".")), "tables");
  const uniform = (): number => Buffer.from(bytes(4)).readUInt32BE() / 2 ** 32;
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const head = columnNames.join(",");
  const lines = new Map<string, string[]>([["bank", [`ent_id,y,${head}`]], ...providers.map((p): [string, string[]] => [p, [`ent_id,${head}`]])]);
  for (const id of names) {
    const factors = new Map([bank, ...providers].map((p) => [p, normal()]));
    const risk = [...factors.values()].reduce((a, b) => a + b, 0) / 2;
    for (const [party, factor] of factors) {
      const cells = columnNames.map(() => (factor + normal()).toFixed(3));
      if (party === bank) lines.get(party)?.push([id, uniform() < 1 / (1 + Math.exp(1.6 - risk)) ? 1 : 0, ...cells].join(","));
      else if (uniform() < 0.9) lines.get(party)?.push([id, ...cells].join(","));
    }
  }
  return new Map([...lines].map(([party, all]) => [party, `${all.join("\n")}\n`]));
}
