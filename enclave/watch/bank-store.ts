// What the bank's enclave keeps of a monitoring service: whom it wants watched and what each provider says to that, and the alerts that came.
// Companies are sealed, and found again by keyed hashes.
import { z } from "zod";
import { openedAlertSchema, type OpenedAlert, type WatchEntry, type WatchState, watchStates } from "../../api/contract/watch.ts";
import type { PartyId } from "../../core/brand.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { partyIdSchema } from "../../core/names.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import type { SecretBox } from "../keys/box.ts";
import type { Row, StateDatabase } from "../store/database.ts";

const stateSchema = z.enum(watchStates);
/** consent: digest of the text that was shown. */
export type Listed = { readonly record: Uint8Array; readonly host: PartyId; readonly company: string; readonly state: WatchState; readonly code: string | null; readonly consent: string | null };

export class BankWatches {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #plan: Pick<JobPlan, "job" | "hosts">;
  readonly #recordOf: (company: string) => Uint8Array;

  constructor(options: { readonly db: StateDatabase; readonly box: SecretBox; readonly plan: Pick<JobPlan, "job" | "hosts">; readonly recordOf: (company: string) => Uint8Array }) {
    this.#db = options.db;
    this.#box = options.box;
    this.#plan = options.plan;
    this.#recordOf = options.recordOf;
  }

  transaction<T>(work: () => T): T {
    return this.#db.transaction(work);
  }

  count(): number {
    return Number(this.#db.get("select count(distinct record) as n from watch_list where service = ? and state <> 'removing'", this.#plan.job)?.["n"] ?? 0);
  }

  /** How long the list of one provider is, with those that are to be removed. */
  length(host: PartyId): number {
    return Number(this.#db.get("select count(*) as n from watch_list where service = ? and host = ?", this.#plan.job, host)?.["n"] ?? 0);
  }

  /** Wants it watched at every provider; one that refused or ended is asked again. Returns whether it was not on the list. */
  add(company: string): boolean {
    const record = this.#recordOf(company);
    const isNew = this.#db.get("select 1 from watch_list where service = ? and record = ? and state <> 'removing'", this.#plan.job, record) === undefined;
    for (const host of this.#plan.hosts) {
      this.#db.run(`insert into watch_list (service, host, record, state, sealed) values (?, ?, ?, 'wanted', ?)
        on conflict (service, host, record) do update set state = 'wanted', code = null, retry_at = null where state <> 'watched'`, this.#plan.job, host, record, this.#box.seal(Buffer.from(company)));
    }
    return isNew;
  }

  /** Returns whether it was on the list. */
  remove(company: string): boolean {
    return this.#db.run("update watch_list set state = 'removing', code = null where service = ? and record = ? and state <> 'removing'", this.#plan.job, this.#recordOf(company)) > 0;
  }

  inState(host: PartyId, state: WatchState, now: number, limit: number): Listed[] {
    return this.#db.all("select * from watch_list where service = ? and host = ? and state = ? and (retry_at is null or retry_at <= ?) order by record limit ?", this.#plan.job, host, state, now, limit)
      .map((row) => this.#read(row));
  }

  set(host: PartyId, company: string, to: { readonly state: WatchState; readonly code?: string | undefined; readonly watch?: string | undefined; readonly retryAt?: number | undefined }): void {
    // What is to be removed stays so, whatever was answered meanwhile.
    this.#db.run("update watch_list set state = case state when 'removing' then state else ? end, code = ?, watch = coalesce(?, watch), retry_at = ? where service = ? and host = ? and record = ?",
      to.state, to.code ?? null, to.watch ?? null, to.retryAt ?? null, this.#plan.job, host, this.#recordOf(company));
  }

  shown(host: PartyId, company: string, consent: string | null): void {
    this.#db.run("update watch_list set consent = ? where service = ? and host = ? and record = ?", consent, this.#plan.job, host, this.#recordOf(company));
  }

  removed(host: PartyId, company: string): void {
    this.#db.run("delete from watch_list where service = ? and host = ? and record = ? and state = 'removing'", this.#plan.job, host, this.#recordOf(company));
  }

  /** Everything that is watched is to be registered again. */
  forget(host: PartyId): void {
    this.#db.run("update watch_list set state = 'wanted', watch = null where service = ? and host = ? and state = 'watched'", this.#plan.job, host);
  }

  /** Ids of what is watched at a provider, ascending; with those that are to be removed, which it still has. */
  *ids(host: PartyId): Iterable<string> {
    for (let after = ""; ;) {
      const page = this.#db.all("select watch from watch_list where service = ? and host = ? and watch > ? and state in ('watched', 'removing') order by watch limit 1000", this.#plan.job, host, after)
        .map((row) => String(row["watch"]));
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      after = last;
    }
  }

  ofWatch(host: PartyId, watch: string): Listed | undefined {
    const row = this.#db.get("select * from watch_list where service = ? and host = ? and watch = ?", this.#plan.job, host, watch);
    return row === undefined ? undefined : this.#read(row);
  }

  /** A page of single rows for going over all of them, in the order of (record, host). */
  rows(after: { readonly record: Uint8Array; readonly host: string }, limit: number): Listed[] {
    return this.#db.all("select * from watch_list where service = ? and (record, host) > (?, ?) order by record, host limit ?", this.#plan.job, after.record, after.host, limit).map((row) => this.#read(row));
  }

  /** A page of the list; after: hex of the last record of the page before. */
  page(after: string, limit: number): { readonly entries: WatchEntry[]; readonly next: string | null } {
    const records = this.#db.all("select distinct record from watch_list where service = ? and record > ? order by record limit ?", this.#plan.job, Buffer.from(after, "hex"), limit)
      .map((row) => row["record"] as Uint8Array);
    const entries = records.map((record): WatchEntry => {
      const rows = this.#db.all("select * from watch_list where service = ? and record = ? order by host", this.#plan.job, record).map((row) => this.#read(row));
      return { company: rows[0]?.company ?? "", providers: rows.map(({ host, state, code }) => ({ party: host, state, code })) };
    });
    const last = records.at(-1);
    return { entries, next: records.length < limit || last === undefined ? null : Buffer.from(last).toString("hex") };
  }

  /** Keeps an alert, once for each id of its provider. */
  putAlert(host: PartyId, id: string, alert: OpenedAlert, at: number): void {
    const own = `alert_${sha256Hex(`${this.#plan.job}|${host}|${id}`).slice(0, 32)}`;
    this.#db.run("insert or ignore into watch_alerts (id, service, at, sealed) values (?, ?, ?, ?)", own, this.#plan.job, at, this.#box.seal(Buffer.from(canonicalJson(openedAlertSchema.parse(alert)))));
  }

  #read(row: Row): Listed {
    return {
      record: row["record"] as Uint8Array, host: partyIdSchema.parse(row["host"]), company: Buffer.from(this.#box.open(row["sealed"] as Uint8Array)).toString("utf8"),
      state: stateSchema.parse(row["state"]), code: typeof row["code"] === "string" ? row["code"] : null, consent: typeof row["consent"] === "string" ? row["consent"] : null,
    };
  }
}
