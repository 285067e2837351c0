// Full-coverage evaluation over the real messages: against the same scorecard on the pooled table, what each party sees, providers that are away,
// and parts that do not fit.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import { addParts, evaluate, residues } from "../../evaluation/combine.ts";
import type { Basis } from "../../evaluation/load.ts";
import { assign, evaluatePart, type Part } from "../../evaluation/part.ts";
import { evaluateGuest, type SummedParts } from "../../federation/evaluate/guest.ts";
import { evaluateHost } from "../../federation/evaluate/host.ts";
import { publishedCards } from "../../federation/evaluate/params.ts";
import type { HostGuard } from "../../federation/guards.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { Feature } from "../../models/features.ts";
import { demoWorld, loadParty, type World as Demo } from "../demo/support.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { assertWithin, openHostGuard, plainIntersection, receiptOf, refusal, setSecret } from "../support/joint.ts";
import { createWorld, type Program, type Tamper, type World } from "../support/world.ts";

const guest = partyId("registry_courts");
const providers = ["tax", "social_insurance", "utilities"].map(partyId);

describe("a full-coverage evaluation", () => {
  let demo: Demo;
  const data = new Map<PartyId, LoadedDataset>();
  before(async () => {
    demo = await demoWorld({ companies: 600, seed: 5 });
    for (const party of [guest, ...providers]) data.set(party, await loadParty(demo.directory, party));
  });
  after(() => demo[Symbol.asyncDispose]());

  const of = (party: PartyId): LoadedDataset => data.get(party) as LoadedDataset;
  const offered = (party: PartyId, basis: Basis): string[] =>
    publishedCards[basis].entries.map((e) => e.indicator).filter((id) => of(party).features.some((f) => f.name === id));

  type Options = { basis?: Basis; hosts?: readonly PartyId[]; guard?: (host: PartyId) => HostGuard; tamper?: Tamper; offers?: (party: PartyId) => string[]; seed?: number };
  type Run = { world: World; programs: Record<string, Program<unknown>>; found: SummedParts };
  function prepare({ basis = "full", hosts = providers, guard = () => openHostGuard, tamper, offers, seed = 3 }: Options = {}): { world: World; programs: Record<string, Program<unknown>> } {
    const card = publishedCards[basis];
    const world = createWorld({ parties: [guest, ...hosts], seed, ...(tamper && { tamper }) });
    const intersection = plainIntersection(Object.fromEntries(hosts.map((h) => [h, of(h).ids])));
    const input = (party: PartyId) => ({ card, hosts, ids: of(party).ids, features: of(party).features, offered: offers?.(party) ?? offered(party, basis), intersection });
    const programs: Record<string, Program<unknown>> = {
      [guest]: (party) => evaluateGuest(party, { ...input(guest), setSecret }),
      ...Object.fromEntries(hosts.map((h) => [h, (party: Parameters<Program<unknown>>[0]) => evaluateHost(party, { ...input(h), guest, guard: guard(h), receipt: receiptOf(h) })])),
    };
    return { world, programs };
  }
  async function run(options: Options = {}): Promise<Run> {
    const { world, programs } = prepare(options);
    return { world, programs, found: (await world.run(programs))[guest] as SummedParts };
  }
  /** The same on one table: every party's columns joined to the guest's companies, in this order. */
  function pooled(basis: Basis, hosts: readonly PartyId[], ids: readonly EntityId[]): { assignment: ReturnType<typeof assign>; part: Part } {
    const card = publishedCards[basis];
    const assignment = assign(card, new Map([guest, ...hosts].map((p) => [p, offered(p, basis)])));
    const parts = [...assignment.parties].map(([party, indicators]) => {
      const at = new Map(of(party).ids.map((id, row) => [id, row]));
      const joined = of(party).features.flatMap((f): Feature[] => (f.kind === "numeric" ? [{ ...f, values: Float64Array.from(ids, (id) => f.values[at.get(id) ?? -1] ?? Number.NaN) }] : []));
      return evaluatePart(card, indicators, joined, ids.length);
    });
    return { assignment, part: addParts(parts) };
  }

  for (const basis of ["open", "full"] as const) {
    it(`gives exactly what the pooled table gives, basis ${basis}`, async () => {
      const { found } = await run({ basis });
      const ids = Array.from(found.rows, (record) => of(guest).ids[record] as EntityId);
      assert.sameMembers(ids, [...of(guest).ids]);
      const { assignment, part } = pooled(basis, providers, ids);
      assert.deepEqual(found.assignment, assignment);
      assert.deepEqual(found.sum, part);
      const card = publishedCards[basis];
      assert.deepEqual(evaluate(card, found.assignment, found.sum, "2025-01-01"), evaluate(card, assignment, part, "2025-01-01"));
      assert.isAbove(new Set(found.sum.points).size, basis === "full" ? 20 : 5);
    });
  }

  it("without a provider is what the pooled table without it gives, and lists its indicators as absent", async () => {
    const hosts = providers.filter((p) => p !== "tax");
    const { found } = await run({ hosts });
    const { part } = pooled("full", hosts, Array.from(found.rows, (record) => of(guest).ids[record] as EntityId));
    assert.deepEqual(found.sum, part);
    for (const id of offered(partyId("tax"), "full")) assert.include(found.assignment.absent, id);
  });

  it("tells the guest sums alone: what each host sends is its part under masks of the others", async () => {
    const { world, found } = await run();
    const tax = world.received.filter((m) => m.to === guest && m.from === "tax" && m.type === "evaluate/part");
    const body = tax[0]?.body as { points: Uint8Array };
    const masked = new Uint16Array(body.points.slice().buffer);
    const ids = Array.from(found.rows, (record) => of(guest).ids[record] as EntityId);
    const at = new Map(of(partyId("tax")).ids.map((id, row) => [id, row]));
    const joined = of(partyId("tax")).features.flatMap((f): Feature[] => (f.kind === "numeric" ? [{ ...f, values: Float64Array.from(ids, (id) => f.values[at.get(id) ?? -1] ?? Number.NaN) }] : []));
    const plain = residues(evaluatePart(publishedCards.full, found.assignment.parties.get(partyId("tax")) ?? [], joined, ids.length).points);
    const equal = masked.filter((value, row) => value === plain[row]).length;
    assert.isBelow(equal, 4, "equal by chance in one of 65,536");
    assert.isAbove(new Set(masked).size, 0.9 * ids.length, "spread over all residues");
    // Another run has other masks: its bytes say nothing about the first.
    const again = (await run({ seed: 4 })).world.received.find((m) => m.to === guest && m.from === "tax" && m.type === "evaluate/part")?.body as { points: Uint8Array };
    assert.notDeepEqual(again.points, body.points);
  });

  it("shows hosts nothing of each other but what they can compute, and stays inside the leakage statement", async () => {
    const { world } = await run();
    for (const host of providers) {
      const fromHosts = world.received.filter((m) => m.to === host && m.from !== guest).map((m) => m.type);
      assert.sameMembers([...new Set(fromHosts)], ["rows/confirm", "evaluate/offer"]);
      const fromGuest = world.received.filter((m) => m.to === host && m.from === guest).map((m) => m.type);
      assert.sameMembers([...new Set(fromGuest)], ["psi/open", "rows/open", "rows/order", "rows/confirm", "evaluate/offer"]);
    }
    const size = (party: PartyId) => ({ name: "data", rows: of(party).rows, features: of(party).features.length, labelled: false, snapshotDigest: "0".repeat(64) });
    const params = { basis: "full", card: publishedCards.full.digest, asOf: "2025-01-01" };
    const plan = { kind: "evaluate" as const, guest, hosts: providers, params, datasets: Object.fromEntries([guest, ...providers].map((p) => [p, size(p)])) };
    assertWithin(compileLeakage(plan), world);
    assert.equal(codeOf(() => compileLeakage({ ...plan, params: { ...params, card: "1".repeat(64) } })), "JOB_PARAMS");
    assert.equal(codeOf(() => compileLeakage({ ...plan, params: { ...params, away: ["tax"] } })), "JOB_PARAMS");
  });

  it("is the same after a restart of any party", async () => {
    const { world, programs, found } = await run();
    for (const name of [guest, ...providers]) assert.deepEqual(await world.replay(name, programs[name] as Program<unknown>), name === guest ? found : undefined);
  });

  it("asks each host whether it may be the only one that computes something, and charges the sum before anything leaves", async () => {
    const asked: [PartyId, number][] = [];
    const sets = new Set<string>();
    const guard = (host: PartyId): HostGuard => ({ ...openHostGuard, admitCompany: (n) => void asked.push([host, n]), chargeEvaluation: (set) => void sets.add(set) });
    await run({ guard, offers: (p) => (p === "utilities" || p === guest ? offered(p, "full") : []) });
    assert.deepEqual(asked, [[partyId("utilities"), 1]], "the hosts without a part hide nobody");
    await run({ guard, seed: 9 });
    assert.equal(sets.size, 2, "all hosts of a run charge the same sum, another assignment is another one");
    const refusing = (host: PartyId): HostGuard => ({ ...openHostGuard, chargeEvaluation: () => { if (host === "tax") throw new AppError("BUDGET_TOTALS"); } });
    const { world, programs } = prepare({ guard: refusing });
    assert.equal((await refusal(world.run(programs))).code, "BUDGET_TOTALS");
    assert.isFalse(world.sent.some((m) => m.type === "evaluate/part" && m.from === "tax"));
  });

  it("refuses parts that these indicators cannot give: one host was told other offers, so masks do not cancel", async () => {
    const tamper: Tamper = withBody("evaluate/offer", ((b: { indicators: string[] }) => ({ ...b, indicators: b.indicators.slice(1) })), "tax");
    assert.equal((await refusal(run({ tamper }))).code, "EVALUATION_PART");
  });
  it("refuses residues of another size than the sum may have", async () => {
    const bytes = seededRng(new Uint8Array(32), "x");
    const tamper = withBody("evaluate/part", ((b: { points: Uint8Array }) => ({ ...b, points: bytes(b.points.length) })), "tax");
    assert.equal((await refusal(run({ tamper }))).code, "EVALUATION_PART");
    const covered = withBody("evaluate/part", ((b: { covered: Uint8Array }) => ({ ...b, covered: b.covered.map((v, i) => (i === 1 ? v ^ 128 : v)) })), "tax");
    assert.equal((await refusal(run({ tamper: covered }))).code, "EVALUATION_PART");
  });
  it("refuses an offer of an indicator that the scorecard does not have", async () => {
    const tamper = withBody("evaluate/offer", (() => ({ indicators: ["made_up"] })), "tax");
    assert.equal((await refusal(run({ tamper }))).code, "EVALUATION_INDICATOR");
  });
  for (const { type, fields } of [{ type: "evaluate/part", fields: ["index", "last", "points", "covered"] }, { type: "evaluate/offer", fields: ["indicators"] }]) {
    for (const hostile of hostileCases(type, fields, "utilities")) {
      it(`${type} ${hostile.name}`, async () => assert.equal((await refusal(run({ tamper: hostile.tamper }))).code, hostile.code));
    }
  }
});

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
  return "none";
}
