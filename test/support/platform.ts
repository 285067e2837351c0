// A real platform for tests, in this process or as one of its own, with parties that enrolled over real sockets.
import { spawn, type ChildProcess } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { assert } from "chai";
import { initialisePlatform, openAdmin, type Admin } from "../../api/admin.ts";
import type { CompilePlan, Limits } from "../../api/platform.ts";
import { startPlatform, type PlatformOptions, type RunningPlatform } from "../../api/server.ts";
import { writeSettings, type PlatformSettings } from "../../api/settings.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import type { Env, Log } from "../../core/env.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import type { DatasetSummary, JobPlan } from "../../federation/plan-schema.ts";
import { Client, enrolParty, type Enrolled } from "./clients.ts";

/** A plan with nothing in it but what was asked: for tests of the platform alone. */
export const plainPlan: CompilePlan = ({ request, job, createdAt, expiresAt, datasets, sealTo }) => ({
  version: 1,
  job,
  kind: request.kind,
  guest: request.guest,
  hosts: request.hosts,
  purpose: request.purpose,
  createdAt,
  expiresAt,
  params: request.params,
  datasets,
  leakage: [],
  sums: {},
  attacks: [],
  log2FloodDistance: -40,
  sealTo,
});

export const summaryOf = (name: string, labelled: boolean): DatasetSummary => ({
  name,
  rows: 3000,
  features: 12,
  labelled,
  snapshotDigest: "a".repeat(64),
});

/** A clock that a test moves by hand. */
export class TestClock {
  ms = Date.parse("2026-01-05T00:00:00Z");
  now = (): number => this.ms;
}

/** A log that keeps its lines, to look for what must not be there. */
export function keptLog(lines: string[]): Log {
  const keep =
    (level: string) =>
    (event: string, facts: object = {}): void =>
      void lines.push(JSON.stringify({ level, event, ...facts }));
  return { info: keep("info"), warn: keep("warn"), error: keep("error") };
}

export type Bank = { institution: string; apiKey: string; guest: PartyId; sealKey: KeyObject; sealTo: JobPlan["sealTo"]; client: Client };
export type Enclave = { identity: Enrolled; client: Client };

export type TestPlatformOptions = {
  database?: string;
  limits?: Partial<Limits>;
  now?: () => number;
  log?: Log;
  compilePlan?: CompilePlan;
  settings?: Partial<PlatformSettings>;
  webhooks?: NonNullable<PlatformOptions["webhooks"]>;
  /** Runs test/support/platform-process.ts instead of a platform in this process. */
  asProcess?: boolean;
};

export class TestPlatform implements AsyncDisposable {
  readonly data: string;
  readonly admin: Admin;
  readonly options: TestPlatformOptions;
  readonly env: Env;
  ca = "";
  apiPort = 0;
  enclavePort = 0;
  running: RunningPlatform | undefined;
  child: ChildProcess | undefined;
  readonly #clients: Client[] = [];

  private constructor(data: string, admin: Admin, env: Env, options: TestPlatformOptions) {
    this.data = data;
    this.admin = admin;
    this.env = env;
    this.options = options;
  }

  static async start(options: TestPlatformOptions = {}): Promise<TestPlatform> {
    const data = mkdtempSync(join(tmpdir(), "yunei-platform-"));
    const env: Env = { rng: systemRng, now: options.now ?? Date.now, log: options.log ?? keptLog([]) };
    await initialisePlatform({ data, env, database: options.database });
    if (options.settings !== undefined) writeSettings(data, options.settings);
    const platform = new TestPlatform(data, await openAdmin({ data, env, database: options.database }), env, options);
    await platform.launch();
    return platform;
  }

  /** Starts, or starts again after `stop` or `kill`, on the same data and, after the first time, the same ports. */
  async launch(): Promise<void> {
    const { apiPort, enclavePort } = this.options.asProcess === true ? await this.#spawn() : await this.#startHere();
    this.apiPort = apiPort;
    this.enclavePort = enclavePort;
  }

  async #startHere(): Promise<{ apiPort: number; enclavePort: number }> {
    const { database, limits, compilePlan = plainPlan, webhooks = {} } = this.options;
    const { data, env, apiPort, enclavePort } = this;
    this.running = await startPlatform({ data, env, compilePlan, database, limits, apiPort, enclavePort, webhooks });
    return this.running;
  }

  async #spawn(): Promise<{ apiPort: number; enclavePort: number }> {
    const args = [
      "--data",
      this.data,
      "--api-port",
      String(this.apiPort),
      "--enclave-port",
      String(this.enclavePort),
      "--log-level",
      "error",
    ];
    if (this.options.database !== undefined) args.push("--database", this.options.database);
    const child = spawn(process.execPath, [join(import.meta.dirname, "platform-process.ts"), ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const ready = JSON.parse(line) as { event: string; apiPort: number; enclavePort: number };
      assert.equal(ready.event, "ready");
      return ready;
    }
    throw new Error("the platform process ended before it was ready");
  }

  /** kill -9; resolves when the process is gone. */
  async kill(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<number | null> {
    const child = this.child;
    assert.isDefined(child);
    const gone = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    child.kill(signal);
    this.child = undefined;
    return gone;
  }

  async stop(): Promise<void> {
    if (this.child !== undefined) await this.kill();
    await this.running?.stop();
    this.running = undefined;
  }

  /** Creates a token and enrols the party over the network. */
  async enrol(name: string): Promise<Enclave> {
    const identity = await enrolParty(this.apiPort, await this.admin.createEnrolToken(partyId(name)));
    this.ca = identity.ca;
    return { identity, client: this.enclaveClient(identity) };
  }

  enclaveClient(identity: Enrolled, connections = 8): Client {
    return this.#track(
      new Client(this.enclavePort, { ca: identity.ca, identity: { key: identity.key, cert: identity.cert }, connections }),
    );
  }

  apiClient(options: { apiKey?: string; identity?: { key: string; cert: string } } = {}): Client {
    return this.#track(new Client(this.apiPort, { ca: this.ca, ...options }));
  }

  /** An institution whose guest is already enrolled (the CA's certificate comes from there). */
  async addBank(guest: string): Promise<Bank> {
    const { privateKey, publicKey } = generateKeyPairSync("x25519");
    const sealTo: JobPlan["sealTo"] = { kty: "OKP", crv: "X25519", x: String(publicKey.export({ format: "jwk" }).x) };
    const { institution, apiKey } = await this.admin.addInstitution({ name: `Bank of ${guest}`, guest: partyId(guest), sealTo });
    return { institution, apiKey, guest: partyId(guest), sealKey: privateKey, sealTo, client: this.apiClient({ apiKey }) };
  }

  #track(client: Client): Client {
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
    await this.stop();
    await this.admin.close();
    rmSync(this.data, { recursive: true, force: true });
  }
}

export type World = { platform: TestPlatform; bank: Bank; guest: Enclave; tax: Enclave; power: Enclave };

/** A bank, its enclave "bank", and two hosts "tax" and "power", enrolled and with published datasets. */
export async function newWorld(options: TestPlatformOptions = {}): Promise<World> {
  const platform = await TestPlatform.start(options);
  const [guest, tax, power] = [await platform.enrol("bank"), await platform.enrol("tax"), await platform.enrol("power")];
  for (const [enclave, name, labelled] of [
    [guest, "loans", true],
    [tax, "filings", false],
    [power, "usage", false],
  ] as const) {
    assert.equal((await enclave.client.put("/enclave/v1/dataset", summaryOf(name, labelled))).status, 200);
  }
  return { platform, bank: await platform.addBank("bank"), guest, tax, power };
}

export const jobRequest = (hosts: readonly string[] = ["tax", "power"]) => ({
  kind: "scorecard",
  guest: "bank",
  hosts,
  purpose: "model-development",
  params: {},
});

export async function submit(world: World, hosts?: readonly string[]): Promise<JobId> {
  const reply = await world.bank.client.post("/v1/jobs", jobRequest(hosts));
  assert.equal(reply.status, 201, reply.bytes.toString("utf8"));
  return (reply.json() as { id: JobId }).id;
}

/** Submits and approves by all, so that the job runs. */
export async function runningJob(world: World, hosts: readonly ("tax" | "power")[] = ["tax", "power"]): Promise<JobId> {
  const id = await submit(world, hosts);
  for (const party of [world.guest, ...hosts.map((name) => world[name])]) {
    const reply = await party.client.post(`/enclave/v1/jobs/${id}/approval`, {
      jws: `aGVhZA.${Buffer.from(party.identity.party).toString("base64url")}.c2ln`,
    });
    assert.equal(reply.status, 200, reply.bytes.toString("utf8"));
  }
  return id;
}
