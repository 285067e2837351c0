// The ledger: what this enclave in fact sent and received in a job (type, size, digest; no content). A message is in the
// ledger before it leaves, and the approved plan bounds it.
import type { JobId, PartyId } from "../core/brand.ts";
import { digestOf } from "../core/canonical.ts";
import { AppError } from "../core/errors.ts";
import type { JobPlan } from "../federation/plan-schema.ts";
import { isWithin, PlanBounds, type Use } from "./plan-bounds.ts";
import type { StateDatabase } from "./store/database.ts";

export type LedgerLine = { readonly from: PartyId; readonly to: PartyId; readonly type: string; readonly messages: number; readonly bytes: number };

export class Ledger {
  readonly #db: StateDatabase;
  readonly #job: JobId;
  readonly #self: PartyId;
  readonly #bounds: PlanBounds;

  constructor(db: StateDatabase, plan: JobPlan, self: PartyId) {
    this.#db = db;
    this.#job = plan.job;
    this.#self = self;
    this.#bounds = new PlanBounds(db, plan, "ledger");
  }

  /** The next message number to that peer. */
  nextSeq(to: PartyId): number {
    return Number(this.#db.get("select coalesce(max(seq) + 1, 0) as n from ledger where job = ? and peer = ?", this.#job, to)?.["n"] ?? 0);
  }

  /** Writes down one outgoing frame. The same content again is fine (a restart); another content under a used number is refused. */
  enter(to: PartyId, seq: number, type: string, bytes: number, digest: string): { acknowledged: boolean } {
    const { acknowledged, use } = this.#db.transaction(() => {
      const row = this.#db.get("select type, digest, acknowledged from ledger where job = ? and peer = ? and seq = ?", this.#job, to, seq);
      if (row !== undefined) {
        if (row["digest"] !== digest) throw new AppError("ENCLAVE_REPLAY_DIVERGED", { party: to, seq });
        return { acknowledged: row["acknowledged"] === 1, use: undefined };
      }
      if (seq !== this.nextSeq(to)) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: to, seq });
      const entered = this.#checkPlan(to, type, bytes);
      this.#db.run("insert into ledger (job, peer, seq, type, bytes, digest) values (?, ?, ?, ?, ?, ?)", this.#job, to, seq, type, bytes, digest);
      return { acknowledged: false, use: entered };
    });
    if (use !== undefined) this.#bounds.used(to, type, use);
    return { acknowledged };
  }

  /** Should this be lost with the power, the same bytes are put again and taken as one. */
  acknowledge(to: PartyId, seq: number): void {
    this.#db.runSoon("update ledger set acknowledged = 1 where job = ? and peer = ? and seq = ?", this.#job, to, seq);
  }

  /** Sums per channel and type of what was sent, then of what was received. */
  lines(): { sent: LedgerLine[]; received: LedgerLine[] } {
    const query = (table: string): { peer: PartyId; type: string; messages: number; bytes: number }[] =>
      this.#db.all(`select peer, type, count(*) as messages, sum(bytes) as bytes from ${table} where job = ? group by peer, type order by peer, type`, this.#job)
        .map((r) => ({ peer: r["peer"] as PartyId, type: String(r["type"]), messages: Number(r["messages"]), bytes: Number(r["bytes"]) }));
    return {
      sent: query("ledger").map(({ peer, ...rest }) => ({ from: this.#self, to: peer, ...rest })),
      received: query("inbox").map(({ peer, ...rest }) => ({ from: peer, to: this.#self, ...rest })),
    };
  }

  /** Digest over every line in order of channel and number: goes into the receipt. */
  digest(): string {
    const rows = this.#db.all("select peer, seq, type, bytes, digest from ledger where job = ? order by peer, seq", this.#job);
    return digestOf(rows.map((r) => [String(r["peer"]), Number(r["seq"]), String(r["type"]), Number(r["bytes"]), String(r["digest"])]));
  }

  #checkPlan(to: PartyId, type: string, bytes: number): Use {
    const bounds = this.#bounds.of(this.#self, to, type) ?? { maxMessages: 0, maxBytes: 0 };
    const use = this.#bounds.with(to, type, bytes);
    if (!isWithin(use, bounds)) throw new AppError("LEDGER_OUTSIDE_PLAN", { party: to, ...use, maxMessages: bounds.maxMessages, maxBytes: bounds.maxBytes });
    return use;
  }
}
