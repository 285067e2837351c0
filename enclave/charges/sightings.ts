// Signs of probing as operators hear of them: each of a kind and company once an hour, with the company as a keyed hash of this enclave. Written with the group
// of the question's answer, told to the platform beside it.
import { z } from "zod";
import type { PartyId } from "../../core/brand.ts";
import type { Clock } from "../../core/env.ts";
import type { KeyedHash } from "../../budgets/hashes.ts";
import { signals, verdicts, type Finding, type Signal, type Verdict } from "../../budgets/probing/verdict.ts";
import type { StateDatabase } from "../store/database.ts";

/** model: of the score, or the item that a claim is about. */
export type Sighting = { readonly institution: PartyId; readonly company: KeyedHash; readonly model: string; readonly finding: Finding };
export type SightingLine = {
  readonly id: number; readonly at: number; readonly institution: string; readonly company: string; readonly model: string; readonly signal: Signal; readonly verdict: Verdict;
  readonly measured: number; readonly isTold: boolean;
};

const againMs = 3_600_000;
const maxKnown = 10_000;
/** Lines kept. */
const maxLines = 10_000;

export class Sightings {
  readonly #db: StateDatabase;
  readonly #now: Clock;
  readonly #onSighting: (sighting: Sighting) => void;
  readonly #told = new Map<string, number>();
  #waiting: (Sighting & { readonly at: number })[] = [];

  constructor(options: { readonly db: StateDatabase; readonly now: Clock; readonly onSighting: (sighting: Sighting) => void }) {
    this.#db = options.db;
    this.#now = options.now;
    this.#onSighting = options.onSighting;
  }

  see(sighting: Sighting): void {
    const { institution, company, model, finding: { signal, verdict } } = sighting;
    const now = this.#now();
    const key = `${institution}|${company}|${model}|${signal}|${verdict}`;
    const last = this.#told.get(key);
    if (last !== undefined && last <= now && now - last < againMs) return;
    this.#onSighting(sighting);
    if (this.#told.size >= maxKnown) this.#told.clear();
    this.#told.set(key, now);
    this.#waiting.push({ ...sighting, at: now });
  }

  /** Within the transaction of a group. */
  write(): void {
    if (this.#waiting.length === 0) return;
    const lines = this.#waiting;
    this.#waiting = [];
    this.#db.atEnd((isCommitted) => {
      if (!isCommitted) this.#waiting = [...lines, ...this.#waiting];
    });
    for (const { at, institution, company, model, finding: { signal, verdict, measured } } of lines) {
      this.#db.run("insert into budget_sightings (at, institution, company, model, signal, verdict, measured) values (?, ?, ?, ?, ?, ?, ?)", at, institution, company, model, signal, verdict, measured);
    }
    this.#db.run("delete from budget_sightings where id <= (select max(id) from budget_sightings) - ?", maxLines);
  }
}

const signalSchema = z.enum(signals);
const verdictSchema = z.enum(verdicts);

/** Newest first; untold: only those that the platform has not heard of, oldest first, so that none is passed over. */
export function sightingLines(db: StateDatabase, options: { readonly limit: number; readonly untold?: boolean }): SightingLine[] {
  return db.all(`select * from budget_sightings ${options.untold === true ? "where told = 0 order by id" : "order by id desc"} limit ?`, options.limit).map((row) => ({
    id: Number(row["id"]), at: Number(row["at"]), institution: String(row["institution"]), company: String(row["company"]), model: String(row["model"]),
    signal: signalSchema.parse(row["signal"]), verdict: verdictSchema.parse(row["verdict"]), measured: Number(row["measured"]), isTold: row["told"] === 1,
  }));
}

export function markTold(db: StateDatabase, upTo: number): void {
  db.run("update budget_sightings set told = 1 where id <= ?", upTo);
}
