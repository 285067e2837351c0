// The base transfers: the chooser gets the seed of its choice, the other side cannot tell which, and bad points are refused.
import { assert } from "chai";
import { before, describe, it } from "mocha";
import sodium, { ready } from "libsodium-wrappers-sumo";
import { openBase, uniformBytes, type Base } from "../../federation/ot/base.ts";
import { seededRng } from "../../core/rng.ts";
import { codeOf } from "../support/world.ts";
import { bitDeviation } from "../support/uniform.ts";

const session = new Uint8Array(16).fill(1);
const rngOf = (label: string) => seededRng(new Uint8Array(32).fill(4), label);

describe("base oblivious transfers", () => {
  let base: Base;
  before(async () => {
    await ready;
    base = await openBase();
  });
  const ask = (choices: Uint8Array, label = "ask", name = session) => base.ask(name, choices, rngOf(label)(choices.length * 2 * uniformBytes));
  const answer = (points: Uint8Array, name = session) => base.answer(name, points, rngOf("answer")((points.length / 64) * uniformBytes));
  const seedAt = (seeds: Uint8Array, i: number): string => Buffer.from(seeds.subarray(16 * i, 16 * i + 16)).toString("hex");

  it("give the chooser the seed of its choice and not the other one", () => {
    const choices = rngOf("choices")(24).map((x) => x & 1);
    const asked = ask(choices);
    const answered = answer(asked.points);
    const chosen = base.finish(session, { asked: asked.points, choices, scalars: asked.scalars }, answered.points);
    for (const [i, choice] of choices.entries()) {
      assert.equal(seedAt(chosen, i), seedAt(answered.seeds, 2 * i + choice));
      assert.notEqual(seedAt(chosen, i), seedAt(answered.seeds, 2 * i + 1 - choice));
    }
    assert.equal(new Set(Array.from({ length: 48 }, (_, i) => seedAt(answered.seeds, i))).size, 48);
  });

  it("give seeds that belong to this session, this transfer and this choice only", () => {
    const choices = Uint8Array.of(0, 0);
    const asked = ask(choices);
    const here = answer(asked.points);
    const elsewhere = answer(asked.points, session.with(3, 7));
    assert.deepEqual(elsewhere.points, here.points);
    const seeds = [...Array(4).keys()].flatMap((i) => [seedAt(here.seeds, i), seedAt(elsewhere.seeds, i)]);
    // One pair twice, in two places: a batch that hashed them alike would give equal seeds (McQuoid, Rosulek and Roy 2021).
    const doubled = answer(new Uint8Array([...asked.points.subarray(0, 64), ...asked.points.subarray(0, 64)]));
    seeds.push(seedAt(doubled.seeds, 2), seedAt(doubled.seeds, 3));
    assert.equal(new Set(seeds).size, 10);
  });

  it("show two points that are uniform in the group whatever is chosen", () => {
    for (const choice of [0, 1]) {
      const { points } = ask(new Uint8Array(256).fill(choice), `view ${choice}`);
      const halves = [0, 1].map((side) => Uint8Array.from({ length: 256 * 30 }, (_, k) => points[64 * Math.floor(k / 30) + 32 * side + 1 + (k % 30)] ?? 0));
      // The first byte of an encoding is even (it is not negative), the last below 2^7: what is between has no such rule.
      for (const half of halves) assert.isBelow(Math.abs(bitDeviation(half)), 7.5);
      for (let i = 0; i < 512; i++) assert.isTrue(sodium.crypto_core_ristretto255_is_valid_point(points.subarray(32 * i, 32 * i + 32)));
    }
  });

  it("refuse encodings that RFC 9496 refuses, and points that make a neutral key, on both sides", async () => {
    const choices = Uint8Array.of(1);
    const asked = ask(choices);
    const bad = new Uint8Array(32).fill(0xff);
    for (const at of [0, 32]) {
      const points = asked.points.slice();
      points.set(bad, at);
      assert.equal(await codeOf((async () => answer(points))()), "PROTOCOL_BAD_POINT");
    }
    for (const point of [bad, new Uint8Array(32)]) {
      assert.equal(await codeOf((async () => base.finish(session, { asked: asked.points, choices, scalars: asked.scalars }, point))()), "PROTOCOL_BAD_POINT");
    }
  });
});
