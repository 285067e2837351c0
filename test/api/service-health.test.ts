// What the platform counts of a standing service.
import { assert } from "chai";
import { describe, it } from "mocha";
import { ServicesHealth } from "../../api/live/health.ts";

describe("the health of a service", () => {
  it("counts answers, refusals by code and times of the last five minutes, of each service its own", () => {
    let now = 0;
    const health = new ServicesHealth(() => now);
    assert.deepEqual(health.of("a"), { minutes: 5, answered: 0, refused: {}, p50Ms: null, p99Ms: null });
    for (let i = 0; i < 98; i++) health.answered("a", 10);
    health.answered("a", 200);
    health.answered("a", 200);
    now += 60_000;
    health.refused("a", "SERVICE_BUSY");
    health.refused("a", "SERVICE_BUSY");
    const { answered, refused, p50Ms, p99Ms } = health.of("a");
    assert.deepEqual([answered, refused], [100, { SERVICE_BUSY: 2 }]);
    assert.isTrue((p50Ms ?? 0) >= 10 && (p50Ms ?? 0) <= 11.1, "to a tenth");
    assert.isTrue((p99Ms ?? 0) >= 200 && (p99Ms ?? 0) <= 222);
    assert.equal(health.of("b").answered, 0);
    now += 4 * 60_000;
    assert.deepEqual(health.of("a"), { minutes: 5, answered: 0, refused: { SERVICE_BUSY: 2 }, p50Ms: null, p99Ms: null });
    now += 60_000;
    assert.deepEqual(health.of("a").refused, {});
  });
  it("takes any time, also none and one beyond the last step", () => {
    const health = new ServicesHealth(() => 0);
    for (const ms of [0, 1e9]) health.answered("a", ms);
    assert.isTrue(Number.isFinite(health.of("a").p99Ms));
  });
});
