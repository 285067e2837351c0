// What the bank's enclave keeps of its borrowers' whole scores: when each is due, the score that later ones are held against (sealed), and why the last look
// had none. A row goes with its company's place on the watch list.
import { z } from "zod";
import type { JobId } from "../../core/brand.ts";
import { canonicalJson, jsonOf } from "../../core/canonical.ts";
import { isAppError } from "../../core/errors.ts";
import type { HeldScore } from "../../monitoring/triggers/joint-score.ts";
import type { SecretBox } from "../keys/box.ts";
import type { StateDatabase } from "../store/database.ts";

const heldSchema = z.strictObject({ score: z.number(), model: z.string(), at: z.number() });
/** company: undefined for one that no provider watches now; isWanted: one is still to answer. held: "damaged" for one that cannot be read. */
export type DueScore = { readonly record: Uint8Array; readonly company: string | undefined; readonly isWanted: boolean; readonly held: HeldScore | "damaged" | undefined };
/** at: ms of the last whole score. code: why there was none at the last look. */
export type ScoreState = { readonly at: number | null; readonly code: string | null };

export class BankScores {
  readonly #db: StateDatabase;
  readonly #box: SecretBox;
  readonly #service: JobId;
  readonly #recordOf: (company: string) => Uint8Array;

  constructor(options: { readonly db: StateDatabase; readonly box: SecretBox; readonly service: JobId; readonly recordOf: (company: string) => Uint8Array }) {
    this.#db = options.db;
    this.#box = options.box;
    this.#service = options.service;
    this.#recordOf = options.recordOf;
  }

  transaction<T>(work: () => T): T {
    return this.#db.transaction(work);
  }

  /** One that is scored already goes on as it was. */
  begin(company: string, dueAt: number): void {
    this.#db.run("insert or ignore into watch_scores (service, record, due_at) values (?, ?, ?)", this.#service, this.#recordOf(company), Math.floor(dueAt));
  }

  forget(company: string): void {
    this.erase(this.#recordOf(company));
  }

  erase(record: Uint8Array): void {
    this.#db.run("delete from watch_scores where service = ? and record = ?", this.#service, record);
  }

  /** The one that is due longest; one that is due later than `latest` was put there by a clock that has been set back since. */
  due(now: number, latest: number): DueScore | undefined {
    const row = this.#db.get("select record, sealed from watch_scores where service = ? and due_at <= ? order by due_at limit 1", this.#service, now)
      ?? this.#db.get("select record, sealed from watch_scores where service = ? and due_at > ? order by due_at limit 1", this.#service, latest);
    const record = row?.["record"];
    if (!(record instanceof Uint8Array)) return undefined;
    const listed = this.#db.all("select state, sealed from watch_list where service = ? and record = ?", this.#service, record);
    const company = listed.find((l) => l["state"] === "watched")?.["sealed"];
    return {
      record, company: company instanceof Uint8Array ? this.#open(company) : undefined, isWanted: listed.some((l) => l["state"] === "wanted"),
      held: row?.["sealed"] instanceof Uint8Array ? this.#held(row["sealed"]) : undefined,
    };
  }

  /** There was no whole score; what is held stays. */
  waits(record: Uint8Array, dueAt: number, code: string): void {
    this.#db.run("update watch_scores set due_at = ?, code = ? where service = ? and record = ?", Math.floor(dueAt), code, this.#service, record);
  }

  scored(record: Uint8Array, dueAt: number, { at, held }: { readonly at: number; readonly held: HeldScore }): void {
    this.#db.run("update watch_scores set due_at = ?, at = ?, code = null, sealed = ? where service = ? and record = ?", Math.floor(dueAt), at, this.#box.seal(Buffer.from(canonicalJson(held))), this.#service, record);
  }

  of(company: string): ScoreState | undefined {
    const row = this.#db.get("select at, code from watch_scores where service = ? and record = ?", this.#service, this.#recordOf(company));
    return row === undefined ? undefined : { at: typeof row["at"] === "number" ? row["at"] : null, code: typeof row["code"] === "string" ? row["code"] : null };
  }

  #held(sealed: Uint8Array): HeldScore | "damaged" {
    try {
      return heldSchema.safeParse(jsonOf(this.#open(sealed))).data ?? "damaged";
    } catch (error) {
      if (isAppError(error)) return "damaged";
      throw error;
    }
  }

  #open(sealed: Uint8Array): string {
    return Buffer.from(this.#box.open(sealed)).toString("utf8");
  }
}
