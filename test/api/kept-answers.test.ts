// Answers for Idempotency-Keys: bounded by time, number and bytes, the same for the same question, none for another one.
import { assert } from "chai";
import { describe, it } from "mocha";
import { KeptAnswers } from "../../api/live/kept-answers.ts";
import { codeOf } from "../support/world.ts";

describe("answers kept for their keys", () => {
  const bounds = { ms: 1000, answers: 3, bytes: 100 };
  /** Asks under a name; made: how often an answer was made. */
  const world = () => {
    const kept = new KeptAnswers(bounds);
    let made = 0;
    const ask = async (name: string, { now = 0, text = name, digest = "d" } = {}): Promise<string> => kept.once(name, digest, now, async () => {
      made += 1;
      if (text === "") throw new Error("failed");
      return text;
    });
    return { kept, ask, get made() { return made; } };
  };

  it("are the same for the same question, refused for another one, and made anew after a failure or their time", async () => {
    const one = world();
    assert.deepEqual([await one.ask("a"), await one.ask("a", { text: "other" }), one.made], ["a", "a", 1]);
    assert.equal(await codeOf(one.ask("a", { digest: "e" })), "SERVICE_IDEMPOTENCY");
    await one.ask("b", { text: "" }).catch(() => undefined);
    assert.equal(await one.ask("b"), "b");
    assert.equal(await one.ask("a", { now: 1000, text: "later" }), "later");
  });
  it("are bounded by number and by bytes, whatever they hold: the oldest go", async () => {
    const one = world();
    for (const name of ["a", "b", "c", "d"]) await one.ask(name);
    for (const name of ["b", "d"]) await one.ask(name);
    assert.equal(one.made, 4, "asking again makes room for nothing");
    await one.ask("a");
    assert.equal(one.made, 5, "the first was forgotten for the fourth");
    const large = world();
    for (const name of ["a", "b", "c"]) await large.ask(name, { text: name.repeat(60) });
    assert.equal(large.kept.bytes, 60);
    await large.ask("huge", { text: "x".repeat(500) });
    assert.equal(large.kept.bytes, 0, "what does not fit alone is not kept");
  });
});
