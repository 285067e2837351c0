// Feedback to providers: what each side sees of it, what it may cost in label information, and who can stop it.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { judge, policySchema } from "../../enclave/policy.ts";
import { bandOf, ivEdges, mostBits } from "../../federation/feedback/bands.ts";
import { floors, type GuestGuard } from "../../federation/guards.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import { compilePlan } from "../../federation/plan.ts";
import type { HostHalf } from "../../federation/scorecard/half.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { encodeFrame } from "../../core/codec.ts";
import { bank, datasets, planOf as enclavePlan, sealTo, tax } from "../support/enclave.ts";
import { assertInsidePlan, generatedJob, holding, jobParams, namesOf, openGuestGuard, planOf, trainPrograms, type JointOptions, type Trained } from "../support/joint.ts";
import { codeOf, createWorld, type Program, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const job = generatedJob({ rows: 2500, trainRows: 2100, seed: 12, guest: 2, hosts: [3, 2] });
const withFeedback: JointOptions = { params: { split: { kind: "file" }, feedback: "bands" } };

type Run = { readonly world: World; readonly trained: Trained; readonly halves: Readonly<Record<string, HostHalf>>; readonly programs: Record<string, Program<unknown>> };
async function train(options: JointOptions, tamper?: Tamper): Promise<Run> {
  const world = createWorld({ parties: namesOf(job), seed: 1, kernels, ...(tamper && { tamper }) });
  const programs = trainPrograms(job, options);
  const results = await world.run(programs);
  return { world, programs, trained: results["bank"] as Trained, halves: results as Record<string, HostHalf> };
}
const told = (world: World, host: string) => world.view(host).filter((m) => m.type === "feedback/usage");

describe("feedback to providers", () => {
  let run: Run;
  let plain: Run;
  before(async () => {
    run = await train(withFeedback);
    plain = await train({});
  });

  it("tells each host, in one message, the class of each of its own selected features and the gain, and keeps it under the features' names", () => {
    const { result } = run.trained;
    const uplift = Math.round(100 * (result.fitted.metrics.test.auc - result.fitted.guestOnly.test.auc));
    for (const [i, host] of ["host_a", "host_b"].entries()) {
      const own = result.decisions.filter((d) => d.party === host);
      const expected = own.flatMap((d, feature) => (d.selected ? [{ feature, band: d.iv < 0.02 ? "unpredictive" : d.iv < 0.1 ? "weak" : d.iv < 0.3 ? "medium" : "strong" }] : []));
      assert.isNotEmpty(expected);
      assert.deepEqual(told(run.world, host).map((m) => m.body), [{ uplift, features: expected }]);
      const names = holding(job, i).features.map((f) => f.name);
      assert.deepEqual(run.halves[host]?.feedback, { uplift, features: expected.map(({ feature, band }) => ({ feature: names[feature] ?? "", band })) } as never);
    }
    assert.isAbove(uplift, 0);
  });

  it("adds nothing else to either view: all other messages are those of the same job without it", () => {
    for (const party of ["bank", "host_a", "host_b"]) {
      const others = run.world.view(party).filter((m) => m.type !== "feedback/usage").map((m) => `${m.from} ${m.type} ${Buffer.from(m.frame).toString("base64")}`);
      assert.deepEqual(others.sort(), plain.world.view(party).map((m) => `${m.from} ${m.type} ${Buffer.from(m.frame).toString("base64")}`).sort());
    }
    assert.isEmpty(told(plain.world, "host_a"));
    assert.isUndefined(plain.halves["host_a"]?.feedback);
    assert.deepEqual(run.trained.half, plain.trained.half);
  });

  it("is in the statement of the plan that asks for it, and in no other", () => {
    assertInsidePlan(job, run.world, withFeedback);
    const lines = (options: JointOptions) => compileLeakage(planOf(job, "scorecard", jobParams(options))).leakage.filter((l) => l.type === "feedback/usage");
    assert.deepEqual(lines(withFeedback).map((l) => [l.from, l.to, l.maxMessages, l.numbers]), [["bank", "host_a", 1, 4], ["bank", "host_b", 1, 3]]);
    assert.isEmpty(lines({}));
    const large = Object.fromEntries(Object.entries(datasets).map(([party, d]) => [party, { ...d, rows: 20_000 }]));
    for (const kind of ["crossboost", "gbdt"] as const) {
      const request = { kind, guest: bank, hosts: [tax], purpose: "model-development" as const, params: { feedback: "bands" } };
      const plan = compilePlan({ request, job: enclavePlan().job, createdAt: "2026-01-01T00:00:00.000Z", expiresAt: "2026-01-08T00:00:00.000Z", datasets: large, sealTo });
      // Trees and cells tell a host no information value: the gain alone.
      assert.deepEqual(plan.leakage.filter((l) => l.type === "feedback/usage").map((l) => l.numbers), [1]);
    }
  });

  it("costs at most 2 bits a feature and 7.7 for the gain: 5 % of what the outcomes of the smallest training set hold, for a host with ten features", () => {
    assert.closeTo(mostBits(1) - mostBits(0), 2, 1e-12);
    assert.isBelow(mostBits(0), 7.7);
    // 2,000 companies, of which 5 % are bad: entropy of their labels, in bits.
    const share = 0.05;
    const entropy = -floors.minTrainRows * (share * Math.log2(share) + (1 - share) * Math.log2(1 - share));
    assert.isBelow(mostBits(10) / entropy, 0.05);
    assert.isBelow(mostBits(0) / entropy, 0.0135);
    assert.deepEqual([0, 0.0199, 0.02, 0.0999, 0.1, 0.2999, 0.3, 5].map(bandOf), ["unpredictive", "unpredictive", "weak", "weak", "medium", "medium", "strong", "strong"]);
    assert.deepEqual([...ivEdges], [0.02, 0.1, 0.3]);
  });

  it("counts as label statistics, and is withheld where the budget does not reach", async () => {
    const charged: [string, string, number][] = [];
    const guard = (limit: (label: string) => boolean): GuestGuard => ({
      ...openGuestGuard(),
      labelBudget: () => 1000,
      chargeLabelRank: (host, label, rank) => {
        if (!limit(label)) throw new AppError("BUDGET_LABEL_RANK", { used: 1000, asked: rank, limit: 1000 });
        charged.push([host, label, rank]);
      },
    });
    const paid = await train({ ...withFeedback, guestGuard: guard(() => true) });
    const features = (host: string): number => ((told(paid.world, host)[0] ?? assert.fail(host)).body as { features: unknown[] }).features.length;
    assert.deepEqual(charged.filter(([, label]) => label === "feedback").toSorted(([a], [b]) => (a < b ? -1 : 1)), [["host_a", "feedback", features("host_a") + 1], ["host_b", "feedback", features("host_b") + 1]]);
    const broke = await train({ ...withFeedback, guestGuard: guard((label) => label !== "feedback") });
    assert.deepEqual(told(broke.world, "host_a").map((m) => m.body), [{ uplift: "withheld", features: [] }]);
    assert.deepEqual(broke.halves["host_a"]?.feedback, { uplift: null, features: [] });
  });

  it("comes out the same after a restart of either side at any moment", async () => {
    for (const name of ["bank", "host_a"]) {
      const program = run.programs[name] as Program<unknown>;
      const frames = run.world.view(name).length;
      for (const at of [0, frames >> 1, frames - 1, undefined]) await run.world.replay(name, program, at);
    }
  });

  it("is refused by a host when it speaks of a feature that is not selected, of one twice, or of features without a gain", async () => {
    const bodies = [
      { uplift: 3, features: [{ feature: 2000, band: "weak" }] }, { uplift: "withheld", features: [{ feature: 0, band: "weak" }] },
      { uplift: 3, features: [{ feature: 0, band: "weak" }, { feature: 0, band: "strong" }] },
    ];
    for (const body of bodies) {
      const refusal = await codeOf(train(withFeedback, (m) => (m.type === "feedback/usage" && m.to === "host_a" ? [encodeFrame(m.type, body)] : undefined)));
      assert.equal(refusal, "PROTOCOL_WRONG_SHAPE", JSON.stringify(body));
    }
    for (const body of [{ uplift: 3.5, features: [] }, { uplift: null, features: [] }, { uplift: 3, features: [{ feature: 0, band: "0.123" }] }, { uplift: 3, features: [{ feature: 0, band: "weak", iv: 0.05 }] }, { uplift: 3, features: [], auc: 0.8 }]) {
      const refusal = await codeOf(train(withFeedback, (m) => (m.type === "feedback/usage" && m.to === "host_a" ? [encodeFrame(m.type, body)] : undefined)));
      assert.equal(refusal, "PROTOCOL_SCHEMA", JSON.stringify(body));
    }
  });

  it("needs the word of the bank's own policy; what a provider's policy says of it does not matter", () => {
    const request = { kind: "scorecard" as const, guest: bank, hosts: [tax, "power"] as never, purpose: "model-development" as const, params: { feedback: "bands" } };
    const plan = compilePlan({ request, job: enclavePlan().job, createdAt: "2026-01-01T00:00:00.000Z", expiresAt: "2026-01-08T00:00:00.000Z", datasets, sealTo });
    const says = (self: typeof bank, feedback?: string): string => {
      const rule = { guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], approve: "auto", sealTo: sealTo.x, ...(feedback === undefined ? {} : { feedback }) };
      const verdict = judge(plan, self, policySchema.parse({ version: 1, allow: [rule] }), datasets[self] ?? assert.fail());
      return verdict.kind === "refuse" ? verdict.code : verdict.kind;
    };
    assert.deepEqual([says(bank), says(bank, "nothing"), says(bank, "bands"), says(tax)], ["POLICY_FEEDBACK", "POLICY_FEEDBACK", "approve", "approve"]);
    assert.isFalse(policySchema.safeParse({ version: 1, allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], feedback: "all" }] }).success);
  });
});
