// What the approved plan lets pass at most, by sender, receiver and message type. Both doors ask it: a message beyond it does
// not leave, and one that a peer sends beyond it is not taken in.
import type { PartyId } from "../core/brand.ts";
import type { JobPlan, LeakageItem } from "../federation/plan-schema.ts";
import type { StateDatabase } from "./store/database.ts";

export type Bounds = Pick<LeakageItem, "maxMessages" | "maxBytes">;
/** What there would be of a type with the message that is asked about. */
export type Use = { readonly messages: number; readonly bytes: number };

export class PlanBounds {
  readonly #db: StateDatabase;
  readonly #plan: JobPlan;
  readonly #table: "ledger" | "inbox";
  readonly #items: ReadonlyMap<string, Bounds>;
  /** What the table holds, by peer and type: counting its rows for every message would cost more with every message. */
  readonly #used = new Map<string, Use>();

  /** table: the one that this door writes, and nobody else. */
  constructor(db: StateDatabase, plan: JobPlan, table: "ledger" | "inbox") {
    this.#db = db;
    this.#plan = plan;
    this.#table = table;
    this.#items = new Map(plan.leakage.map((item) => [`${item.from}>${item.to}:${item.type}`, item]));
  }

  /** The bounds of a type, undefined when the plan has none of it. */
  of(from: PartyId, to: PartyId, type: string): Bounds | undefined {
    return this.#items.get(`${from}>${to}:${type}`);
  }

  /** What the table holds of a type on the channel with `peer`, and `bytes` more. */
  with(peer: PartyId, type: string, bytes: number): Use {
    const used = this.#used.get(`${peer}:${type}`) ?? this.#count(peer, type);
    return { messages: used.messages + 1, bytes: used.bytes + bytes };
  }

  /** A row was written: this is what there is now. */
  used(peer: PartyId, type: string, use: Use): void {
    this.#used.set(`${peer}:${type}`, use);
  }

  /** Rows were removed, or it is not known whether one was written: counts again when it is asked. */
  recount(): void {
    this.#used.clear();
  }

  #count(peer: PartyId, type: string): Use {
    const row = this.#db.get(
      `select count(*) as n, coalesce(sum(bytes), 0) as b from ${this.#table} where job = ? and peer = ? and type = ?`, this.#plan.job, peer, type);
    const use = { messages: Number(row?.["n"] ?? 0), bytes: Number(row?.["b"] ?? 0) };
    this.used(peer, type, use);
    return use;
  }
}

export function isWithin(use: Use, bounds: Bounds): boolean {
  return use.messages <= bounds.maxMessages && use.bytes <= bounds.maxBytes;
}
