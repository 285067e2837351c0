// Batches by a model that the bank brings, as roles in memory: sums over several providers and blocks, masks, restarts, and what is refused.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import { scoreEncryptedGuest, scoreWholeGuest } from "../../federation/score/own-guest.ts";
import { scoreEncryptedHost, scoreWholeHost } from "../../federation/score/own-host.ts";
import { scoreJobSchema } from "../../federation/score/params.ts";
import { wrapWide } from "../../federation/serve/masks.ts";
import { oddsOfUnits } from "../../federation/serve/odds.ts";
import { WeightApplier } from "../../kernels/linear/applier.ts";
import { ModelOwner } from "../../kernels/linear/owner.ts";
import { linearDegree } from "../../kernels/linear/params.ts";
import { LinearEngine } from "../../kernels/linear/seal.ts";
import type { Feature } from "../../models/features.ts";
import { assertWithin, openHostGuard, plainIntersection, receiptOf, setSecret } from "../support/joint.ts";
import { codeOf, createWorld, type Program, type World, type WorldOptions } from "../support/world.ts";

const [tax, power] = ["tax", "power"].map(partyId) as [PartyId, PartyId];
const rows = linearDegree + 700;
const ids = Array.from({ length: rows }, (_, i) => `C${i}` as EntityId);
type Numeric = Feature & { readonly kind: "numeric" };
/** Every seventh company is not at power. */
const held: Readonly<Record<string, readonly number[]>> = { tax: [...ids.keys()], power: [...ids.keys()].filter((i) => i % 7 !== 0).toReversed() };
const valueOf = (party: string, i: number): number => (party === "tax" ? (i % 401) - 200 : ((i * 3) % 97) * 2);
const columnOf = (party: string): Numeric => ({ kind: "numeric", name: "x", special: [], values: Float64Array.from(held[party] ?? [], (i) => valueOf(party, i)) });
const idsOf = (party: string): EntityId[] => (held[party] ?? []).map((i) => ids[i] as EntityId);
const weights: Readonly<Record<string, number>> = { tax: -1200, power: 777 };
const transform = { centre: 0, scale: 2, missing: -9 };
const codeOfRow = (party: string, i: number): number => (held[party]?.includes(i) === true ? Math.round(valueOf(party, i) / 2) : transform.missing);
const stated = { id: "model_0123456789abcdef01234567", digest: "a".repeat(64) };
const intersection = plainIntersection({ [tax]: idsOf(tax), [power]: idsOf(power) });
const hostInput = (host: PartyId, hosts: readonly PartyId[]) => (
  { guest: partyId("bank"), hosts, ids: idsOf(host), guard: openHostGuard, intersection, receipt: receiptOf(host), model: stated.id, stated });
const planOf = (hosts: readonly PartyId[], shape: object): Parameters<typeof compileLeakage>[0] => {
  const size = (n: number) => ({ name: "loans", rows: n, features: 1, labelled: false, snapshotDigest: "0".repeat(64) });
  const datasets = { bank: size(rows), ...Object.fromEntries(hosts.map((h) => [h, size(idsOf(h).length)])) };
  return { kind: "score", guest: partyId("bank"), hosts: [...hosts], datasets, params: scoreJobSchema.parse({ batch: "0".repeat(64), rows, shape: { digest: "a".repeat(64), ...shape } }) };
};

describe("a batch under an encrypted model", () => {
  let engine: LinearEngine;
  let owner: ModelOwner;
  before(async () => {
    engine = await LinearEngine.load();
    owner = ModelOwner.create(engine);
  });
  after(() => {
    owner[Symbol.dispose]();
    engine[Symbol.dispose]();
  });

  const openSum = async (texts: readonly Uint8Array[], size: number): Promise<Int32Array> => (
    texts.map((text) => owner.open(text, size)).reduce((sum, part) => sum.map((s, i) => wrapWide(s + (part[i] ?? 0))), new Int32Array(size)));

  async function scored(hosts: readonly PartyId[], options: Partial<WorldOptions> = {}) {
    const world = createWorld({ parties: ["bank", ...hosts], seed: 4, ...options });
    const hostOf = (host: PartyId): Program<void> => {
      const applier = new WeightApplier(engine, owner.seal(Int32Array.of(weights[host] ?? 0)), systemRng);
      const answers = new Map<number, Uint8Array>();
      return (party) => scoreEncryptedHost(party, hostInput(host, hosts), {
        columns: [columnOf(host)], transforms: [transform], apply: async (codes, size, mask) => applier.apply(codes, 0, size, mask),
        kept: async (index, make) => {
          const text = answers.get(index) ?? await make();
          answers.set(index, text);
          return text;
        },
      });
    };
    const bank: Program<Awaited<ReturnType<typeof scoreEncryptedGuest>>> = (party) => scoreEncryptedGuest(party, { hosts, ids, setSecret, intersection, openSum });
    const { bank: result } = await world.run({ bank, ...Object.fromEntries(hosts.map((h) => [h, hostOf(h)])) });
    return { world, sums: result?.sums ?? new Int32Array(0) };
  }
  const texts = (world: World, from: PartyId): Uint8Array[] => world.sent.filter((m) => m.from === from && m.type === "score/encrypted-part").map((m) => (m.body as { text: Uint8Array }).text);

  it("gives the weighted sum over all providers of every company, over more than one block, and nothing else by itself", async () => {
    const { world, sums } = await scored([tax, power]);
    for (let i = 0; i < rows; i++) assert.equal(sums[i], [tax, power].reduce((sum, p) => sum + (weights[p] ?? 0) * codeOfRow(p, i), 0));
    assert.lengthOf(texts(world, tax), 2);
    // One provider's own texts are its sums under masks: uniform over 28 bits.
    const alone = owner.open(texts(world, tax)[0] as Uint8Array, linearDegree);
    assert.isAbove(alone.filter((value) => Math.abs(value) > 1200 * 256).length, 0.98 * linearDegree);
    assertWithin(compileLeakage(planOf([tax, power], { kind: "encrypted-model", features: [tax, power].map((party) => ({ name: "x", party, ...transform })) })), world);
  });
  it("sends the same texts again after a provider was killed", async () => {
    const { sums } = await scored([tax], { kills: { tax: [6, 9], bank: [7] } });
    for (let i = 0; i < rows; i += 50) assert.equal(sums[i], (weights[tax] ?? 0) * codeOfRow(tax, i));
  });
  it("takes no text out of its place", async () => {
    for (const change of [{ index: 1 }, { last: true }]) {
      const world = createWorld({ parties: ["bank", "tax"], seed: 4 });
      const bank: Program<unknown> = (party) => scoreEncryptedGuest(party, { hosts: [tax], ids, setSecret, intersection, openSum });
      const wrong: Program<void> = (party) => scoreEncryptedHost(
        new Proxy(party, {
          get: (target, name) => (name === "send" ? (to: PartyId, type: "score/encrypted-part", body: object) => target.send(to, type, (type === "score/encrypted-part" ? { ...body, ...change } : body) as never) : Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)),
        }),
        hostInput(tax, [tax]), { columns: [columnOf(tax)], transforms: [transform], kept: (_index, make) => make(), apply: async () => new Uint8Array(10) },
      );
      assert.match(await codeOf(world.run({ bank, tax: wrong })), /^PROTOCOL_/);
    }
  });
});

describe("a batch by a whole model at its provider", () => {
  it("gives 8 bits of every company, in the bank's order", async () => {
    const world = createWorld({ parties: ["bank", "power"], seed: 4 });
    const unitsOf = (value: number): number => (Number.isNaN(value) ? -3 : Math.round(value) % 128);
    const bank: Program<Awaited<ReturnType<typeof scoreWholeGuest>>> = (party) => scoreWholeGuest(party, { hosts: [power], ids, setSecret, intersection });
    const host: Program<void> = (party) => scoreWholeHost(party, hostInput(power, [power]), [columnOf(power)], async ([column]) => Int8Array.from((column as Numeric).values, unitsOf));
    const { bank: result } = await world.run({ bank, power: host });
    for (let i = 0; i < rows; i++) assert.equal(result.odds[i], oddsOfUnits(unitsOf(held["power"]?.includes(i) === true ? valueOf("power", i) : Number.NaN)));
    const plan = planOf([power], { kind: "whole-model", bytes: 1000, inputs: ["x"] });
    assertWithin(compileLeakage(plan), world);
    assert.throws(() => compileLeakage({ ...plan, hosts: [power, tax] }), "JOB_PARAMS");
    assert.isFalse(scoreJobSchema.safeParse({ ...plan.params, explain: { reasons: 2 } }).success, "nothing of it is explained");
  });
});
