// Runs, results and issues of quality checks in the enclave's state database. Tables and columns by name, counts, notes: they stay here.
import { z } from "zod";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { AppError } from "../../core/errors.ts";
import { afterRun, type Issue } from "../../quality/issues.ts";
import { maxPublishedIssues, maxPublishedRates, type Publication, type PublishedIssue } from "../../quality/publication.ts";
import { exceeds, publishedRates, rateCounts, type Result } from "../../quality/rates.ts";
import { dimensions, severities } from "../../quality/rules.ts";
import { acceptReasons, isLive, issueStates } from "../../quality/states.ts";
import type { Row, StateDatabase } from "../store/database.ts";

/** Why checks were run. */
export type Cause = "start" | "data-changed" | "settings-changed" | "correction" | "schedule" | "operator";
export type Run = { readonly id: number; readonly at: number; readonly cause: string; readonly files: string; readonly checks: number; readonly failing: number };
export type Step = { readonly at: number; readonly state: string; readonly by: string; readonly assignee: string | null; readonly reason: string | null; readonly note: string | null };

/** Runs that are kept with their results: two years of daily ones. */
const keptRuns = 800;

const storedIssueSchema = z.strictObject({
  key: z.string(), rule: z.string(), item: itemIdSchema.nullable(), dimension: z.enum(dimensions), limit: z.int(), severity: z.enum(severities), permille: z.int(),
  assignee: z.string().nullable(), told: z.number().int().nullable(), reason: z.enum(acceptReasons).nullable(), acceptedUntil: z.number().nullable(),
});
const stateSchema = z.enum(issueStates);

export class QualityStore {
  readonly #db: StateDatabase;

  constructor(db: StateDatabase) {
    this.#db = db;
  }

  /** Writes a run down with what it makes of the issues, all or nothing. files: digest of what was read. */
  record(results: readonly Result[], run: { readonly at: number; readonly cause: Cause; readonly files: string }): { readonly opened: number; readonly closed: number } {
    return this.#db.transaction(() => {
      const failing = results.filter((r) => exceeds(r) === true).length;
      this.#db.run("insert into quality_runs (at, cause, files, checks, failing) values (?, ?, ?, ?, ?)", run.at, run.cause, run.files, results.length, failing);
      const id = Number(this.#db.get("select last_insert_rowid() as id")?.["id"]);
      for (const { check, counts } of results) {
        this.#db.run("insert into quality_results values (?, ?, ?, ?, ?, ?, ?)", id, check.key, check.rule, check.item, counts?.checked ?? null, counts?.failed ?? null, counts?.companies ?? null);
      }
      const { opened, changed } = afterRun(this.issues().filter((i) => isLive(i.state)), results, run.at);
      for (const issue of opened) this.#insert(issue, run.at);
      for (const issue of changed) this.#write(issue, run.at, "check");
      this.#db.run("delete from quality_results where run <= ?", id - keptRuns);
      this.#db.run("delete from quality_runs where id <= ?", id - keptRuns);
      // Kept as what it says: a reader of the publication needs the rules' limits of that run.
      this.#meta("quality-rates", JSON.stringify({ at: run.at, rates: publishedRates(results).slice(0, maxPublishedRates), counts: rateCounts(results).slice(0, maxPublishedRates) }));
      this.#meta("quality-rechecked", String(this.#lastCorrection()));
      this.#touch();
      return { opened: opened.length, closed: changed.filter((i) => i.state === "closed").length };
    });
  }

  lastRun(): Run | undefined {
    return this.runs(1)[0];
  }

  /** Newest first. */
  runs(limit: number): Run[] {
    return this.#db.all("select * from quality_runs order by id desc limit ?", limit).map((r) => (
      { id: Number(r["id"]), at: Number(r["at"]), cause: String(r["cause"]), files: String(r["files"]), checks: Number(r["checks"]), failing: Number(r["failing"]) }));
  }

  /** Counts of a run, by check. */
  results(run: number): { readonly key: string; readonly rule: string; readonly item: string | null; readonly checked: number | null; readonly failed: number | null }[] {
    const number = (value: unknown): number | null => (value === null ? null : Number(value));
    return this.#db.all("select * from quality_results where run = ? order by key", run).map((r) => (
      { key: String(r["key"]), rule: String(r["rule"]), item: r["item"] === null ? null : String(r["item"]), checked: number(r["checked"]), failed: number(r["failed"]) }));
  }

  /** Oldest first. */
  issues(): Issue[] {
    return this.#db.all("select * from quality_issues order by id").map((row) => readIssue(row));
  }

  /** Throws QUALITY_ISSUE_UNKNOWN. */
  issue(id: number): Issue {
    const row = this.#db.get("select * from quality_issues where id = ?", id);
    if (row === undefined) throw new AppError("QUALITY_ISSUE_UNKNOWN", { issue: id });
    return readIssue(row);
  }

  /** What happened to an issue, oldest first. */
  steps(issue: number): Step[] {
    return this.#db.all("select * from quality_steps where issue = ? order by rowid", issue).map((r) => ({
      at: Number(r["at"]), state: String(r["state"]), by: String(r["by"]), assignee: r["assignee"] === null ? null : String(r["assignee"]), reason: r["reason"] === null ? null : String(r["reason"]), note: r["note"] === null ? null : String(r["note"]),
    }));
  }

  /** An operator's step: `change` gives the issue as it is after it, or throws. The note stays here. */
  step(id: number, at: number, change: (issue: Issue) => Issue, note?: string): Issue {
    return this.#db.transaction(() => {
      const next = change(this.issue(id));
      this.#write(next, at, "operator", note);
      this.#touch();
      return next;
    });
  }

  /** Whether somebody has said since the last run that an issue is corrected. */
  get isCorrectionNew(): boolean {
    return this.#lastCorrection() > Number(this.#read("quality-rechecked") ?? 0);
  }
  #lastCorrection(): number {
    return Number(this.#db.get("select coalesce(max(rowid), 0) as step from quality_steps where state = 'corrected'")?.["step"]);
  }

  /** What is to be told to the platform, with the number of this state of things; undefined when it knows it, or nothing was run. */
  unpublished(): { readonly revision: number; readonly publication: Publication } | undefined {
    const revision = Number(this.#read("quality-revision") ?? 0);
    if (revision === Number(this.#read("quality-published") ?? 0)) return undefined;
    const publication = this.publication();
    return publication && { revision, publication };
  }

  /** All that is told as things stand; undefined before the first run. */
  publication(): Publication | undefined {
    const rates = this.#read("quality-rates");
    if (rates === undefined) return undefined;
    const { at, rates: list } = JSON.parse(rates) as { at: number; rates: Publication["rates"] };
    return { version: 1, ranAt: iso(at), rates: list, issues: this.#toldIssues() };
  }

  /** What the published rates are of, in their order: for noise, and never told. Undefined before the first run. */
  rateCounts(): readonly ({ readonly checked: number; readonly failed: number } | null)[] | undefined {
    const rates = this.#read("quality-rates");
    return rates === undefined ? undefined : (JSON.parse(rates) as { counts?: readonly ({ checked: number; failed: number } | null)[] }).counts;
  }

  published(revision: number): void {
    this.#meta("quality-published", String(revision));
  }

  /** The digest of the settings under which the last run was made. */
  get settings(): string | undefined {
    return this.#read("quality-settings");
  }
  set settings(digest: string) {
    this.#meta("quality-settings", digest);
  }

  /** Live ones first, then the latest closed ones; an issue about too few companies is not told. */
  #toldIssues(): PublishedIssue[] {
    const all = this.issues().toReversed();
    const told = [...all.filter((i) => isLive(i.state)), ...all.filter((i) => !isLive(i.state))].flatMap((i) => (i.told === null ? [] : [{ ...i, permille: i.told }]));
    return told.slice(0, maxPublishedIssues).map(({ id, rule, item, dimension, severity, limit, state, permille, openedAt, dueAt, closedAt, reason, acceptedUntil }) => ({
      issue: id, rule, item, dimension, severity, limit, state, permille, openedAt: iso(openedAt), dueAt: iso(dueAt), closedAt: closedAt === null ? null : iso(closedAt),
      reason, acceptedUntil: acceptedUntil === null ? null : iso(acceptedUntil),
    }));
  }

  #insert(issue: Omit<Issue, "id">, at: number): void {
    const { state, openedAt, dueAt, closedAt, ...rest } = issue;
    this.#db.run("insert into quality_issues (key, state, opened_at, due_at, closed_at, issue) values (?, ?, ?, ?, ?, ?)", issue.key, state, openedAt, dueAt, closedAt, JSON.stringify(rest));
    this.#db.run("insert into quality_steps values (last_insert_rowid(), ?, ?, 'check', ?, null, null)", at, state, issue.assignee);
  }

  #write(issue: Issue, at: number, by: "check" | "operator", note?: string): void {
    const before = this.issue(issue.id).state;
    const { id, state, openedAt, dueAt, closedAt, ...rest } = issue;
    this.#db.run("update quality_issues set state = ?, opened_at = ?, due_at = ?, closed_at = ?, issue = ? where id = ?", state, openedAt, dueAt, closedAt, JSON.stringify(rest), id);
    if (before !== state || by === "operator") this.#db.run("insert into quality_steps values (?, ?, ?, ?, ?, ?, ?)", id, at, state, by, issue.assignee, issue.reason, note ?? null);
  }

  #touch(): void {
    this.#meta("quality-revision", String(Number(this.#read("quality-revision") ?? 0) + 1));
  }
  #read(key: string): string | undefined {
    const value = this.#db.get("select value from meta where key = ?", key)?.["value"];
    return typeof value === "string" ? value : undefined;
  }
  #meta(key: string, value: string): void {
    this.#db.run("insert or replace into meta values (?, ?)", key, value);
  }
}

function readIssue(row: Row): Issue {
  const rest = storedIssueSchema.parse(JSON.parse(String(row["issue"])));
  return {
    ...rest, id: Number(row["id"]), state: stateSchema.parse(row["state"]), openedAt: Number(row["opened_at"]), dueAt: Number(row["due_at"]),
    closedAt: row["closed_at"] === null ? null : Number(row["closed_at"]),
  };
}

const iso = (ms: number): string => new Date(ms).toISOString();
