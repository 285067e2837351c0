// Authorisation at this enclave: whom it believes, the lists of withdrawals, the counted uses, and the consents that it holds itself. What
// comes from the platform or from a file is verified here; without the platform it goes on with what it has, until the lists are over.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { officialCatalogue } from "../../catalogue/load.ts";
import { sha256Hex } from "../../core/canonical.ts";
import type { Env } from "../../core/env.ts";
import { isAppError } from "../../core/errors.ts";
import { Trust, type Registrar } from "../../consent/trust.ts";
import type { UseBook } from "../../consent/uses.ts";
import type { Basis } from "../../consent/verify.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";
import type { ConsentPlatform } from "../transport/consents.ts";
import { RevocationLists } from "./lists.ts";
import { ConsentStore } from "./store.ts";
import { keptCertificates, registrarsOf, registrarsSchema, type RegistrarsPolicy } from "./trust.ts";
import { StateUseBook } from "./uses.ts";

export type DeskOptions = {
  readonly db: StateDatabase; readonly box: SecretBox; readonly memoryKey: Uint8Array; readonly env: Env; readonly platform: ConsentPlatform;
  /** The platform's CA (PEM). */
  readonly ca: string;
  /** Folders of files for use without the platform: consents (`*.jws`, one per line) and lists of withdrawals (`*.jws`, one in each). */
  readonly folders: { readonly consents: string; readonly revocations: string };
  /** What the policy says of registrars; undefined where there is none that can be read: then nobody is believed. */
  readonly registrars: () => RegistrarsPolicy | undefined;
};

const longPollSeconds = 20;
const retryMs = 15_000;
/** A platform that answers at once with nothing new is not asked without a pause. */
const pauseMs = 1_000;
/** Certificates change every few months; a new registrar counts within this time. */
const certificatesEveryMs = 600_000;
/** A job that is run again after a restart shows the same texts: longer than any job waits for a peer. */
const keptAfterEndMs = 8 * 86_400_000;
/** The platform decides how many it shows: they may not fill the disk. */
const maxCertificates = 1024;
const nobody: RegistrarsPolicy = registrarsSchema.parse({ platform: false });
const isItem = (id: string): boolean => officialCatalogue.find(id) !== undefined;

export class ConsentDesk {
  readonly uses: UseBook;
  readonly store: ConsentStore;
  readonly #o: DeskOptions;
  #trusted = "";
  #trust = new Trust([]);
  #lists: RevocationLists;
  #refreshedAt = -Infinity;
  #certificatesAt = -Infinity;
  #latest = 0;

  constructor(options: DeskOptions) {
    this.#o = options;
    this.uses = new StateUseBook(options.db);
    this.store = new ConsentStore(options);
    this.#lists = new RevocationLists({ db: options.db, log: options.env.log, trust: this.#trust });
    this.#believe();
  }

  get lists(): RevocationLists {
    return this.#lists;
  }

  /** Which registrars' keys are believed now: changes when any does. */
  get trusted(): string {
    return this.#trusted;
  }

  /** Whom this enclave believes and which lists count: what was found to hold holds as long as this stays. */
  get state(): string {
    return `${this.#trusted}|${this.#lists.state}`;
  }

  /** What verifiers ask at this moment. */
  get basis(): Basis {
    return { trust: this.#trust, revocations: this.#lists.revocations, isItem };
  }

  /** Fetches what is new of registrars and lists unless that was done within `maxAgeMs`. Never throws for a platform that is away. */
  async refresh(maxAgeMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#o.env.now() - this.#refreshedAt < maxAgeMs) return;
    await this.#certificates(signal);
    this.#believe();
    this.#readFolder();
    const isFetched = await this.#try("revocations", async () => this.#take(await this.#o.platform.revocations(this.#latest, 0, signal)));
    // What could not be fetched is no fresher than before: who asks next does not get a refusal for it.
    if (isFetched && this.#certificatesAt > -Infinity) this.#refreshedAt = this.#o.env.now();
  }

  /** Fetches the consents that companies gave to this party since the last time, from files and from the platform. */
  async collect(signal?: AbortSignal): Promise<void> {
    this.store.sweep(this.#o.env.now() - keptAfterEndMs);
    const unreadable = await this.store.addFolder(this.#o.folders.consents);
    if (unreadable > 0) this.#o.env.log.warn("consents-unreadable", { lines: unreadable });
    await this.#try("consents", async () => {
      for (;;) {
        const { next, consents } = await this.#o.platform.consents(this.store.cursor, signal);
        await this.store.add(consents);
        if (next <= this.store.cursor) return;
        this.store.cursor = next;
      }
    });
  }

  /** Follows the lists until the signal aborts: a withdrawal counts here as soon as its list is there. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.refresh(0, signal);
      const before = this.#lists.state;
      const isAnswered = await this.#try("revocations", async () => this.#take(await this.#o.platform.revocations(this.#latest, longPollSeconds, signal)));
      if (!isAnswered || this.#lists.state === before) await delay(isAnswered ? pauseMs : retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** The platform's own number is what it is asked with, whatever other registrars there are. */
  #take(lists: readonly string[]): void {
    for (const jws of lists) {
      const list = this.#lists.take(jws);
      if (list === undefined) continue;
      this.#latest = list.sequence;
      // By a signed time, so that a clock that ran ahead forgets no use; nor does a registrar that signs ahead.
      this.uses.forget(Math.floor(Math.min(list.issuedAt, this.#o.env.now()) / 1000));
    }
  }

  async #certificates(signal: AbortSignal | undefined): Promise<void> {
    const { env, db, platform } = this.#o;
    if (env.now() - this.#certificatesAt < certificatesEveryMs) return;
    const fetched = await this.#try("registrars", async () => {
      for (const pem of await platform.registrars(signal)) {
        db.run("insert or ignore into registrar_certificates select ?, ? where (select count(*) from registrar_certificates) < ?", sha256Hex(pem), pem, maxCertificates);
      }
    });
    if (fetched) this.#certificatesAt = env.now();
  }

  /** Builds the trust again when the policy or the certificates changed. */
  #believe(): void {
    const { db, env, ca, registrars } = this.#o;
    const found: readonly Registrar[] = registrarsOf(registrars() ?? nobody, keptCertificates(db), { ca, log: env.log });
    const trusted = found.map((r) => `${r.name}:${r.kid}:${r.from}:${r.to}`).sort().join();
    if (trusted === this.#trusted) return;
    this.#trusted = trusted;
    this.#trust = new Trust(found);
    this.#lists = new RevocationLists({ db, log: env.log, trust: this.#trust });
    // What was refused for want of trust may count now.
    this.#latest = 0;
  }

  #readFolder(): void {
    const folder = this.#o.folders.revocations;
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder).filter((n) => n.endsWith(".jws")).sort()) this.#lists.take(readFileSync(join(folder, name), "latin1").trim());
  }

  async #try(what: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.#o.env.log.warn("consents-not-fetched", { what, code: error.code });
      return false;
    }
  }
}
