// What a guest can make of the exact sums of a scorecard job: bins of single companies at a host. At the shipped settings nothing
// beyond the base rate; with the budget of queries lifted, everything. And a guest that deviates: what it takes, how an audit sees it.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import { Budgets, hostGuard } from "../../enclave/budgets.ts";
import { policySchema, type PolicyRule } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { binningHost } from "../../federation/binning/host.ts";
import type { HostGuard } from "../../federation/guards.ts";
import { momentsGuest } from "../../federation/moments/guest.ts";
import { momentsHost } from "../../federation/moments/host.ts";
import { crsSeed } from "../../federation/sums/crs.ts";
import { Querier } from "../../federation/sums/querier.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { countFine, fineBin } from "../../models/binning/fine.ts";
import type { Moments } from "../../models/linear/moments.ts";
import { decideStage, residualQuery } from "../../models/scorecard/stages.ts";
import { seededDraw } from "../support/draw.ts";
import { generatedJob, idOf, jobParams, namesOf, openHostGuard, oracleOf, refusal, trainPrograms, type Trained } from "../support/joint.ts";
import { baseRate, recoverBins } from "../support/recover.ts";
import { createWorld, partyWith } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const [bank, tax] = [partyId("bank"), partyId("tax")];
const joint = new Uint8Array(32).fill(2);

describe("attack: bins of companies from sums", () => {
  describe("from everything that the sums of a job at the shipped settings give", () => {
    const trainRows = 2000;
    const job = generatedJob({ rows: 6000, trainRows, seed: 61, guest: 18, hosts: [3, 3], absent: 0, signal: 0.6 });
    // As many bins as a plan can ask for: the most that one sum can say.
    const options = { params: { split: { kind: "file" }, scorecard: { binning: { binPenalty: 0 } } } } as const;
    let trained: Trained;
    before(async () => {
      trained = (await createWorld({ parties: namesOf(job), seed: 1, kernels }).run(trainPrograms(job, options)))["bank"] as Trained;
    });
    // The guest may guess a company's bin from the correlations that the model is made of. So the base rate is what the same attack finds
    // at companies that were in no sum at all: the test part.
    it("no more is found than at companies outside the sums", function () {
      const params = jobParams(options);
      const { result, moments } = trained;
      const oracle = oracleOf(job, result.alignment.rows, params);
      const columns = result.fitted.columns;
      const d = columns.length;
      const own = columns.flatMap((c, i) => (c.party === "bank" ? [i] : []));
      assert.isAtLeast(own.length, 15, "a guest with almost as many columns as the floor allows");
      // The guest's own vectors: its columns, and the residuals of the refinement, whose products it opened too.
      const guestRows = { party: "bank", label: result.label, trainRows, columns: own.map((i) => oracle.codes[i] ?? new Int8Array()) };
      const first = decideStage(guestRows, columns, oracle.fit.fit, oracle.totals.slice(0, 1), params.scorecard);
      const residuals = residualQuery(first.odds, result.label, result.label.length);
      const vectors = [...guestRows.columns, residuals];
      let [inside, outside, bins] = [0, 0, 0];
      const selected = result.decisions.filter((x) => x.selected);
      const hosts = columns.flatMap((c, i) => (c.party === "bank" ? [] : [i]));
      for (const at of hosts) {
        const decision = selected[at];
        assert(decision);
        const sums = [...own.map((q) => moments.xx[q * d + at] ?? 0), oracle.refinement?.products[at] ?? 0];
        const found = recoverBins({ label: result.label, summed: trainRows, bins: decision.table, codes: decision.codes, vectors, sums });
        const fineOf = oracle.fine[result.decisions.indexOf(decision)]?.binOf ?? new Uint8Array();
        const right = found.map((bin, i) => (bin === decision.mergedOf[fineOf[i] ?? 0] ? 1 : 0));
        const share = (from: number, to: number): number => right.subarray(from, to).reduce((sum, x) => sum + x, 0) / (to - from);
        inside += share(0, trainRows) / hosts.length;
        outside += share(trainRows, right.length) / hosts.length;
        bins += decision.bins / hosts.length;
      }
      const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
      if (this.test) this.test.title += ` (${vectors.length + 2} queries, ${trainRows} companies, ${bins.toFixed(1)} bins: found ${percent(inside)}, elsewhere ${percent(outside)})`;
      assert.isAtMost(inside, outside + 0.02);
    });
  });

  describe("from as many queries as there are companies", () => {
    const rows = 400;
    const draw = seededDraw(12);
    const bins = 8;
    const binOf = Uint8Array.from({ length: rows }, () => draw.int(bins));
    const codes = [-100, -80, -30, -10, 5, 20, 60, 110];
    const column = Int8Array.from(binOf, (b) => codes[b] ?? 0);
    const label = Uint8Array.from({ length: rows }, () => draw.int(2));
    const table = codes.map((_, b) => ({
      total: binOf.reduce((sum, x) => sum + (x === b ? 1 : 0), 0), events: binOf.reduce((sum, x, i) => sum + (x === b ? (label[i] ?? 0) : 0), 0),
    }));
    const vectors = Array.from({ length: rows }, () => Int8Array.from({ length: rows }, () => draw.int(255) - 127));
    async function ask(queries: number, guard: HostGuard): Promise<Moments> {
      const world = createWorld({ parties: [bank, tax], seed: 1, kernels });
      const columnsOf = new Map([[tax, 1]]);
      const results = await world.run({
        bank: async (party) => {
          await using got = await momentsGuest(party, { hosts: [tax], jointSeed: joint, rows, label, columns: vectors.slice(0, queries), columnsOf });
          return got.moments;
        },
        tax: async (party) => {
          await using _ = await momentsHost(party, { guest: bank, hosts: [tax], jointSeed: joint, columns: [column], rows, queries: queries + 1, guard, columnsOf });
        },
      });
      return results.bank;
    }
    const found = (moments: Moments, queries: number): number => {
      const sums = vectors.slice(0, queries).map((_, q) => moments.xx[q * (queries + 1) + queries] ?? 0);
      const guess = recoverBins({ label, summed: rows, bins: table, codes, vectors: vectors.slice(0, queries), sums });
      return guess.reduce((sum, b, i) => sum + (b === binOf[i] ? 1 : 0), 0) / rows;
    };
    it("every bin is found when the budget of queries is lifted", async function () {
      const queries = rows - 2;
      const share = found(await ask(queries, openHostGuard), queries);
      if (this.test) this.test.title += ` (${queries} queries, ${rows} companies: ${(100 * share).toFixed(1)} %)`;
      assert.isAbove(share, 0.98);
    });
    it("next to nothing is found at the cap of the budget: 40 queries about 2,000 companies", function () {
      const n = 2000;
      const levels = Uint8Array.from({ length: n }, () => draw.int(bins));
      const events = Uint8Array.from({ length: n }, () => draw.int(2));
      const counts = codes.map((_, b) => ({
        total: levels.reduce((sum, x) => sum + (x === b ? 1 : 0), 0), events: levels.reduce((sum, x, i) => sum + (x === b ? (events[i] ?? 0) : 0), 0),
      }));
      const asked = Array.from({ length: 40 }, () => Int8Array.from({ length: n }, () => draw.int(255) - 127));
      // The kernel's sums are exact: the attack may as well start from them.
      const sums = asked.map((v) => v.reduce((sum, x, i) => sum + x * (codes[levels[i] ?? 0] ?? 0), 0));
      const guess = recoverBins({ label: events, summed: n, bins: counts, codes, vectors: asked, sums });
      const share = guess.reduce((sum, b, i) => sum + (b === levels[i] ? 1 : 0), 0) / n;
      const base = baseRate(events, levels, counts);
      if (this.test) this.test.title += ` (${(100 * share).toFixed(1)} %, base rate ${(100 * base).toFixed(1)} %)`;
      assert.isAtMost(share, base + 0.02);
    });
    it("many are found with half as many", async function () {
      const share = found(await ask(rows / 2, openHostGuard), rows / 2);
      if (this.test) this.test.title += ` (${(100 * share).toFixed(1)} %, base rate ${(100 * baseRate(label, binOf, table)).toFixed(1)} %)`;
      assert.isAbove(share, baseRate(label, binOf, table) + 0.1);
    });
    it("the host's own budget refuses all but two in a hundred companies", async () => {
      using db = new StateDatabase(":memory:");
      const rule = policySchema.parse({ version: 1, allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["loan-approval"] }] }).allow[0] as PolicyRule;
      const guard = hostGuard({
        budgets: new Budgets(db, () => 0, new Uint8Array(32)), job: createWorld({ parties: [bank, tax], seed: 1 }).job, guest: bank, dataset: "d".repeat(64), rule,
        ids: Array.from({ length: rows }, (_, i) => idOf(i)),
      });
      await guard.admitRows(Int32Array.from({ length: rows }, (_, i) => i), rows, { size: rows, setDigest: new Uint8Array(32) });
      assert.equal((await refusal(ask(8, guard))).code, "BUDGET_EQUATIONS");
      await ask(7, guard);
    });
  });

  describe("a guest that encrypts powers of two in place of labels", () => {
    const rows = 300;
    const job = generatedJob({ rows, trainRows: rows, seed: 3, guest: 0, hosts: [4] });
    const features = job.hosts[0]?.table.features ?? [];
    const options = { maxBins: 10, minRows: 20 };
    const fine = features.map((f) => fineBin(f, { trainRows: rows, ...options }));
    const aimed = 31;
    const weights = Int32Array.from({ length: rows }, (_, i) => (i < aimed ? 2 ** i : 0));
    let seed = new Uint8Array();
    async function deviate(): Promise<{ read: number; query: { bytes: Uint8Array; commitments: Uint8Array } }> {
      const world = createWorld({ parties: [bank, tax], seed: 1, kernels });
      const outcome = await world.settle({
        bank: async (plain) => {
          const party = partyWith(plain, { rng: (label) => (n) => (seed = Uint8Array.from(plain.rng(label)(n))) });
          const offer = await party.receive(tax, "binning/offer");
          await using querier = await Querier.open(party, { use: "binning", jointSeed: joint, rows });
          const secrets = await querier.sendBatch([tax], [weights], 1);
          const hint = await querier.hint(tax, offer.features.reduce((sum, f) => sum + f.shape.bins, 0));
          const sums = [...(await querier.answers(tax, 0, hint, secrets))[0] ?? []];
          let [right, at] = [0, 0];
          for (const f of fine) {
            for (let bin = 0; bin < f.bins; bin++, at++) {
              for (let row = 0; row < aimed; row++) if ((((sums[at] ?? 0n) >> BigInt(row)) & 1n) === 1n && f.binOf[row] === bin) right++;
            }
          }
          const selected = [bank, tax].map((name) => ({ party: name, columns: 0 }));
          await party.send(tax, "binning/merged", { labelCommitment: new Uint8Array(32), queries: 1, selected, features: [] });
          return right / (aimed * fine.length);
        },
        tax: (party) => binningHost(party, {
          guest: bank, hosts: [tax], jointSeed: joint, features, rowOf: Int32Array.from({ length: rows }, (_, i) => i), trainRows: rows, ...options, guard: openHostGuard,
        }),
      });
      const read = (outcome["bank"] as { value: number }).value;
      return { read, query: world.view("tax")[0]?.body as { bytes: Uint8Array; commitments: Uint8Array } };
    }
    it("reads 31 companies in every feature at once, unseen: this is why queries are committed to and audited", async () => {
      const { read, query } = await deviate();
      assert.equal(read, 1);
      // The supervisor asks for the seed and the labels, and runs the query again.
      assert.deepEqual(query.commitments, new Uint8Array(await crypto.subtle.digest("SHA-256", seed)));
      await using querier = await kernels.querier({ crsSeed: crsSeed(joint, "binning"), rows });
      const again = async (values: Int32Array): Promise<Uint8Array> => (await querier.query([values], { maxCode: 1, rngs: [seededRng(seed, "query")] })).bytes;
      assert.deepEqual(await again(weights), query.bytes);
      assert.notDeepEqual(await again(Int32Array.from(job.label)), query.bytes);
      assert.isAtLeast(countFine(fine[0]?.binOf ?? new Uint8Array(), fine[0]?.bins ?? 0, rows).totals.length, 5);
    });
  });
});
