// What a provider keeps of a monitoring service: who is watched, each company's state, and news that the bank's enclave has not acknowledged. All of
// it that names a company or says something about one is sealed; companies are found again by keyed hashes.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import type { Code } from "../../core/errors.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { endCodes, newsSchema, type News } from "../../federation/watch/messages.ts";
import type { Alert } from "../../monitoring/triggers/evaluate.ts";
import type { Watch, WatchStore } from "../../monitoring/watch/store.ts";
import type { Budgets } from "../budgets.ts";
import type { SecretBox } from "../keys/box.ts";
import type { Row, StateDatabase } from "../store/database.ts";

const namedSchema = z.strictObject({ subject: z.string(), registeredAt: z.int() });
export type Version = { readonly sequence: number; readonly version: string; readonly asOf: string };
export type Terms = Pick<Watch, "consent" | "registrar" | "key">;

export class ProviderWatches implements WatchStore {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #service: string;
  readonly #guest: PartyId;
  readonly #recordOf: (company: string) => Uint8Array;
  #isInside = false;

  constructor(options: { readonly db: StateDatabase; readonly box: SecretBox; readonly plan: Pick<JobPlan, "job" | "guest">; readonly budgets: Pick<Budgets, "hashId"> }) {
    this.#db = options.db;
    this.#box = options.box;
    this.#service = options.plan.job;
    this.#guest = options.plan.guest;
    this.#recordOf = (company) => options.budgets.hashId(options.plan.guest, company);
  }

  /** One inside of another is part of it. */
  transaction<T>(work: () => T): T {
    if (this.#isInside) return work();
    this.#isInside = true;
    try {
      return this.#db.transaction(work);
    } finally {
      this.#isInside = false;
    }
  }

  count(institution: string): number {
    if (institution !== this.#guest) return 0;
    return Number(this.#db.get("select count(*) as n from watches where service = ?", this.#service)?.["n"] ?? 0);
  }

  find(institution: string, subject: string): Watch | undefined {
    if (institution !== this.#guest) return undefined;
    return this.#read(this.#db.get("select * from watches where service = ? and record = ?", this.#service, this.#recordOf(subject)));
  }

  get(id: string): Watch | undefined {
    return this.#read(this.#db.get("select * from watches where service = ? and id = ?", this.#service, id));
  }

  put({ id, subject, consent, registrar, key, registeredAt, until }: Watch): void {
    const sealed = this.#seal(canonicalJson({ subject, registeredAt }));
    this.#db.run(`insert into watches (service, id, record, consent, registrar, key, until, sealed) values (?, ?, ?, ?, ?, ?, ?, ?)
      on conflict (service, id) do update set consent = excluded.consent, registrar = excluded.registrar, key = excluded.key, until = excluded.until, sealed = excluded.sealed, jws = null`,
    this.#service, id, this.#recordOf(subject), consent, registrar, key ?? null, until, sealed);
  }

  remove(id: string, ended?: Code): void {
    this.#db.run("delete from watches where service = ? and id = ?", this.#service, id);
    this.#db.run("delete from watch_news where service = ? and watch = ?", this.#service, id);
    const code = endCodes.find((c) => c === ended);
    if (code !== undefined) this.#putNews({ id: `end_${sha256Hex(id).slice(0, 32)}`, watch: id, ended: code });
  }

  ofConsent(consent: string): readonly Watch[] {
    return this.#db.all("select * from watches where service = ? and consent = ?", this.#service, consent).flatMap((row) => this.#read(row) ?? []);
  }

  ended(now: number, limit: number): readonly Watch[] {
    return this.#db.all("select * from watches where service = ? and until <= ? limit ?", this.#service, now, limit).flatMap((row) => this.#read(row) ?? []);
  }

  state(id: string): string | undefined {
    const state = this.#db.get("select state from watches where service = ? and id = ?", this.#service, id)?.["state"];
    return state instanceof Uint8Array ? this.#open(state) : undefined;
  }

  putState(id: string, state: string): void {
    this.#db.run("update watches set state = ? where service = ? and id = ?", this.#seal(state), this.#service, id);
  }

  putAlert({ text }: { readonly id: string; readonly watch: string; readonly text: string }): void {
    const { id, watch, trigger, kind, severity, asOf } = JSON.parse(text) as Alert;
    this.#putNews({ id, watch, trigger, kind, severity, asOf });
  }

  /** The consent of a watch, as it was shown. */
  consentText(id: string): string | undefined {
    const jws = this.#db.get("select jws from watches where service = ? and id = ?", this.#service, id)?.["jws"];
    return jws instanceof Uint8Array ? this.#open(jws) : undefined;
  }

  putConsentText(id: string, jws: string): void {
    this.#db.run("update watches set jws = ? where service = ? and id = ?", this.#seal(jws), this.#service, id);
  }

  /** All watches with what their consents depend on, by id, ascending. */
  terms(after: string, limit: number): readonly (Terms & { readonly id: string; readonly until: number })[] {
    return this.#db.all("select id, consent, registrar, key, until from watches where service = ? and id > ? order by id limit ?", this.#service, after, limit).map((row) => (
      { id: String(row["id"]), consent: String(row["consent"]), registrar: String(row["registrar"]), key: typeof row["key"] === "string" ? row["key"] : undefined, until: Number(row["until"]) }));
  }

  /** Ids, ascending. */
  *ids(): Iterable<string> {
    for (let after = ""; ;) {
      const page = this.#db.all("select id from watches where service = ? and id > ? order by id limit 1000", this.#service, after).map((row) => String(row["id"]));
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  /** The version of the data that is looked at: the same number again for the same version, the next one for another. asOf: the day on which it came. */
  version(digest: string, asOf: string): Version {
    return this.transaction(() => {
      const row = this.#db.get("select sequence, version, as_of from watch_versions where service = ? order by sequence desc limit 1", this.#service);
      if (row?.["version"] === digest) return { sequence: Number(row["sequence"]), version: digest, asOf: String(row["as_of"]) };
      // A clock that was set back makes no version of before.
      const last = String(row?.["as_of"] ?? asOf);
      const next: Version = { sequence: Number(row?.["sequence"] ?? 0) + 1, version: digest, asOf: last > asOf ? last : asOf };
      this.#db.run("insert into watch_versions values (?, ?, ?, ?)", this.#service, next.sequence, next.version, next.asOf);
      return next;
    });
  }

  /** Watches that were not looked at in this version. */
  due(sequence: number, limit: number): readonly string[] {
    return this.#db.all("select id from watches where service = ? and sequence < ? order by sequence, id limit ?", this.#service, sequence, limit).map((row) => String(row["id"]));
  }

  looked(id: string, sequence: number): void {
    this.#db.run("update watches set sequence = ? where service = ? and id = ?", sequence, this.#service, id);
  }

  /** Whether this is the first look of the month at a watch: a use of its own in the receipts. */
  isFirstOf(id: string, month: string): boolean {
    return this.#db.run("update watches set month = ? where service = ? and id = ? and month <> ?", month, this.#service, id, month) === 1;
  }

  /** The oldest news, those that left before first; of alerts that have not left as many as this day has room for. The day is theirs from now on. */
  news(limit: number, { day, perDay, except = new Set() }: { readonly day: string; readonly perDay: number; /** Ids that are under way. */ readonly except?: ReadonlySet<string> }): News[] {
    return this.transaction(() => {
      const scope = `alerts|${this.#service}`;
      let told = Number(this.#db.get("select amount from service_counts where scope = ? and period = ?", scope, day)?.["amount"] ?? 0);
      // Alerts that wait for another day hold up nothing else.
      const rows = this.#db.all("select n, id, is_alert, day, sealed from watch_news where service = ? and (day is not null or is_alert = 0 or ?) order by day is null, n limit ?", this.#service, told < perDay ? 1 : 0, limit + except.size)
        .filter((row) => !except.has(String(row["id"]))).slice(0, limit);
      const news: News[] = [];
      let isNew = false;
      for (const row of rows) {
        const isFresh = row["day"] === null;
        if (isFresh && row["is_alert"] === 1) {
          if (told >= perDay) continue;
          told += 1;
          isNew = true;
        }
        if (isFresh) this.#db.run("update watch_news set day = ? where n = ?", day, Number(row["n"]));
        news.push(newsSchema.parse(JSON.parse(this.#open(row["sealed"] as Uint8Array))));
      }
      if (isNew) this.#db.run("insert or replace into service_counts values (?, ?, ?)", scope, day, told);
      return news;
    });
  }

  acknowledged(ids: readonly string[]): void {
    this.transaction(() => ids.forEach((id) => this.#db.run("delete from watch_news where service = ? and id = ?", this.#service, id)));
  }

  #putNews(news: News): void {
    this.#db.run("insert or ignore into watch_news (service, id, watch, is_alert, sealed) values (?, ?, ?, ?, ?)",
      this.#service, news.id, news.watch, "trigger" in news ? 1 : 0, this.#seal(canonicalJson(news)));
  }

  #read(row: Row | undefined): Watch | undefined {
    if (row === undefined) return undefined;
    const { subject, registeredAt } = namedSchema.parse(JSON.parse(this.#open(row["sealed"] as Uint8Array)));
    return {
      id: String(row["id"]), institution: this.#guest, subject, consent: String(row["consent"]), registrar: String(row["registrar"]), key: typeof row["key"] === "string" ? row["key"] : undefined,
      registeredAt, until: Number(row["until"]),
    };
  }

  #seal(text: string): Uint8Array {
    return this.#box.seal(Buffer.from(text));
  }
  #open(sealed: Uint8Array): string {
    return Buffer.from(this.#box.open(sealed)).toString("utf8");
  }
}
