// Reports of this enclave to the platform, about its data and not about a job: each goes through the one door out, is written down there
// before it leaves, and stands in the audit log.
import type { z } from "zod";
import type { Audit } from "../audit/trail.ts";
import type { Clock } from "../core/env.ts";
import type { PrivateReports } from "./charges/private-reports.ts";
import type { Behind } from "./charges/released.ts";
import { releaseReport, type reportSchemas } from "./release.ts";
import type { StateDatabase } from "./store/database.ts";
import type { ReportKind, Reports } from "./transport/reports.ts";

export type ReportLine = { readonly entry: number; readonly kind: string; readonly at: number; readonly bytes: number; readonly digest: string; readonly acknowledged: boolean };
export type ReportBody<K extends ReportKind> = z.input<(typeof reportSchemas)[K]>;

/** Every report that was let out: kind, size and digest, and whether the platform has taken it. A report is here before it leaves. */
export class ReportLedger {
  readonly #db: StateDatabase;

  constructor(db: StateDatabase) {
    this.#db = db;
  }

  /** The same report that waits already keeps its line. */
  enter(kind: ReportKind, bytes: number, digest: string, at: number): number {
    return this.#db.transaction(() => {
      const waiting = this.#db.get("select entry from reports where kind = ? and digest = ? and acknowledged = 0", kind, digest);
      if (waiting !== undefined) return Number(waiting["entry"]);
      this.#db.run("insert into reports (kind, at, bytes, digest) values (?, ?, ?, ?)", kind, at, bytes, digest);
      return Number(this.#db.get("select last_insert_rowid() as entry")?.["entry"]);
    });
  }

  acknowledge(entry: number): void {
    this.#db.run("update reports set acknowledged = 1 where entry = ?", entry);
  }

  /** Newest first. */
  lines(limit: number): ReportLine[] {
    return this.#db.all("select * from reports order by entry desc limit ?", limit).map((r) => (
      { entry: Number(r["entry"]), kind: String(r["kind"]), at: Number(r["at"]), bytes: Number(r["bytes"]), digest: String(r["digest"]), acknowledged: r["acknowledged"] === 1 }));
  }
}

export type DeskParts = { readonly db: StateDatabase; readonly now: Clock; readonly audit: Pick<Audit, "record">; readonly reports: Reports;
  /** Noise on counts, where the policy wants it. */
  readonly figures?: Pick<PrivateReports, "toRelease">;
};

/** Where duties hand in their reports. */
export class ReportDesk {
  readonly #p: DeskParts;
  readonly #ledger: ReportLedger;

  constructor(parts: DeskParts) {
    this.#p = parts;
    this.#ledger = new ReportLedger(parts.db);
  }

  /** The body as it may leave now: with noise on its counts where the policy wants it, and then paid for. What is released once has the same numbers whenever it is asked for.
   *  Throws BUDGET_PRIVACY when its noise cannot be paid for. */
  asReleased<K extends ReportKind>(kind: K, body: ReportBody<K>, behind?: Behind): unknown {
    return this.#p.figures === undefined ? body : this.#p.figures.toRelease(kind, body, behind);
  }

  /** Resolves when the platform has it. Throws REPORT_SCHEMA for a body with anything else in it, before it is written down; AUDIT_STOPPED while it
   *  cannot be audited; BUDGET_PRIVACY when its noise cannot be paid for; and what the platform refuses. behind: exact counts that the body's figures are of. */
  async send<K extends ReportKind>(kind: K, body: ReportBody<K>, behind?: Behind): Promise<void> {
    const { now, audit, reports } = this.#p;
    const { report, entry } = releaseReport({ kind, body: this.asReleased(kind, body, behind), at: now(), ledger: this.#ledger });
    await audit.record({ actor: { role: "enclave" }, action: "report.released", facts: { kind, entry, bytes: report.length } });
    await reports.putReport(kind, report);
    this.#ledger.acknowledge(entry);
  }
}
