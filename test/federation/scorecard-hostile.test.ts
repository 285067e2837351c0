// A guest or host that leaves the order of a training job: every message of its end, and what the hosts allow the guest to ask.
import { assert } from "chai";
import { after, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import type { HostGuard } from "../../federation/guards.ts";
import type { TypedBody } from "../../federation/messages.ts";
import type { Party } from "../../federation/party.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { hostileCases, onFirst, withBody } from "../support/hostile.ts";
import { generatedJob, namesOf, openHostGuard, refusal, trainPrograms, type JointOptions } from "../support/joint.ts";
import { createWorld, partyWith, type Entry, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const job = generatedJob({ rows: 2300, trainRows: 2000, seed: 51, guest: 1, hosts: [1, 1] });
const [bank, hostA, hostB] = [partyId("bank"), partyId("host_a"), partyId("host_b")];

function start(tamper?: Tamper, options: JointOptions = {}): { world: World; done: Promise<unknown> } {
  const world = createWorld({ parties: namesOf(job), seed: 1, kernels, ...(tamper && { tamper }) });
  return { world, done: world.run(trainPrograms(job, options)) };
}
const attempt = (tamper: Tamper): ReturnType<typeof refusal> => refusal(start(tamper).done);
/** The message number `k` of that type to a host, in another form. */
function nth(type: string, to: PartyId, k: number, replace: (m: Entry) => readonly Uint8Array[]): Tamper {
  let seen = 0;
  return (m) => (m.type === type && m.to === to && seen++ === k ? replace(m) : undefined);
}
const step = (name: string): Uint8Array => encodeFrame("finish/next", { step: name });

const moreWeights = encodeFrame("totals/weights", { round: 1, plan: { clip: 1, fractionBits: 20, offset: 0, weights: [0] } });

describe("a training job with a party that deviates", () => {
  describe("in the order of its end", () => {
    const cases: [string, PartyId, Tamper][] = [
      ["asks for residuals before any total", bank, nth("finish/next", hostA, 0, () => [step("residuals")])],
      ["opens a second total without the residuals in between", bank, nth("finish/next", hostA, 1, () => [step("weights"), moreWeights])],
      ["asks for residuals twice", bank, nth("finish/next", hostA, 2, () => [step("residuals")])],
    ];
    for (const [name, party, tamper] of cases) {
      it(`is refused when the guest ${name}`, async () => assert.deepEqual(await attempt(tamper), { code: "PROTOCOL_OUT_OF_ORDER", party }));
    }
    it("is refused when the guest asks for more refinements than the plan has", async () => {
      const tamper = nth("finish/next", hostA, 1, () => [step("residuals")]);
      const { done } = start(tamper, { params: { split: { kind: "file" }, scorecard: { fit: { refinementRounds: 0 } } } });
      assert.deepEqual(await refusal(done), { code: "PROTOCOL_OUT_OF_ORDER", party: bank });
    });
    it("is refused when the guest asks for a third total", async () => {
      const tamper = nth("finish/next", hostA, 3, () => [step("weights")]);
      assert.deepEqual(await attempt(tamper), { code: "PROTOCOL_OUT_OF_ORDER", party: bank });
    });
    it("is refused when the guest invents a step", async () => {
      assert.equal((await attempt(nth("finish/next", hostA, 0, () => [step("columns")]))).code, "PROTOCOL_SCHEMA");
    });
    it("is refused when a host sends the guest's last words", async () => {
      const frame = encodeFrame("finish/model", { model: `model_${"0".repeat(24)}`, digest: "0".repeat(64) });
      assert.equal((await attempt(onFirst("finish/receipt", () => [frame]))).code, "PROTOCOL_WRONG_PARTY");
    });
    for (const { type, fields, sender } of [
      { type: "finish/next", fields: ["step"], sender: bank },
      { type: "finish/model", fields: ["model", "digest"], sender: bank },
      { type: "finish/receipt", fields: ["receipt", "account"], sender: hostB },
    ]) {
      for (const hostile of hostileCases(type, fields, sender)) {
        if (hostile.name === "with a text as receipt") continue; // it may be any text
        it(`refuses ${type} ${hostile.name}`, async () => assert.equal((await attempt(hostile.tamper)).code, hostile.code));
      }
    }
  });

  describe("in its columns", () => {
    it("is found when a host counts other columns in the moments than in its bins", async () => {
      // The host swaps the codes of its column for their mirror image before the moments.
      const swap = (party: Party): Party => (party.self === hostB ? partyWith(party, {
        receive: async (from, type) => {
          const body = await party.receive(from, type);
          if (type !== "binning/merged") return body;
          const merged = body as TypedBody<"binning/merged">;
          return { ...merged, features: merged.features.map((f) => ({ ...f, codes: f.codes.map((c) => -c) })) } as unknown as typeof body;
        },
      }) : party);
      assert.deepEqual(await refusal(start(undefined, { wrap: swap }).done), { code: "PROTOCOL_WRONG_SHAPE", party: hostB });
    });
    it("is found when a host's own block is not of the columns that were counted", async () => {
      const tamper = withBody("moments/own", ((b: { values: Uint8Array }) => {
        const values = new Float64Array(b.values.slice().buffer);
        values[0] = (values[0] ?? 0) + 1;
        return { ...b, values: new Uint8Array(values.buffer) };
      }), hostA);
      assert.deepEqual(await attempt(tamper), { code: "PROTOCOL_WRONG_SHAPE", party: hostA });
    });
  });

  describe("against a host's guard", () => {
    const refusing = (call: keyof HostGuard, code: "BUDGET_SET_SIZE" | "BUDGET_DIFFERENCING" | "POLICY_SINGLE_HOST" | "BUDGET_EQUATIONS" | "BUDGET_TOTALS"): JointOptions => ({
      hostGuard: (host) => (host === hostB ? { ...openHostGuard, [call]: () => { throw new AppError(code); } } : openHostGuard),
    });
    // What the host must not have sent when its guard says no.
    for (const [call, code, held] of [
      ["admitSet", "BUDGET_SET_SIZE", ["psi/ready", "binning/offer"]],
      ["admitRows", "BUDGET_DIFFERENCING", ["rows/confirm", "binning/offer"]],
      ["chargeQueries", "BUDGET_EQUATIONS", ["binning/answer"]],
      ["admitCompany", "POLICY_SINGLE_HOST", ["moments/hint", "moments/own", "moments/answer", "totals/masked"]],
      ["chargeTotals", "BUDGET_TOTALS", ["totals/masked"]],
    ] as const) {
      it(`${code} of ${call} holds ${held.join(", ")} back`, async () => {
        const { world, done } = start(undefined, refusing(call, code));
        assert.equal((await refusal(done)).code, code);
        const sent = new Set(world.sent.filter((m) => m.from === hostB).map((m) => m.type));
        for (const type of held) assert.isFalse(sent.has(type), type);
      });
    }
    it("each question is charged under a name of its own", async () => {
      const charged: string[] = [];
      const { done } = start(undefined, { hostGuard: (host) => (host !== hostB ? openHostGuard : {
        ...openHostGuard, chargeQueries: (label, queries) => charged.push(`${label}: ${queries}`), chargeTotals: (label) => void charged.push(label),
      }) });
      await done;
      assert.deepEqual(charged, ["binning: 1", "moments: 2", "round/0", "refinement/0: 1", "round/1"]);
    });
  });
});
