// Online scores by joint trees as pure machines: totals equal the trees on the pooled table bit by bit, whoever is away; what each side sees; what is refused.
import { createHmac } from "node:crypto";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import { binsOf } from "../../federation/crossboost/half.ts";
import { answerOf, groupsOfTables, movesOf, mostTables, quantised, requireFits, sealable, tablesAmong, tablesOfGroups, totalOf, type JointTable } from "../../federation/serve/tables.ts";
import { ringMaskOf } from "../../federation/serve/masks.ts";
import { serveJobSchema } from "../../federation/serve/params.ts";
import { crossboostJoint, gbdtJoint, type JointGuest } from "../../federation/serve/trees-guest.ts";
import { crossboostJointHost, gbdtJointHost, type JointHost } from "../../federation/serve/trees-host.ts";
import { maxTotal, tablePrimeBits } from "../../kernels/linear/params.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { lookupOf } from "../../models/crossboost/model.ts";
import { addTotal, stageEntries, startScoring } from "../../models/crossboost/predict.ts";
import { chosenSums } from "../../models/crossboost/total.ts";
import type { Feature } from "../../models/features.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { bank } from "../support/gbdt.ts";
import { leavesOf, plainOdds, trainCells, trainTrees, type CellHalves, type TreeHalves } from "../support/joint-trees.ts";
import { codeOf as codeOfPromise } from "../support/world.ts";
import { byteDeviation } from "../support/uniform.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const service = jobIdSchema.parse("job_0123456789abcdef");
const keyOf = (a: PartyId) => (b: PartyId): Uint8Array => new Uint8Array(createHmac("sha256", "keys").update([a, b].sort().join()).digest());
const codeOf = (work: () => unknown): Promise<string> => codeOfPromise((async () => work())());

type Model = { readonly guest: JointGuest; readonly hosts: ReadonlyMap<PartyId, JointHost>; readonly all: readonly PartyId[] };
const treeModel = ({ half, halves, hosts }: TreeHalves): Model => {
  const guest = gbdtJoint(half, hosts);
  return { guest, all: hosts, hosts: new Map(hosts.map((h) => [h, gbdtJointHost(halves[h] as never, { self: h, guest: bank, hosts }, groupsOfTables(guest.tables, h))])) };
};
const cellModel = ({ half, halves, tables }: CellHalves): Model => {
  const all = tables.hosts.map((h) => h.name);
  const guest = crossboostJoint(half, all);
  return { guest, all, hosts: new Map(all.map((h) => [h, crossboostJointHost(halves[h] as never, { self: h, guest: bank, hosts: all }, groupsOfTables(guest.tables, h))])) };
};
/** A company of the pooled table: places, texts and picks in the clear, as the two messages carry them. */
function asked({ guest, hosts }: Model, tables: TreeHalves["tables"], row: number, present: readonly PartyId[], n = row) {
  const open = guest.open(tables.own.map((f) => alignFeature(f, Int32Array.of(row))), present);
  const ask = { n, present, company: `company-${row}` };
  const answers = new Map(present.map((self) => {
    const { features, rowOf } = tables.hosts.find((h) => h.name === self) as (typeof tables.hosts)[number];
    const joint = hosts.get(self) as JointHost;
    return [self, answerOf({ self, service, ask, keyOf: keyOf(self), tables: joint.tables, choices: joint.choices(features, rowOf[row] ?? -1) })] as const;
  }));
  const sealed = sealable(open.tables, new Map([...answers].map(([h, { places }]) => [h, places])));
  const picked = [...answers].reduce((sum, [h, { picks }]) => sum + picks.reduce((s, p) => s + (sealed.entries.get(h)?.[p] ?? Number.NaN), 0), 0);
  return { open, answers, sealed, odds: open.odds(totalOf(picked & 4095, sealed)) };
}

describe("online scores by joint trees", () => {
  const shapes = [[2], [2, 1], [1, 0, 2], [2, 1, 1]];
  const trained = new Map<string, TreeHalves>();
  let cells: CellHalves;
  before(async () => {
    for (const shape of shapes) trained.set(shape.join(), await trainTrees(kernels, shape));
    cells = await trainCells(kernels);
  });
  const of = (shape: readonly number[]): TreeHalves => trained.get(shape.join()) as TreeHalves;

  for (const shape of shapes) {
    it(`are those of the trees on the pooled table, hosts of ${shape.join(", ")} features, whoever is away`, () => {
      const made = of(shape);
      const model = treeModel(made);
      const sets = [made.hosts, made.hosts.slice(0, -1), made.hosts.slice(1), made.hosts.filter((_, i) => i !== 1), []];
      for (const present of sets) {
        for (let row = 700; row < 760; row++) {
          const { open, odds } = asked(model, made.tables, row, present);
          // Bit by bit: the same entries, picked in the clear by what the pooled columns say.
          const choices = (host: PartyId, table: number): number => {
            const { features, rowOf } = made.tables.hosts.find((h) => h.name === host) as (typeof made.tables.hosts)[number];
            return model.hosts.get(host)?.choices(features, rowOf[row] ?? -1).get(table) ?? 0;
          };
          assert.equal(odds, plainOdds(open, choices));
          // And by the model's own leaves, to within the rounding of 12 bits.
          const exact = (made.half.trees.base + leavesOf(made, row, present).reduce((sum, leaf) => sum + leaf, 0)) / 2 ** 20;
          const reach = made.half.trees.trees.reduce((sum, { leaves }) => sum + (Math.max(...leaves) - Math.min(...leaves)) / 2, 0) / 2 ** 20;
          assert.approximately(odds, exact, present.length === 0 ? 1e-9 : (reach * open.tables.length) / 2 / (maxTotal - open.tables.length));
        }
      }
    });
  }
  it("of cross-party tables are the model's to within its 12 bits, and a host that is away counts as missing", () => {
    const model = cellModel(cells);
    const { half, halves, tables } = cells;
    const lookup = lookupOf(half.joint, 0) as NonNullable<ReturnType<typeof lookupOf>>;
    for (const present of [model.all, model.all.slice(0, 1), []]) {
      const off: number[] = [];
      for (let row = 1000; row < 1100; row++) {
        const own = binsOf(half.own, tables.own.map((f) => alignFeature(f, Int32Array.of(row))));
        const hostBins = half.hosts.map((h) => {
          const { features, rowOf } = tables.hosts.find((t) => t.name === h) as (typeof tables.hosts)[number];
          return present.includes(h) ? binsOf(halves[h]?.columns ?? [], features.map((f) => alignFeature(f, Int32Array.of(rowOf[row] ?? -1)))) : undefined;
        });
        const scoring = startScoring(half.joint, own, 1);
        const entries = stageEntries(half.joint, scoring);
        const sum = hostBins.reduce((all, bins, h) => all + (bins === undefined ? 0 : (chosenSums(lookup.hosts[h]?.columns ?? [], entries.entries[h] as Int16Array, bins)[0] ?? 0)), 0);
        // In the clear, with all 16 bits of the total.
        const plain = addTotal(half.joint, scoring, entries, Int16Array.of(sum), hostBins.flatMap((bins, h) => (bins === undefined ? [h] : []))).odds[0] ?? Number.NaN;
        off.push(Math.abs(asked(model, tables, row, present).odds - plain));
      }
      // A total near an edge of the last trees may fall on its other side.
      const step = lookup.unit * 32 * Math.max(1, Math.abs(half.joint.stages[0]?.layer?.weight ?? 1));
      assert.isAtLeast(off.filter((d) => d < step).length, 95, `${present.length} hosts: ${off.filter((d) => d >= step).join()}`);
    }
  });
  it("show the bank uniform places, other ones each time, and nothing where a provider shares no table with a later one", () => {
    const made = of([2, 1]);
    const model = treeModel(made);
    const [first, last] = made.hosts as [PartyId, PartyId];
    const rounds = Array.from({ length: 1500 }, (_, n) => asked(model, made.tables, 705, made.hosts, n));
    const places = rounds.map((r) => r.answers.get(first)?.places ?? new Uint8Array(0));
    assert.isAbove(places[0]?.length ?? 0, 0);
    assert.equal(rounds[0]?.answers.get(last)?.places.length, 0);
    const joint = tablesAmong(model.guest.tables, made.hosts).filter((t) => t.hosts.length === 2);
    for (const [i, t] of joint.entries()) {
      const size = t.hosts[0]?.choices ?? 1;
      const share = places.reduce((sum, p) => sum + Number(p[i] === 0), 0) / places.length;
      assert.approximately(share, 1 / size, 0.05);
    }
    assert.equal(asked(model, made.tables, 705, [first]).answers.get(first)?.places.length, 0, "alone it picks for itself");
  });
  it("move by number, set, company, service and pair: none of them can be mixed", () => {
    const tables: JointTable[] = Array.from({ length: 40 }, (_, table) => ({ table, hosts: [{ host: partyId("a"), choices: 64 }, { host: partyId("b"), choices: 2 }] }));
    const [a, b] = [partyId("a"), partyId("b")];
    const ask = { n: 1, present: [a, b], company: "x" };
    const moves = (more: object, key = keyOf(a)(b), job = service): string => JSON.stringify([...movesOf(a, b, { service: job, ask: { ...ask, ...more }, key, tables })]);
    const all = [moves({}), moves({ n: 2 }), moves({ company: "y" }), moves({ present: [a, b, partyId("c")] }), moves({}, new Uint8Array(32)), moves({}, keyOf(a)(b), jobIdSchema.parse("job_fedcba9876543210"))];
    assert.equal(new Set(all).size, all.length);
    assert.equal(moves({}), moves({}), "the same at both ends");
    const masks = (self: PartyId, more: object = {}): bigint[] => ringMaskOf(self, service, { ...ask, present: [a, b, partyId("c")], ...more }, { keyOf: keyOf(self), primes: tablePrimeBits.length - 1 });
    const sum = [a, b, partyId("c")].map((h) => masks(h)).reduce((x, y) => x.map((v, k) => v + (y[k] ?? 0n)));
    assert.deepEqual(sum, tablePrimeBits.slice(1).map(() => 0n), "masks cancel");
    const other = ringMaskOf(a, jobIdSchema.parse("job_fedcba9876543210"), { ...ask, present: [a, b, partyId("c")] }, { keyOf: keyOf(a), primes: tablePrimeBits.length - 1 });
    const each = [masks(a), masks(a, { n: 2 }), masks(a, { company: "y" }), other].map((m) => m.join());
    assert.equal(new Set(each).size, each.length);
    const bytes = Uint8Array.from({ length: 8192 }, (_, n) => Number(((masks(a, { n })[0] ?? 0n) >> 20n) & 255n));
    assert.isBelow(Math.abs(byteDeviation(bytes)), 10);
  });
  it("refuse places that are not the tables', groups that are not the model's, and other models", async () => {
    const made = of([2, 1]);
    const model = treeModel(made);
    const [first, last] = made.hosts as [PartyId, PartyId];
    const { open, answers } = asked(model, made.tables, 705, made.hosts);
    const right = answers.get(first)?.places ?? new Uint8Array(0);
    for (const bad of [right.subarray(1), new Uint8Array([...right, 0]), right.map(() => 64)]) {
      assert.equal(await codeOf(() => sealable(open.tables, new Map([[first, bad], [last, new Uint8Array(0)]]))), "PROTOCOL_WRONG_SHAPE");
    }
    const parties = { self: first, guest: bank, hosts: made.hosts };
    const groups = groupsOfTables(model.guest.tables, first);
    assert.deepEqual(tablesOfGroups(groups), model.guest.tables.filter((t) => t.hosts.some((h) => h.host === first)));
    const half = made.halves[first] as never;
    const wrong = [groups.slice(1), [...groups, ...groups], groups.map((g) => ({ ...g, tables: g.tables.map((t) => t + 1) })), groups.map((g) => ({ ...g, hosts: g.hosts.map((h) => ({ ...h, choices: h.choices * 2 })) })), groups.map((g) => ({ ...g, hosts: [...g.hosts, { host: partyId("stranger"), choices: 2 }] }))];
    for (const [i, bad] of wrong.entries()) assert.equal(await codeOf(() => gbdtJointHost(half, parties, bad)), "PROTOCOL_SPLIT", `case ${i}`);
    assert.equal(await codeOf(() => gbdtJointHost(half, { ...parties, guest: partyId("other") }, groups)), "JOB_MODEL_UNKNOWN");
    assert.equal(await codeOf(() => model.hosts.get(first)?.choices([], -1)), "JOB_MODEL_UNKNOWN");
    const cell = cellModel(cells);
    const [host = first] = cell.all;
    const cellHalf = cells.halves[host] as CellHalves["halves"][string];
    const cellParties = { self: host, guest: bank, hosts: cell.all };
    const cellGroups = groupsOfTables(cell.guest.tables, host);
    assert.equal(await codeOf(() => crossboostJointHost(cellHalf, cellParties, cellGroups.slice(1))), "PROTOCOL_SPLIT");
    assert.equal(await codeOf(() => crossboostJointHost({ ...cellHalf, totals: 0 }, cellParties, cellGroups)), "SERVICE_TREES");
    const { joint } = cells.half;
    for (const stages of [[], [...joint.stages, ...joint.stages]]) assert.equal(await codeOf(() => crossboostJoint({ ...cells.half, joint: { ...joint, stages } }, cell.all)), "SERVICE_TREES");
    assert.equal(await codeOf(() => gbdtJoint({ ...made.half, trees: { ...made.half.trees, trees: [] } }, made.hosts)), "SERVICE_TREES");
  });
  it("fit one text of each provider, or are refused", async () => {
    const table = (choices: number, count: number): JointTable[] => Array.from({ length: count }, (_, i) => ({ table: i, hosts: [{ host: partyId("a"), choices }] }));
    requireFits(table(64, 130), [partyId("a")]);
    assert.equal(await codeOf(() => requireFits(table(64, 131), [partyId("a")])), "SERVICE_TREES");
    assert.equal(await codeOf(() => requireFits(table(2, mostTables + 1), [partyId("a")])), "SERVICE_TREES");
    assert.equal(await codeOf(() => requireFits(table(2, 1), Array.from({ length: 17 }, (_, i) => partyId(`h${i}`)))), "SERVICE_TREES");
    const { tables } = quantised([{ table: 0, hosts: [{ host: partyId("a"), choices: 2 }], values: [5, 5] }]);
    assert.deepEqual([...(tables[0]?.entries ?? [])], [0, 0], "a table that says nothing");
  });
  it("stay inside 12 bits whatever is picked", () => {
    const made = of([2, 1, 1]);
    const model = treeModel(made);
    for (let row = 0; row < 200; row++) {
      const open = model.guest.open(made.tables.own.map((f: Feature) => alignFeature(f, Int32Array.of(row))), made.hosts);
      for (const extreme of [Math.max, Math.min]) assert.isAtMost(Math.abs(open.tables.reduce((sum, t) => sum + extreme(...t.entries), 0)), maxTotal);
    }
  });
  it("state what passes in the plan: questions of two parts, one total, and how many questions a company may be asked about", () => {
    const dataset = { name: "d", rows: 10, features: 2, labelled: false, snapshotDigest: "a".repeat(64) };
    const params = serveJobSchema.parse({ protection: "joint-trees", days: 2, requestsPerDay: 10 });
    const hosts = [partyId("power"), partyId("tax")];
    const { leakage, attacks } = compileLeakage({ kind: "serve", guest: bank, hosts, params, datasets: { bank: dataset, power: dataset, tax: dataset } });
    const line = (from: PartyId, type: string) => leakage.find((l) => l.from === from && l.type === type);
    assert.sameMembers(leakage.filter((i) => i.from === hosts[0]).map((i) => i.type), ["serve/places", "serve/tree-part", "serve/refused"]);
    assert.sameMembers(leakage.filter((i) => i.to === hosts[0]).map((i) => i.type), ["serve/ask", "serve/trees", "serve/tables"]);
    assert.deepInclude(line(hosts[0] as PartyId, "serve/tree-part"), { maxMessages: 30, numbers: 30 });
    assert.isTrue(leakage.every((i) => i.from === bank || i.to === bank), "nothing between providers");
    assert.include(attacks[0]?.result.en, "68 bits");
    assert.deepInclude(params, { questionsPerCompany: 4, perCompanyPerDay: 2 });
    assert.throws(() => serveJobSchema.parse({ protection: "joint-trees", questionsPerCompany: 0 }));
    assert.throws(() => compileLeakage({ kind: "serve", guest: bank, hosts: Array.from({ length: 17 }, (_, i) => partyId(`h${i}`)), params, datasets: {} }), "JOB_PARAMS");
  });
});
