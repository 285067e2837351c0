// The platform and the enclaves of some parties of the generated demo world, as real processes: the data that evaluations are made for.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initialisePlatform, openAdmin } from "../../api/admin.ts";
import { ApiClient } from "../../cli/api-client.ts";
import { createInstitutionKey, type InstitutionKey } from "../../cli/institution-key.ts";
import { bubblewrapWorks, startEnclave, startPlatform, type Started } from "../../cli/processes.ts";
import { partyFolder, setUpParty } from "../../cli/sandbox/parties.ts";
import { silentLog, type Env } from "../../core/env.ts";
import { writeDurably } from "../../core/files.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { generateDemo } from "../../demo/generate.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { parseDefinition } from "../../enclave/data/definition.ts";
import type { Policy } from "../../enclave/policy.ts";
import { eventually, killHard } from "./process.ts";

export type DemoInstitution = { readonly api: ApiClient; readonly key: InstitutionKey; readonly profile: string };

export class DemoTopology implements AsyncDisposable {
  readonly work = mkdtempSync(join(tmpdir(), "yunei-demo-e2e-"));
  readonly institutions = new Map<string, DemoInstitution>();
  readonly #running = new Map<string, Started<unknown>>();
  readonly #bubblewrap = bubblewrapWorks();
  #ports = { api: 0, enclave: 0 };

  /** guest and hosts: folders of the demo world, with an enclave each. institutions: by party; the guest's among them. */
  static async start(options: {
    readonly companies: number; readonly guest: string; readonly hosts: readonly string[]; readonly institutions: readonly string[]; readonly kinds: Policy["allow"][number]["kinds"];
    readonly policy?: (party: string, policy: Policy) => Policy; readonly peerTimeoutSeconds?: number;
  }): Promise<DemoTopology> {
    const topology = new DemoTopology();
    try {
      await topology.#setUp(options);
    } catch (error) {
      await topology[Symbol.asyncDispose]();
      throw error;
    }
    return topology;
  }

  async #setUp(o: Parameters<typeof DemoTopology.start>[0]): Promise<void> {
    const env: Env = { rng: systemRng, now: Date.now, log: silentLog };
    await generateDemo({ companies: o.companies, seed: 11, directory: join(this.work, "data") });
    await initialisePlatform({ data: this.platformFolder, env });
    await this.launch("platform");
    const [apiUrl, enclaveUrl] = [`https://127.0.0.1:${this.#ports.api}`, `https://127.0.0.1:${this.#ports.enclave}`];
    const ca = readFileSync(join(this.platformFolder, "ca.pem"), "utf8");
    const admin = await openAdmin({ data: this.platformFolder, env });
    try {
      for (const name of o.institutions) {
        const key = createInstitutionKey();
        const { institution, apiKey } = await admin.addInstitution({ name, guest: partyId(name), sealTo: key.publicJwk });
        const profile = join(this.work, `${name}.json`);
        const { x, d = "" } = key.privateJwk as { x: string; d?: string };
        writeDurably(profile, JSON.stringify({ version: 1, sealKey: { kty: "OKP", crv: "X25519", x, d }, admission: { institution, guest: name, url: apiUrl, apiKey, ca } }));
        this.institutions.set(name, { api: new ApiClient({ url: apiUrl, apiKey, ca }), key, profile });
      }
      for (const name of [o.guest, ...o.hosts]) {
        const dataFolder = join(this.work, "data", name);
        const definition = parseDefinition(JSON.parse(readFileSync(join(dataFolder, "dataset.json"), "utf8")));
        await setUpParty({ name: partyId(name), dataFolder, definition }, {
          folder: this.folder(name), apiUrl, enclaveUrl, token: await admin.createEnrolToken(partyId(name)), guest: partyId(o.guest), sealTo: this.of(o.guest).key.publicJwk.x, hosts: o.hosts.length,
          kinds: o.kinds, workers: 1, peerTimeoutSeconds: o.peerTimeoutSeconds ?? 600,
        });
        this.setPolicy(name, (policy) => o.policy?.(name, policy) ?? policy);
      }
    } finally {
      await admin.close();
    }
    await Promise.all([o.guest, ...o.hosts].map((name) => this.launch(name)));
    await eventually("datasets of all parties", async () => (await this.of(o.guest).api.datasets()).datasets.length === o.hosts.length + 1);
  }

  of(institution: string): DemoInstitution {
    const found = this.institutions.get(institution);
    if (found === undefined) throw new Error(`no institution ${institution}`);
    return found;
  }
  get platformFolder(): string {
    return join(this.work, "platform");
  }
  folder(name: string): string {
    return partyFolder(this.work, name);
  }
  log(name: string): string {
    return readFileSync(join(this.work, "logs", `${name}.log`), "utf8");
  }

  /** The first time or again, on the same folder and ports. */
  async launch(name: string): Promise<void> {
    const logFile = join(this.work, "logs", `${name}.log`);
    if (name !== "platform") {
      this.#running.set(name, await startEnclave(name, this.folder(name), join(this.work, "data", name), logFile, this.#bubblewrap));
      return;
    }
    const started = await startPlatform(this.platformFolder, logFile, this.#ports);
    this.#ports = { api: started.ready.apiPort, enclave: started.ready.enclavePort };
    this.#running.set(name, started);
  }

  /** kill -9. */
  async kill(name: string): Promise<void> {
    const running = this.#running.get(name);
    this.#running.delete(name);
    if (running !== undefined) await killHard(running.process);
  }

  setPolicy(name: string, change: (policy: Policy) => Policy): void {
    const path = enclavePaths(this.folder(name)).policy;
    writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")) as Policy)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { api } of this.institutions.values()) await api[Symbol.asyncDispose]();
    await Promise.all([...this.#running.values()].map(({ process: child }) => killHard(child)));
    rmSync(this.work, { recursive: true, force: true, maxRetries: 5 });
  }
}
