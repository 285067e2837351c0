// The in-memory world keeps the promises of the port: what the other tests rely on.
import { assert } from "chai";
import { describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import type { Party } from "../../federation/party.ts";
import { hostileCases } from "../support/hostile.ts";
import { codeOf, createWorld, isPeerFailure, partyWith, type Program, type World } from "../support/world.ts";

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
    assert.deepEqual(world.phases("bank")[0], { name: "align", progress: [{ done: 1, total: 2 }], rounds: 0 });
  });
});

// A bank that asks a question in each of six rounds, after an opening, and adds up what comes back; a host that answers from a state
// of its own. Both keep a checkpoint after each round, and say goodbye at the end.
type Sum = { readonly sum: number; readonly starts: number; readonly from: number };
const rounds = 6;
const stateOf = (round: number, sum: number): Uint8Array => Uint8Array.from([round, sum >> 8, sum & 255]);
const parse = (state: Uint8Array | undefined): { round: number; sum: number } => ({ round: state?.[0] ?? 0, sum: ((state?.[1] ?? 0) << 8) + (state?.[2] ?? 0) });

function loops(starts = { bank: 0, tax: 0 }, seen: { bank: number[]; tax: number[] } = { bank: [], tax: [] }) {
  const asker: Program<Sum> = async (party) => {
    starts.bank += 1;
    await party.send(tax, "seeds/commit", { commitment: party.rng("opening")(32) });
    let { round, sum } = parse(party.restored("loop"));
    const from = round;
    for (; round < rounds; round++) {
      seen.bank.push(round);
      await party.send(tax, "seeds/reveal", { nonce: party.rng(`question/${round}`)(32) });
      sum += (await party.receive(tax, "seeds/reveal")).nonce[0] ?? 0;
      await party.checkpoint("loop", stateOf(round + 1, sum));
    }
    await party.send(tax, "seeds/commit", { commitment: nonce });
    return { sum, starts: starts.bank, from };
  };
  const answerer: Program<Sum> = async (party) => {
    starts.tax += 1;
    const opening = (await party.receive(bank, "seeds/commit")).commitment[0] ?? 0;
    let { round, sum } = parse(party.restored("loop"));
    const from = round;
    for (; round < rounds; round++) {
      seen.tax.push(round);
      const question = (await party.receive(bank, "seeds/reveal")).nonce[0] ?? 0;
      const answer = (question + opening + sum + (party.rng(`answer/${round}`)(1)[0] ?? 0)) & 255;
      sum = (sum + answer) & 1023;
      await party.send(bank, "seeds/reveal", { nonce: nonce.with(0, answer) });
      await party.checkpoint("loop", stateOf(round + 1, sum));
    }
    await party.receive(bank, "seeds/commit");
    return { sum, starts: starts.tax, from };
  };
  return { bank: asker, tax: answerer };
}

describe("checkpoints in the world of the tests", () => {
  const calm = async (): Promise<{ world: World; sums: number[] }> => {
    const world = createWorld({ parties: ["bank", "tax"], seed: 3 });
    const got = await world.run(loops());
    return { world, sums: [got.bank.sum, got.tax.sum] };
  };

  it("let a party that is killed at any of its calls end as if it had not been, over the same messages", async () => {
    const { world: undisturbed, sums } = await calm();
    const calls = 1 + rounds * 4 + 1;
    for (const name of ["bank", "tax"] as const) {
      for (let at = 1; at <= calls; at++) {
        const world = createWorld({ parties: ["bank", "tax"], seed: 3, kills: { [name]: [at] } });
        const seen = { bank: [], tax: [] };
        const got = await world.run(loops(undefined, seen));
        assert.deepEqual([got.bank.sum, got.tax.sum], sums, `${name} killed at ${at}`);
        assert.equal(got[name].starts, 2, `${name} killed at ${at}`);
        const sentBy = (from: string, all: World): Uint8Array[] => all.sent.filter((m) => m.from === from).map((m) => m.frame);
        for (const from of ["bank", "tax"]) assert.deepEqual(sentBy(from, world), sentBy(from, undisturbed));
        assert.lengthOf(world.received, undisturbed.received.length);
        // No more than the round that it was in is done again.
        assert.isAtMost(seen[name].length, rounds + 1);
        assert.equal(got[name].from, Math.floor((at - 1) / 4), `${name} killed at ${at}`);
      }
    }
  });

  it("survive one kill after another, of both parties", async () => {
    const { sums } = await calm();
    const world = createWorld({ parties: ["bank", "tax"], seed: 3, kills: { bank: [4, 1, 7, 2], tax: [9, 9, 3] } });
    const got = await world.run(loops());
    assert.deepEqual([got.bank.sum, got.tax.sum, got.bank.starts, got.tax.starts], [...sums, 5, 4]);
  });

  it("can be gone on from after the run, each of them", async () => {
    const { world, sums } = await calm();
    const programs = loops();
    for (let made = 0; made <= rounds; made++) {
      const again = await world.resume("bank", programs.bank, made);
      assert.deepEqual([again?.sum, again?.from], [sums[0], made]);
      assert.equal((await world.resume("tax", programs.tax, made))?.from, made);
    }
    assert.deepEqual(world.checkpoints("bank").map((c) => [c.name, c.state[0]]), [1, 2, 3, 4, 5, 6].map((n) => ["loop", n]));
    assert.equal((await world.replay("bank", programs.bank))?.from, 0);
  });

  it("show a role whose state lacks something that the loop carries", async () => {
    const { world } = await calm();
    const forgetful: Program<unknown> = (party) => loops().tax(partyWith(party, { restored: (name) => party.restored(name)?.with(2, 0).with(1, 0) }));
    const failure = await world.resume("tax", forgetful, 3).catch((error: Error) => error);
    assert.match(String(failure), /message 3 of tax to bank differs/);
  });

  it("show a role that asks for a forgotten message, or draws a label again", async () => {
    const { world } = await calm();
    const late: Program<unknown> = async (party) => {
      await party.receive(bank, "seeds/commit");
      await party.receive(bank, "seeds/reveal");
    };
    assert.match(String(await world.resume("tax", late).catch((error: Error) => error)), /was forgotten/);
    const again: Program<unknown> = async (party) => {
      await party.send(tax, "seeds/commit", { commitment: party.rng("opening")(32) });
      party.restored("loop");
      party.rng("question/2");
    };
    assert.match(String(await world.resume("bank", again, 3).catch((error: Error) => error)), /used before/);
  });

  it("are refused with a message under way, twice at one place, or without a place", async () => {
    const world = createWorld({ parties: ["bank", "tax"], seed: 3 });
    const party = world.party("bank");
    const refusal = async (work: () => unknown): Promise<string> => {
      try {
        await work();
      } catch (error) {
        return String(error);
      }
      return "nothing";
    };
    assert.match(await refusal(() => party.checkpoint("loop", nonce)), /before restored/);
    assert.isUndefined(party.restored("loop"));
    assert.match(await refusal(() => party.restored("loop")), /asked before/);
    const waiting = party.receive(tax, "seeds/reveal").catch(() => undefined);
    assert.match(await refusal(() => party.checkpoint("loop", nonce)), /under way/);
    await world.party("tax").send(bank, "seeds/reveal", { nonce });
    await waiting;
    assert.equal(await refusal(() => party.checkpoint("loop", nonce)), "nothing");
  });

  it("count rounds as turns between sending and waiting, over restarts too, the most over the peers", async () => {
    const inPhase = (program: Program<Sum>): Program<Sum> => (party) => party.phase("fit", () => program(party));
    for (const kills of [{}, { bank: [15, 3], tax: [10] }]) {
      const world = createWorld({ parties: ["bank", "tax"], seed: 3, kills });
      const { bank: asker, tax: answerer } = loops();
      await world.run({ bank: inPhase(asker), tax: inPhase(answerer) });
      assert.equal(world.phases("bank")[0]?.rounds, rounds);
      assert.equal(world.phases("tax")[0]?.rounds, rounds);
    }
    const world = createWorld({ parties, seed: 1 });
    const ask = (party: Party, peer: PartyId): Promise<unknown> => party.send(peer, "seeds/reveal", { nonce }).then(() => party.receive(peer, "seeds/reveal"));
    const reply: Program<unknown> = async (party) => party.receive(bank, "seeds/reveal").then(() => party.send(bank, "seeds/reveal", { nonce }));
    await world.run({ bank: (party) => party.phase("fit", () => Promise.all([ask(party, tax), ask(party, social)])), tax: reply, social: reply });
    assert.equal(world.phases("bank")[0]?.rounds, 1);
  });
});
