// The limits of a slower network, on a clock that the test moves.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { LimitedNetwork, type NetworkLimits, type Timer } from "../../enclave/transport/network.ts";

/** Sleepers wake in the order of their times; time passes only when everybody sleeps. */
class FakeTimer implements Timer {
  #now = 0;
  readonly #sleepers: { at: number; wake(): void }[] = [];
  now(): number {
    return this.#now;
  }
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleepers.push({ at: this.#now + milliseconds, wake: resolve });
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }
  async run<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const watched = work.finally(() => (isDone = true));
    watched.catch(() => {});
    for (;;) {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      if (isDone) return watched;
      this.#sleepers.sort((a, b) => a.at - b.at);
      const next = this.#sleepers.shift();
      if (next === undefined) return assert.fail("nobody sleeps and nothing happens");
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
  }
}

const withLimits = (limits: NetworkLimits): { network: LimitedNetwork; timer: FakeTimer; exchange: (up: number, down: number) => Promise<number> } => {
  const timer = new FakeTimer();
  const network = new LimitedNetwork(limits, timer);
  return { timer, network, exchange: async (up, down) => network.up(up).then(() => network.down(down)).then(() => timer.now()) };
};
/** 100 Mbit/s carries 12,500 bytes a millisecond; each body has 512 bytes around it. */
const bodyOf = (milliseconds: number): number => 12_500 * milliseconds - 512;

describe("a slower network", () => {
  it("takes half the round trip there and half back, for every request, side by side", async () => {
    const { timer, exchange } = withLimits({ latencyMs: 20 });
    assert.equal(await timer.run(exchange(1e9, 1e9)), 20);
    const start = timer.now();
    const ends = await timer.run(Promise.all([exchange(10, 10), exchange(10, 10), exchange(10, 10)]));
    assert.deepEqual(ends.map((end) => end - start), [20, 20, 20]);
  });

  it("sends bodies of one direction one after the other, and the directions do not disturb each other", async () => {
    const { timer, network } = withLimits({ latencyMs: 0, mbitPerSecond: 100 });
    const at = (work: Promise<void>): Promise<number> => work.then(() => timer.now());
    const ends = await timer.run(Promise.all([at(network.up(bodyOf(40))), at(network.up(bodyOf(10))), at(network.down(bodyOf(30)))]));
    assert.deepEqual(ends.map(Math.round), [40, 50, 30]);
  });

  it("does not save up what was not used", async () => {
    const { timer, network } = withLimits({ latencyMs: 0, mbitPerSecond: 100 });
    await timer.run(timer.sleep(1000));
    await timer.run(network.up(bodyOf(40)));
    assert.equal(timer.now(), 1040);
  });

  it("adds both: a body of 3 MB over 100 Mbit/s and 20 ms is there after a quarter of a second", async () => {
    const { timer, network } = withLimits({ latencyMs: 20, mbitPerSecond: 100 });
    await timer.run(network.up(3e6));
    assert.closeTo(timer.now(), 250, 0.1);
  });

  it("never carries more than its bandwidth, however the bodies come", async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.record({ wait: fc.nat(50), bytes: fc.nat(200_000) }), { minLength: 1, maxLength: 20 }), async (bodies) => {
      const { timer, network } = withLimits({ latencyMs: 0, mbitPerSecond: 100 });
      const ends: { at: number; bytes: number }[] = [];
      await timer.run(Promise.all(bodies.map(async ({ wait, bytes }) => {
        await timer.sleep(wait);
        await network.down(bytes);
        ends.push({ at: timer.now(), bytes });
      })));
      ends.sort((a, b) => a.at - b.at);
      let carried = 0;
      for (const { at, bytes } of ends) assert.isAtMost(carried += bytes, 12_500 * at + 1);
    }), { numRuns: 50 });
  });

  it("lets a waiting request go when it is given up", async () => {
    const { timer, network } = withLimits({ latencyMs: 1000 });
    const given = new AbortController();
    const waiting = network.up(1, given.signal).then(() => "arrived", () => "given up");
    given.abort(new Error("enough"));
    assert.equal(await timer.run(waiting), "given up");
    assert.equal(timer.now(), 0);
  });
});
