// Curve work of single questions in batches: the same bytes as alone, and one that cannot be done takes no other with it.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { CurveBatches } from "../../enclave/live/curve-batches.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import type { CurveWork } from "../../federation/psi/curve.ts";

describe("curve work in batches", () => {
  let batches: CurveBatches;
  let plain: CurveWork;
  before(async () => {
    batches = new CurveBatches({ workers: 2 });
    plain = await inlineCurve();
  });
  after(() => batches[Symbol.asyncDispose]());

  it("gives what it gives alone, whatever comes together with what", async () => {
    const key = systemRng(64);
    const points = await plain.blind(["a", "b", "c"], "d", key);
    const all = (work: CurveWork): Promise<Uint8Array[]> => Promise.all(Array.from({ length: 60 }, (_, i) => [
      work.blind(Array.from({ length: 1 + (i % 7) }, (__, k) => `${i}-${k}`), "d", key), work.raise(points.subarray(0, 32 * (1 + (i % 3))), key),
      work.tag([`${i}`], "d", key), work.finish(["a", "b", "c"], points, key),
    ]).flat());
    assert.deepEqual(await all(batches), await all(plain));
  });
  it("refuses one that cannot be done, alone, and works on", async () => {
    const key = systemRng(64);
    const outcomes = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => (i % 10 === 3 ? batches.raise(new Uint8Array(32).fill(255), key) : batches.tag([`${i}`], "d", key))));
    for (const [i, outcome] of outcomes.entries()) {
      if (i % 10 === 3) assert.equal(outcome.status === "rejected" && outcome.reason instanceof AppError && outcome.reason.code, "PROTOCOL_BAD_POINT");
      else assert.equal(outcome.status, "fulfilled", String(i));
    }
    assert.deepEqual(await batches.tag(["x"], "d", key), await plain.tag(["x"], "d", key));
    assert.notEqual(key.every((byte) => byte === 0), true, "the caller's own key stays its own");
  });
  it("does not begin what has waited too long, and goes on with what has not", async () => {
    const key = systemRng(64);
    const asked = async (staleMs: number): Promise<PromiseSettledResult<Uint8Array>[]> => {
      await using stale = new CurveBatches({ workers: 1, staleMs });
      return await Promise.allSettled(Array.from({ length: 20 }, (_, i) => stale.tag([`${i}`], "d", key)));
    };
    // Nothing may wait at all: each waits for the turn of the event loop.
    for (const outcome of await asked(0)) assert.equal(outcome.status === "rejected" && outcome.reason instanceof AppError && outcome.reason.code, "SERVICE_BUSY");
    for (const outcome of await asked(60_000)) assert.equal(outcome.status, "fulfilled");
  });
  it("ends what waits when it is closed", async () => {
    const closing = new CurveBatches({ workers: 1 });
    const waiting = Array.from({ length: 5 }, () => closing.blind(Array.from({ length: 64 }, (_, i) => String(i)), "d", systemRng(64)));
    const settled = Promise.allSettled(waiting);
    await closing[Symbol.asyncDispose]();
    assert.isTrue((await settled).some(({ status }) => status === "rejected"));
  });
});
