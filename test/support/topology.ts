// The whole product on this machine for a test: the platform and one enclave per party as real processes with real sockets,
// started as the command line starts them. A test may kill, start again and look into every folder.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { initialisePlatform, openAdmin } from "../../api/admin.ts";
import type { JobStateName, JobView } from "../../api/contract.ts";
import { ApiClient } from "../../cli/api-client.ts";
import { createInstitutionKey, openSealed } from "../../cli/institution-key.ts";
import { bubblewrapWorks, enclaveCommand, startEnclave, startPlatform, startProcess, type Started } from "../../cli/processes.ts";
import { fileParty, partyFolder, setUpParty, type SandboxParty } from "../../cli/sandbox/parties.ts";
import { silentLog, type Env } from "../../core/env.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig, type EnclaveConfig } from "../../enclave/config.ts";
import type { DatasetDefinition } from "../../enclave/data/definition.ts";
import { StateDatabase, type Row } from "../../enclave/store/database.ts";
import { writeDurably } from "../../core/files.ts";
import type { Policy } from "../../enclave/policy.ts";
import { platformReady } from "../../cli/processes.ts";
import { jointReportSchema, type JointReport } from "../../report/schema.ts";
import { eventually, killHard } from "./process.ts";
import type { Tables } from "./tables.ts";

export type Name = "platform" | keyof Tables;
const names = ["bank", "tax", "power"] as const;
const hosts = ["tax", "power"] as const;

export type TopologyOptions = {
  readonly tables: Tables;
  /** Companies are named by credit codes, and these providers say of which items of the sharing catalogue their columns are. */
  readonly declared?: Readonly<Record<(typeof hosts)[number], Readonly<Record<string, readonly string[]>>>>;
  /** What these providers offer for verification. */
  readonly verification?: Partial<Readonly<Record<(typeof hosts)[number], DatasetDefinition["verification"]>>>;
  readonly peerTimeoutSeconds?: number;
  /** How each enclave looks for new data. */
  readonly refresh?: Partial<EnclaveConfig["refresh"]>;
  /** A slower connection of every enclave to the platform. */
  readonly network?: { readonly latencyMs: number; readonly mbitPerSecond?: number };
  /** Default: where it works here. */
  readonly bubblewrap?: boolean;
  /** The platform keeps relayed frames after the end of a job, so that a test can look at them. */
  readonly keepsFrames?: boolean;
};

/** One total per company and job: two jobs fit into the budget of a set of companies. */
export const plainParams = { scorecard: { fit: { refinementRounds: 0 } } };

export class Topology implements AsyncDisposable {
  readonly work: string;
  readonly key = createInstitutionKey();
  readonly bubblewrap: boolean;
  apiKey = "";
  readonly tokens: string[] = [];
  #options: TopologyOptions;
  #ports = { api: 0, enclave: 0 };
  #api: ApiClient | undefined;
  readonly #running = new Map<Name, Started<unknown>>();

  private constructor(options: TopologyOptions) {
    this.#options = options;
    this.bubblewrap = options.bubblewrap ?? bubblewrapWorks();
    this.work = mkdtempSync(join(tmpdir(), "yunei-e2e-"));
  }

  static async start(options: TopologyOptions): Promise<Topology> {
    const topology = new Topology(options);
    try {
      await topology.#setUp();
    } catch (error) {
      await topology[Symbol.asyncDispose]();
      throw error;
    }
    return topology;
  }

  async #setUp(): Promise<void> {
    const env: Env = { rng: systemRng, now: Date.now, log: silentLog };
    await initialisePlatform({ data: this.platformFolder, env });
    await this.launch("platform");
    const [apiUrl, enclaveUrl] = [`https://127.0.0.1:${this.#ports.api}`, `https://127.0.0.1:${this.#ports.enclave}`];
    const admin = await openAdmin({ data: this.platformFolder, env });
    try {
      for (const name of names) {
        const dataFolder = join(this.work, "data", name);
        mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
        writeFileSync(join(dataFolder, `${name}.csv`), this.#options.tables[name]);
        const party = this.#party(name, dataFolder);
        const token = await admin.createEnrolToken(party.name);
        this.tokens.push(token);
        await setUpParty(party, {
          folder: this.folder(name), apiUrl, enclaveUrl, token, guest: partyId("bank"), sealTo: this.key.publicJwk.x, hosts: hosts.length,
          workers: 1, peerTimeoutSeconds: this.#options.peerTimeoutSeconds ?? 600,
        });
        if (this.#options.network !== undefined) this.#configure(name, { network: this.#options.network });
        if (this.#options.refresh !== undefined) this.#configure(name, { refresh: this.#options.refresh });
      }
      ({ apiKey: this.apiKey } = await admin.addInstitution({ name: "bank", guest: partyId("bank"), sealTo: this.key.publicJwk }));
    } finally {
      await admin.close();
    }
    this.#api = new ApiClient({ url: apiUrl, apiKey: this.apiKey, ca: readFileSync(join(this.platformFolder, "ca.pem"), "utf8") });
    await Promise.all(names.map((name) => this.launch(name)));
    await eventually("datasets of all parties", async () => (await this.api.datasets()).datasets.length === names.length);
  }

  #party(name: (typeof names)[number], dataFolder: string): SandboxParty {
    const { declared } = this.#options;
    const party = fileParty(name, join(dataFolder, `${name}.csv`), "ent_id", { label: name === "bank" ? "y" : undefined, idKind: declared === undefined ? "opaque" : "uscc" });
    const verification = name === "bank" ? undefined : this.#options.verification?.[name];
    const definition = { ...party.definition, ...(verification && { verification }) };
    if (declared === undefined || name === "bank") return { ...party, definition };
    const columns = Object.fromEntries(Object.entries(declared[name]).map(([column, items]) => [column, { items: [...items], grade: undefined }]));
    const catalogue = { version: 1 as const, catalogue: "2024-15" as const, tables: { features: { subject: "ent_id", columns } } };
    return { ...party, ownData: false, definition: { ...definition, catalogue } };
  }

  /** Writes the bank's profile for the command line. */
  writeProfile(path: string): void {
    const { x, d = "" } = this.key.privateJwk as { x: string; d?: string };
    writeDurably(path, JSON.stringify({
      version: 1, sealKey: { kty: "OKP", crv: "X25519", x, d },
      admission: { institution: "inst_0", guest: "bank", url: this.apiUrl, apiKey: this.apiKey, ca: readFileSync(join(this.platformFolder, "ca.pem"), "utf8") },
    }));
  }

  /** Edits an enclave's configuration, as its operator would. */
  #configure(name: keyof Tables, change: object): void {
    const path = enclavePaths(this.folder(name)).config;
    writeDurably(path, JSON.stringify({ ...(JSON.parse(readFileSync(path, "utf8")) as object), ...change }));
  }

  get api(): ApiClient {
    if (this.#api === undefined) throw new Error("not started");
    return this.#api;
  }
  get apiUrl(): string {
    return `https://127.0.0.1:${this.#ports.api}`;
  }
  get platformFolder(): string {
    return join(this.work, "platform");
  }
  folder(name: keyof Tables): string {
    return partyFolder(this.work, name);
  }
  log(name: Name): string {
    return readFileSync(this.#logFile(name), "utf8");
  }
  logs(): string {
    return (["platform", ...names] as const).map((name) => this.log(name)).join("");
  }
  pid(name: Name): number {
    return this.#running.get(name)?.process.pid ?? -1;
  }
  #logFile(name: Name): string {
    return join(this.work, "logs", `${name}.log`);
  }

  /** Starts a process, the first time or again: on the same folder and, for the platform, the same ports. */
  async launch(name: Name): Promise<void> {
    if (name === "platform") {
      const started = await this.#startPlatform();
      this.#ports = { api: started.ready.apiPort, enclave: started.ready.enclavePort };
      this.#running.set(name, started);
    } else {
      const { dataFolder } = readConfig(this.folder(name));
      this.#running.set(name, await startEnclave(name, this.folder(name), dataFolder, this.#logFile(name), this.bubblewrap));
    }
  }

  /** Starts an enclave with a module of a test before its own program (without bubblewrap, which would hide that module). */
  async launchWith(name: keyof Tables, module: string): Promise<void> {
    const { file, args, env } = enclaveCommand(this.folder(name), readConfig(this.folder(name)).dataFolder, { bubblewrap: false });
    const before = ["--disable-warning=ExperimentalWarning", `--allow-fs-read=${module}`, "--import", module];
    this.#running.set(name, await startProcess(name, { file, args: [...before, ...args], env }, this.#logFile(name), z.object({ event: z.literal("ready") })));
  }

  #startPlatform() {
    if (this.#options.keepsFrames !== true) return startPlatform(this.platformFolder, this.#logFile("platform"), this.#ports);
    const args = [join(import.meta.dirname, "keeping-platform.ts"), this.platformFolder, String(this.#ports.api), String(this.#ports.enclave)];
    return startProcess("platform", { file: process.execPath, args, env: process.env }, this.#logFile("platform"), platformReady);
  }

  /** kill -9 of the process and, with bubblewrap, of what runs inside. */
  async kill(name: Name): Promise<void> {
    const running = this.#running.get(name);
    this.#running.delete(name);
    if (running !== undefined) await killHard(running.process);
  }

  /** SIGTERM. */
  async stop(name: Name): Promise<void> {
    const running = this.#running.get(name);
    this.#running.delete(name);
    await running?.stop();
  }

  async submit(params: Record<string, unknown> = plainParams): Promise<string> {
    const job = await this.api.submit({ kind: "scorecard", guest: partyId("bank"), hosts: hosts.map(partyId), purpose: "model-development", params });
    return job.id;
  }

  /** Waits until the platform says that the job is in one of these states. */
  until(job: string, ...states: JobStateName[]): Promise<JobView> {
    return eventually(`job ${states.join(" or ")}`, async () => {
      const view = await this.view(job);
      if (view === undefined || states.includes(view.state)) return view;
      if (view.failure !== null) throw new Error(`the job failed: ${view.failure.code} ${view.failure.party ?? ""}\n${this.logs().slice(-3000)}`);
      return undefined;
    }, 120_000);
  }

  /** Undefined while the platform is down. */
  async view(job: string): Promise<JobView | undefined> {
    return this.#running.has("platform") ? this.api.job(job).catch(() => undefined) : undefined;
  }

  /** Waits until that many frames of a job were relayed. */
  relayed(job: string, messages: number): Promise<JobView> {
    return eventually(`${messages} frames`, async () => {
      const view = await this.view(job);
      const sum = view?.traffic.reduce((n, t) => n + t.messages, 0) ?? 0;
      return sum >= messages || view?.state === "done" || view?.state === "failed" ? view : undefined;
    });
  }

  async report(job: string): Promise<JointReport> {
    return jointReportSchema.parse(JSON.parse(await openSealed(await this.api.result(job, "report"), this.key)));
  }
  async scores(job: string): Promise<string> {
    return openSealed(await this.api.result(job, "scores"), this.key);
  }

  /** Rows of a party's state database, read beside its running process. */
  rows(name: keyof Tables, sql: string, ...values: (string | number)[]): Row[] {
    using db = new StateDatabase(enclavePaths(this.folder(name)).state);
    return db.all(sql, ...values);
  }

  /** The command line `yunei`, as a person would use it beside a running enclave. */
  cli(args: readonly string[]): string {
    return execFileSync(process.execPath, [join(import.meta.dirname, "..", "..", "cli", "main.ts"), ...args], { encoding: "utf8" });
  }

  /** The same for a command that is to fail: everything that it prints. */
  cliFailing(args: readonly string[]): { status: number | null; output: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "..", "..", "cli", "main.ts"), ...args], { encoding: "utf8" });
    return { status, output: stdout + stderr };
  }

  setPolicy(name: keyof Tables, change: (policy: Policy) => unknown): void {
    const path = enclavePaths(this.folder(name)).policy;
    writeDurably(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")) as Policy)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api?.[Symbol.asyncDispose]();
    await Promise.all([...this.#running.values()].map(({ process: child }) => killHard(child)));
    rmSync(this.work, { recursive: true, force: true, maxRetries: 5 });
  }
}
