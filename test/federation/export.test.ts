// Export of whole models: the halves together score as the parties did, in our own words and in those of other tools; halves that do not
// belong together are refused in the name of their owner.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { canonicalJson, digestOf, type Json } from "../../core/canonical.ts";
import { encodeFrame } from "../../core/codec.ts";
import { partyId } from "../../core/names.ts";
import { openScorer } from "../../enclave/onnx.ts";
import { exportGuest, ownersOf, type Exported, type GuestOwn } from "../../federation/export/guest.ts";
import { encodeHalf, openHalf, type OpenCard, type OpenHalf, type OpenTrees, type OwnerHalf } from "../../federation/export/half.ts";
import { exportHost } from "../../federation/export/host.ts";
import { halfChunkBytes } from "../../federation/export/messages.ts";
import { modelIdOf } from "../../federation/finish/end.ts";
import type { GbdtGuestResult } from "../../federation/gbdt/guest.ts";
import { gbdtGuestHalf, gbdtHostHalf, type GbdtGuestHalf, type GbdtHostHalf } from "../../federation/gbdt/half.ts";
import type { GbdtHostResult } from "../../federation/gbdt/host.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { Sizes } from "../../federation/statement.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import type { HostHalf } from "../../federation/scorecard/half.ts";
import { createKernels } from "../../kernels/kernels.ts";
import type { Feature } from "../../models/features.ts";
import { boostedOnnx, scorecardOnnx } from "../../models/files/onnx.ts";
import { scorecardPmml } from "../../models/files/pmml.ts";
import { boostedXgboost } from "../../models/files/xgboost.ts";
import { sigmoid } from "../../models/linear/logistic.ts";
import { oddsOfPoints } from "../../models/scorecard/points.ts";
import { generatedJob, namesOf, trainPrograms, refusal, assertWithin, type Trained } from "../support/joint.ts";
import { bank, namesOf as treeNames, ownBins, treeParams, treePrograms, treeTables, type TreeTables } from "../support/gbdt.ts";
import { hostileCases, onFirst } from "../support/hostile.ts";
import { rawOf } from "../support/model-files.ts";
import { readPmml } from "../support/pmml.ts";
import { createWorld, type Program, type Tamper, type World } from "../support/world.ts";
import { margin, type XgboostJson } from "../support/xgboost.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());

const model = modelIdOf("job_0123456789abcdef");
const receipt = async () => ({ receipt: "r", account: { phases: [], sent: [], peakRssMb: 1, layers: [] } });

type Parts = { readonly own: GuestOwn; readonly owners: Readonly<Record<string, OwnerHalf>> };
type Run = { readonly world: World; readonly programs: Record<string, Program<unknown>>; readonly exported: Exported };
function programsOf({ own, owners }: Parts): Record<string, Program<unknown>> {
  const hosts = Object.keys(owners).map(partyId);
  return {
    [bank]: (party) => exportGuest(party, { hosts, own }),
    ...Object.fromEntries(Object.entries(owners).map(([host, owner]) => [host, ((party) => exportHost(party, { guest: bank, owner, receipt })) satisfies Program<void>])),
  };
}
async function exportOf(parts: Parts, tamper?: Tamper): Promise<Run> {
  const world = createWorld({ parties: [bank, ...Object.keys(parts.owners)], seed: 3, job: "job_export0000000000", ...(tamper && { tamper }) });
  const programs = programsOf(parts);
  return { world, programs, exported: (await world.run(programs))[bank] as Exported };
}
const edgesOf = (half: OpenHalf): number[] => (half.kind === "gbdt" ? half.features : half.columns)
  .flatMap(({ definition }) => (definition.kind === "numeric" ? definition.edges : []));

/** The half that a host sends, changed. */
const told = (host: string, change: (half: never) => unknown): Tamper => onFirst("export/half", (m) => {
  const half = JSON.parse(Buffer.from((m.body as { bytes: Uint8Array }).bytes).toString()) as never;
  const bytes = new TextEncoder().encode(canonicalJson(change(half) as Json));
  return [encodeFrame("export/half", { index: 0, last: true, bytes })];
}, host);
const changed = <T>(list: readonly T[], at: number, change: (item: T) => T): T[] => list.map((item, i) => (i === at ? change(item) : item));

const planOf = (parts: Parts, shape: object, features = 4): Sizes => ({
  kind: "export", guest: bank, hosts: Object.keys(parts.owners).map(partyId), params: { shape },
  datasets: Object.fromEntries([bank, ...Object.keys(parts.owners)].map((p) => [p, { name: "d", rows: 3000, features, labelled: p === bank, snapshotDigest: "0".repeat(64) }])),
});

describe("an export of boosted trees", () => {
  const tables: TreeTables = treeTables({ rows: 900, trainRows: 700, seed: 4, hosts: [2, 1] });
  let parts: Parts & { own: { kind: "gbdt"; half: GbdtGuestHalf } };
  let scores: Float64Array;
  let run: Run;
  before(async () => {
    const results = await createWorld({ parties: treeNames(tables), seed: 1, kernels }).run(treePrograms(tables));
    const guest = results[bank] as GbdtGuestResult;
    const half = gbdtGuestHalf({
      model, input: { hosts: tables.hosts.map((h) => h.name), own: ownBins(tables, treeParams({})), trainRows: tables.trainRows }, result: guest,
      scaling: { points: 600, odds: 50, pdo: 20 },
    });
    const ownerOf = (name: string): OwnerHalf => (
      { kind: "gbdt", half: gbdtHostHalf({ model, digest: digestOf(half), guest: bank, hosts: tables.hosts.map((h) => h.name), result: results[name] as GbdtHostResult }) });
    parts = { own: { kind: "gbdt", half }, owners: Object.fromEntries(tables.hosts.map((h) => [h.name, ownerOf(h.name)])) };
    scores = guest.grown.scores;
    run = await exportOf(parts);
  });
  const whole = () => {
    assert(run.exported.whole.kind === "gbdt");
    return run.exported.whole.trees;
  };
  /** Raw values of every party over the job's rows, under the names of the files' inputs. */
  const raw = (): Feature[] => [
    ...tables.own.map((f) => ({ ...f, name: `${bank}/${f.name}` })),
    ...tables.hosts.flatMap((h) => h.features.map((f) => ({ ...alignFeature(f, h.rowOf), name: `${h.name}/${f.name}` }))),
  ];
  const probability = (units: number): number => sigmoid(units / 2 ** 20);

  it("scores through ONNX Runtime every company as the parties did in training", async () => {
    const { model: all, features } = whole();
    await using scorer = await openScorer(boostedOnnx(all, features, { model, version: "0" }), { featureNames: raw().map((f) => f.name) });
    const probabilities = await scorer.score(raw());
    let near = 0;
    for (const [row, p] of probabilities.entries()) if (Math.abs(p - probability(scores[row] ?? 0)) < 1e-6) near++;
    // Training values are doubles and edges are such values: a file of float32 cannot tell the few on an edge that it rounds.
    assert.isAtLeast(near, tables.rows - 5);
  });
  it("scores as XGBoost reads its JSON, to the last unit", () => {
    const { text, columns } = boostedXgboost(whole().model, whole().features);
    const file = JSON.parse(text) as XgboostJson;
    const sources = columns.names.map((name) => raw().find((f) => f.name === name) as Feature);
    let same = 0;
    for (let row = 0; row < tables.rows; row++) {
      const numbers = sources.map((f, i) => {
        const value = rawOf(f, row);
        const coded = columns.levels[columns.names[i] ?? ""];
        return typeof value === "string" ? (coded?.codes[value] ?? coded?.other ?? Number.NaN) : (value ?? Number.NaN);
      });
      if (margin(file, numbers) === (scores[row] ?? 0) / 2 ** 20) same++;
    }
    assert.isAtLeast(same, tables.rows - 5);
  });
  it("names only features that are cut, by their real names, in the order of the model", () => {
    const { model: all, features } = whole();
    const used = new Set(all.trees.flatMap((t) => t.cuts.map((c) => c.feature)));
    assert.deepEqual([...used].sort((a, b) => a - b), [...features.keys()]);
    assert.deepEqual(all.features.map((f) => `${f.party}/${f.name}`), features.map((f) => `${f.party}/${f.name}`));
    for (const { party, name } of features) {
      const owner = party === bank ? tables.own : tables.hosts.find((h) => h.name === party)?.features;
      assert.isTrue(owner?.some((f) => f.name === name), `${party}/${name}`);
    }
    assert.deepEqual(ownersOf(parts.own), [...new Set(features.map((f) => f.party))].filter((p) => p !== bank));
  });
  it("sends a half once, to the guest alone, and nothing of features that the model does not use", () => {
    for (const host of tables.hosts) {
      const sent = run.world.sent.filter((m) => m.from === host.name);
      assert.deepEqual(sent.map((m) => `${m.to} ${m.type}`), [`${bank} export/half`, `${bank} finish/receipt`]);
      const { half } = parts.owners[host.name] as { half: GbdtHostHalf };
      const open = openHalf({ kind: "gbdt", half }) as OpenTrees;
      const used = new Set(half.uses.map((u) => u.cut));
      assert.deepEqual(open.cuts.map((c) => c.number), [...used].sort((a, b) => a - b));
      // A cut that was asked for and dropped with its tree stays.
      const dropped = openHalf({ kind: "gbdt", half: { ...half, uses: half.uses.filter((u) => u.cut !== open.cuts[0]?.number) } }) as OpenTrees;
      assert.lengthOf(dropped.cuts, open.cuts.length - 1);
    }
  });
  it("stays inside a statement without rows: no alignment, no seed, no label statistic", () => {
    const shape = { kind: "gbdt", trees: 5, depth: 3 };
    const compiled = compileLeakage(planOf(parts, shape));
    assertWithin(compiled, run.world);
    assert.sameMembers([...new Set(compiled.leakage.map((l) => l.type))], ["export/open", "export/half", "finish/receipt"]);
    assert.deepEqual(compileLeakage(planOf(parts, shape)), compiled);
    assert.isTrue(compiled.leakage.filter((l) => l.type === "export/half").every((l) => l.to === bank && l.numbers >= 4 * 254));
    assert.throws(() => compileLeakage(planOf(parts, { kind: "crossboost", bins: 32, totals: 1 })), /JOB_EXPORT_KIND/);
  });
  it("is the same after a restart of any party at any message", async () => {
    for (const name of treeNames(tables)) {
      assert.deepEqual(await run.world.replay(name, run.programs[name] as Program<unknown>), name === bank ? run.exported : undefined);
      await run.world.replay(name, run.programs[name] as Program<unknown>, 0);
    }
  });
  it("is not begun without an owner", async () => {
    const { [tables.hosts[0]?.name ?? ""]: _, ...owners } = parts.owners;
    const world = createWorld({ parties: [bank, ...Object.keys(owners)], seed: 3 });
    assert.equal((await refusal(world.run(programsOf({ ...parts, owners })))).code, "JOB_EXPORT_OWNERS");
    assert.isEmpty(world.sent);
  });
  it("gets nothing from a host for another guest's model, another model, or a guest that has lost its half", async () => {
    const [first = "", second = ""] = Object.keys(parts.owners);
    const other = { ...(parts.owners[first] as { half: GbdtHostHalf }).half };
    for (const half of [{ ...other, guest: partyId("power") }, { ...other, model: modelIdOf("job_other0000000000") }, { ...other, digest: "0".repeat(64) }]) {
      const owners = { [first]: { kind: "gbdt" as const, half }, [second]: parts.owners[second] as OwnerHalf };
      const world = createWorld({ parties: [bank, first, second], seed: 3 });
      assert.equal((await refusal(world.run(programsOf({ ...parts, owners })))).code, "JOB_MODEL_UNKNOWN");
      assert.notInclude(world.sent.filter((m) => m.from === first).map((m) => m.type), "export/half");
    }
  });
  it("takes a half of more than one message", async () => {
    // Levels that training put in no group of their own: the guest knows the number of groups, not of levels.
    const at = Object.entries(parts.owners).find(([, o]) => o.kind === "gbdt" && o.half.features.some((f) => f.definition.kind === "categorical" && o.half.uses.some((u) => o.half.features[o.half.cuts[u.cut]?.feature ?? -1] === f)));
    assert(at, "a host's category is cut");
    const [host, { half }] = at as [string, { half: GbdtHostHalf }];
    const long: GbdtHostHalf = {
      ...half, features: half.features.map((f) => (f.definition.kind !== "categorical" ? f : {
        ...f, definition: { ...f.definition, levels: [...f.definition.levels, ...Array.from({ length: 20_000 }, (_, i) => ({ level: `${i} ${"x".repeat(230)}`, bin: 0 }))] },
      })),
    };
    const { world, exported } = await exportOf({ ...parts, owners: { ...parts.owners, [host]: { kind: "gbdt", half: long } } });
    const halves = world.sent.filter((m) => m.from === host && m.type === "export/half");
    assert.lengthOf(halves, Math.ceil(encodeHalf(openHalf({ kind: "gbdt", half: long })).length / halfChunkBytes));
    assert.isAbove(halves.length, 1);
    assert(exported.whole.kind === "gbdt");
    const category = exported.whole.trees.features.find((f) => f.party === host && f.definition.kind === "categorical");
    assert(category?.definition.kind === "categorical");
    assert.isAbove(category.definition.levels.length, 20_000);
  });

  const contradictions: readonly (readonly [title: string, change: (half: OpenTrees) => unknown, code?: string])[] = [
    ["of another model", (h) => ({ ...h, model: modelIdOf("job_other0000000000") }), "JOB_MODEL_UNKNOWN"],
    ["of another training", (h) => ({ ...h, digest: "0".repeat(64) }), "JOB_MODEL_UNKNOWN"],
    ["with a cut less", (h) => ({ ...h, cuts: h.cuts.slice(1) })],
    ["with a cut twice", (h) => ({ ...h, cuts: [...h.cuts, h.cuts[0]] })],
    ["with cuts in another order", (h) => ({ ...h, cuts: h.cuts.toReversed() })],
    ["with a cut under another number", (h) => ({ ...h, cuts: changed(h.cuts, 0, (c) => ({ ...c, number: c.number + 100 })) })],
    ["with a cut at another place", (h) => ({ ...h, cuts: changed(h.cuts, 0, (c) => ({ ...c, left: c.left.length > 1 ? c.left.slice(0, -1) : [c.left[0] === 0 ? 1 : 0] })) })],
    ["with a cut of a feature that is not there", (h) => ({ ...h, cuts: changed(h.cuts, 0, (c) => ({ ...c, feature: 99 })) })],
    ["with two features in each other's place", (h) => ({ ...h, cuts: h.cuts.map((c) => ({ ...c, feature: c.feature === 0 ? 1 : c.feature === 1 ? 0 : c.feature })) })],
    ["with all cuts of one feature", (h) => ({ ...h, cuts: h.cuts.map((c) => ({ ...c, feature: 0 })) })],
    ["with a feature that nobody asked about", (h) => ({ ...h, features: [...h.features, { ...h.features[0], name: "more" }] })],
    ["with two features of one name", (h) => ({ ...h, features: h.features.map((f) => ({ ...f, name: "same" })) })],
    ["with another number of bins", (h) => ({ ...h, features: changed(h.features, 0, (f) => ({ ...f, definition: { ...f.definition, bins: f.definition.bins + 1 } })) })],
    ["with missing values in another bin", (h) => ({ ...h, features: changed(h.features, 0, (f) => ({ ...f, definition: { ...f.definition, missing: 0 } })) })],
    ["with edges that fall", (h) => ({ ...h, features: h.features.map((f) => ({ ...f, definition: f.definition.kind === "numeric" ? { ...f.definition, edges: f.definition.edges.toReversed() } : f.definition })) })],
    ["with an edge less", (h) => ({ ...h, features: h.features.map((f) => ({ ...f, definition: f.definition.kind === "numeric" ? { ...f.definition, edges: f.definition.edges.slice(1) } : f.definition })) })],
    ["with a special value twice", (h) => ({ ...h, features: h.features.map((f) => ({ ...f, definition: f.definition.kind === "numeric" ? { ...f.definition, special: [{ value: 1, bin: 0 }, { value: 1, bin: 0 }] } : f.definition })) })],
    ["with a special value in a bin that is not there", (h) => ({ ...h, features: h.features.map((f) => ({ ...f, definition: f.definition.kind === "numeric" ? { ...f.definition, special: [{ value: 1, bin: 250 }] } : f.definition })) })],
    ["that is one of a scorecard", (h) => ({ kind: "scorecard", model: h.model, digest: h.digest, columns: [], plan: { clip: 1, fractionBits: 20, offset: 0, weights: [] } })],
    ["with an unknown field", (h) => ({ ...h, extra: 1 }), "PROTOCOL_SCHEMA"],
    ["without features", (h) => ({ ...h, features: undefined }), "PROTOCOL_SCHEMA"],
    ["that is a list", () => [], "PROTOCOL_SCHEMA"],
  ];
  for (const [title, change, code = "PROTOCOL_CONTRADICTION"] of contradictions) {
    it(`refuses a half ${title}, naming its owner`, async () => {
      assert.deepEqual(await refusal(exportOf(parts, told("host_a", change))), { code, party: "host_a" });
    });
  }
  it("refuses bytes that are no JSON, and pieces out of their order", async () => {
    const piece = (body: object): Tamper => onFirst("export/half", () => [encodeFrame("export/half", { index: 0, last: true, bytes: Uint8Array.of(0xff, 0xfe), ...body })], "host_a");
    assert.deepEqual(await refusal(exportOf(parts, piece({}))), { code: "PROTOCOL_SCHEMA", party: "host_a" });
    assert.deepEqual(await refusal(exportOf(parts, piece({ bytes: new TextEncoder().encode("[".repeat(300_000)) }))), { code: "PROTOCOL_SCHEMA", party: "host_a" });
    assert.deepEqual(await refusal(exportOf(parts, piece({ index: 1 }))), { code: "PROTOCOL_OUT_OF_ORDER", party: "host_a" });
    assert.deepEqual(await refusal(exportOf(parts, piece({ last: false, bytes: new Uint8Array(0) }))), { code: "PROTOCOL_WRONG_SHAPE", party: "host_a" });
  });
  for (const [type, fields, sender] of [["export/open", ["model", "digest"], "bank"], ["export/half", ["index", "last", "bytes"], "host_b"]] as const) {
    for (const { name, code, tamper } of hostileCases(type, fields, sender)) {
      // A text is what these two are.
      if (type === "export/open" && name.startsWith("with a text as")) continue;
      it(`refuses ${type} ${name}: ${code}`, async () => {
        assert.equal((await refusal(exportOf(parts, tamper))).code, code);
      });
    }
  }
});

describe("an export of a scorecard", () => {
  const job = generatedJob({ rows: 2600, trainRows: 2100, seed: 31, guest: 2, hosts: [3, 2], absent: 0.2 });
  let trained: Trained;
  let parts: Parts;
  let run: Run;
  before(async () => {
    const results = await createWorld({ parties: namesOf(job), seed: 1, kernels }).run(trainPrograms(job));
    trained = results["bank"] as Trained;
    parts = {
      own: { kind: "scorecard", half: trained.half },
      owners: Object.fromEntries(job.hosts.map((h) => [h.name, { kind: "scorecard", half: results[h.name] as HostHalf }])),
    };
    run = await exportOf(parts);
  });
  const card = () => {
    assert(run.exported.whole.kind === "scorecard");
    return run.exported.whole.card;
  };
  const raw = (): Feature[] => [job.guest, ...job.hosts].flatMap((p) => p.table.features.map((f) => ({ ...f, name: `${p.name}/${f.name}` })));

  it("has the report's points for every bin, under the owners' names", () => {
    const { points } = trained.result.fitted;
    assert.equal(card().baseUnits, points.baseUnits);
    assert.deepEqual(card().features.map((f) => f.units), points.rows.map((r) => r.units));
    assert.deepEqual(card().features.map((f) => f.party), points.rows.map((r) => r.party));
    for (const { party, name } of card().features) assert.isTrue(raw().some((f) => f.name === `${party}/${name}`));
    assert.isAbove(card().features.filter((f) => f.party !== "bank").length, 2);
  });
  it("measures reason codes from the points of the median training company", () => {
    const { rows } = trained.result.alignment;
    for (const f of card().features) {
      const column = raw().find((r) => r.name === `${f.party}/${f.name}`) as Feature;
      assert(column.kind === "numeric" && f.definition.kind === "numeric");
      const { edges, missing } = f.definition;
      const units = Array.from(rows.subarray(0, job.trainRows), (record) => {
        const value = column.values[record] ?? Number.NaN;
        const bin = Number.isNaN(value) ? missing : edges.filter((e) => e <= value).length;
        return f.units[f.mergedOf[bin] ?? -1] ?? 0;
      }).sort((a, b) => a - b);
      assert.equal(f.medianUnits, units[(units.length - 1) >> 1], `${f.party}/${f.name}`);
    }
  });
  it("gives, as ONNX and as PMML, the points of the joint model", async () => {
    const features = raw();
    const pmml = readPmml(scorecardPmml(card(), "0"));
    await using scorer = await openScorer(scorecardOnnx(card(), "0"), { featureNames: features.map((f) => f.name) });
    const probabilities = await scorer.score(features);
    const { half } = trained;
    let near = 0;
    for (let row = 0; row < job.label.length; row++) {
      const { score } = pmml.score(Object.fromEntries(features.map((f) => [f.name, f.kind === "numeric" ? f.values[row] : undefined])));
      if (Math.abs((probabilities[row] ?? 0) - sigmoid(oddsOfPoints(score, half.scaling))) < 1e-5) near++;
    }
    assert.isAtLeast(near, job.label.length - 5);
    // Against what training opened: its totals of 8 bits round and clip the hosts' parts, the file does not.
    const { odds } = trained.result.fitted.stage;
    const { rows } = trained.result.alignment;
    let close = 0;
    for (const [at, record] of rows.entries()) {
      const p = probabilities[record] ?? 0;
      if (Math.abs(Math.log(p / (1 - p)) - (odds[at] ?? 0)) < 0.2) close++;
    }
    assert.isAbove(close / rows.length, 0.95);
  });
  it("stays inside its statement, and names each owner once", () => {
    assertWithin(compileLeakage(planOf(parts, { kind: "scorecard" })), run.world);
    assert.deepEqual(ownersOf(parts.own), job.hosts.map((h) => h.name));
  });
  it("does not send edges of a column without weight", () => {
    const [host = ""] = Object.keys(parts.owners);
    const { half } = parts.owners[host] as { half: HostHalf };
    const without = { ...half, plan: { ...half.plan, weights: half.plan.weights.map((w, i) => (i === 0 ? 0 : w)) } };
    const open = openHalf({ kind: "scorecard", half: without }) as OpenCard;
    assert.deepEqual(open.columns.map((c) => c.number), half.columns.map((_, i) => i).slice(1));
    assert.notIncludeMembers(edgesOf(open), half.columns[0]?.definition.kind === "numeric" ? half.columns[0].definition.edges.slice(0, 1) : []);
    assert.notProperty(open.columns[0], "typical");
  });
  it("of an earlier version, without the bins that a host's half is held against, is not begun", async () => {
    const half = { ...trained.half, columns: trained.half.columns.map((c) => ({ ...c, bins: undefined })) };
    const world = createWorld({ parties: [bank, ...Object.keys(parts.owners)], seed: 3 });
    assert.equal((await refusal(world.run(programsOf({ ...parts, own: { kind: "scorecard", half } })))).code, "JOB_EXPORT_VERSION");
    assert.isEmpty(world.sent);
  });

  const contradictions: readonly (readonly [title: string, change: (half: OpenCard) => unknown, code?: string])[] = [
    ["with a column less", (h) => ({ ...h, columns: h.columns.slice(1) })],
    ["with a column twice", (h) => ({ ...h, columns: [...h.columns, h.columns[0]] })],
    ["with another weight", (h) => ({ ...h, plan: { ...h.plan, weights: changed(h.plan.weights, 0, (w) => w + 1) } })],
    ["with another offset", (h) => ({ ...h, plan: { ...h.plan, offset: h.plan.offset + 1 } })],
    ["with another code", (h) => ({ ...h, columns: changed(h.columns, 0, (c) => ({ ...c, codes: changed(c.codes, 0, (x) => -x - 1) })) })],
    ["with other merged bins", (h) => ({ ...h, columns: changed(h.columns, 0, (c) => ({ ...c, mergedOf: c.mergedOf.toReversed() })) })],
    ["with another number of a column", (h) => ({ ...h, columns: changed(h.columns, 0, (c) => ({ ...c, number: c.number + 9 })) })],
    ["with an edge less", (h) => ({ ...h, columns: changed(h.columns, 0, (c) => ({ ...c, definition: c.definition.kind === "numeric" ? { ...c.definition, edges: c.definition.edges.slice(1) } : c.definition })) })],
    ["with two columns of one name", (h) => ({ ...h, columns: h.columns.map((c) => ({ ...c, name: "same" })) })],
    ["that is one of trees", (h) => ({ kind: "gbdt", model: h.model, digest: h.digest, features: [], cuts: [] })],
    ["with a code beyond 8 bits", (h) => ({ ...h, columns: changed(h.columns, 0, (c) => ({ ...c, codes: changed(c.codes, 0, () => 300) })) }), "PROTOCOL_SCHEMA"],
  ];
  for (const [title, change, code = "PROTOCOL_CONTRADICTION"] of contradictions) {
    it(`refuses a half ${title}, naming its owner`, async () => {
      assert.deepEqual(await refusal(exportOf(parts, told("host_a", change))), { code, party: "host_a" });
    });
  }
});
