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
  readonly #items: ReadonlyMap<string, Bounds>;

  constructor(db: StateDatabase, plan: JobPlan) {
    this.#db = db;
    this.#plan = plan;
    this.#items = new Map(plan.leakage.map((item) => [`${item.from}>${item.to}:${item.type}`, item]));
  }

  /** The bounds of a type, undefined when the plan has none of it. */
  of(from: PartyId, to: PartyId, type: string): Bounds | undefined {
    return this.#items.get(`${from}>${to}:${type}`);
  }

  /** What the ledger or the inbox holds of a type on the channel with `peer`, and `bytes` more. */
  with(table: "ledger" | "inbox", peer: PartyId, type: string, bytes: number): Use {
    const used = this.#db.get(
      `select count(*) as n, coalesce(sum(bytes), 0) as b from ${table} where job = ? and peer = ? and type = ?`, this.#plan.job, peer, type);
    return { messages: Number(used?.["n"] ?? 0) + 1, bytes: Number(used?.["b"] ?? 0) + bytes };
  }
}

export function isWithin(use: Use, bounds: Bounds): boolean {
  return use.messages <= bounds.maxMessages && use.bytes <= bounds.maxBytes;
}
