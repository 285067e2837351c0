import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { seededRng } from "../../core/rng.ts";
import { routerOf, slotOf } from "../../serving/registry/routing.ts";
import { resized, slotCount, type SlotRange } from "../../serving/registry/slots.ts";
import { modelOf, servedDesk, type Desk } from "./support.ts";

const key = seededRng(new Uint8Array(32), "routing")(32);
const companies = Array.from({ length: 20_000 }, (_, i) => `company ${i}`);
const versionsAt = (desk: Desk): number[] => {
  const router = routerOf(desk.state ?? assert.fail(), key);
  return companies.map((c) => router(c).answer.version);
};
/** How many went from a version to another, by "from to". */
const moves = (before: number[], after: number[]): Record<string, number> => {
  const out: Record<string, number> = {};
  before.forEach((from, i) => {
    if (from !== after[i]) out[`${from} ${after[i]}`] = (out[`${from} ${after[i]}`] ?? 0) + 1;
  });
  return out;
};
/** Within 5 standard deviations of the share. */
const isShare = (n: number, share: number): void => {
  const p = share / 10_000;
  assert.approximately(n / companies.length, p, 5 * Math.sqrt((p * (1 - p)) / companies.length));
};

describe("routing of requests", () => {
  it("gives a company one version for good, in proportion to the shares", () => {
    const desk = servedDesk();
    desk.shadow(2);
    desk.shadow(3);
    desk.do({ type: "canary", version: 2, share: 500 });
    desk.do({ type: "challenger", version: 3, share: 2_000 });
    const at = versionsAt(desk);
    isShare(at.filter((v) => v === 2).length, 500);
    isShare(at.filter((v) => v === 3).length, 2_000);
    // Changes that are about something else move nobody.
    desk.shadow(4);
    desk.evaluate(2);
    assert.deepEqual(versionsAt(desk), at);
    const route = routerOf(desk.state ?? assert.fail(), key)("company 1");
    assert.deepEqual(route.shadows, [{ version: 4, model: modelOf(4) }]);
    assert.equal(route.revision, desk.state?.revision);
  });

  it("moves only companies between champion and the version whose share changes, and as few as that needs", () => {
    const desk = servedDesk();
    desk.shadow(2);
    desk.shadow(3);
    desk.do({ type: "challenger", version: 3, share: 1_000 });
    const steps = [500, 1_500, 3_000, 200, 700].map((share) => {
      const before = desk.state?.versions[1]?.state === "canary" ? versionsAt(desk) : undefined;
      const last = slotCount(desk.state?.versions[1]?.slots ?? []);
      desk.do({ type: "canary", version: 2, share });
      return { before, after: versionsAt(desk), share, last };
    });
    for (const { before, after, share, last } of steps) {
      if (before === undefined) continue;
      const moved = moves(before, after);
      assert.deepEqual(Object.keys(moved), [share > last ? "1 2" : "2 1"]);
      isShare(Object.values(moved)[0] ?? 0, Math.abs(share - last));
    }
    const before = versionsAt(desk);
    desk.do({ type: "promote", version: 2 });
    assert.deepEqual(Object.keys(moves(before, versionsAt(desk))), ["1 2"]);
    desk.do({ type: "rollback" });
    assert.isTrue(versionsAt(desk).every((v, i) => v === (before[i] === 3 ? 3 : 1)));
  });

  it("keeps and gives back slots exactly, for any sequence of shares of several versions", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 2_500 })), { maxLength: 30 }), (steps) => {
      const slots: SlotRange[][] = [[], [], [], []];
      const all = (of: readonly SlotRange[]): Set<number> => new Set(of.flatMap(([from, to]) => Array.from({ length: to - from }, (_, i) => from + i)));
      for (const [who, share] of steps) {
        const before = all(slots[who] ?? []);
        const others = slots.filter((_, i) => i !== who).flat();
        const next = resized(slots[who] ?? [], share, others, modelOf(who));
        const after = all(next);
        assert.equal(after.size, share);
        assert.equal(slotCount(next), share);
        assert.isTrue(share >= before.size ? before.isSubsetOf(after) : after.isSubsetOf(before));
        assert.isTrue(after.isDisjointFrom(all(others)));
        slots[who] = next;
      }
    }), { numRuns: 100 });
    assert.throws(() => resized([], 2, [[0, 9_999]], modelOf(1)), RangeError);
  });

  it("depends on the key and on the deployment, fills all slots alike, and wants a long key", () => {
    const counts = new Float64Array(100);
    for (const c of companies) {
      const slot = slotOf(key, "sme", c);
      assert.isTrue(Number.isInteger(slot) && slot >= 0 && slot < 10_000);
      counts[Math.floor(slot / 100)] = (counts[Math.floor(slot / 100)] ?? 0) + 1;
    }
    const chiSquare = counts.reduce((s, n) => s + (n - 200) ** 2 / 200, 0);
    assert.isBelow(chiSquare, 170); // 99 degrees of freedom, p < 1e-5
    const same = (other: (c: string) => number): number => companies.filter((c) => slotOf(key, "sme", c) === other(c)).length;
    assert.isBelow(same((c) => slotOf(key, "micro", c)), 30);
    assert.isBelow(same((c) => slotOf(seededRng(new Uint8Array(32), "other")(32), "sme", c)), 30);
    assert.throws(() => slotOf(key.subarray(1), "sme", "x"), /SERVING_KEY/);
    assert.throws(() => routerOf(servedDesk().state ?? assert.fail(), key.subarray(1)), /SERVING_KEY/);
  });

  it("begins a new canary elsewhere than the last one, and answers nothing without a champion", () => {
    const desk = servedDesk();
    desk.shadow(2);
    const first = desk.do({ type: "canary", version: 2, share: 100 }).versions[1]?.slots;
    desk.do({ type: "retire", version: 2 });
    desk.shadow(3);
    assert.notDeepEqual(desk.do({ type: "canary", version: 3, share: 100 }).versions[2]?.slots, first);
    desk.do({ type: "retire", version: 1 });
    assert.throws(() => routerOf(desk.state ?? assert.fail(), key), /SERVING_NO_CHAMPION/);
  });
});
