// Federated binning between the roles: exact counts, merged bins at their owner, floors, and what each end refuses.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { partyId } from "../../core/names.ts";
import { binningGuest, opaqueName, sendMerged } from "../../federation/binning/guest.ts";
import { binningHost, type BinningHostResult } from "../../federation/binning/host.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { countFine, fineBin } from "../../models/binning/fine.ts";
import { boundedCodes, codeEnergy, maxCodeEnergy, woeCodes } from "../../models/binning/woe.ts";
import type { Feature } from "../../models/features.ts";
import { codeColumn, decideBins, type BinDecision, type FeatureCounts } from "../../models/scorecard/decide.ts";
import { scorecardParamsSchema } from "../../models/scorecard/params.ts";
import { generatedJob, openHostGuard, refusal } from "../support/joint.ts";
import { hostileCases, onFirst, withBody } from "../support/hostile.ts";
import { createWorld, type Entry, type Program, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const guest = partyId("bank");
const joint = new Uint8Array(32).fill(4);
const params = scorecardParamsSchema.parse({ fine: { maxBins: 8 }, selection: { ivMin: 0 } });
const rows = 400;
const trainRows = 360;
const job = generatedJob({ rows, trainRows, seed: 2, guest: 0, hosts: [3, 0, 2], signal: 1.2 });
const hosts = job.hosts.map((h) => partyId(h.name));
const [first = guest, , third = guest] = hosts;
type GuestView = { counts: FeatureCounts[]; decisions: BinDecision[] };

type Setup = { tamper?: Tamper; label?: Uint8Array; guard?: typeof openHostGuard; decide?: (made: BinDecision[]) => BinDecision[] };
function setup({ tamper, label = job.label, guard = openHostGuard, decide = (d) => d }: Setup = {}): { world: World; programs: Record<string, Program<unknown>> } {
  const world = createWorld({ parties: [guest, ...hosts], seed: 1, kernels, ...(tamper && { tamper }) });
  const asking: Program<GuestView> = async (party) => {
    const counts = await binningGuest(party, { hosts, jointSeed: joint, label, trainRows, minRows: params.fine.minRows });
    const decisions = decide(decideBins({ guest, features: counts, trainRows, params, labelBudget: Object.fromEntries(hosts.map((h) => [h, 1000])) }));
    await sendMerged(party, { hosts, decisions, ownColumns: 0, label });
    return { counts, decisions };
  };
  const answering = (features: readonly Feature[]): Program<BinningHostResult> => (party) => binningHost(party, {
    guest, hosts, jointSeed: joint, features, rowOf: Int32Array.from({ length: rows }, (_, i) => i), trainRows, ...params.fine, guard,
  });
  return { world, programs: { [guest]: asking, ...Object.fromEntries(job.hosts.map((h) => [h.name, answering(h.table.features)])) } };
}

describe("federated binning", () => {
  let world: World;
  let results: Record<string, unknown>;
  const fine = job.hosts.flatMap(({ name, table }) => table.features.map((feature, i) => ({ name, i, binning: fineBin(feature, { trainRows, ...params.fine }) })));
  before(async () => {
    const made = setup();
    world = made.world;
    results = await made.world.run(made.programs);
  });

  it("gives the guest the counts of every fine bin of every host under opaque names", () => {
    const { counts } = results[guest] as GuestView;
    const expected = fine.map(({ name, i, binning }) => ({ party: name, name: opaqueName(i), ...binning.shape, ...countFine(binning.binOf, binning.bins, trainRows, job.label) }));
    assert.deepEqual(counts, expected);
    assert.isFalse(world.sent.some((m) => Buffer.from(m.frame).includes("x1_0")), "a feature's own name stays at its host");
  });

  it("leaves every host the columns of its selected features over all rows, and no other host's", () => {
    const { decisions } = results[guest] as GuestView;
    for (const host of hosts) {
      const { columns, merged } = results[host] as BinningHostResult;
      const own = decisions.filter((d) => d.party === host);
      assert.deepEqual(columns.map((c) => c.feature), own.flatMap((d, i) => (d.selected ? [i] : [])));
      for (const c of columns) {
        const decision = own[c.feature] as BinDecision;
        const binOf = fine.find((f) => f.name === host && f.i === c.feature)?.binning.binOf ?? new Uint8Array();
        assert.deepEqual(c.column, codeColumn(binOf, decision.mergedOf, decision.codes));
      }
      assert.deepEqual(merged.selected.map((s) => s.columns), [0, ...hosts.map((h) => decisions.filter((d) => d.party === h && d.selected).length)]);
    }
    assert.isAbove((results[first] as BinningHostResult).columns.length, 0);
  });

  it("commits to the labels in a way that only the secret salt opens", async () => {
    const commitmentOf = (w: World): string => {
      const merged = w.view(third).find((m) => m.type === "binning/merged") as Entry;
      return Buffer.from((merged.body as TypedBody<"binning/merged">).labelCommitment).toString("hex");
    };
    const other = setup({ label: job.label.map((y, i) => (i === 3 ? 1 - y : y)) });
    await other.world.run(other.programs);
    assert.notEqual(commitmentOf(world), commitmentOf(other.world));
    const bare = new Uint8Array(await crypto.subtle.digest("SHA-256", job.label.slice()));
    assert.notEqual(commitmentOf(world), Buffer.from(bare).toString("hex"));
  });

  it("asks nothing of a host without features, and charges one query at the others", async () => {
    const charged: [string, number][] = [];
    const made = setup({ guard: { ...openHostGuard, chargeQueries: (label, queries) => charged.push([label, queries]) } });
    await made.world.run(made.programs);
    assert.deepEqual(charged, [["binning", 1], ["binning", 1]]);
    assert.deepEqual(made.world.view(hosts[1] as PartyId).map((m) => m.type), ["binning/merged"]);
  });

  it("is the same after a restart of any party at any message", async () => {
    const { programs } = setup();
    for (const name of [guest, ...hosts]) {
      const program = programs[name] as Program<unknown>;
      assert.deepEqual(await world.replay(name, program), results[name]);
      const got = world.view(name).filter((m) => m.from === (name === guest ? first : guest)).length;
      for (let frames = 0; frames < Math.min(3, got); frames++) await world.replay(name, program, frames);
    }
  });

  describe("codes of 8 bits", () => {
    it("keep their mean square below the bound of the plan, with as many steps as that leaves", () => {
      const lopsided = boundedCodes([-1, 1], [100, 100]);
      assert.deepEqual(lopsided.codes, [-64, 64]);
      const usual = boundedCodes([2, -0.5, 0.1], [20, 300, 300]);
      assert.deepEqual(usual, woeCodes([2, -0.5, 0.1], 127));
      for (const [woe, totals] of [[[1, -0.9, 0.8], [50, 70, 90]], [[0.3, 0.29, -0.3, 0], [400, 10, 400, 1]], [[0, 0], [5, 5]]] as const) {
        const { codes, step } = boundedCodes(woe, totals);
        const n = totals.reduce<number>((a, b) => a + b, 0);
        assert.isAtMost(codeEnergy(codes, totals), maxCodeEnergy * n);
        for (const [i, code] of codes.entries()) assert.closeTo(code * step, woe[i] ?? 0, step / 2 + 1e-12);
        const used = Math.max(...codes.map(Math.abs));
        if (used > 0 && used < 127) assert.isAbove(codeEnergy(woeCodes(woe, used + 1).codes, totals), maxCodeEnergy * n, "one more step would be too many");
      }
    });
    it("are refused by the host when they exceed it", async () => {
      const loud = setup({ decide: (made) => made.map((d) => ({ ...d, codes: d.codes.map((c) => (c < 0 ? -127 : 127)) })) });
      assert.deepEqual(await refusal(loud.world.run(loud.programs)), { code: "PROTOCOL_WRONG_SHAPE", party: guest });
    });
  });

  describe("between parties of which one deviates", () => {
    const attempt = (tamper: Tamper): ReturnType<typeof refusal> => {
      const made = setup({ tamper });
      return refusal(made.world.run(made.programs));
    };
    type Offer = TypedBody<"binning/offer">;
    type Merged = TypedBody<"binning/merged">;
    const offer = (change: (f: Offer["features"][number]) => object): Tamper =>
      withBody("binning/offer", ((b: Offer) => ({ features: b.features.map((f, i) => (i === 1 ? change(f) : f)) })), third);
    const offers = (change: (b: Offer) => object): Tamper => withBody("binning/offer", (b: Offer) => ({ features: change(b) }), third);
    const merged = (change: (b: Merged) => object): Tamper => {
      let done = false;
      return (m) => {
        if (done || m.type !== "binning/merged" || m.to !== third) return undefined;
        done = true;
        return [encodeFrame(m.type, change(m.body as Merged))];
      };
    };
    const listed = (change: (list: Merged["selected"]) => object): Tamper => merged((b) => ({ ...b, selected: change(b.selected) }));
    const feature = (change: (f: Merged["features"][number]) => object): Tamper =>
      merged((b) => ({ ...b, features: b.features.map((f, i) => (i === 0 ? change(f) : f)) }));
    /** All but `left` companies of a bin moved to the first one: the sum stays. */
    const moved = (f: Offer["features"][number], bin: number, left: number): object => (
      { ...f, totals: f.totals.with(bin, left).with(0, (f.totals[0] ?? 0) + (f.totals[bin] ?? 0) - left) });
    const cases: [string, string, PartyId | undefined, Tamper][] = [
      ["counts that do not add up to the rows", "PROTOCOL_WRONG_SHAPE", third, offer((f) => ({ ...f, totals: f.totals.with(0, (f.totals[0] ?? 0) + 1) }))],
      ["counts moved from one bin to another below the bads in it", "PROTOCOL_WRONG_SHAPE", third, offer((f) => moved(f, f.shape.orderedBins - 1, 20))],
      ["a bin of fewer companies than the floor", "FLOOR_BINS", third, offer((f) => moved(f, 1, 19))],
      ["a count too few", "PROTOCOL_WRONG_SHAPE", third, offer((f) => ({ ...f, totals: f.totals.slice(1) }))],
      ["more bins than counts", "PROTOCOL_WRONG_SHAPE", third, offer((f) => ({ ...f, shape: { ...f.shape, bins: f.shape.bins + 1 } }))],
      ["a missing bin outside its bins", "PROTOCOL_SCHEMA", undefined, offer((f) => ({ ...f, shape: { ...f.shape, missingBin: f.shape.bins } }))],
      ["an offer of more features than cells in the hint", "PROTOCOL_WRONG_SHAPE", third, offers((b) => [...b.features, ...b.features])],
      ["an offer of fewer features than cells in the hint", "PROTOCOL_WRONG_SHAPE", third, offers((b) => b.features.slice(1))],
      ["merged bins below 20 companies", "FLOOR_BINS", guest, feature((f) => ({ ...f, mergedOf: f.mergedOf.map(() => 0), codes: [1, 2] }))],
      ["a merged bin that does not exist", "PROTOCOL_WRONG_SHAPE", guest, feature((f) => ({ ...f, mergedOf: f.mergedOf.with(0, f.codes.length) }))],
      ["a map of too few fine bins", "PROTOCOL_WRONG_SHAPE", guest, feature((f) => ({ ...f, mergedOf: f.mergedOf.slice(1) }))],
      ["a code of more than 8 bits", "PROTOCOL_SCHEMA", undefined, feature((f) => ({ ...f, codes: f.codes.with(0, 128) }))],
      ["a feature that was not offered", "PROTOCOL_WRONG_SHAPE", guest, feature((f) => ({ ...f, feature: 9 }))],
      ["a feature twice", "PROTOCOL_WRONG_SHAPE", guest, merged((b) => ({ ...b, features: [...b.features, ...b.features.slice(0, 1)] }))],
      ["another number of columns than announced", "PROTOCOL_WRONG_SHAPE", guest, merged((b) => ({ ...b, features: b.features.slice(1) }))],
      ["more queries than the guest has columns", "PROTOCOL_WRONG_SHAPE", guest, merged((b) => ({ ...b, queries: 2 }))],
      ["a party that is not in the list", "PROTOCOL_WRONG_SHAPE", guest, listed((l) => l.slice(0, -1))],
      // Said twice, with and without columns, a host would count itself out and send its totals without masks.
      ["a party that is in the list twice", "PROTOCOL_WRONG_SHAPE", guest, listed((l) => [...l, { party: third, columns: 0 }])],
      ["a party in the list that is not in the job", "PROTOCOL_WRONG_SHAPE", guest, listed((l) => [...l.slice(0, -1), { party: "stranger", columns: 0 }])],
    ];
    for (const [name, code, party, tamper] of cases) {
      it(`refuses ${name}`, async () => assert.deepEqual(await attempt(tamper), { code, party }));
    }
    it("refuses merged bins that a host sends", async () => {
      const frame = encodeFrame("binning/merged", { labelCommitment: new Uint8Array(32), queries: 1, selected: [], features: [] });
      assert.equal((await attempt(onFirst("binning/offer", () => [frame]))).code, "PROTOCOL_WRONG_PARTY");
    });
    it("stops before any answer when the host's budget refuses the query", async () => {
      const made = setup({ guard: { ...openHostGuard, chargeQueries: () => { throw new Error("refused"); } } });
      await made.world.run(made.programs).catch(() => {});
      assert.isFalse(made.world.sent.some((m) => m.type === "binning/answer"));
    });
    for (const { type, fields, sender } of [
      { type: "binning/offer", fields: ["features"], sender: first },
      { type: "binning/hint", fields: ["index", "last", "firstCell", "bytes"], sender: first },
      { type: "binning/query", fields: ["index", "last", "query", "commitments", "bytes"], sender: guest },
      { type: "binning/answer", fields: ["index", "last", "query", "bytes"], sender: first },
      { type: "binning/merged", fields: ["labelCommitment", "queries", "selected", "features"], sender: guest },
    ]) {
      for (const hostile of hostileCases(type, fields, sender)) {
        it(`refuses ${type} ${hostile.name}`, async () => assert.equal((await attempt(hostile.tamper)).code, hostile.code));
      }
    }
  });
});
