// Scoring by a crossboost model: what the oblivious totals give is what the model gives in the clear, to within the bits that are
// opened; hosts that are away, views, and guests that ask for more than the model has.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EntityId, PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import type { CrossboostGuestResult } from "../../federation/crossboost/guest.ts";
import { binsOf, type CrossboostGuestHalf, type CrossboostHostHalf } from "../../federation/crossboost/half.ts";
import type { CrossboostHostResult } from "../../federation/crossboost/host.ts";
import { scoreCellsGuest } from "../../federation/crossboost/score-guest.ts";
import { scoreCellsHost } from "../../federation/crossboost/score-host.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { TypedBody } from "../../federation/messages.ts";
import type { BatchScores } from "../../federation/score/guest.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { fineBin } from "../../models/binning/fine.ts";
import { guestFineOptions } from "../../models/crossboost/host.ts";
import { predictPlain } from "../../models/crossboost/predict.ts";
import { alignFeature } from "../../federation/rows/align.ts";
import { cellsParams, cellsPrograms } from "../support/crossboost.ts";
import { bank, namesOf, treeTables } from "../support/gbdt.ts";
import { withBody } from "../support/hostile.ts";
import { assertWithin, idOf, openHostGuard, plainIntersection, receiptOf, refusal, setSecret } from "../support/joint.ts";
import { createWorld, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const tables = treeTables({ rows: 1300, trainRows: 1000, seed: 5, own: 2, hosts: [2, 1] });
const [a, b] = [partyId("host_a"), partyId("host_b")];

describe("scoring by crossboost", () => {
  let half: CrossboostGuestHalf;
  let halves: Readonly<Record<string, CrossboostHostHalf>>;
  before(async () => {
    const params = cellsParams();
    const world = createWorld({ parties: namesOf(tables), seed: 3, kernels });
    const results = await world.run(cellsPrograms(tables));
    const guest = results[bank] as CrossboostGuestResult;
    const own = tables.own.map((f) => ({ name: f.name, definition: fineBin(f, guestFineOptions(tables.trainRows, params)).definition }));
    half = { version: 1, kind: "crossboost", model: `model_${"0".repeat(20)}`, hosts: guest.offers.map((o) => o.host), own, joint: guest.model, scaling: { points: 600, odds: 50, pdo: 20 } };
    halves = Object.fromEntries(tables.hosts.map(({ name }) => {
      const made = results[name] as CrossboostHostResult;
      return [name, {
        version: 1 as const, kind: "crossboost" as const, model: half.model, digest: "0".repeat(64), guest: bank, hosts: half.hosts,
        columns: made.fine.map((f) => ({ name: f.name, definition: f.fine.definition })), totals: made.totals,
      }];
    }));
    assert.isAbove(half.joint.stages.length, 0, "the model has a total");
  });

  const records = Array.from({ length: 240 }, (_, i) => 1040 + i);
  const idsOf = (host: number): EntityId[] => [...(tables.hosts[host]?.rowOf ?? [])].map((record, row) => (record < 0 ? `stranger-${row}` as EntityId : idOf(row)));
  async function score(present: readonly PartyId[], tamper?: Tamper): Promise<{ world: World; scores: BatchScores }> {
    const world = createWorld({ parties: [bank, ...present], seed: 4, kernels, ...(tamper && { tamper }) });
    const numberOf = (host: PartyId): number => tables.hosts.findIndex((h) => h.name === host);
    const intersection = plainIntersection(Object.fromEntries(present.map((h) => [h, idsOf(numberOf(h))])));
    const features = tables.own.map((f) => alignFeature(f, Int32Array.from(records)));
    const results = await world.run({
      [bank]: (party) => scoreCellsGuest(party, { hosts: present, half, ids: records.map(idOf), features, setSecret, intersection }),
      ...Object.fromEntries(present.map((host) => [host, (party: Parameters<typeof scoreCellsHost>[0]) => scoreCellsHost(party, {
        guest: bank, hosts: present, half: halves[host] as CrossboostHostHalf, ids: idsOf(numberOf(host)), features: tables.hosts[numberOf(host)]?.features ?? [],
        guard: openHostGuard, intersection, receipt: receiptOf(host),
      })])),
    });
    return { world, scores: results[bank] as BatchScores };
  }
  /** In the clear: rows that a host does not hold are missing there. */
  function expected(present: readonly PartyId[]): Float64Array {
    const own = binsOf(half.own, tables.own.map((f) => alignFeature(f, Int32Array.from(records))));
    const hosts = half.hosts.map((name) => {
      const host = tables.hosts.find((h) => h.name === name);
      if (host === undefined || !present.includes(name)) return undefined;
      const rowOf = Int32Array.from(records, (r) => host.rowOf[r] ?? -1);
      return binsOf(halves[name]?.columns ?? [], host.features.map((f) => alignFeature(f, rowOf)));
    });
    return predictPlain(half.joint, own, hosts, records.length).odds;
  }

  for (const [name, present] of [["all hosts", [a, b]], ["one host away", [b]], ["the other away", [a]]] as const) {
    it(`gives the model's own scores to within the bits that are opened: ${name}`, async () => {
      const { scores } = await score(present);
      const plain = expected(present);
      const unit = Math.max(...half.joint.stages.map((s) => s.unit * Math.max(1, Math.abs(s.layer.weight))));
      let off = 0;
      for (let i = 0; i < records.length; i++) off = Math.max(off, Math.abs((scores.odds[i] ?? 0) - (plain[i] ?? 0)));
      // Rounding of each total; small trees on top of it may put a company into another of their leaves.
      const close = records.filter((_, i) => Math.abs((scores.odds[i] ?? 0) - (plain[i] ?? 0)) <= 2 * 128 * (present.length + 1) * unit).length;
      assert.isAtLeast(close / records.length, 0.85, `largest difference ${off}`);
      assert.deepEqual(scores.away, half.hosts.filter((h) => !present.some((p) => p === h)));
      assert.isAbove(new Set(scores.odds).size, 100);
    });
  }

  it("shows a host uniform bytes and how many totals there are, nothing else", async () => {
    const { world } = await score([a, b]);
    const types = new Set(world.view(a).map((m) => m.type));
    for (const type of types) assert.include(["psi/open", "rows/open", "rows/order", "rows/confirm", "cells/next", "lookup/tables", "ot/base-answer", "ot/extend"], type);
    assert.equal(world.view(a).filter((m) => m.type === "cells/next").length, half.joint.stages.length + 1);
  });

  it("stays inside its statement", async () => {
    const { world } = await score([a, b]);
    const size = (rows: number, features: number) => ({ name: "loans", rows, features, labelled: false, snapshotDigest: "0".repeat(64) });
    const bins = Math.max(...half.joint.stages.flatMap((s) => s.hosts.flatMap((h) => h.columns.map((c) => c.shape.bins + 1))));
    assertWithin(compileLeakage({
      kind: "score", guest: bank, hosts: [a, b], datasets: { [bank]: size(1300, 3), [a]: size(1300, 3), [b]: size(1300, 2) },
      params: { batch: "0".repeat(64), rows: records.length, shape: { kind: "crossboost", bins, totals: half.joint.stages.length } },
    }), world);
  });

  it("refuses a total that the model does not have, or one with a stranger in it", async () => {
    const more = withBody("cells/next", ((body: TypedBody<"cells/next">) => (body.step === "end" ? { step: "stage", vectors: 1, present: [a, b] } : body)));
    const many = (m: Parameters<Tamper>[0]): ReturnType<Tamper> => (m.type === "cells/next" && (m.body as TypedBody<"cells/next">).step === "end" ? more(m) : undefined);
    assert.deepEqual(await refusal(score([a, b], many)), { code: "PROTOCOL_OUT_OF_ORDER", party: bank });
    const stranger = withBody("cells/next", ((body: object) => ({ ...body, present: [a, "stranger"] })));
    assert.deepEqual(await refusal(score([a, b], stranger)), { code: "PROTOCOL_WRONG_PARTY", party: bank });
  });
});
