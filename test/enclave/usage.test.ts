// Feedback through whole enclaves: what a provider's operator sees after a job, over a restart, and what of it the platform is told.
import { join } from "node:path";
import { assert } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import { usageReportSchema, type UsageReport } from "../../api/contract/usage.ts";
import { noAudit } from "../support/no-audit.ts";
import type { JobId, PartyId, Released } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { parseDefinition } from "../../enclave/data/definition.ts";
import { ReportDesk, ReportLedger } from "../../enclave/reports.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import type { ReportKind } from "../../enclave/transport/reports.ts";
import { itemUsage, reportOf, usageOf, UsageService, type JobUsage } from "../../enclave/usage.ts";
import { ivBands } from "../../federation/feedback/bands.ts";
import { modelIdOf } from "../../federation/finish/end.ts";
import { jointReportSchema } from "../../report/schema.ts";
import { bank, sealTo, tax } from "../support/enclave.ts";
import { keptLog } from "../support/platform.ts";
import { Stock, Workers } from "../support/workers.ts";
import { readFileSync } from "node:fs";

const first = "job_000000000000000a" as JobId;

describe("the use of a provider's data", () => {
  let stock: Stock;
  let workers: Workers;
  before(async () => {
    stock = await Stock.make();
  });
  after(() => stock[Symbol.asyncDispose]());
  beforeEach(async () => {
    workers = await Workers.make(stock);
  });
  afterEach(() => workers[Symbol.asyncDispose]());

  const rule = { guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], approve: "auto", sealTo: sealTo.x };
  const train = async (job: JobId, params: object): Promise<void> => {
    workers.exchange.submit(workers.plan(job, { params: { scorecard: { fit: { refinementRounds: 0 } }, ...params } }));
    workers.startAll();
    await workers.until(job, "done");
    await workers.untilAt(tax, job, "done");
  };
  const features = (): string[] => stock.datasets.get(tax)?.features.map((f) => f.name) ?? [];
  const config = () => ({
    party: tax,
    dataset: parseDefinition({
      name: "tax", idColumn: "ent_id", idKind: "opaque", features: "tax.csv",
      catalogue: { version: 1, catalogue: "2024-15", tables: { features: { subject: "ent_id", columns: Object.fromEntries(features().map((name, i) => [name, [i === 0 ? "tax.payment" : "P21/纳税信息/欠税信息"]])) } } },
    }),
  });
  const usage = (): JobUsage[] => {
    using db = new StateDatabase(enclavePaths(workers.folder(tax)).state);
    return usageOf(db, config());
  };

  it("shows job, institution, purpose, items, indicators, counts, and with the bank's word their classes and the gain", async () => {
    workers.setPolicy(bank, { allow: [{ ...rule, feedback: "bands" }] });
    await train(first, { feedback: "bands" });
    const report = jointReportSchema.parse(JSON.parse(readFileSync(join(enclavePaths(workers.folder(bank)).results, first, "report.json"), "utf8")));
    const [used, ...others] = usage();
    assert.isEmpty(others);
    assert.deepInclude(used as object, { job: first, guest: "bank", kind: "scorecard", purpose: "model-development", model: modelIdOf(first), companies: stock.summaryOf(bank).rows });
    assert.equal(used?.uplift, Math.round(100 * (report.metrics.test.auc - report.guestOnly.test.auc)));
    const indicators = used?.items.flatMap((i) => i.indicators) ?? [];
    const selected = report.features.filter((f) => f.party === "tax").map((f, i) => ({ name: features()[i] ?? "", iv: f.iv }));
    assert.isNotEmpty(indicators);
    for (const { name, band } of indicators) {
      const iv = selected.find((s) => s.name === name)?.iv ?? assert.fail(name);
      assert.equal(band, ivBands[[0.02, 0.1, 0.3].filter((edge) => iv >= edge).length] ?? "", name);
    }
    const totals = itemUsage(usage());
    assert.includeMembers(["tax.payment", "tax.arrears"], totals.map((t) => t.item as string));
    assert.isTrue(totals.every((t) => t.jobs === 1 && t.institutions.join() === "bank" && t.purposes["model-development"] === 1));
    assert.equal(totals.reduce((sum, t) => sum + ivBands.reduce((s, b) => s + t.bands[b], 0), 0), indicators.length);
  });

  it("shows all but classes and gain of a job without feedback, and a job that did not end not at all", async () => {
    await train(first, {});
    const [used] = usage();
    assert.isNull(used?.uplift);
    assert.isTrue(used?.items.flatMap((i) => i.indicators).every((i) => i.band === null));
    assert.isNotEmpty(used?.items);
    workers.change(tax, "update jobs set state = 'failed'");
    assert.isEmpty(usage());
  });

  it("is refused by the bank's own enclave where its policy does not allow feedback", async () => {
    workers.exchange.submit(workers.plan(first, { params: { scorecard: { fit: { refinementRounds: 0 } }, feedback: "bands" } }));
    workers.startAll();
    await workers.until(first, "failed");
    assert.equal(workers.exchange.notice(first).refusals[bank] ?? workers.exchange.notice(first).failure?.code, "POLICY_FEEDBACK");
  });

  it("is told to the platform once per job, again after a refusal, without a name of an indicator, and only where the operator wants it", async () => {
    workers.setPolicy(bank, { allow: [{ ...rule, feedback: "bands" }] });
    await train(first, { feedback: "bands" });
    using db = new StateDatabase(enclavePaths(workers.folder(tax)).state);
    const told: UsageReport[] = [];
    let fault: AppError | undefined = new AppError("JOB_PLATFORM_UNREACHABLE");
    const reports = {
      putReport: (kind: ReportKind, report: Released): Promise<void> => {
        assert.equal(kind, "usage");
        if (fault !== undefined) return Promise.reject(fault);
        told.push(usageReportSchema.parse(JSON.parse(Buffer.from(report).toString("utf8"))));
        return Promise.resolve();
      },
    };
    const service = (publishUsage?: boolean): UsageService => new UsageService({ db, config: { ...config(), ...(publishUsage === undefined ? {} : { publishUsage }) }, desk: new ReportDesk({ db, now: Date.now, audit: noAudit, reports }), env: { rng: systemRng, now: Date.now, log: keptLog([]) } });
    await service(true).tick();
    fault = undefined;
    await service().tick();
    assert.isEmpty(told);
    await service(true).tick();
    await service(true).tick();
    assert.deepEqual(told.map((t) => t.job), [first]);
    assert.deepEqual(new ReportLedger(db).lines(9).map((l) => [l.kind, l.acknowledged]), [["usage", true]]);
    assert.deepEqual(told[0] as object, reportOf(usage()[0] ?? assert.fail()));
    for (const name of features()) assert.notInclude(JSON.stringify(told), `"${name}"`);
    assert.isFalse(usageReportSchema.safeParse({ ...told[0], items: [{ ...told[0]?.items[0], names: features() }] }).success);
    assert.isTrue((["bank", "power"] as PartyId[]).every((p) => !JSON.stringify(told).includes(`"${p}"`)));
  });
});
