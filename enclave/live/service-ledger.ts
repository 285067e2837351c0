// The ledger of a service: per peer, direction and type how many messages of how many bytes, and a running digest over them: what is sent
// hundreds of times a second has no row of its own. It is bounded by the approved plan like every other, and comes before the message leaves.
import { createHash } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import { digestOf } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import type { JobPlan } from "../../federation/plan-schema.ts";
import { isWithin, type Bounds } from "../plan-bounds.ts";
import type { StateDatabase } from "../store/database.ts";

type Direction = "sent" | "received";
type Line = { readonly peer: PartyId; readonly direction: Direction; readonly type: string; messages: number; bytes: number; digest: string };

export class ServiceLedger {
  readonly #db: StateDatabase;
  readonly #plan: JobPlan;
  readonly #self: PartyId;
  readonly #bounds: ReadonlyMap<string, Bounds>;
  readonly #lines = new Map<string, Line>();
  readonly #changed = new Set<Line>();

  constructor(db: StateDatabase, plan: JobPlan, self: PartyId) {
    this.#db = db;
    this.#plan = plan;
    this.#self = self;
    this.#bounds = new Map(plan.leakage.map((item) => [`${item.from}>${item.to}:${item.type}`, item]));
    for (const row of db.all("select peer, direction, type, messages, bytes, digest from service_ledger where service = ?", plan.job)) {
      const line: Line = {
        peer: row["peer"] as PartyId, direction: row["direction"] as Direction, type: String(row["type"]), messages: Number(row["messages"]), bytes: Number(row["bytes"]), digest: String(row["digest"]),
      };
      this.#lines.set(keyOf(line), line);
    }
  }

  /** Notes one frame. Throws LEDGER_OUTSIDE_PLAN (sent) or PROTOCOL_OVERSIZED (received) and changes nothing. It counts once `write` is committed. */
  enter(peer: PartyId, direction: Direction, type: string, bytes: number, digest: string): void {
    const [from, to] = direction === "sent" ? [this.#self, peer] : [peer, this.#self];
    const bounds = this.#bounds.get(`${from}>${to}:${type}`);
    const known = this.#lines.get(`${peer}|${direction}|${type}`);
    const use = { messages: (known?.messages ?? 0) + 1, bytes: (known?.bytes ?? 0) + bytes };
    if (bounds === undefined || !isWithin(use, bounds)) {
      throw new AppError(direction === "sent" ? "LEDGER_OUTSIDE_PLAN" : "PROTOCOL_OVERSIZED", { party: peer, ...use, limit: bounds?.maxBytes ?? 0 });
    }
    const line = known ?? { peer, direction, type, messages: 0, bytes: 0, digest: "" };
    line.messages = use.messages;
    line.bytes = use.bytes;
    line.digest = createHash("sha256").update(line.digest).update(digest).digest("hex");
    this.#lines.set(keyOf(line), line);
    this.#changed.add(line);
  }

  /** Within the transaction of a group. */
  write(): void {
    for (const { peer, direction, type, messages, bytes, digest } of this.#changed) {
      this.#db.run("insert or replace into service_ledger values (?, ?, ?, ?, ?, ?, ?)", this.#plan.job, peer, direction, type, messages, bytes, digest);
    }
    this.#changed.clear();
  }

  /** Over all lines as they are now: goes into the receipts. */
  digest(): string {
    return digestOf([...this.#lines.values()].map((l) => [l.peer, l.direction, l.type, l.messages, l.bytes, l.digest]).sort((a, b) => (String(a) < String(b) ? -1 : 1)));
  }

  lines(): readonly Readonly<Line>[] {
    return [...this.#lines.values()];
  }
}

function keyOf({ peer, direction, type }: Line): string {
  return `${peer}|${direction}|${type}`;
}
