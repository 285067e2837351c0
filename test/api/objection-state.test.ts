// The machine of objections and the terms by which it is held to time.
import { assert } from "chai";
import { array, assert as assertProperty, constant, constantFrom, integer, oneof, property, type Arbitrary } from "fast-check";
import { describe, it } from "mocha";
import { deadlinesSchema, defaultDeadlines, endOfTerm } from "../../api/deadlines.ts";
import { changeObjection, hasEnded, isMarked, newObjection, type ObjectionChange, type ObjectionMachine } from "../../api/objection-state.ts";
import { verdict } from "../consent/support.ts";

const fresh = newObjection({ acceptBy: 100, dueAt: 200 });
const run = (...changes: ObjectionChange[]): ObjectionMachine => changes.reduce(changeObjection, fresh);
const answer = { type: "answer", outcome: "corrected", reason: "value-corrected" } as const;

describe("the life of an objection", () => {
  it("goes from lodged over accepted and examining to an outcome, marked on the way", () => {
    const path = [run(), run({ type: "accept" }), run({ type: "accept" }, { type: "take" }), run({ type: "accept" }, { type: "take" }, answer)];
    assert.deepEqual(path.map((o) => o.at), ["lodged", "accepted", "examining", "corrected"]);
    assert.deepEqual(path.map((o) => isMarked(o.at)), [false, true, true, false]);
    assert.isTrue(isMarked(run({ type: "accept" }, { type: "answer", outcome: "unconfirmed", reason: "cannot-be-established" }).at));
  });

  it("refuses steps out of order, and takes the same step again as nothing", () => {
    assert.equal(verdict(() => run(answer)), "OBJECTION_STATE");
    const refused = { type: "refuse", reason: "out-of-scope" } as const;
    assert.equal(verdict(() => run({ type: "accept" }, refused)), "OBJECTION_STATE");
    assert.equal(verdict(() => run(refused, { type: "accept" })), "OBJECTION_STATE");
    assert.equal(verdict(() => run({ type: "accept" }, answer, { ...answer, outcome: "rejected" })), "OBJECTION_STATE");
    assert.equal(verdict(() => run({ type: "accept" }, answer, { ...answer, reason: "record-removed" })), "OBJECTION_STATE");
    assert.equal(verdict(() => run({ type: "accept" }, answer, { type: "withdraw" })), "OBJECTION_STATE");
    for (const again of [run({ type: "accept" }), run(refused), run({ type: "accept" }, answer), run({ type: "withdraw" })]) {
      const change: ObjectionChange = { accepted: { type: "accept" } as const, refused, corrected: answer, withdrawn: { type: "withdraw" } as const }[again.at as "accepted"];
      assert.strictEqual(changeObjection(again, change), again);
    }
  });

  it("is accepted by silence and late by the clock, once each", () => {
    assert.equal(run({ type: "time", now: 99 }).at, "lodged");
    assert.equal(run({ type: "time", now: 100 }).at, "accepted");
    const late = run({ type: "time", now: 300 }, { type: "time", now: 300 });
    assert.deepInclude(late, { at: "accepted", overdue: true });
    assert.strictEqual(changeObjection(late, { type: "time", now: 400 }), late);
    assert.deepInclude(changeObjection(late, answer), { at: "corrected", overdue: true });
  });

  it("never leaves an end, whatever comes", () => {
    const change = oneof<Arbitrary<ObjectionChange>[]>(
      constant({ type: "accept" }), constant({ type: "take" }), constant({ type: "withdraw" }), constant({ type: "refuse", reason: "out-of-scope" }),
      constantFrom("corrected", "rejected", "unconfirmed").map((outcome) => ({ type: "answer", outcome: outcome as "corrected", reason: "x" })),
      integer({ min: 0, max: 400 }).map((now) => ({ type: "time", now })),
    );
    assertProperty(property(array(change, { maxLength: 12 }), (changes) => {
      let at = fresh;
      for (const c of changes) {
        const before = at;
        verdict(() => (at = changeObjection(at, c)));
        if (hasEnded(before.at)) assert.deepEqual(at, before);
      }
    }));
  });
});

describe("terms", () => {
  const china = (text: string): number => Date.parse(`${text}+08:00`);
  it("count 20 calendar days after the day of receipt, in China's time", () => {
    assert.deepEqual(defaultDeadlines.objection, { days: 20, count: "calendar" });
    assert.equal(endOfTerm(china("2026-03-01T23:59:59"), defaultDeadlines.objection, defaultDeadlines), china("2026-03-22T00:00:00"));
    assert.equal(endOfTerm(china("2026-03-02T00:00:00"), defaultDeadlines.objection, defaultDeadlines), china("2026-03-23T00:00:00"));
  });
  it("count working days over weekends, holidays and worked weekends", () => {
    const days = deadlinesSchema.parse({ holidays: ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"], workedWeekends: ["2026-10-10"] });
    const term = { days: 3, count: "working" } as const;
    assert.equal(endOfTerm(china("2026-09-30T10:00:00"), term, days), china("2026-10-11T00:00:00"));
    assert.equal(endOfTerm(china("2026-09-30T10:00:00"), term, { holidays: [], workedWeekends: [] }), china("2026-10-06T00:00:00"));
  });
});
