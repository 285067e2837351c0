// A whole job of boosted trees in memory, from alignment to receipts: halves on both sides, a second job that goes on from the first,
// and what that refuses.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { gbdtJobGuest, gbdtJobHost, type GbdtTrained } from "../../federation/gbdt/job.ts";
import type { GbdtGuestHalf, GbdtHostHalf } from "../../federation/gbdt/half.ts";
import { gbdtJobSchema } from "../../federation/gbdt/params.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { evaluatePart } from "../../models/metrics/evaluate.ts";
import { bank, namesOf, smallTrees, treeTables } from "../support/gbdt.ts";
import { assertWithin, idOf, openGuestGuard, openHostGuard, plainIntersection, receiptOf, setSecret } from "../support/joint.ts";
import { codeOf, createWorld, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const tables = treeTables({ rows: 3000, trainRows: 2200, seed: 11, own: 2, hosts: [2, 1] });

type Made = { readonly world: World; readonly guest: GbdtTrained; readonly halves: Readonly<Record<string, GbdtHostHalf>> };
type From = { readonly guest: GbdtGuestHalf; readonly hosts: Readonly<Record<string, GbdtHostHalf>> };

async function job(trees: object, from?: From, name = "a"): Promise<Made> {
  const params = gbdtJobSchema.parse({
    split: { kind: "file" }, trees: { ...smallTrees, ...trees }, liftFloors: true,
    ...(from && { from: { model: from.guest.model, trees: from.guest.trees.trees.length } }),
  });
  const hosts = tables.hosts.map((h) => h.name);
  const idsOf = (h: number): EntityId[] => [...(tables.hosts[h]?.rowOf ?? [])].map((record, row) => (record < 0 ? `stranger-${row}` as EntityId : idOf(row)));
  const intersection = plainIntersection(Object.fromEntries(hosts.map((h, i) => [h, idsOf(i)])));
  const world = createWorld({ parties: namesOf(tables), seed: 1, kernels, job: `job_${name.repeat(20)}` });
  const results = await world.run({
    [bank]: (party) => gbdtJobGuest(party, {
      hosts, params, ids: [...tables.label.keys()].map(idOf), label: tables.label, features: tables.own,
      trainOf: Uint8Array.from(tables.label, (_, row) => (row < tables.trainRows ? 1 : 0)), setSecret, intersection, guard: openGuestGuard(), from: from?.guest,
    }),
    ...Object.fromEntries(hosts.map((host, i) => [host, (party: Parameters<typeof gbdtJobHost>[0]) => gbdtJobHost(party, {
      guest: bank, hosts, params, ids: idsOf(i), features: tables.hosts[i]?.features ?? [], guard: openHostGuard, intersection, receipt: receiptOf(host),
      offered: from?.hosts[host]?.offered,
    })])),
  });
  return { world, guest: results[bank] as GbdtTrained, halves: Object.fromEntries(hosts.map((h) => [h, results[h] as GbdtHostHalf])) };
}

describe("a job of boosted trees", () => {
  let first: Made;
  before(async () => {
    first = await job({ trees: 3 });
  });

  it("measures the joint model and the guest's own on the rows of the job", () => {
    const { guest } = first;
    const { rows, trainRows } = guest.alignment;
    assert.equal(trainRows, tables.trainRows);
    assert.deepEqual([...guest.label], [...rows].map((record) => tables.label[record]));
    assert.deepEqual(guest.metrics.test, evaluatePart(guest.odds, guest.label, trainRows, tables.rows));
    assert.isAbove(guest.metrics.test.auc, guest.guestOnly.test.auc + 0.02);
  });

  it("leaves to each party its half: leaves and own bins to the guest, own cuts and bins to a host", () => {
    const { guest, halves } = first;
    assert.equal(guest.half.trees.trees.length, 3);
    for (const [host, half] of Object.entries(halves)) {
      assert.equal(half.model, guest.half.model);
      assert.equal(half.digest, guest.digest);
      const own = tables.hosts.find((h) => h.name === host)?.features.map((f) => f.name) ?? [];
      assert.deepEqual(half.offered?.map((o) => o.name), own);
      for (const f of half.features) assert.include(own, f.name);
      assert.notInclude(JSON.stringify(half), "leaves");
      assert.notInclude(JSON.stringify(guest.half), own[0] ?? "");
    }
    assert.deepEqual(guest.receipts.map((r) => r.host), tables.hosts.map((h) => h.name));
  });

  it("goes on from an earlier model: its trees stay, and the result is that of one longer training", async () => {
    const more = await job({ trees: 2 }, { guest: first.guest.half, hosts: first.halves }, "b");
    const whole = await job({ trees: 5 }, undefined, "c");
    assert.deepEqual(more.guest.half.trees.trees.slice(0, 3), first.guest.half.trees.trees);
    assert.equal(more.guest.half.trees.trees.length, 5);
    assert.deepEqual(more.guest.half.trees.trees.map((t) => t.leaves), whole.guest.half.trees.trees.map((t) => t.leaves));
    assert.deepEqual(more.guest.half.own, first.guest.half.own);
  });

  it("states what going on asks for", async () => {
    const more = await job({ trees: 2 }, { guest: first.guest.half, hosts: first.halves }, "b");
    const size = (rows: number, features: number) => ({ name: "loans", rows, features, labelled: false, snapshotDigest: "0".repeat(64) });
    const params = gbdtJobSchema.parse({ trees: { ...smallTrees, trees: 2 }, liftFloors: true, from: { model: first.guest.half.model, trees: 3 } });
    assertWithin(compileLeakage({
      kind: "gbdt", guest: bank, hosts: tables.hosts.map((h) => h.name), params: params,
      datasets: { [bank]: size(3000, 3), host_a: size(3000, 3), host_b: size(3000, 2) },
    }), more.world);
  });

  it("refuses to go on with other parties, or without a feature of the model", async () => {
    const other = { ...first.guest.half, hosts: first.guest.half.hosts.toReversed() };
    assert.equal(await codeOf(job({ trees: 1 }, { guest: other, hosts: first.halves }, "d")), "JOB_MODEL_UNKNOWN");
    const renamed = { ...first.guest.half, own: first.guest.half.own.map((o) => ({ ...o, name: `${o.name}_gone` })) };
    assert.equal(await codeOf(job({ trees: 1 }, { guest: renamed, hosts: first.halves }, "e")), "JOB_MODEL_UNKNOWN");
    const lost = Object.fromEntries(Object.entries(first.halves).map(([h, half]) => [h, { ...half, offered: half.offered?.map((o) => ({ ...o, name: `${o.name}_gone` })) }]));
    assert.equal(await codeOf(job({ trees: 1 }, { guest: first.guest.half, hosts: lost }, "f")), "JOB_MODEL_UNKNOWN");
  });
});
