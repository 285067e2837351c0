// The enclave's own SQLite file: what must survive a killed process. Synchronous writes, one writer (the enclave process).
import { mkdirSync, chmodSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { AppError } from "../../core/errors.ts";

const schema = `
create table if not exists meta (key text primary key, value text not null) strict;
create table if not exists jobs (
  job text primary key, state text not null, plan text not null, digest text not null, approval text,
  secrets blob, code text, party text, created_at integer not null, finished_at integer) strict;
create table if not exists inbox (
  job text not null, peer text not null, seq integer not null, type text not null, bytes integer not null, digest text not null, frame blob,
  primary key (job, peer, seq)) strict;
create table if not exists ledger (
  job text not null, peer text not null, seq integer not null, type text not null, bytes integer not null, digest text not null,
  acknowledged integer not null default 0, primary key (job, peer, seq)) strict;
create table if not exists checkpoints (
  job text not null, name text not null, number integer not null, digest text not null, primary key (job, name)) strict;
create table if not exists phases (
  job text not null, name text not null, wall real not null, cpu real not null, rounds integer not null default 0, primary key (job, name)) strict;
create table if not exists refusals (
  id integer primary key, job text not null, peer text not null, code text not null, at integer not null) strict;
create table if not exists memo (job text not null, key text not null, value text not null, primary key (job, key)) strict;
create table if not exists decisions (job text primary key, decision text not null, at integer not null) strict;
create table if not exists operator_decisions (job text not null, operator text not null, jws text not null, at integer not null, primary key (job, operator, jws)) strict;
create table if not exists budget (
  scope text not null, job text not null, label text not null, amount real not null, at integer not null,
  primary key (scope, job, label)) strict;
create table if not exists row_sets (
  id integer primary key, guest text not null, dataset text not null, digest text not null, job text not null, rows blob not null,
  unique (guest, dataset, digest)) strict;
create table if not exists openings (guest text not null, dataset text not null, record blob not null, what text not null,
  primary key (guest, dataset, record, what)) strict, without rowid;
create table if not exists known_sets (guest text not null, job text not null, at integer not null, records blob not null,
  primary key (guest, job)) strict;
create table if not exists tags_made (
  guest text not null, snapshot text not null, key blob not null, size integer, tags text, orders text, primary key (guest, snapshot)) strict;
create table if not exists tags_got (host text primary key, digest text not null, bytes integer not null) strict;
create table if not exists receipts (
  issuer text not null, sequence integer not null, job text not null unique, jws text not null, certificate text, place text, refused text,
  primary key (issuer, sequence)) strict;
create table if not exists receipt_uses (job text not null, part integer not null, sealed blob not null, primary key (job, part)) strict;
create table if not exists receipt_texts (digest text primary key, sealed blob not null) strict;
create table if not exists witnessed_logs (origin text primary key, checkpoint text not null) strict;
create table if not exists witness_evidence (
  id integer primary key, origin text not null, seen text not null, offered text not null, at integer not null, unique (origin, seen, offered)) strict;
create table if not exists consents (digest blob primary key, subject blob not null, sealed blob not null, until integer not null) strict, without rowid;
create index if not exists consents_subject on consents (subject);
create table if not exists consent_uses (
  consent blob not null, job text not null, plan text not null, at integer not null, until integer not null, primary key (consent, job)) strict, without rowid;
create index if not exists consent_uses_until on consent_uses (until);
create table if not exists revocation_lists (
  registrar text not null, digest text not null, sequence integer not null, jws text not null, primary key (registrar, digest)) strict;
create table if not exists objections (
  id text not null, role text not null, change integer not null, sealed blob not null, answer text, sent integer not null default 0, refused text,
  primary key (id, role)) strict;
create table if not exists registrar_certificates (digest text primary key, pem text not null) strict;
create table if not exists quality_runs (
  id integer primary key, at integer not null, cause text not null, files text not null, checks integer not null, failing integer not null) strict;
create table if not exists quality_results (
  run integer not null, key text not null, rule text not null, item text, checked integer, failed integer, companies integer, primary key (run, key)) strict, without rowid;
create table if not exists quality_issues (
  id integer primary key autoincrement, key text not null, state text not null, opened_at integer not null, due_at integer not null, closed_at integer, issue text not null) strict;
create table if not exists quality_steps (
  issue integer not null, at integer not null, state text not null, by text not null, assignee text, reason text, note text) strict;
create table if not exists usage_told (job text primary key) strict;
create table if not exists reports (
  entry integer primary key autoincrement, kind text not null, at integer not null, bytes integer not null, digest text not null, acknowledged integer not null default 0) strict;
create table if not exists service_state (
  service text primary key, last_n integer not null, batch integer not null, uses integer not null, opened_at integer, output text not null) strict;
create table if not exists service_ledger (
  service text not null, peer text not null, direction text not null, type text not null, messages integer not null, bytes integer not null, digest text not null,
  primary key (service, peer, direction, type)) strict;
create table if not exists service_counts (scope text not null, period text not null, amount integer not null, primary key (scope, period)) strict;
create table if not exists budget_rows (key text primary key, value text not null, until integer not null) strict, without rowid;
create table if not exists budget_sets (
  key text not null, starts integer not null, expires integer not null, digest text not null, times integer not null, primary key (key, starts, digest)) strict, without rowid;
create table if not exists budget_sightings (
  id integer primary key autoincrement, at integer not null, institution text not null, company text not null, model text not null, signal text not null, verdict text not null, measured real not null, told integer not null default 0) strict;
create table if not exists budget_members (digest text primary key, packed blob not null) strict;
create table if not exists verify_wrong (scope text not null, record blob not null, field text not null, wrong integer not null, until integer not null, primary key (scope, record, field)) strict, without rowid;
create table if not exists service_companies (
  scope text not null, record blob not null, month text not null, day text not null, asked integer not null, sets text not null, primary key (scope, record)) strict, without rowid;
create table if not exists serving_events (deployment text not null, revision integer not null, event text not null, primary key (deployment, revision)) strict;
create table if not exists serving_services (service text primary key, deployment text not null, model text not null, bound_at integer not null) strict;
create table if not exists serving_proposals (
  id integer primary key autoincrement, at integer not null, proposal text not null, signed text not null, open integer not null default 1) strict;
create table if not exists serving_statistics (deployment text primary key, at integer not null, body text not null) strict;
create table if not exists serving_told (deployment text primary key, revision integer not null) strict;
create table if not exists outcome_loans (loan blob primary key, sealed blob not null) strict, without rowid;
create table if not exists outcome_imports (
  id integer primary key autoincrement, at integer not null, file text not null, counts text not null, finished integer not null default 0) strict;
create table if not exists outcome_scores (company blob not null, model text not null, month integer not null, sealed blob not null, primary key (company, model, month)) strict, without rowid;
create table if not exists outcome_development (model text primary key, source text not null, sealed blob not null) strict;
create table if not exists outcome_told (
  id integer primary key autoincrement, model text not null, at integer not null, body text not null, sent integer not null default 0) strict;
create table if not exists watches (
  service text not null, id text not null, record blob not null, consent text not null, registrar text not null, key text, until integer not null, sequence integer not null default 0,
  month text not null default '', sealed blob not null, jws blob, state blob, primary key (service, id), unique (service, record)) strict;
create index if not exists watches_consent on watches (service, consent);
create index if not exists watches_until on watches (service, until);
create index if not exists watches_sequence on watches (service, sequence, id);
create table if not exists watch_versions (service text not null, sequence integer not null, version text not null, as_of text not null, primary key (service, sequence)) strict;
create table if not exists watch_news (
  n integer primary key autoincrement, service text not null, id text not null, watch text not null, is_alert integer not null, day text, sealed blob not null, unique (service, id)) strict;
create index if not exists watch_news_watch on watch_news (service, watch);
create table if not exists watch_list (
  service text not null, host text not null, record blob not null, state text not null, code text, watch text, consent text, retry_at integer, sealed blob not null,
  primary key (service, host, record)) strict;
create index if not exists watch_list_state on watch_list (service, host, state);
create unique index if not exists watch_list_watch on watch_list (service, host, watch);
create index if not exists watch_list_record on watch_list (service, record);
create table if not exists watch_scores (service text not null, record blob not null, due_at integer not null, at integer, code text, sealed blob, primary key (service, record)) strict, without rowid;
create index if not exists watch_scores_due on watch_scores (service, due_at);
create table if not exists watch_alerts (
  n integer primary key autoincrement, id text not null unique, service text not null, at integer not null, sealed blob not null, jwe text, delivered integer not null default 0) strict;
create index if not exists watch_alerts_delivered on watch_alerts (delivered, n);
create table if not exists drift_counts (model text not null, month text not null, source text not null, companies integer not null, counts text not null, primary key (model, month, source)) strict, without rowid;
create table if not exists drift_seen (model text not null, month text not null, record blob not null, primary key (model, month, record)) strict, without rowid;
create table if not exists drift_told (model text not null, month text not null, primary key (model, month)) strict, without rowid;
create table if not exists data_refreshes (
  id integer primary key autoincrement, at integer not null, cause text not null, accept integer not null default 0, state text not null, code text, facts text, rows integer,
  before_rows integer, snapshot text, ended_at integer) strict;
create table if not exists models (
  model text primary key, job text not null, created_at integer not null, kind text not null, half text not null, version integer not null default 1, digests text) strict;
`;
const addedColumns = [["phases", "rounds", "integer not null default 0"], ["inbox", "frame", "blob"], ["models", "version", "integer not null default 1"], ["models", "digests", "text"]] as const;

type Value = string | number | Uint8Array | null;
export type Row = Readonly<Record<string, SQLOutputValue>>;

/** Pages in the log from which a commit moves them into the main file: SQLite's own number. */
const checkpointPages = 1_000;

export class StateDatabase implements Disposable {
  /** undefined for one in memory. */
  readonly file: string | undefined;
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #atEnd: ((isCommitted: boolean) => void)[] = [];
  #commits = 0;
  #checkpointAt = checkpointPages;

  /** Opens or creates the file (0600 in a 0700 folder). Throws ENCLAVE_STATE when it cannot be used. */
  constructor(file: string) {
    this.file = file === ":memory:" ? undefined : file;
    try {
      if (file !== ":memory:") mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      this.#db = new DatabaseSync(file);
      if (file !== ":memory:") chmodSync(file, 0o600);
      this.#db.exec("pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma secure_delete = on");
      this.#db.exec(schema);
      // A folder of an earlier version.
      for (const [table, column, type] of addedColumns) {
        const columns = this.#db.prepare("select name from pragma_table_info(?)").all(table);
        if (!columns.some((c) => c["name"] === column)) this.#db.exec(`alter table ${table} add column ${column} ${type}`);
      }
      this.#packKnownIds();
    } catch (cause) {
      throw new AppError("ENCLAVE_STATE", {}, { cause });
    }
  }

  /** An earlier version had one row per company: a budget must not forget them. */
  #packKnownIds(): void {
    if (this.#db.prepare("select 1 from sqlite_master where name = 'known_ids'").get() === undefined) return;
    this.transaction(() => {
      for (const { guest, job, at } of this.#db.prepare("select guest, first_job as job, min(at) as at from known_ids group by guest, first_job").all()) {
        const records = this.#db.prepare("select record from known_ids where guest = ? and first_job = ? order by record").all(guest ?? null, job ?? null);
        const packed = Buffer.concat(records.map((r) => r["record"] as Uint8Array));
        this.#db.prepare("insert or ignore into known_sets values (?, ?, ?, ?)").run(guest ?? null, job ?? null, at ?? null, packed);
      }
      this.#db.exec("drop table known_ids");
    });
  }

  run(sql: string, ...values: Value[]): number {
    return this.#guard(() => Number(this.#prepared(sql).run(...values).changes));
  }

  /** Like `run`, but a power failure may undo it (a killed process does not): for what can be found out again. It is as durable as the
   *  others once one of them has followed. Not within a transaction. */
  runSoon(sql: string, ...values: Value[]): number {
    return this.#guard(() => {
      this.#db.exec("pragma synchronous = normal");
      try {
        return Number(this.#prepared(sql).run(...values).changes);
      } finally {
        this.#db.exec("pragma synchronous = full");
      }
    });
  }

  get(sql: string, ...values: Value[]): Row | undefined {
    return this.#guard(() => this.#prepared(sql).get(...values));
  }

  all(sql: string, ...values: Value[]): Row[] {
    return this.#guard(() => this.#prepared(sql).all(...values));
  }

  /** Row by row: for tables that should not lie in memory at once. One at a time for each text. */
  each(sql: string, ...values: Value[]): Iterable<Row> {
    return this.#guard(() => this.#prepared(sql).iterate(...values));
  }

  /** The statements are those of this program: there are few. */
  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  /** All or nothing. Not to be nested. */
  transaction<T>(work: () => T): T {
    this.#db.exec("begin immediate");
    let isCommitted = false;
    try {
      const result = work();
      this.#db.exec("commit");
      this.#commits += 1;
      isCommitted = true;
      return result;
    } catch (error) {
      // A full disk may have undone it already.
      if (this.#db.isTransaction) this.#db.exec("rollback");
      throw error;
    } finally {
      const waiting = this.#atEnd;
      this.#atEnd = [];
      for (const told of waiting) told(isCommitted);
    }
  }

  /** Within a transaction: calls back once it is committed or undone, for what keeps in memory what it wrote. */
  atEnd(told: (isCommitted: boolean) => void): void {
    this.#atEnd.push(told);
  }

  /** Like `transaction`, but a power failure may undo it (a killed process does not), until a durable one has followed. */
  transactionSoon<T>(work: () => T): T {
    this.#db.exec("pragma synchronous = normal");
    try {
      return this.transaction(work);
    } finally {
      this.#db.exec("pragma synchronous = full");
    }
  }

  /** Transactions so far. */
  get commits(): number {
    return this.#commits;
  }

  /** From how many pages in the log on a commit moves them into the main file. */
  checkpointAt(pages = checkpointPages): void {
    if (pages === this.#checkpointAt) return;
    this.#guard(() => this.#db.exec(`pragma wal_autocheckpoint = ${Math.trunc(pages)}`));
    this.#checkpointAt = pages;
  }

  /** Moves everything into the main file and empties the log beside it, where overwritten rows would live on. */
  settle(): void {
    this.#guard(() => this.#db.exec("pragma wal_checkpoint(truncate)"));
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new AppError("ENCLAVE_STATE", {}, { cause });
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
