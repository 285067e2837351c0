import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { digestOf, sha256Hex } from "../../core/canonical.ts";
import { isAppError, type Code } from "../../core/errors.ts";
import { jobIdSchema } from "../../core/names.ts";
import type { Change, ChangeRequest, RegistryEvent } from "../../serving/registry/events.ts";
import { decide, limits, replay, shareOf, type Deployment } from "../../serving/registry/machine.ts";
import { ModelRegistry } from "../../serving/registry/registry.ts";
import { day, Desk, MemoryEvents, modelOf, policy, servedDesk, start } from "./support.ts";

function refused(code: Code, run: () => unknown): void {
  try {
    run();
  } catch (error) {
    assert.isTrue(isAppError(error), String(error));
    assert.equal((error as { code: string }).code, code);
    return;
  }
  assert.fail(`not refused with ${code}`);
}

const statesOf = (state: Deployment | undefined): string[] => (state?.versions ?? []).map((v) => v.state);

describe("the life of model versions", () => {
  it("goes from candidate over shadow and canary to champion; the one before is retired and may come back in one step", () => {
    const desk = servedDesk();
    assert.deepEqual(statesOf(desk.state), ["champion"]);
    desk.register(2);
    assert.deepEqual(statesOf(desk.state), ["champion", "candidate"]);
    desk.evaluate(2);
    desk.do({ type: "shadow", version: 2 });
    const canary = desk.do({ type: "canary", version: 2, share: 500 });
    assert.deepEqual([statesOf(canary), shareOf(canary.versions[1] as Deployment["versions"][number])], [["champion", "canary"], 500]);
    const promoted = desk.do({ type: "promote", version: 2 });
    assert.deepEqual([statesOf(promoted), promoted.champion, promoted.predecessors], [["retired", "champion"], 2, [1]]);
    assert.equal(promoted.versions[1]?.slots.length, 0);
    const back = desk.do({ type: "rollback" });
    assert.deepEqual([statesOf(back), back.champion, back.predecessors], [["champion", "retired"], 1, []]);
    refused("SERVING_ROLLBACK", () => desk.do({ type: "rollback" }));
  });

  it("records who, when, why, and the digests of model and evaluation, in a chain", () => {
    const desk = servedDesk({ twoPersons: true });
    const promotion = desk.events.at(-1) ?? assert.fail();
    const evaluation = desk.state?.versions[0]?.evaluations[0]?.digest ?? assert.fail();
    assert.deepInclude(promotion, { revision: 5, by: "li.wei", approvedBy: "wang.fang", reason: "planned", at: desk.now, model: modelOf(1), evaluation });
    desk.events.forEach((event, i) => assert.equal(event.previous, i === 0 ? "0".repeat(64) : digestOf(desk.events[i - 1] as RegistryEvent)));
    const desk2 = servedDesk();
    desk2.shadow(2);
    desk2.do({ type: "canary", version: 2, share: 1 });
    desk2.do({ type: "promote", version: 2 });
    desk2.do({ type: "rollback" }, { reason: "坏账率异常" });
    assert.deepInclude(desk2.events.at(-1), { model: modelOf(1), reason: "坏账率异常" });
  });

  it("promotes nothing without a passed, recent evaluation of that very model", () => {
    const desk = servedDesk({ maxEvaluationAgeDays: 30 });
    desk.register(2);
    refused("SERVING_EVALUATION", () => desk.do({ type: "shadow", version: 2 }));
    refused("SERVING_EVALUATION", () => desk.evaluate(2, { model: modelOf(1) }));
    refused("SERVING_EVALUATION", () => desk.evaluate(2, { at: desk.now + 10 * day }));
    desk.evaluate(2, { passed: false });
    refused("SERVING_EVALUATION", () => desk.do({ type: "shadow", version: 2 }));
    desk.evaluate(2);
    desk.do({ type: "shadow", version: 2 });
    desk.do({ type: "canary", version: 2, share: 1000 });
    desk.now += 31 * day;
    refused("SERVING_EVALUATION", () => desk.do({ type: "promote", version: 2 }));
    refused("SERVING_EVALUATION", () => desk.do({ type: "canary", version: 2, share: 1001 }));
    desk.do({ type: "canary", version: 2, share: 10 });
    desk.evaluate(2);
    // One that fails afterwards undoes it.
    desk.evaluate(2, { passed: false });
    refused("SERVING_EVALUATION", () => desk.do({ type: "promote", version: 2 }));
    desk.evaluate(2);
    assert.equal(desk.do({ type: "promote", version: 2 }).champion, 2);
  });

  it("lets no version jump over a stage", () => {
    const desk = servedDesk();
    desk.register(2);
    desk.evaluate(2);
    for (const type of ["canary", "challenger"] as const) refused("SERVING_STATE", () => desk.do({ type, version: 2, share: 5 }));
    for (const type of ["promote", "demote", "reinstate"] as const) refused("SERVING_STATE", () => desk.do({ type, version: 2 }));
    desk.do({ type: "shadow", version: 2 });
    refused("SERVING_STATE", () => desk.do({ type: "shadow", version: 2 }));
    refused("SERVING_STATE", () => desk.do({ type: "promote", version: 2 }));
    for (const type of ["shadow", "promote", "demote"] as const) refused("SERVING_STATE", () => desk.do({ type, version: 1 }));
    refused("SERVING_UNKNOWN", () => desk.do({ type: "promote", version: 3 }));
    assert.deepEqual(statesOf(desk.do({ type: "demote", version: 2 })), ["champion", "candidate"]);
  });

  it("wants a retired version evaluated again before it returns as a candidate", () => {
    const desk = servedDesk();
    desk.shadow(2);
    desk.do({ type: "canary", version: 2, share: 100 });
    desk.do({ type: "promote", version: 2 });
    refused("SERVING_STATE", () => desk.do({ type: "shadow", version: 1 }));
    refused("SERVING_EVALUATION", () => desk.do({ type: "reinstate", version: 1 }));
    desk.evaluate(1, { at: start + 1 });
    refused("SERVING_EVALUATION", () => desk.do({ type: "reinstate", version: 1 }));
    desk.evaluate(1);
    const state = desk.do({ type: "reinstate", version: 1 });
    assert.deepEqual([statesOf(state), state.predecessors], [["candidate", "champion"], []]);
    refused("SERVING_ROLLBACK", () => desk.do({ type: "rollback" }));
  });

  it("takes a former champion off the way back, and stops answering when the champion is retired", () => {
    const desk = servedDesk();
    for (const version of [2, 3]) {
      desk.shadow(version);
      desk.do({ type: "canary", version, share: 100 });
      desk.do({ type: "promote", version });
    }
    assert.deepEqual(desk.state?.predecessors, [1, 2]);
    assert.deepEqual(desk.do({ type: "retire", version: 2 }).predecessors, [1]);
    refused("SERVING_STATE", () => desk.do({ type: "retire", version: 2 }));
    const off = desk.do({ type: "retire", version: 3 });
    assert.deepEqual([off.champion, statesOf(off)], [null, ["retired", "retired", "retired"]]);
    assert.equal(desk.do({ type: "rollback" }).champion, 1);
  });

  it("runs challengers beside a canary, within the share that the policy gives to all of them", () => {
    const desk = servedDesk({ maxShare: 2_000 });
    for (const version of [2, 3, 4, 5]) desk.shadow(version);
    refused("SERVING_LIMIT", () => desk.shadow(6));
    desk.do({ type: "challenger", version: 2, share: 1_000 });
    desk.do({ type: "shadow", version: 6 });
    desk.register(7);
    desk.do({ type: "challenger", version: 3, share: 500 });
    refused("SERVING_SHARE", () => desk.do({ type: "canary", version: 4, share: 501 }));
    desk.do({ type: "canary", version: 4, share: 500 });
    desk.do({ type: "challenger", version: 2, share: 400 });
    refused("SERVING_LIMIT", () => desk.do({ type: "canary", version: 5, share: 1 }));
    desk.do({ type: "challenger", version: 5, share: 100 });
    refused("SERVING_LIMIT", () => desk.do({ type: "challenger", version: 6, share: 100 }));
    // A lower limit does not move what runs, but nothing may grow.
    desk.do({ type: "configure", policy: policy({ maxShare: 100 }) });
    refused("SERVING_SHARE", () => desk.do({ type: "challenger", version: 2, share: 401 }));
    desk.do({ type: "challenger", version: 2, share: 399 });
    assert.deepEqual((desk.state?.versions ?? []).map(shareOf), [0, 399, 500, 500, 100, 0, 0]);
    assert.deepEqual(statesOf(desk.do({ type: "promote", version: 3 })), ["retired", "challenger", "champion", "canary", "challenger", "shadow", "candidate"]);
  });

  it("wants two different persons where the deployment says so, but one to go back or switch off", () => {
    const desk = servedDesk({ twoPersons: true });
    desk.shadow(2);
    const change: Change = { type: "canary", version: 2, share: 100 };
    refused("SERVING_TWO_PERSONS", () => desk.do(change));
    refused("SERVING_TWO_PERSONS", () => desk.do(change, { approvedBy: "li.wei" }));
    desk.do(change, { approvedBy: "wang.fang" });
    refused("SERVING_TWO_PERSONS", () => desk.do({ type: "configure", policy: policy() }));
    const service = jobIdSchema.parse("job_0000000000000001");
    for (const version of [1, 2]) refused("SERVING_TWO_PERSONS", () => desk.do({ type: "stand", version, service }));
    desk.register(3);
    assert.deepEqual(desk.do({ type: "stand", version: 3, service }).versions, desk.state?.versions, "it answers nobody yet");
    refused("SERVING_UNKNOWN", () => desk.do({ type: "stand", version: 4, service }));
    desk.do({ type: "promote", version: 2 }, { approvedBy: "wang.fang" });
    refused("SERVING_TWO_PERSONS", () => desk.do({ type: "stand", version: 1, service }));
    assert.equal(desk.do({ type: "rollback" }).champion, 1, "on the way back");
    desk.do({ type: "stand", version: 2, service });
    assert.equal(desk.do({ type: "retire", version: 1 }).champion, null);
  });

  it("refuses what is malformed, twice registered, unknown or created twice, and keeps the state", () => {
    const desk = servedDesk();
    const before = desk.state;
    const ask = (more: Partial<ChangeRequest>): void => void desk.do({ type: "rollback" }, more);
    for (const more of [{ by: "" }, { reason: "" }, { reason: "a\u0000b" }, { deployment: "SME!" }, { expected: -1 }, { change: { type: "canary", version: 1, share: 0 } as Change },
      { change: { type: "register", model: "x", inputs: modelOf(1) } as Change }, { change: { type: "other" } as unknown as Change }]) refused("SERVING_COMMAND", () => ask(more));
    refused("SERVING_DUPLICATE_MODEL", () => desk.register(1));
    refused("SERVING_EXISTS", () => desk.do({ type: "create", policy: policy() }));
    refused("SERVING_UNKNOWN", () => decide(undefined, { deployment: "other", expected: 0, by: "li", reason: "r", change: { type: "rollback" } }, start));
    refused("SERVING_CONFLICT", () => ask({ expected: 4 }));
    assert.strictEqual(desk.state, before);
  });

  it("keeps the order of time when the clock is set back", () => {
    const desk = servedDesk();
    const last = desk.state?.changedAt ?? 0;
    desk.now = start - 400 * day;
    desk.register(2);
    assert.equal(desk.events.at(-1)?.at, last);
    assert.deepEqual(replay(desk.events), desk.state);
  });
});

describe("the record of changes", () => {
  /** A long random life: what was refused is not in the record. */
  const lives = fc.array(fc.record({
    type: fc.constantFrom("register", "evaluate", "fail", "shadow", "canary", "challenger", "promote", "demote", "rollback", "retire", "reinstate"),
    version: fc.integer({ min: 1, max: 6 }), share: fc.integer({ min: 1, max: 6_000 }),
  }), { minLength: 20, maxLength: 120 });

  function live(steps: { type: string; version: number; share: number }[], each: (state: Deployment, event: RegistryEvent, record: readonly RegistryEvent[]) => void): Desk {
    const desk = servedDesk();
    for (const { type, version, share } of steps) {
      try {
        if (type === "register") desk.register((desk.state?.versions.length ?? 0) + 1);
        else if (type === "evaluate") desk.evaluate(version);
        else if (type === "fail") desk.evaluate(version, { passed: false });
        else if (type === "rollback") desk.do({ type });
        else if (type === "canary" || type === "challenger") desk.do({ type, version, share });
        else desk.do({ type, version } as Change);
      } catch (error) {
        assert.isTrue(isAppError(error), String(error));
        continue;
      }
      each(desk.state ?? assert.fail(), desk.events.at(-1) ?? assert.fail(), desk.events);
    }
    return desk;
  }

  it("replays to the same state, with one champion at most and no slot given twice, whatever was asked", () => {
    fc.assert(fc.property(lives, (steps) => {
      const desk = live(steps, (state, event, record) => {
        const champions = state.versions.filter((v) => v.state === "champion").map((v) => v.version);
        assert.deepEqual(champions, state.champion === null ? [] : [state.champion]);
        const owners = new Uint8Array(10_000);
        for (const v of state.versions) {
          assert.equal(shareOf(v) > 0, v.state === "canary" || v.state === "challenger");
          for (const [from, to] of v.slots) for (let slot = from; slot < to; slot++) owners[slot] = (owners[slot] ?? 0) + 1;
        }
        assert.isTrue(owners.every((n) => n <= 1));
        assert.isAtMost(owners.reduce((s, n) => s + n, 0), 5_000);
        if ("share" in event.change) assert.equal(shareOf(state.versions[event.change.version - 1] as Deployment["versions"][number]), event.change.share);
        // Who answers has passed, by a plain look through the record.
        if (event.change.type === "promote" || event.change.type === "shadow") {
          const { version } = event.change;
          const last = record.findLast((e) => e.change.type === "evaluate" && e.change.version === version);
          assert.isTrue(last?.change.type === "evaluate" && last.change.evaluation.passed);
        }
      });
      assert.deepEqual(replay(JSON.parse(JSON.stringify(desk.events)) as unknown[]), desk.state);
    }), { numRuns: 60 });
  });

  it("is refused when an event is missing, doubled, moved or altered, and says where", () => {
    const desk = servedDesk();
    desk.shadow(2);
    desk.do({ type: "canary", version: 2, share: 100 });
    desk.do({ type: "promote", version: 2 });
    desk.do({ type: "rollback" });
    const { events } = desk;
    const damagedAt = (broken: unknown[]): number => {
      try {
        replay(broken);
      } catch (error) {
        assert.isTrue(isAppError(error) && error.code === "SERVING_HISTORY", String(error));
        return (error as { facts: { revision: number } }).facts.revision;
      }
      return 0;
    };
    for (let i = 0; i < events.length - 1; i++) {
      assert.equal(damagedAt(events.toSpliced(i, 1)), i + 1);
      assert.equal(damagedAt(events.toSpliced(i, 0, events[i] as RegistryEvent)), i + 2);
      const event = events[i] as RegistryEvent;
      for (const change of [{ by: "someone" }, { reason: "another" }, { at: event.at + 1 }, { approvedBy: "third" }]) {
        assert.isAbove(damagedAt(events.toSpliced(i, 1, { ...event, ...change })), 0, `${i} ${Object.keys(change).join(" ")}`);
      }
      assert.equal(damagedAt(events.toSpliced(i, 1, { ...event, model: sha256Hex("other") })), i + 1);
    }
    assert.equal(damagedAt(events.toSpliced(2, 1, { ...events[2], extra: 1 } as RegistryEvent)), 3);
    // The last event is covered by the rules alone: one that no rule allows.
    assert.equal(damagedAt(events.toSpliced(-1, 1, { ...(events.at(-1) ?? assert.fail()), change: { type: "promote", version: 1 } })), events.length);
    assert.equal(damagedAt(events), 0);
  });

  it("has room for so many versions and no more", () => {
    const desk = new Desk();
    desk.do({ type: "create", policy: policy() });
    for (let v = 1; v <= limits.versions; v++) desk.register(v);
    refused("SERVING_LIMIT", () => desk.register(limits.versions + 1));
    assert.equal(replay(desk.events)?.versions.length, limits.versions);
  });
});

describe("the registry over a store", () => {
  const request = (expected: number, change: Change): ChangeRequest => ({ deployment: "sme", expected, by: "li.wei", reason: "planned", change });

  it("of two changes at once makes one, and refuses the other", async () => {
    const store = new MemoryEvents();
    const registry = new ModelRegistry(store, () => start);
    await registry.change(request(0, { type: "create", policy: policy() }));
    const both = await Promise.allSettled([1, 2].map((n) => registry.change(request(1, { type: "register", model: modelOf(n), inputs: modelOf(9) }))));
    assert.deepEqual(both.map((b) => b.status).toSorted(), ["fulfilled", "rejected"]);
    const error = both.find((b) => b.status === "rejected")?.reason as unknown;
    assert.isTrue(isAppError(error) && error.code === "SERVING_CONFLICT" && error.facts["revision"] === 2);
    const state = await registry.get("sme");
    assert.deepEqual([state.revision, state.versions.length], [2, 1]);
    assert.equal((await registry.history("sme")).length, 2);
    assert.deepEqual(await registry.names(), ["sme"]);
  });

  it("knows no deployment that was not created, and serves nothing from a damaged record", async () => {
    const store = new MemoryEvents();
    const registry = new ModelRegistry(store, () => start);
    const code = async (run: Promise<unknown>): Promise<unknown> => await run.then(() => "none", (e: unknown) => (isAppError(e) ? e.code : e));
    assert.equal(await code(registry.get("sme")), "SERVING_UNKNOWN");
    await registry.change(request(0, { type: "create", policy: policy() }));
    await registry.change(request(1, { type: "register", model: modelOf(1), inputs: modelOf(9) }));
    const [first, second] = store.events.get("sme") as [RegistryEvent, RegistryEvent];
    store.events.set("sme", [{ ...first, by: "someone" }, second]);
    assert.equal(await code(registry.get("sme")), "SERVING_HISTORY");
    assert.equal(await code(registry.history("sme")), "SERVING_HISTORY");
    assert.equal(await code(registry.change(request(2, { type: "rollback" }))), "SERVING_HISTORY");
  });
});
