// Budgets across replays and restarts: a job is charged once however often it is killed, and the state file remembers.
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { JobId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { Budgets, guestGuard, hostGuard, labelRankScope } from "../../enclave/budgets.ts";
import { budgetsPolicySchema } from "../../enclave/charges/policy.ts";
import { policySchema, type PolicyRule } from "../../enclave/policy.ts";
import { RecordHashes } from "../../enclave/record-hashes.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import type { HostGuard } from "../../federation/guards.ts";
import { bank, tax, temporaryFolder } from "../support/enclave.ts";

const [one, two, three] = ["job_0000000000000001", "job_0000000000000002", "job_0000000000000003"] as JobId[] as [JobId, JobId, JobId];
const ids = Array.from({ length: 4000 }, (_, i) => `C${i}`);
const key = new Uint8Array(32).fill(5);

describe("budgets over restarts", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: StateDatabase;
  let budgets: Budgets;
  let now: number;
  beforeEach(() => {
    folder = temporaryFolder();
    now = Date.parse("2026-03-31T23:00:00Z");
    restart();
  });
  afterEach(() => {
    db[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  /** As after kill -9: nothing but the file remains. */
  function restart(): void {
    db = new StateDatabase(join(folder.path, "state.db"));
    budgets = new Budgets(db, () => now, key);
  }

  const ruleOf = (change: Partial<PolicyRule> = {}): PolicyRule => {
    const [rule] = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], ...change }] }).allow;
    return rule ?? assert.fail();
  };
  const guardOf = (job: JobId, rule = ruleOf()): HostGuard => hostGuard({ budgets, job, guest: bank, dataset: "d".repeat(64), rule, ids });
  const setOf = (name: number, size = 3000) => ({ size, setDigest: new Uint8Array(32).fill(name) });
  /** Rows [first, first + count) of the host's table, 70 % of them for training. */
  const rowsOf = (first: number, count = 3000): [Int32Array, number] => [Int32Array.from({ length: count }, (_, i) => first + i), Math.floor(count * 0.7)];
  const newIds = (): number => db.all("select amount from budget where label in ('alignment', 'unannounced')").reduce((sum, r) => sum + Number(r["amount"]), 0);
  const charged = (): unknown[] => db.all("select scope, job, label, amount from budget order by scope, job, label");
  const codeOf = async (work: () => unknown): Promise<string> => {
    try {
      await work();
    } catch (error) {
      if (error instanceof AppError) return error.code;
      throw error;
    }
    return "admitted";
  };
  const whole = async (guard: HostGuard, set = setOf(1), rows = rowsOf(0)): Promise<void> => {
    guard.admitSet(set);
    await guard.admitRows(...rows, set);
    guard.chargeQueries("binning", 1);
    guard.chargeQueries("moments", 4);
    await guard.chargeTotals("round/0");
  };

  it("charge a job that is replayed from its beginning once, wherever it was killed", async () => {
    const guard = guardOf(one);
    guard.admitSet(setOf(1));
    restart();
    guardOf(one).admitSet(setOf(1));
    restart();
    await whole(guardOf(one));
    const after = charged();
    for (let i = 0; i < 3; i++) {
      restart();
      await whole(guardOf(one));
    }
    assert.deepEqual(charged(), after);
    assert.equal(newIds(), 3000);
  });

  it("charge a job that is replayed in the next month where it was charged at first", async () => {
    const tight = ruleOf({ maxNewIdsPerMonth: 3000, maxScoresPerSetAndMonth: 1 });
    await whole(guardOf(one, tight));
    guardOf(one, tight);
    now = Date.parse("2026-04-01T00:10:00Z");
    restart();
    await whole(guardOf(one, tight));
    assert.lengthOf(db.all("select 1 from budget where label = 'alignment'"), 1);
    assert.equal(newIds(), 3000);
  });

  it("remember totals and equations over jobs: what one has used another cannot use again", async () => {
    await whole(guardOf(one));
    restart();
    await whole(guardOf(two));
    restart();
    const third = guardOf(three);
    third.admitSet(setOf(1));
    await third.admitRows(...rowsOf(0), setOf(1));
    third.chargeQueries("binning", 1);
    assert.equal(await codeOf(() => third.chargeTotals("round/0")), "BUDGET_TOTALS");
    assert.equal(await codeOf(() => third.chargeQueries("moments", 42)), "BUDGET_EQUATIONS");
    // The replay of a job that was admitted stays admitted, although nothing is left.
    restart();
    await whole(guardOf(two));
  });

  it("hold of jobs that come at the same time: of two row sets that differ by a few companies one is admitted", async () => {
    const far = guardOf(one);
    far.admitSet(setOf(1, 1500));
    await far.admitRows(...rowsOf(2500, 1500), setOf(1, 1500));
    const codes = await Promise.all([two, three].map(async (job, i) => {
      const [guard, set] = [guardOf(job), setOf(2 + i, 1500)];
      guard.admitSet(set);
      return codeOf(() => guard.admitRows(...rowsOf(i, 1500), set));
    }));
    assert.sameMembers(codes, ["admitted", "BUDGET_DIFFERENCING"]);
    assert.equal(newIds(), 1500 + 1500 + 1, "and what both show is new once");
  });

  it("find what a service opened while a large job was being looked at", async () => {
    const hashes = RecordHashes.of(Buffer.concat(ids.map((id) => budgets.hashId(bank, id))));
    // Of the last slice.
    const company = ids.find((id) => Buffer.compare(budgets.hashId(bank, id), hashes.packed.subarray(-16)) === 0) ?? assert.fail();
    const counts = budgets.serviceCounts(bank, "d", "model_2");
    const opened = budgets.open({ guest: bank, dataset: "d", kind: "score", what: "model_1", hashes, limit: 1 });
    await turn();
    counts.count(counts.companyOf(company), "tax", counts.periods);
    assert.equal(await codeOf(() => opened), "BUDGET_TOTALS");
    assert.equal(Number(db.get("select count(*) as n from openings where what = 'score|model_1' and record = ?", budgets.hashId(bank, company))?.["n"]), 0);
  });

  it("let the same set in again for nothing, and count companies that it did not show before", async () => {
    await whole(guardOf(one));
    assert.equal(newIds(), 3000);
    restart();
    await whole(guardOf(two));
    assert.equal(newIds(), 3000);
    // Another set under the digest of an earlier one: the companies tell.
    const third = guardOf(three, ruleOf({ maxNewIdsPerMonth: 3200 }));
    third.admitSet(setOf(1));
    assert.equal(await codeOf(() => third.admitRows(...rowsOf(1000), setOf(1))), "BUDGET_NEW_IDS");
    assert.equal(newIds(), 3000);
  });

  it("charge a set before it is answered: a guest that stops after the intersection has used its budget", async () => {
    const tight = ruleOf({ maxNewIdsPerMonth: 5000 });
    guardOf(one, tight).admitSet(setOf(1));
    assert.equal(await codeOf(() => guardOf(two, tight).admitSet(setOf(2))), "BUDGET_NEW_IDS");
    now += 3_600_000;
    assert.equal(await codeOf(() => guardOf(three, tight).admitSet(setOf(2))), "admitted", "the next month");
  });

  it("give back what a set did not use, and remember nothing of a set that was refused", async () => {
    await whole(guardOf(one));
    const second = guardOf(two);
    second.admitSet(setOf(2, 3100));
    await second.admitRows(...rowsOf(600), setOf(2, 3100));
    // 600 new companies and 100 that this host does not know.
    assert.equal(newIds(), 3000 + 700);
    const refused = guardOf(three, ruleOf({ maxNewIdsPerMonth: 3800 }));
    assert.equal(await codeOf(() => refused.admitSet(setOf(3))), "BUDGET_NEW_IDS");
    assert.equal(newIds(), 3700);
    assert.equal(db.get("select sum(length(records)) as bytes from known_sets")?.["bytes"], 16 * 3600);
  });

  it("of many companies let other work have its turn, and refuse as those of few", async () => {
    const many = Array.from({ length: 20_000 }, (_, i) => `many ${i}`);
    const shared = { counts: "companies", per: [], window: { calendar: "month", timeZone: "Asia/Shanghai" }, limit: 1_000_000 };
    budgets = new Budgets(db, () => now, key, undefined, { policy: () => budgetsPolicySchema.parse({ quotas: { limits: { "companies-of-all": shared } } }) });
    const rule = ruleOf({ kinds: ["score"], maxNewIdsPerMonth: 100_000, maxSetSize: 100_000 });
    const scoring = (job: JobId, model: string): { readonly guard: HostGuard; readonly run: (from: number, to: number) => Promise<string> } => {
      const guard = hostGuard({ budgets, job, guest: bank, dataset: "d".repeat(64), rule: { ...rule, maxModelsPerCompany: 1 }, ids: many });
      return { guard, run: (from, to) => codeOf(async () => {
        const open = { size: to - from, setDigest: new Uint8Array(32).fill(from % 251) };
        guard.admitSet(open);
        await guard.admitRows(Int32Array.from({ length: to - from }, (_, i) => to - 1 - i), 0, open);
        await guard.chargeScores(model, [bank]);
      }) };
    };
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns += 1;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    assert.equal(await scoring(one, "model_a").run(0, 20_000), "admitted");
    isOver = true;
    assert.isAtLeast(turns, 30);
    assert.equal(Number(db.get("select count(*) as n from openings where what = 'score|model_a'")?.["n"]), 20_000);
    const wanted = many.map((id) => Buffer.from(budgets.hashId(bank, id)).toString("hex")).sort();
    assert.deepEqual(db.all("select record from openings where what = 'score|model_a'").map((r) => Buffer.from(r["record"] as Uint8Array).toString("hex")).sort(), wanted);
    assert.equal(Buffer.from(db.get("select records from known_sets")?.["records"] as Uint8Array).toString("hex"), wanted.join(""));
    assert.equal(db.get("select length(packed) as n from budget_members order by rowid desc limit 1")?.["n"], 320_000);
    // Another model about the last of them alone, in a set of others: nothing of it is written.
    budgets = new Budgets(db, () => now, key);
    assert.equal(await codeOf(() => budgets.open({ guest: bank, dataset: "d".repeat(64), kind: "score", what: "model_b", hashes: RecordHashes.of(Buffer.concat(["x", "y", many[19_999] ?? ""].map((id) => budgets.hashId(bank, id)))), limit: 1 })), "BUDGET_TOTALS");
    assert.isUndefined(db.get("select 1 from openings where what = 'score|model_b'"));
    // Two at once: each waits for the other.
    const others = Array.from({ length: 5_000 }, (_, i) => budgets.hashId(bank, `other ${i}`));
    const opening = (what: string): Promise<string> => codeOf(() => budgets.open({ guest: bank, dataset: "d".repeat(64), kind: "score", what, hashes: RecordHashes.of(Buffer.concat(others)), limit: 1 }));
    assert.deepEqual(await Promise.all([opening("model_c"), opening("model_d"), opening("model_c")]), ["admitted", "BUDGET_TOTALS", "admitted"]);
  });

  it("name no company in the state file", async () => {
    await whole(guardOf(one));
    const packed = Buffer.from(db.get("select records from known_sets")?.["records"] as Uint8Array);
    assert.equal(packed.length, 16 * 3000);
    assert.isTrue(packed.includes(Buffer.from(budgets.hashId(bank, "C1"))));
    assert.notDeepEqual(budgets.hashId(bank, "C1"), new Budgets(db, () => now, new Uint8Array(32)).hashId(bank, "C1"));
    assert.notDeepEqual(budgets.hashId(bank, "C1"), budgets.hashId(tax, "C1"));
  });

  it("bound what a host may learn of the labels, per set of companies over all jobs", async () => {
    const guestOf = (job: JobId) => {
      const guard = guestGuard(budgets, job);
      guard.setRows("e".repeat(64), 2000);
      return guard;
    };
    guestOf(one).chargeLabelRank(tax, "binning", 60);
    restart();
    // Its own charge does not count against it when it is replayed: it decides the same again.
    assert.equal(guestOf(one).labelBudget(tax), 100);
    guestOf(one).chargeLabelRank(tax, "binning", 60);
    assert.equal(budgets.used(labelRankScope(tax, "e".repeat(64))), 60);
    assert.equal(guestOf(two).labelBudget(tax), 40);
    assert.equal(await codeOf(() => guestOf(two).chargeLabelRank(tax, "binning", 41)), "BUDGET_LABEL_RANK");
    guestOf(two).chargeLabelRank(tax, "binning", 40);
    assert.equal(guestOf(three).labelBudget(tax), 0);
  });
});
