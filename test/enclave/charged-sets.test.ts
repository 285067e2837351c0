// What an enclave charges for jobs over sets of companies: once, durable over kills, with what was asked one by one in the same counts.
import { join } from "node:path";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { JobId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { Budgets, hostGuard } from "../../enclave/budgets.ts";
import type { ChargedQuestion, Refused } from "../../enclave/charges/desk.ts";
import { budgetsPolicySchema, type BudgetsPolicy } from "../../enclave/charges/policy.ts";
import { policySchema, type PolicyRule } from "../../enclave/policy.ts";
import { RecordHashes } from "../../enclave/record-hashes.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { bank, temporaryFolder } from "../support/enclave.ts";

const key = new Uint8Array(32).fill(5);
const other = partyId("other_bank");
const day = 86_400_000;
const month = { calendar: "month", timeZone: "Asia/Shanghai" };

describe("charges of sets of companies", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: StateDatabase;
  let budgets: Budgets;
  let now: number;
  let policy: BudgetsPolicy;
  beforeEach(() => {
    folder = temporaryFolder();
    now = Date.parse("2026-03-10T04:00:00Z");
    policy = budgetsPolicySchema.parse({});
    start();
  });
  afterEach(() => {
    db[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  function start(): void {
    db = new StateDatabase(join(folder.path, "state.db"));
    budgets = new Budgets(db, () => now, key, undefined, { policy: () => policy });
  }
  /** As after kill -9: nothing but the file remains. */
  function restart(): void {
    db[Symbol.dispose]();
    start();
  }
  const quotas = (limits: object): void => {
    policy = budgetsPolicySchema.parse({ quotas: { limits } });
  };
  let n = 0;
  const ask = (company: string, more: Partial<ChargedQuestion> = {}): Refused | undefined =>
    budgets.desk.charge({ institution: bank, company, kind: "score", id: `job_1.${n++}`, items: ["tax.payment"], ...more });
  const commit = (): void => db.transaction(() => budgets.desk.write());
  const set = (from: number, count: number): string[] => Array.from({ length: count }, (_, i) => `C${from + i}`);
  const hashesOf = (ids: readonly string[], guest: PartyId = bank): RecordHashes => RecordHashes.of(Buffer.concat(ids.map((id) => budgets.hashId(guest, id))));
  const job = (id: string, ids: readonly string[], more: { institution?: PartyId; items?: readonly string[] } = {}): void =>
    budgets.desk.chargeSet({ id, institution: bank, kind: "score", items: [], hashes: hashesOf(ids, more.institution), companies: () => ids, ...more });
  const thrown = (work: () => void): { code: string; facts: Readonly<Record<string, unknown>> } => {
    try {
      work();
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
    return { code: "ok", facts: {} };
  };

  const codeOf = async (work: () => unknown): Promise<string> => {
    try {
      await work();
    } catch (error) {
      if (error instanceof AppError) return error.code;
      throw error;
    }
    return "ok";
  };

  it("of a job over a set are made once, however often it is killed and replayed, with questions one by one in the same count", () => {
    quotas({ "companies-a-month": 1500 });
    assert.isUndefined(ask("C0"));
    assert.isUndefined(ask("X"));
    commit();
    job("job_a.score", set(0, 1000));
    restart();
    job("job_a.score", set(0, 1000));
    assert.equal(thrown(() => job("job_a.score", set(0, 999))).code, "BUDGET_ASK_CHANGED");
    // 1,000 and X: C0 was counted before, and what a set has counted is free one by one, too.
    const over = thrown(() => job("job_b.score", set(500, 1000)));
    assert.deepInclude(over.facts, { used: 1001, asked: 500, limit: 1500 });
    job("job_c.score", set(500, 999));
    assert.isUndefined(ask("C7"));
    assert.equal(ask("new")?.code, "BUDGET_COMPANIES");
    restart();
    assert.isUndefined(ask("C1498"));
    assert.equal(ask("C1499")?.code, "BUDGET_COMPANIES");
    assert.equal(Number(db.get("select count(*) as n from budget_rows where key like '%|m|%'")?.["n"]), 2, "no row for each company");
    now += 31 * day;
    job("job_d.score", set(9000, 1500));
    assert.equal(Number(db.get("select count(*) as n from budget_members")?.["n"]), 1, "sets of other months are forgotten");
  });

  it("of a job leave nothing behind when the disk fails", () => {
    quotas({ "companies-a-month": 1000 });
    db.run("create temp trigger full before insert on budget_rows begin select raise(abort, 'disk full'); end");
    assert.equal(thrown(() => job("job_a.score", set(0, 900))).code, "ENCLAVE_STATE");
    assert.equal(thrown(() => job("job_a.score", set(0, 900))).code, "ENCLAVE_STATE");
    db.run("drop trigger full");
    job("job_a.score", set(0, 900));
    assert.deepInclude(thrown(() => job("job_b.score", set(5000, 200))).facts, { used: 900, asked: 200 });
  });

  it("of sets are refused where a row of a company cannot be read: it takes nobody off the count", () => {
    quotas({ "companies-a-month": 1500 });
    assert.isUndefined(ask("C0"));
    commit();
    for (const damaged of ["[]", "{", "[1,2]", "null"]) {
      db.run("update budget_rows set value = ? where key like '%companies-a-month%|m|%'", damaged);
      restart();
      assert.equal(thrown(() => job("job_a.score", set(0, 1000))).code, "BUDGET_STATE", damaged);
    }
    assert.isUndefined(db.get("select 1 from budget_sets"));
  });

  it("of sets find what was asked one by one, however the limit is called", () => {
    quotas({ "each-company-a-day": { counts: "requests", per: ["institution", "company"], services: ["score"], window: { rollingSeconds: 86_400 }, limit: 2 } });
    for (const id of ["C5", "C5"]) assert.isUndefined(ask(id));
    assert.equal(thrown(() => job("1", set(0, 10))).code, "BUDGET_REQUESTS");
  });

  it("of sets count for each company, with what was asked one by one", () => {
    quotas({ "company-a-day": 3 });
    for (const id of ["1", "2"]) job(id, set(0, 100));
    assert.isUndefined(ask("C5"));
    assert.equal(ask("C5")?.code, "BUDGET_REQUESTS");
    assert.isUndefined(ask("Y"));
    job("3", set(50, 100));
    assert.equal(thrown(() => job("4", set(0, 100))).code, "BUDGET_REQUESTS", "C5 has had three");
    job("5", set(20, 20));
    now += 2 * day;
    job("6", set(0, 100));
  });

  it("of sets move with a rolling window: a company counts from when it was last asked about", () => {
    quotas({ rolling: { counts: "companies", per: ["institution"], window: { rollingSeconds: 30 * 86_400 }, limit: 1000 } });
    job("1", set(0, 800));
    now += 20 * day;
    job("2", set(400, 500));
    now += 12 * day;
    // The first 400 have left; 400 to 899 count until their own end.
    assert.deepInclude(thrown(() => job("3", set(5000, 501))).facts, { used: 500, asked: 501 });
    job("3", set(5000, 500));
    assert.isUndefined(ask("C450"));
    assert.equal(ask("C1")?.code, "BUDGET_COMPANIES");
  });

  it("of all institutions together are counted by the company, whoever asks", () => {
    quotas({ all: { counts: "requests", per: ["company"], window: month, limit: 2 } });
    assert.isUndefined(ask("a"));
    assert.isUndefined(ask("a", { institution: other }));
    assert.equal(ask("a")?.code, "BUDGET_REQUESTS");
    assert.equal(thrown(() => job("1", ["a", "b"], { institution: other })).code, "BUDGET_REQUESTS");
    job("2", ["b", "c"], { institution: other });
    job("3", ["b"]);
    assert.equal(ask("b")?.code, "BUDGET_REQUESTS");
  });

  it("are asked by the guard of a scoring job before scores leave", async () => {
    quotas({ "companies-a-month": 100 });
    const [rule] = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["score"], purposes: ["loan-approval"] }] }).allow as [PolicyRule];
    const ids = set(0, 150);
    const guard = hostGuard({ budgets, job: "job_0000000000000001" as JobId, guest: bank, dataset: "d", rule, ids });
    const open = { size: 150, setDigest: new Uint8Array(32) };
    guard.admitSet(open);
    await guard.admitRows(Int32Array.from(ids.keys()), 0, open);
    assert.equal(await codeOf(() => guard.chargeScores("model_1", [])), "BUDGET_COMPANIES");
    assert.isUndefined(db.get("select 1 from openings"));
  });
});
