// Two jobs whose companies differ by one: the guard refuses the second, and without the guard their difference is that company's bins.
import { assert } from "chai";
import { after, describe, it } from "mocha";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { Budgets, hostGuard } from "../../enclave/budgets.ts";
import { policySchema, type PolicyRule } from "../../enclave/policy.ts";
import { symmetricDifference } from "../../enclave/record-hashes.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { binningGuest, sendMerged } from "../../federation/binning/guest.ts";
import { binningHost } from "../../federation/binning/host.ts";
import { floors, type HostGuard } from "../../federation/guards.ts";
import { createKernels } from "../../kernels/kernels.ts";
import type { FeatureCounts } from "../../models/scorecard/decide.ts";
import { generatedJob, idOf, namesOf, openHostGuard, refusal, trainPrograms } from "../support/joint.ts";
import { createWorld } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const [bank, tax] = [partyId("bank"), partyId("tax")];
const rule = policySchema.parse({
  version: 1, allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["loan-approval"], maxNewIdsPerMonth: 100_000 }],
}).allow[0] as PolicyRule;
const jobOf = (k: number): ReturnType<typeof jobIdSchema.parse> => jobIdSchema.parse(`job_${String(k).padStart(16, "0")}`);
const rowsOf = (from: number, to: number): Int32Array => Int32Array.from({ length: to - from }, (_, i) => from + i);

describe("attack: two jobs that differ by one company", () => {
  const ids = Array.from({ length: 9000 }, (_, i) => idOf(i));
  /** One host's guard for one job; `digest` names the guest's set. */
  const admit = async (budgets: Budgets, job: number, rowOf: Int32Array, trainRows = rowOf.length): Promise<HostGuard> => {
    const guard = hostGuard({ budgets, job: jobOf(job), guest: bank, dataset: "snapshot", rule, ids });
    await guard.admitRows(rowOf, trainRows, { size: rowOf.length, setDigest: new Uint8Array(32).fill(job) });
    return guard;
  };
  const codeOf = async (work: () => unknown): Promise<string> => (await refusal((async () => work())())).code;

  describe("are refused by the host's guard", () => {
    it("with one company more, one fewer, or one exchanged", async () => {
      using db = new StateDatabase(":memory:");
      const budgets = new Budgets(db, () => 0, new Uint8Array(32));
      await admit(budgets, 1, rowsOf(0, 3000));
      assert.equal(await codeOf(() => admit(budgets, 2, rowsOf(0, 3001))), "BUDGET_DIFFERENCING");
      assert.equal(await codeOf(() => admit(budgets, 3, rowsOf(1, 3000))), "BUDGET_DIFFERENCING");
      assert.equal(await codeOf(() => admit(budgets, 4, rowsOf(0, 3000).with(7, 5000))), "BUDGET_DIFFERENCING");
    });
    it("up to 499 companies of difference, also from an earlier job than the last", async () => {
      using db = new StateDatabase(":memory:");
      const budgets = new Budgets(db, () => 0, new Uint8Array(32));
      await admit(budgets, 1, rowsOf(0, 3000));
      assert.equal(await codeOf(() => admit(budgets, 2, rowsOf(0, 3499))), "BUDGET_DIFFERENCING");
      await admit(budgets, 3, rowsOf(0, 3500));
      assert.equal(await codeOf(() => admit(budgets, 4, rowsOf(100, 3500))), "BUDGET_DIFFERENCING");
      await admit(budgets, 5, rowsOf(500, 3500));
    });
    it("but the same companies again are not, in whatever order and beside others that the host does not hold", async () => {
      using db = new StateDatabase(":memory:");
      const budgets = new Budgets(db, () => 0, new Uint8Array(32));
      await admit(budgets, 1, rowsOf(0, 3000));
      await admit(budgets, 2, rowsOf(0, 3000).toReversed());
      await admit(budgets, 3, Int32Array.from([...rowsOf(0, 3000), -1, -1]));
      await admit(budgets, 3, Int32Array.from([...rowsOf(0, 3000), -1, -1]));
    });
    it("in a whole job: the same one again runs through, until its totals are used up", async () => {
      using db = new StateDatabase(":memory:");
      const budgets = new Budgets(db, () => 0, new Uint8Array(32));
      const job = generatedJob({ rows: 2600, trainRows: 2100, seed: 4, guest: 1, hosts: [1, 1], absent: 0 });
      const run = (k: number, trainRows: number): Promise<unknown> => {
        const world = createWorld({ parties: namesOf(job), seed: k, job: jobOf(k), kernels });
        // The host's records run backwards and hold three strangers at the end (support/joint.ts).
        const own = [...Array.from({ length: 2600 }, (_, i) => idOf(2599 - i)), "s1", "s2", "s3"];
        const guard = (host: string): HostGuard => hostGuard({ budgets, job: jobOf(k), guest: bank, dataset: host, rule, ids: own });
        const params = { split: { kind: "file" }, scorecard: { fit: { refinementRounds: 0 } } } as const;
        return world.run(trainPrograms({ ...job, trainRows }, { hostGuard: guard, params }));
      };
      await run(1, 2100);
      assert.equal((await refusal(run(2, 2099))).code, "BUDGET_DIFFERENCING");
      await run(3, 2100);
      assert.equal((await refusal(run(4, 2100))).code, "BUDGET_TOTALS");
    });
    it("counts differences of sorted lists as sets do", () => {
      const list = (items: readonly number[]): Buffer => Buffer.concat([...items].sort((a, b) => a - b).map((x) => Buffer.alloc(16, x)));
      assert.equal(symmetricDifference(list([1, 2, 3]), list([2, 3, 4, 5])), 3);
      assert.equal(symmetricDifference(list([]), list([9])), 1);
      assert.equal(symmetricDifference(list([7, 8]), list([7, 8])), 0);
      assert.isAtLeast(floors.minRowSetDifference, 500);
    });
  });

  it("show that company's bin in every feature when the guard is lifted", async () => {
    const rows = 500;
    const job = generatedJob({ rows, trainRows: rows, seed: 14, guest: 0, hosts: [5] });
    const levelOf = (v: number): number => (v < -0.7 ? 0 : v < 0 ? 1 : v < 0.7 ? 2 : 3);
    const features = (job.hosts[0]?.table.features ?? []).map((f) => (
      { kind: "categorical" as const, name: f.name, levels: ["a", "b", "c", "d"], codes: Int32Array.from(f.kind === "numeric" ? f.values : [], levelOf) }));
    const target = 123;
    const counts = async (rowOf: Int32Array, seed: number): Promise<FeatureCounts[]> => {
      const world = createWorld({ parties: [bank, tax], seed, kernels });
      const label = Uint8Array.from(rowOf, (r) => job.label[r] ?? 0);
      const jointSeed = new Uint8Array(32).fill(seed);
      const results = await world.run({
        bank: async (party) => {
          const got = await binningGuest(party, { hosts: [tax], jointSeed, label, trainRows: rowOf.length, minRows: 20 });
          await sendMerged(party, { hosts: [tax], decisions: [], ownColumns: 0, label });
          return got;
        },
        tax: (party) => binningHost(party, { guest: bank, hosts: [tax], jointSeed, features, rowOf, trainRows: rowOf.length, maxBins: 10, minRows: 20, guard: openHostGuard }),
      });
      return results.bank;
    };
    const whole = await counts(rowsOf(0, rows), 1);
    const less = await counts(rowsOf(0, rows).filter((r) => r !== target), 2);
    for (const [k, feature] of whole.entries()) {
      const changed = feature.totals.flatMap((t, bin) => (t !== less[k]?.totals[bin] ? [bin] : []));
      assert.lengthOf(changed, 1);
      // Level groups are ordered by size: the bin in which the company was stands for its level.
      const level = features[k]?.codes[target];
      const sizes = [0, 1, 2, 3].map((l) => features[k]?.codes.reduce((sum, c) => sum + (c === l ? 1 : 0), 0) ?? 0);
      assert.equal(feature.totals[changed[0] ?? 0], sizes[level ?? 0]);
    }
  });
});
