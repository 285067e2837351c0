// The one door for reports to the platform: what may not leave is refused before it is written down; what leaves is written down first.
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { AuditEvent } from "../../audit/entry.ts";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { releaseReport } from "../../enclave/release.ts";
import { ReportDesk, ReportLedger } from "../../enclave/reports.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import type { ReportKind } from "../../enclave/transport/reports.ts";

const rate = { rule: "completeness.missing", item: "tax.payment", dimension: "completeness", severity: "minor", limit: 300, state: "rated", permille: 12 };
const quality = { version: 1, ranAt: "2026-01-01T00:00:00.000Z", rates: [rate], issues: [] };
const usage = { job: "job_000000000000000a", items: [{ item: "tax.payment", indicators: 2, bands: { unpredictive: 0, weak: 1, medium: 1, strong: 0 } }], uplift: 3 };
const uscc = "91110108MA01A1B2C3";

describe("reports to the platform", () => {
  let db: StateDatabase;
  let ledger: ReportLedger;
  beforeEach(() => {
    db = new StateDatabase(":memory:");
    ledger = new ReportLedger(db);
  });
  afterEach(() => db[Symbol.dispose]());

  it("are let out as canonical JSON, with kind, size and digest written down", () => {
    for (const [kind, body] of [["quality", quality], ["usage", usage]] as const) {
      const { report, entry } = releaseReport({ kind, body, at: 5, ledger });
      assert.equal(Buffer.from(report).toString("utf8"), canonicalJson(body));
      assert.deepEqual(ledger.lines(1), [{ entry, kind, at: 5, bytes: report.length, digest: sha256Hex(report), acknowledged: false }]);
    }
  });

  it("hold no count of records, no name of a table, column or indicator, no text and no company", () => {
    const bad: readonly [ReportKind, unknown][] = [
      ["quality", { ...quality, rates: [{ ...rate, checked: 1000 }] }], ["quality", { ...quality, rates: [{ ...rate, table: "filings" }] }], ["quality", { ...quality, rates: [{ ...rate, permille: 12.3 }] }],
      ["quality", { ...quality, rates: [{ ...rate, item: uscc }] }], ["quality", { ...quality, rates: [{ ...rate, rule: `own.${uscc}` }] }], ["quality", { ...quality, note: uscc }],
      ["quality", { ...quality, issues: [{ issue: 1, ...rate, state: "open" }] }], ["quality", usage], ["quality", null],
      ["usage", { ...usage, company: uscc }], ["usage", { ...usage, uplift: 3.14 }], ["usage", { ...usage, items: [{ ...usage.items[0], names: ["vat_paid"] }] }], ["usage", { ...usage, job: uscc }], ["usage", quality],
    ];
    for (const [kind, body] of bad) {
      assert.throws(() => releaseReport({ kind, body, at: 5, ledger }), /REPORT_SCHEMA/, JSON.stringify(body));
      try {
        releaseReport({ kind, body, at: 5, ledger });
      } catch (error) {
        assert.notInclude(String(error), uscc);
      }
    }
    assert.isEmpty(ledger.lines(9), "a refused report is in no ledger");
  });

  it("are not sent while the audit log takes nothing, nor taken as sent before the platform has them", async () => {
    const sent: string[] = [];
    let stopped: AppError | undefined = new AppError("AUDIT_STOPPED");
    let down: AppError | undefined = new AppError("JOB_PLATFORM_UNREACHABLE");
    const events: AuditEvent[] = [];
    const desk = new ReportDesk({
      db, now: () => 7,
      audit: { record: (event) => (stopped === undefined ? Promise.resolve(void events.push(event)) : Promise.reject(stopped)) },
      reports: { putReport: (kind) => (sent.push(kind), down === undefined ? Promise.resolve() : Promise.reject(down)) },
    });
    const code = async (): Promise<string> => desk.send("usage", usage as never).then(() => "sent", (error: unknown) => (error instanceof AppError ? error.code : "other"));
    assert.equal(await code(), "AUDIT_STOPPED");
    assert.isEmpty(sent);
    stopped = undefined;
    assert.equal(await code(), "JOB_PLATFORM_UNREACHABLE");
    down = undefined;
    assert.equal(await code(), "sent");
    assert.deepEqual(ledger.lines(9).map((l) => l.acknowledged), [true], "one report, one line, however often it was tried");
    assert.lengthOf(events, 2);
    // The same again later is another report.
    assert.equal(await code(), "sent");
    assert.deepEqual(ledger.lines(9).map((l) => l.entry), [2, 1]);
  });
});
