// Delivery of webhooks: in order, at least once, until delivered or dead, through kills and late answers.
import * as fc from "fast-check";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { Rng } from "../../core/env.ts";
import { seededRng } from "../../core/rng.ts";
import { beginAttempt, endAttempt, enqueue, newReceiver, nextDue, redrive, setReceiver, webhookId, type Attempt, type Delivery, type Outcome, type Receiver } from "../../monitoring/webhooks/delivery.ts";
import { defaultSchedule, retryAfter, retryDelay, scheduleSchema, type Schedule } from "../../monitoring/webhooks/schedule.ts";
import { codeOf } from "./support.ts";

const rng = (): Rng => seededRng(new Uint8Array(32), "delivery");
const b64 = (text: string): string => Buffer.from(text).toString("base64url");
const header = b64(JSON.stringify({ alg: "ECDH-ES", enc: "A256GCM", epk: { kty: "OKP", crv: "X25519", x: "A".repeat(43) } }));
const eventOf = (n: number, salt = "x"): Parameters<typeof enqueue>[1] => ({
  id: `alert_${n}`, body: { type: "alert.new", timestamp: "2025-06-01T00:00:00Z", data: { alert: `alert_${String(n).padStart(16, "0")}`, sealed: `${header}..${"B".repeat(16)}.${b64(`${n}${salt}`)}.${"C".repeat(22)}` } } });
const queued = (count: number): Receiver => Array.from({ length: count }, (_, i) => i + 1).reduce((r, n) => enqueue(r, eventOf(n), 0).receiver, newReceiver("recv_1"));
const ok: Outcome = { kind: "response", status: 204 };
const status = (code: number, after?: string): Outcome => ({ kind: "response", status: code, ...(after === undefined ? {} : { retryAfter: after }) });

/** One attempt at its time, with its outcome. */
function attemptAt(receiver: Receiver, now: number, outcome: Outcome, schedule?: Schedule): { receiver: Receiver; ended: Delivery | undefined; attempt: Attempt } {
  const begun = beginAttempt(receiver, now, rng(), schedule);
  const attempt = begun.attempt ?? assert.fail("nothing is due");
  const { receiver: next, ended } = endAttempt(begun.receiver, attempt, outcome, { now: now + 10, rng: rng(), ...(schedule === undefined ? {} : { schedule }) });
  return { receiver: next, ended, attempt };
}

describe("a queue of webhooks", () => {
  it("delivers one after another, each under an id of its own", () => {
    let receiver = queued(3);
    const ids: string[] = [];
    for (let n = 1; n <= 3; n++) {
      const step = attemptAt(receiver, 0, ok);
      assert.deepInclude(step.ended, { state: "delivered", sequence: n, attempts: 1, status: 204 });
      ids.push(step.ended?.id ?? "");
      receiver = step.receiver;
    }
    assert.deepEqual(ids, [1, 2, 3].map((n) => webhookId("recv_1", `alert_${n}`)));
    assert.match(ids[0] ?? "", /^msg_[0-9a-f]{32}$/);
    assert.notEqual(webhookId("recv_2", "alert_1"), ids[0]);
    assert.isUndefined(nextDue(receiver));
    assert.isUndefined(beginAttempt(receiver, 1e12, rng()).attempt);
  });
  it("lets nothing overtake what failed or is under way", () => {
    const failed = attemptAt(queued(2), 0, status(500)).receiver;
    assert.isAbove(nextDue(failed) ?? 0, 0);
    assert.isUndefined(beginAttempt(failed, (nextDue(failed) ?? 0) - 1, rng()).attempt, "the second one waits");
    const under = beginAttempt(queued(2), 0, rng()).receiver;
    assert.isUndefined(beginAttempt(under, 1, rng()).attempt);
  });
  it("takes an event once, whatever its payload was sealed to this time", () => {
    const one = queued(1);
    const again = enqueue(one, eventOf(1, "sealed again"), 5);
    assert.deepEqual([again.receiver, again.delivery], [one, undefined]);
    const known = enqueue(newReceiver("recv_1"), eventOf(1), 0, { isKnown: (id) => id === webhookId("recv_1", "alert_1") });
    assert.isUndefined(known.delivery);
  });
  it("is bounded, and takes sealed payloads only", () => {
    const schedule = scheduleSchema.parse({ maxWaiting: 2 });
    assert.equal(codeOf(() => enqueue(queued(2), eventOf(3), 0, { schedule })), "WEBHOOK_QUEUE_FULL");
    assert.equal(codeOf(() => enqueue(queued(2), eventOf(2), 0, { schedule })), "fine");
    assert.equal(codeOf(() => enqueue(queued(1), { ...eventOf(2), body: { type: "alert.new", timestamp: "2025-06-01T00:00:00Z", data: { alert: "alert_0000000000000002", sealed: "plain" } } }, 0)), "WEBHOOK_BODY");
  });
});

describe("a failed delivery", () => {
  it("is tried again later and later, up to a bound, and then is a dead letter; the next one follows", () => {
    let receiver = queued(2);
    let now = 0;
    const waits: number[] = [];
    for (;;) {
      const { receiver: next, ended, attempt } = attemptAt(receiver, now, { kind: "timeout" });
      receiver = next;
      if (ended !== undefined) {
        assert.deepInclude(ended, { state: "dead", attempts: 10, failure: "timeout", sequence: 1 });
        break;
      }
      assert.equal(attempt.delivery.id, webhookId("recv_1", "alert_1"));
      waits.push((nextDue(receiver) ?? 0) - now - 10);
      now = nextDue(receiver) ?? 0;
    }
    const whole = [5, 25, 125, 625, 3125, 15_625, 78_125, 86_400, 86_400].map((s) => s * 1000);
    assert.lengthOf(waits, 9);
    waits.forEach((wait, i) => assert.isTrue(wait >= (whole[i] ?? 0) / 2 && wait < (whole[i] ?? 0), `${i}: ${wait}`));
    assert.deepInclude(attemptAt(receiver, now, ok).ended, { state: "delivered", sequence: 2 });
  });
  it("has jitter from the randomness that is given, half of the delay at most", () => {
    const fixed = (byte: number): Rng => (n) => new Uint8Array(n).fill(byte);
    assert.equal(retryDelay(1, fixed(0)), 2500);
    assert.equal(retryDelay(1, fixed(255)), 4999);
    assert.equal(retryDelay(50, fixed(255)), 86_399_999);
    const draw = rng();
    assert.isAbove(new Set(Array.from({ length: 50 }, () => retryDelay(3, draw))).size, 45);
  });
  it("waits as long as the receiver asks, within the bound", () => {
    const dueAfter = (after: string): number => nextDue(attemptAt(queued(1), 0, status(429, after)).receiver) ?? 0;
    assert.equal(dueAfter("3600"), 10 + 3_600_000);
    assert.equal(dueAfter("999999999"), 10 + 86_400_000);
    assert.isBelow(dueAfter("0"), 5011);
    assert.isBelow(dueAfter("soon"), 5011);
    assert.equal(retryAfter("Fri, 07 Nov 2025 23:59:37 GMT", Date.UTC(2025, 10, 7, 23, 59, 7)), 30_000);
    assert.equal(retryAfter("Fri, 07 Nov 2025 23:59:37 GMT", Date.UTC(2026, 0, 1)), 0);
    for (const bad of ["", "-1", "1.5", "2025-11-07", "Fri, 99 Nov 2025 23:59:37 GMT", "1e3"]) assert.isUndefined(retryAfter(bad, 0), bad);
  });
  it("says why, in our words", () => {
    const why = (outcome: Outcome): string | null | undefined => attemptAt(queued(1), 0, outcome).receiver.deliveries[0]?.failure;
    assert.deepEqual([301, 307, 200, 299, 404, 400, 500, 429, 502, 503, 504].map((s) => why(status(s))),
      ["redirect", "redirect", undefined, undefined, "status", "status", "status", "throttled", "throttled", "throttled", "throttled"]);
    assert.deepEqual([why({ kind: "network" }), why({ kind: "timeout" }), why({ kind: "refused" })], ["network", "timeout", "address"]);
  });
  it("with 410 stops its receiver and loses nothing", () => {
    const { receiver } = attemptAt(queued(2), 0, status(410));
    assert.deepInclude(receiver, { state: "disabled" });
    assert.lengthOf(receiver.deliveries, 2);
    assert.isUndefined(nextDue(receiver));
    assert.isUndefined(beginAttempt(receiver, 1e12, rng()).attempt);
    const enabled = setReceiver(receiver, "active", 50);
    assert.deepInclude(attemptAt(enabled, 50, ok).ended, { sequence: 1, state: "delivered" });
  });
});

describe("an attempt that its sender did not live to see end", () => {
  it("counts, is tried again after its lease, and can be the last", () => {
    const schedule = scheduleSchema.parse({ maxAttempts: 2 });
    let { receiver } = beginAttempt(queued(2), 0, rng(), schedule);
    assert.isUndefined(beginAttempt(receiver, 59_999, rng(), schedule).attempt);
    ({ receiver } = beginAttempt(receiver, 60_000, rng(), schedule));
    assert.deepInclude(receiver.deliveries[0], { state: "waiting", failure: "lost", attempts: 1 });
    const second = beginAttempt(receiver, nextDue(receiver) ?? 0, rng(), schedule);
    assert.equal(second.attempt?.attempt, 2);
    const end = beginAttempt(second.receiver, nextDue(second.receiver) ?? 0, rng(), schedule);
    assert.deepInclude(end.ended, { state: "dead", failure: "lost", attempts: 2, sequence: 1 });
    assert.equal(beginAttempt(end.receiver, 1e9, rng(), schedule).attempt?.delivery.sequence, 2);
  });
  it("whose outcome comes late is taken when it was a success, and not when it failed", () => {
    const first = beginAttempt(queued(2), 0, rng());
    const late = first.attempt ?? assert.fail();
    const lost = beginAttempt(first.receiver, 60_000, rng()).receiver;
    assert.deepEqual(endAttempt(lost, late, status(410), { now: 1e6, rng: rng() }).receiver, lost);
    assert.deepInclude(endAttempt(lost, late, ok, { now: 1e6, rng: rng() }).ended, { state: "delivered", sequence: 1 });
    const after = endAttempt(lost, late, ok, { now: 1e6, rng: rng() }).receiver;
    assert.deepEqual(endAttempt(after, late, ok, { now: 1e6, rng: rng() }).receiver, after, "twice is once");
    assert.equal(after.deliveries[0]?.sequence, 2);
  });
});

describe("a dead letter", () => {
  const schedule = scheduleSchema.parse({ maxAttempts: 1 });
  it("can be taken up again, under its id, before all later ones", () => {
    const { receiver, ended } = attemptAt(queued(3), 0, status(500), schedule);
    const dead = ended ?? assert.fail();
    const again = redrive(receiver, dead, 100);
    assert.deepEqual(again.deliveries.map((d) => d.sequence), [1, 2, 3]);
    assert.equal(codeOf(() => redrive(again, dead, 100)), "WEBHOOK_STATE");
    const step = attemptAt(again, 100, ok, schedule);
    assert.deepInclude(step.ended, { id: dead.id, state: "delivered", body: dead.body });
    assert.equal(codeOf(() => redrive(receiver, step.ended ?? dead, 100)), "WEBHOOK_STATE", "delivered");
  });
  it("does not push an attempt under way aside", () => {
    const { receiver, ended } = attemptAt(queued(3), 0, status(500), schedule);
    const under = beginAttempt(receiver, 10, rng(), schedule);
    const again = redrive(under.receiver, ended ?? assert.fail(), 20);
    assert.deepEqual(again.deliveries.map((d) => d.sequence), [2, 1, 3]);
    assert.deepInclude(endAttempt(again, under.attempt ?? assert.fail(), ok, { now: 30, rng: rng(), schedule }).ended, { sequence: 2, state: "delivered" });
  });
});

describe("delivery, whatever happens", () => {
  const outcome: fc.Arbitrary<Outcome | "killed"> = fc.oneof(
    { weight: 3, arbitrary: fc.constant(ok) }, fc.constantFrom<Outcome | "killed">("killed", { kind: "timeout" }, { kind: "network" }, status(500), status(429, "30"), status(301), { kind: "refused" }));

  it("ends every webhook once, in order, at most as often tried as allowed, never two at a time", () => {
    const schedule = scheduleSchema.parse({ maxAttempts: 4, maxDelayMs: 60_000 });
    fc.assert(fc.property(fc.integer({ min: 1, max: 6 }), fc.array(outcome, { minLength: 1, maxLength: 60 }), (count, outcomes) => {
      let receiver = queued(count);
      const draw = rng();
      const ended: Delivery[] = [];
      const sent: number[] = [];
      let now = 0;
      for (let i = 0; receiver.deliveries.length > 0 && i < 500; i++) {
        now = Math.max(now, nextDue(receiver) ?? now);
        // The stored form is what a restarted process has.
        const begun = beginAttempt(JSON.parse(JSON.stringify(receiver)) as Receiver, now, draw, schedule);
        receiver = begun.receiver;
        if (begun.ended !== undefined) ended.push(begun.ended);
        if (begun.attempt === undefined) continue;
        sent.push(begun.attempt.delivery.sequence);
        assert.isAtMost(receiver.deliveries.filter((d) => d.state === "sending").length, 1);
        const what = outcomes[sent.length % outcomes.length] ?? ok;
        if (what === "killed") continue;
        const done = endAttempt(receiver, begun.attempt, what, { now: now + 5, rng: draw, schedule });
        receiver = done.receiver;
        if (done.ended !== undefined) ended.push(done.ended);
      }
      assert.deepEqual(ended.map((d) => d.sequence), Array.from({ length: count }, (_, i) => i + 1));
      assert.isTrue(ended.every((d) => d.endedAt !== null && d.attempts <= 4));
      assert.deepEqual(sent, [...sent].sort((a, b) => a - b), "in order");
      for (const d of ended) assert.equal(sent.filter((s) => s === d.sequence).length, d.attempts);
    }), { numRuns: 300 });
  });
});

describe("the default schedule", () => {
  it("tries ten times in about three days, as the specification's example", () => {
    const half = (failures: number): number => retryDelay(failures, (n) => new Uint8Array(n).fill(128));
    const days = Array.from({ length: defaultSchedule.maxAttempts - 1 }, (_, i) => half(i + 1)).reduce((a, b) => a + b, 0) / 86_400_000;
    assert.isTrue(days > 1.5 && days < 3.5, String(days));
  });
});
