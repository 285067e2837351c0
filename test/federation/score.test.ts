// Batch scoring with a trained scorecard: the model's own odds, hosts that are away, the single-host rule, and what is refused.
// And the end of a training job, from which the halves of the model come.
import { setImmediate } from "node:timers/promises";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import type { HostGuard } from "../../federation/guards.ts";
import type { HostHalf } from "../../federation/scorecard/half.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { ranking } from "../../models/metrics/ranking.ts";
import { addTotals, partialTotals } from "../../models/scorecard/quantise.ts";
import type { OracleResult } from "../../models/oracle.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import {
  assertWithin, generatedJob, jobParams, namesOf, openHostGuard, oracleOf, planOf, refusal, scorePrograms, trainPrograms, type ScoreOptions, type Trained,
} from "../support/joint.ts";
import { createWorld, type Program, type Tamper, type World } from "../support/world.ts";
import type { Job } from "../support/csv.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());

const job = generatedJob({ rows: 2600, trainRows: 2100, seed: 31, guest: 2, hosts: [3, 2], absent: 0.2 });
let trained: Trained;
let halves: Record<string, HostHalf>;
let oracle: OracleResult;
before(async () => {
  const world = createWorld({ parties: namesOf(job), seed: 1, kernels });
  const results = await world.run(trainPrograms(job));
  trained = results["bank"] as Trained;
  halves = results as Record<string, HostHalf>;
  oracle = oracleOf(job, trained.result.alignment.rows, jobParams());
});

type Run = { world: World; scores: BatchScores; programs: Record<string, Program<unknown>> };
async function score(options: Partial<ScoreOptions> & { tamper?: Tamper; batch?: Job; job?: string } = {}): Promise<Run> {
  const present = options.present ?? job.hosts.map((h) => h.name);
  const world = createWorld({ parties: ["bank", ...present], seed: 2, job: options.job ?? "job_scoring000000000", kernels, ...(options.tamper && { tamper: options.tamper }) });
  const programs = scorePrograms(options.batch ?? job, { half: trained.half, hostHalves: halves, ...options });
  return { world, programs, scores: (await world.run(programs))["bank"] as BatchScores };
}
/** Log odds of the model per record, exact, and with the hosts' parts rounded and clipped as they are opened. */
function expected(away: readonly string[] = []): { exact: Float64Array; opened: Float64Array } {
  const { rows } = trained.result.alignment;
  const { model, scoring } = trained.result.fitted;
  const own = oracle.columns.flatMap((c, i) => (c.party === "bank" ? [i] : []));
  const exact = new Float64Array(rows.length);
  const opened = new Float64Array(rows.length);
  const codesOf = (party: string): Int8Array[] => oracle.codes.filter((_, i) => oracle.columns[i]?.party === party);
  const missing = (party: string): Int8Array[] => trained.half.columns.filter((c) => c.party === party).map((c) => new Int8Array(rows.length).fill(c.missing));
  const totals = addTotals(scoring.parties.map((p) => partialTotals(p, away.includes(p.party) ? missing(p.party) : codesOf(p.party), rows.length)), rows.length);
  const constant = scoring.parties.reduce((sum, p) => sum - (scoring.step * p.offset) / 2 ** p.fractionBits, model.intercept);
  for (const [row, record] of rows.entries()) {
    const part = (columns: readonly number[]): number => columns.reduce((sum, i) => sum + (model.weights[i] ?? 0) * (oracle.codes[i]?.[row] ?? 0), 0);
    exact[record] = model.intercept + part([...oracle.columns.keys()]);
    opened[record] = constant + scoring.step * (totals[row] ?? 0) + part(own);
  }
  return { exact, opened };
}

describe("batch scoring", () => {
  let run: Run;
  before(async () => {
    run = await score();
  });

  it("gives every company the odds of the trained model, rounded as its plan says", () => {
    const { exact, opened } = expected();
    const { step, parties } = trained.half.scoring;
    const [odds] = [run.scores.odds];
    let within = 0;
    for (const [i, value] of odds.entries()) {
      assert.closeTo(value, opened[i] ?? Number.NaN, 1e-9);
      if (Math.abs(value - (exact[i] ?? 0)) <= step * (parties.length / 2 + 0.01)) within++;
    }
    // The rest is clipped: beyond four standard deviations of a host's part.
    assert.isAbove(within / odds.length, 0.99);
    assert.deepEqual(run.scores.away, []);
    assert.deepEqual([...run.scores.byHost.keys()], ["host_a", "host_b"].map(partyId));
  });
  it("ranks as in the evaluation of the training job", () => {
    const test = trained.result.alignment.rows.subarray(job.trainRows);
    const odds = Float64Array.from(test, (r) => run.scores.odds[r] ?? 0);
    const label = Uint8Array.from(test, (r) => job.label[r] ?? 0);
    assert.closeTo(ranking(odds, label).auc, trained.result.fitted.metrics.test.auc, 0.003);
  });
  it("does not depend on which other companies are in the batch, nor on their order", async () => {
    const records = [17, 2500, 3, 999, 1200];
    const { scores } = await score({ records });
    for (const [i, record] of records.entries()) assert.closeTo(scores.odds[i] ?? 0, run.scores.odds[record] ?? 1, 1e-12);
    assert.lengthOf((await score({ records: [8] })).scores.odds, 1);
  });
  it("scores companies that no host has ever seen, as missing there", async () => {
    const all = await score({ records: [0, 1], intersection: { protocol: "nobody", ...nobody() } });
    assert.isTrue([...all.scores.odds].every(Number.isFinite));
    assert.deepEqual([...all.scores.byHost.values()].map((h) => h.matched), [0, 0]);
  });
  it("stays inside the leakage statement of a scoring job", () => {
    const params = { batch: "0".repeat(64), rows: job.label.length };
    assertWithin(compileLeakage(planOf(job, "score", params)), run.world);
    assert.notInclude(run.world.view("host_a").map((m) => m.type).join(), "totals/weights");
  });
  it("is the same after a restart of any party at any message", async () => {
    for (const name of namesOf(job)) {
      assert.deepEqual(await run.world.replay(name, run.programs[name] as Program<unknown>), name === "bank" ? run.scores : undefined);
      for (const frames of [0, 1, 2]) {
        const most = Math.max(...run.world.peersOf(name).map((peer) => run.world.view(name).filter((m) => m.from === peer).length));
        if (frames < most) await run.world.replay(name, run.programs[name] as Program<unknown>, frames);
      }
    }
  });

  describe("without one of the hosts", () => {
    it("takes its missing bins and says who was away", async () => {
      const { scores } = await score({ present: ["host_b"] });
      assert.deepEqual(scores.away, ["host_a"]);
      const { opened } = expected(["host_a"]);
      for (const [i, value] of scores.odds.entries()) assert.closeTo(value, opened[i] ?? Number.NaN, 1e-9);
      assert.isAbove(Math.max(...scores.odds.map((v, i) => Math.abs(v - (run.scores.odds[i] ?? 0)))), 0.1);
    });
    it("is refused by the one that stays unless its policy allows to be alone", async () => {
      const alone: number[] = [];
      const strict: HostGuard = { ...openHostGuard, admitCompany(hosts) {
        alone.push(hosts);
        if (hosts < 2) throw new AppError("POLICY_SINGLE_HOST");
      } };
      assert.equal((await refusal(score({ present: ["host_b"], hostGuard: () => strict }))).code, "POLICY_SINGLE_HOST");
      await score({ hostGuard: () => strict });
      assert.deepEqual(alone, [1, 2, 2]);
    });
    it("counts a host whose features are not in the model as away only if it has some", async () => {
      const half = { ...trained.half, columns: trained.half.columns.filter((c) => c.party !== "host_a") };
      const { scores } = await score({ half, present: ["host_b"] });
      assert.deepEqual(scores.away, []);
    });
  });

  describe("refuses", () => {
    it("a guest that the model was not made for", async () => {
      const hostHalves = { ...halves, host_b: { ...(halves["host_b"] as HostHalf), guest: partyId("other") } };
      assert.equal((await refusal(score({ hostHalves }))).code, "JOB_MODEL_UNKNOWN");
    });
    it("data that lack a feature of the model, at either side", async () => {
      const without = (party: Job["guest"]): Job["guest"] => ({ ...party, table: { ...party.table, features: party.table.features.slice(1) } });
      assert.equal((await refusal(score({ batch: { ...job, guest: without(job.guest) } }))).code, "JOB_MODEL_UNKNOWN");
      assert.equal((await refusal(score({ batch: { ...job, hosts: job.hosts.map((h, i) => (i === 0 ? without(h) : h)) } }))).code, "JOB_MODEL_UNKNOWN");
    });
    it("a feature that has become another kind", async () => {
      const turned = (party: Job["guest"]): Job["guest"] => ({ ...party, table: { ...party.table, features: party.table.features.map((f) => (
        { kind: "categorical", name: f.name, levels: ["a"], codes: new Int32Array(job.label.length) })) } });
      assert.equal((await refusal(score({ batch: { ...job, hosts: job.hosts.map(turned) } }))).code, "MODEL_SHAPE");
    });
    it("a score beyond the host's budget, before anything of its data leaves", async () => {
      const guard: HostGuard = { ...openHostGuard, chargeScores: async () => { await setImmediate(); throw new AppError("BUDGET_TOTALS"); } };
      const world = createWorld({ parties: namesOf(job), seed: 2, kernels });
      const programs = scorePrograms(job, { half: trained.half, hostHalves: halves, hostGuard: (h) => (h === "host_a" ? guard : openHostGuard) });
      assert.equal((await refusal(world.run(programs))).code, "BUDGET_TOTALS");
      assert.isFalse(world.sent.some((m) => m.type === "totals/masked" && m.from === "host_a"));
    });
    it("a training part in a job that only scores", async () => {
      const tamper = withBody("rows/open", ((b: object) => ({ ...b, trainRows: 5 })));
      assert.equal((await refusal(score({ tamper }))).code, "PROTOCOL_WRONG_SHAPE");
    });
    for (const { type, fields } of [{ type: "totals/masked", fields: ["round", "index", "last", "bytes"] }, { type: "finish/receipt", fields: ["receipt", "account"] }]) {
      for (const hostile of hostileCases(type, fields, "host_b")) {
        // A receipt may be any text.
        if (type === "finish/receipt" && hostile.name === "with a text as receipt") continue;
        it(`${type} ${hostile.name}`, async () => assert.equal((await refusal(score({ records: [1, 2, 3], tamper: hostile.tamper }))).code, hostile.code));
      }
    }
  });
});

function nobody(): Pick<NonNullable<ScoreOptions["intersection"]>, "guest" | "host"> {
  return {
    guest: async (party, host, ids) => {
      await party.send(host, "psi/open", { size: ids.length, setDigest: new Uint8Array(32) });
      return { matched: new Int32Array(ids.length).fill(-1), hostSize: (await party.receive(host, "psi/ready")).size };
    },
    host: async (party, guest, ids, options) => {
      const open = await party.receive(guest, "psi/open");
      await options.admit(open);
      await party.send(guest, "psi/ready", { size: ids.length });
      return { order: Int32Array.from(ids.keys()), guestSize: open.size };
    },
  };
}
