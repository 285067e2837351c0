// The authorisation of an enclave for tests: a real state database in memory, a platform that says what a test wants, the registrar of
// test/consent/support.ts.
import { createPublicKey } from "node:crypto";
import type { EntityId, ItemId, JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { rawKey } from "../../consent/keys.ts";
import { ConsentDesk } from "../../enclave/consents/desk.ts";
import { ProviderConsents } from "../../enclave/consents/host.ts";
import { registrarsSchema, type RegistrarsPolicy } from "../../enclave/consents/trust.ts";
import { JobRecords } from "../../enclave/job/records.ts";
import { JobUses } from "../../enclave/job/uses.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import type { ConsentPlatform } from "../../enclave/transport/consents.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { bank, keys, listOf, now, plan as planDigest, registrarStatement } from "../consent/support.ts";
import { keptLog } from "./platform.ts";
import { temporaryFolder } from "./enclave.ts";

export const rooted: RegistrarsPolicy = registrarsSchema.parse({ roots: [{ key: rawKey(createPublicKey(keys.root)), statement: registrarStatement }] });

/** A platform of which a test may change everything. */
export class FakePlatform implements ConsentPlatform {
  lists: string[] = [listOf(1)];
  granted: string[] = [];
  certificates: string[] = [];
  isDown = false;
  readonly asked: string[] = [];

  async consents(after: number): Promise<{ next: number; consents: string[] }> {
    this.#ask(`consents ${after}`);
    const some = this.granted.slice(after, after + 2);
    return { next: after + some.length, consents: some };
  }
  async revocations(after: number): Promise<string[]> {
    this.#ask(`revocations ${after}`);
    return this.lists;
  }
  async registrars(): Promise<string[]> {
    this.#ask("registrars");
    return this.certificates;
  }
  #ask(what: string): void {
    this.asked.push(what);
    if (this.isDown) throw new AppError("JOB_PLATFORM_UNREACHABLE");
  }
}

/** One enclave's desk over a state folder that survives `restart`. */
export class DeskWorld implements Disposable {
  readonly folder = temporaryFolder();
  readonly platform = new FakePlatform();
  readonly logs: string[] = [];
  now = now;
  policy: RegistrarsPolicy | undefined = rooted;
  db: StateDatabase;
  desk: ConsentDesk;
  readonly box = new SecretBox(new Uint8Array(32).fill(7), systemRng);

  constructor() {
    this.db = new StateDatabase(this.stateFile);
    this.desk = this.#open();
  }
  get stateFile(): string {
    return `${this.folder.path}/state.db`;
  }
  restart(): void {
    this.db[Symbol.dispose]();
    this.db = new StateDatabase(this.stateFile);
    this.desk = this.#open();
  }
  #open(): ConsentDesk {
    return new ConsentDesk({
      db: this.db, box: this.box, memoryKey: new Uint8Array(32).fill(9), env: { rng: systemRng, now: () => this.now, log: keptLog(this.logs) }, platform: this.platform, ca: "",
      folders: { consents: `${this.folder.path}/consents`, revocations: `${this.folder.path}/revocations` }, registrars: () => this.policy,
    });
  }
  records(): JobRecords {
    return new JobRecords({ db: this.db, box: this.box, rng: systemRng, now: () => this.now });
  }
  uses(job: JobId): JobUses {
    return new JobUses({ db: this.db, box: this.box, rng: systemRng, job });
  }

  /** This enclave's part in a scoring for the bank. */
  provider(job: JobId, ids: readonly string[], change: { authorised?: string[]; open?: string[]; kind?: JobPlan["kind"]; purpose?: JobPlan["purpose"]; guest?: string; guestUscc?: string; plan?: string } = {}): ProviderConsents {
    const plan = { job, kind: change.kind ?? "score", purpose: change.purpose ?? "loan-approval", guest: (change.guest ?? bank.party) as PartyId } as JobPlan;
    return new ProviderConsents({
      desk: this.desk, records: this.records(), uses: this.uses(job), plan, planDigest: change.plan ?? planDigest, ids: ids as EntityId[], guestUscc: change.guestUscc,
      items: { authorised: (change.authorised ?? ["tax.payment"]) as ItemId[], open: (change.open ?? []) as ItemId[] },
      now: () => this.now, signal: new AbortController().signal, isOver: false,
    });
  }

  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
    this.folder[Symbol.dispose]();
  }
}
