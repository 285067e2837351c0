// The leakage statement of plans of several shapes: complete, bounded, the same at every enclave, and within the flood's budget.
import { assert } from "chai";
import { describe, it } from "mocha";
import { partyId } from "../../core/names.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import { messageTable } from "../../federation/messages.ts";
import { leakageItemSchema, type DatasetSummary } from "../../federation/plan-schema.ts";
import { scorecardJobSchema } from "../../federation/scorecard/params.ts";

type Shape = { kind?: "scorecard" | "score"; rows: number; guest: number; hosts: readonly { rows: number; features: number }[]; params?: object };
function compile({ kind = "scorecard", rows, guest, hosts, params }: Shape): ReturnType<typeof compileLeakage> {
  const dataset = (n: number, features: number, labelled: boolean): DatasetSummary => ({ name: "loans", rows: n, features, labelled, snapshotDigest: "0".repeat(64) });
  const names = hosts.map((_, i) => partyId(`host_${i}`));
  return compileLeakage({
    kind, guest: partyId("bank"), hosts: names, params: (params ?? scorecardJobSchema.parse({})) as Record<string, unknown>,
    datasets: { bank: dataset(rows, guest, true), ...Object.fromEntries(names.map((h, i) => [h, dataset(hosts[i]?.rows ?? 0, hosts[i]?.features ?? 0, false)])) },
  });
}
const even = (hosts: number, features: number, rows = 120_000): Shape["hosts"] => Array.from({ length: hosts }, () => ({ rows, features }));

describe("the leakage statement", () => {
  const shapes: [string, Shape][] = [
    ["one host", { rows: 3000, guest: 5, hosts: even(1, 20) }],
    ["two hosts", { rows: 20_000, guest: 7, hosts: even(2, 12) }],
    ["three hosts, one without features", { rows: 6000, guest: 19, hosts: [...even(2, 22), { rows: 10, features: 0 }] }],
    ["100,000 companies with 30 + 300 features at one host", { rows: 100_000, guest: 30, hosts: even(1, 300) }],
    ["100,000 companies with 30 + 300 features at four hosts", { rows: 100_000, guest: 30, hosts: even(4, 75) }],
    ["a million companies with 30 + 80 features at four hosts", { rows: 1_000_000, guest: 30, hosts: even(4, 20, 2_000_000) }],
    ["a guest without features", { rows: 2500, guest: 0, hosts: even(2, 3) }],
    ["hosts without features", { rows: 2500, guest: 3, hosts: even(2, 0) }],
    ["a batch to score", { kind: "score", rows: 50_000, guest: 7, hosts: even(2, 12), params: { batch: "0".repeat(64), rows: 400 } }],
  ];
  for (const [name, shape] of shapes) {
    it(`compiles for ${name}: whole lines, each pair and type once, the flood within 2^-40`, function () {
      const { leakage, log2FloodDistance } = compile(shape);
      if (this.test && log2FloodDistance > -1000) this.test.title += ` (2^${log2FloodDistance.toFixed(1)})`;
      assert.isAtMost(log2FloodDistance, -40);
      for (const item of leakage) {
        leakageItemSchema.parse(item);
        assert.property(messageTable, item.type);
        if (item.numbers > 0) assert.isNotEmpty(item.reveals.en, item.type);
      }
      const keys = leakage.map((i) => `${i.from}>${i.to} ${i.type}`);
      assert.equal(new Set(keys).size, keys.length);
    });
    it(`is the same when another enclave compiles it for ${name}`, () => {
      const again = JSON.parse(JSON.stringify(shape)) as Shape;
      assert.equal(JSON.stringify(compile(shape)), JSON.stringify(compile(again)));
    });
  }
  it("lets nothing pass between hosts but the row order, the seeds and masked products", () => {
    const { leakage } = compile({ rows: 5000, guest: 4, hosts: even(3, 6) });
    const between = leakage.filter((i) => i.from !== "bank" && i.to !== "bank");
    assert.deepEqual([...new Set(between.map((i) => i.type))].sort(), ["cross/answer", "cross/hint", "cross/query", "rows/confirm", "seeds/commit", "seeds/reveal"]);
    assert.equal(between.reduce((sum, i) => sum + i.numbers, 0), 0);
  });
  it("tells a host of labels in its merged bins only, and bounds them by five in a hundred companies", () => {
    const { leakage } = compile({ rows: 5000, guest: 4, hosts: even(2, 6) });
    const toHost = leakage.filter((i) => i.to === "host_0" && i.from === "bank" && i.numbers > 0);
    assert.deepEqual(toHost.map((i) => i.type).filter((t) => !/^(psi|kkrt|rows)\//.test(t)), ["binning/merged", "totals/weights", "finish/next"]);
    assert.equal(toHost.find((i) => i.type === "binning/merged")?.numbers, 250);
  });
  it("lets a guest keep the tags of a large host that allows it, and says which numbers it learns", () => {
    const summary = (rows: number, more: Partial<DatasetSummary> = {}): DatasetSummary => ({ name: "d", rows, features: 3, labelled: true, snapshotDigest: "0".repeat(64), ...more });
    const psiOf = (more: Partial<DatasetSummary>, kind: "scorecard" | "score" = "scorecard", params: object = scorecardJobSchema.parse({})): [string, number, number][] => compileLeakage({
      kind, guest: partyId("bank"), hosts: [partyId("tax")], params: params as Record<string, unknown>, datasets: { bank: summary(3000), tax: summary(10_000_000, more) },
    }).leakage.filter((i) => /^(psi|kkrt|ot)\//.test(i.type)).map((i) => [i.type, i.maxMessages, i.numbers]);
    assert.deepEqual(psiOf({ reusable: true }), [
      ["psi/reuse-open", 1, 2], ["psi/reuse-ready", 1, 1], ["psi/blinded", 1, 0], ["psi/twice", 1, 3000], ["psi/reuse-tags", 39, 0],
    ]);
    assert.deepEqual(psiOf({ reusable: true }, "score", { batch: "0".repeat(64), rows: 40 }).find(([type]) => type === "psi/twice"), ["psi/twice", 1, 40]);
    assert.include(psiOf({}).map(([type]) => type), "kkrt/tags");
  });
  it("says more for a plan that asks for more", () => {
    const numbers = (shape: Shape): number => compile(shape).leakage.reduce((sum, i) => sum + i.numbers, 0);
    const base: Shape = { rows: 5000, guest: 4, hosts: even(2, 6) };
    const none = { ...base, params: scorecardJobSchema.parse({ scorecard: { fit: { refinementRounds: 0 } } }) };
    assert.isBelow(numbers(none), numbers(base));
    assert.isBelow(numbers(base), numbers({ ...base, guest: 5 }));
    assert.isBelow(numbers(base), numbers({ ...base, hosts: even(2, 7) }));
    assert.isBelow(compile(none).log2FloodDistance, compile(base).log2FloodDistance);
  });
  it("does not hide a plan that its floods cannot hide", () => {
    assert.isAbove(compile({ rows: 1_000_000, guest: 50, hosts: even(2, 100) }).log2FloodDistance, -40);
  });
});
