// Feedback of the kinds of job that measure no information value of a host's features: the gain in AUC alone, and no label statistic.
import { assert } from "chai";
import { after, describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { crossboostJobGuest, crossboostJobHost } from "../../federation/crossboost/job.ts";
import { crossboostJobSchema } from "../../federation/crossboost/params.ts";
import { gbdtJobGuest, gbdtJobHost } from "../../federation/gbdt/job.ts";
import { gbdtJobSchema } from "../../federation/gbdt/params.ts";
import type { GuestGuard } from "../../federation/guards.ts";
import type { Party } from "../../federation/party.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { quick } from "../support/crossboost.ts";
import { bank, namesOf, smallTrees, treeTables } from "../support/gbdt.ts";
import { idOf, openGuestGuard, openHostGuard, plainIntersection, receiptOf, setSecret } from "../support/joint.ts";
import { createWorld, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const tables = treeTables({ rows: 3000, trainRows: 2200, seed: 11, own: 2, hosts: [2, 1] });
const hosts = tables.hosts.map((h) => h.name);
const idsOf = (h: number): EntityId[] => [...(tables.hosts[h]?.rowOf ?? [])].map((record, row) => (record < 0 ? `stranger-${row}` as EntityId : idOf(row)));
const intersection = plainIntersection(Object.fromEntries(hosts.map((h, i) => [h, idsOf(i)])));

type Both = { readonly test: { readonly auc: number } };
type Trained = { readonly metrics: Both; readonly guestOnly: Both };
type Ran = { readonly world: World; readonly trained: Trained; readonly halves: readonly { readonly feedback?: unknown }[]; readonly charged: readonly (readonly [string, string, number])[] };

async function run(kind: "gbdt" | "crossboost", feedback?: "bands"): Promise<Ran> {
  const charged: [string, string, number][] = [];
  const guard: GuestGuard = { ...openGuestGuard(), chargeLabelRank: (host, label, rank) => void charged.push([host, label, rank]) };
  const given = { split: { kind: "file" }, ...(feedback && { feedback }) };
  const guest = {
    hosts, ids: [...tables.label.keys()].map(idOf), label: tables.label, features: tables.own, trainOf: Uint8Array.from(tables.label, (_, row) => (row < tables.trainRows ? 1 : 0)), setSecret, intersection, guard,
  };
  const host = (i: number) => ({ guest: bank, hosts, ids: idsOf(i), features: tables.hosts[i]?.features ?? [], intersection, receipt: receiptOf(hosts[i] ?? "") });
  const trees = gbdtJobSchema.parse({ ...given, trees: { ...smallTrees, trees: 3 }, liftFloors: true });
  const cells = crossboostJobSchema.parse({ ...given, crossboost: quick });
  const guestProgram = (party: Party): Promise<Trained> => (kind === "gbdt" ? gbdtJobGuest(party, { ...guest, params: trees }) : crossboostJobGuest(party, { ...guest, params: cells }));
  const hostProgram = (i: number) => (party: Party) => (kind === "gbdt" ? gbdtJobHost(party, { ...host(i), params: trees, guard: openHostGuard }) : crossboostJobHost(party, { ...host(i), params: cells, guard: openHostGuard }));
  const world = createWorld({ parties: namesOf(tables), seed: 1, kernels });
  const results = await world.run({ [bank]: guestProgram, ...Object.fromEntries(hosts.map((h, i) => [h, hostProgram(i)])) });
  return { world, trained: results[bank] as Trained, halves: hosts.map((h) => results[h] as { feedback?: unknown }), charged };
}

describe("feedback of boosted trees and cells", () => {
  for (const kind of ["gbdt", "crossboost"] as const) {
    it(`tells each host of a ${kind} job the gain in AUC, charged as one figure, and no class of a feature`, async () => {
      const { world, trained, halves, charged } = await run(kind, "bands");
      const uplift = Math.round(100 * (trained.metrics.test.auc - trained.guestOnly.test.auc));
      assert.notEqual(uplift, 0);
      for (const [i, host] of hosts.entries()) {
        assert.deepEqual(world.view(host).filter((m) => m.type === "feedback/usage").map((m) => m.body), [{ uplift, features: [] }]);
        assert.deepEqual(halves[i]?.feedback, { uplift, features: [] });
      }
      assert.sameDeepMembers(charged.filter(([, label]) => label === "feedback"), hosts.map((host): [string, string, number] => [host, "feedback", 1]));
    });

    it(`tells a host of a ${kind} job nothing that did not ask for it`, async () => {
      const { world, halves, charged } = await run(kind);
      for (const [i, host] of hosts.entries()) {
        assert.isEmpty(world.view(host).filter((m) => m.type === "feedback/usage"));
        assert.isUndefined(halves[i]?.feedback);
      }
      assert.isEmpty(charged.filter(([, label]) => label === "feedback"));
    });
  }
});
