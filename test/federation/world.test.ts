// The in-memory world keeps the promises of the port: what the other tests rely on.
import { assert } from "chai";
import { describe, it } from "mocha";
import { partyId } from "../../core/names.ts";
import { hostileCases } from "../support/hostile.ts";
import { codeOf, createWorld, isPeerFailure } from "../support/world.ts";

const [bank, tax, social] = [partyId("bank"), partyId("tax"), partyId("social")];
const parties = ["bank", "tax", "social"];
const nonce = new Uint8Array(32).fill(1);

describe("the world of the tests", () => {
  it("gives two parties one shared stream that the third does not have, and each party its own secret ones", () => {
    const world = createWorld({ parties, seed: 1 });
    const [b, t, s] = [world.party("bank"), world.party("tax"), world.party("social")];
    assert.deepEqual(b.sharedRng(tax, "m")(32), t.sharedRng(bank, "m")(32));
    const shared = [b.sharedRng(tax, "m"), b.sharedRng(tax, "n"), b.sharedRng(social, "m"), s.sharedRng(tax, "m")];
    const different = [...shared, b.rng("m"), t.rng("m"), b.rng("n")];
    assert.equal(new Set(different.map((rng) => rng(32).toHex())).size, different.length);
    assert.throws(() => b.rng("m"), /used before/);
  });

  it("keeps the order of a channel, and lets a party wait", async () => {
    const world = createWorld({ parties, seed: 1 });
    const got = await world.run({
      bank: async (party) => {
        for (let i = 0; i < 3; i++) await party.send(tax, "seeds/reveal", { nonce: nonce.with(0, i) });
      },
      tax: async (party) => {
        const all = [];
        for (let i = 0; i < 3; i++) all.push((await party.receive(bank, "seeds/reveal")).nonce[0]);
        return all;
      },
    });
    assert.deepEqual(got.tax, [0, 1, 2]);
    assert.deepEqual(world.shape("tax"), Array.from({ length: 3 }, () => `bank seeds/reveal ${world.sent[0]?.bytes}`));
  });

  it("does not send what the registry does not allow", async () => {
    const world = createWorld({ parties, seed: 1 });
    assert.equal(await codeOf(world.party("tax").send(bank, "psi/open", { size: 1, setDigest: nonce })), "PROTOCOL_WRONG_PARTY");
    assert.equal(await codeOf(world.party("bank").send(tax, "psi/open", { size: 0, setDigest: nonce })), "PROTOCOL_SCHEMA");
    assert.isEmpty(world.sent);
  });

  it("ends all waits when one party fails, and names the cause", async () => {
    const world = createWorld({ parties, seed: 1, tamper: hostileCases("seeds/reveal", [])[0]?.tamper ?? assert.fail() });
    const programs = {
      bank: async (party: { send: ReturnType<typeof world.party>["send"] }) => party.send(tax, "seeds/reveal", { nonce }),
      tax: async () => world.party("tax").receive(bank, "seeds/reveal"),
      social: async () => world.party("social").receive(tax, "seeds/reveal"),
    };
    const outcomes = await world.settle(programs);
    assert.isTrue(isPeerFailure(outcomes["social"] ?? assert.fail()));
    assert.isFalse(isPeerFailure(outcomes["tax"] ?? assert.fail()));
  });

  it("counts frames that nobody took as a failure", async () => {
    const world = createWorld({ parties, seed: 1 });
    assert.equal(await codeOf(world.run({ bank: (party) => party.send(tax, "seeds/reveal", { nonce }) })), "PROTOCOL_OUT_OF_ORDER");
  });

  it("records phases with their progress, and refuses to nest them", async () => {
    const world = createWorld({ parties, seed: 1 });
    const party = world.party("bank");
    await party.phase("align", async () => party.progress(1, 2));
    const nested = await party.phase("seeds", () => party.phase("fit", async () => {})).catch((error: Error) => error.message);
    assert.match(String(nested), /do not nest/);
    assert.deepEqual(world.phases("bank")[0], { name: "align", progress: [{ done: 1, total: 2 }] });
  });
});
