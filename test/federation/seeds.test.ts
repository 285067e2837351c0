// The joint seed: equal at all parties, chosen by none of them.
import { createHash } from "node:crypto";
import { assert } from "chai";
import { describe, it } from "mocha";
import { encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { jointSeed } from "../../federation/seeds/joint.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { codeOf, createWorld, partyWith, type Program, type Tamper, type World } from "../support/world.ts";

const names = ["bank", "tax", "social"];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

type Options = { seed?: number; job?: string; label?: string; parties?: string[]; tamper?: Tamper };
type Programs = Record<string, Program<Uint8Array>>;

function setup(options: Options): { world: World; programs: Programs } {
  const { seed = 1, job, label = "crs", parties = names, tamper } = options;
  const world = createWorld({ parties, seed, ...(job !== undefined && { job }), ...(tamper && { tamper }) });
  const programs: Programs = Object.fromEntries(parties.map((name) => [name, (party) => jointSeed(party, world.peersOf(name), label)]));
  return { world, programs };
}
async function seeds(options: Options): Promise<string[]> {
  const { world, programs } = setup(options);
  return Object.values(await world.run(programs)).map((seed) => hex(seed));
}

describe("the joint seed", () => {
  it("is equal at all parties, 32 bytes, and another one for other nonces, another job and another label", async () => {
    const runs = [await seeds({}), await seeds({ seed: 2 }), await seeds({ job: "job_zzzzzzzzzzzzzzzz" }), await seeds({ label: "other" })];
    for (const run of runs) {
      assert.equal(new Set(run).size, 1);
      assert.match(run[0] as string, /^[0-9a-f]{64}$/);
    }
    assert.equal(new Set(runs.flat()).size, runs.length);
  });

  it("does not depend on the order in which a party lists its peers", async () => {
    const { world, programs } = setup({});
    const backwards: Programs = { ...programs, tax: (party) => jointSeed(party, world.peersOf("tax").toReversed(), "crs") };
    assert.deepEqual(Object.values(await world.run(backwards)).map(hex), await seeds({}));
  });

  it("changes with the nonce of any single party", async () => {
    const [before] = await seeds({});
    for (const odd of names) {
      const { world, programs } = setup({});
      const other = createWorld({ parties: names, seed: 77 }).party(odd);
      const changed: Programs = {
        ...programs,
        [odd]: (party) => jointSeed(partyWith(party, { rng: (label) => other.rng(label) }), world.peersOf(odd), "crs"),
      };
      const results = await world.run(changed);
      assert.equal(new Set(Object.values(results).map(hex)).size, 1);
      assert.notEqual(hex(results[names[0] as string] as Uint8Array), before);
    }
  });

  it("lets no nonce leave a party before that party has every commitment", async () => {
    const { world, programs } = setup({ parties: [...names, "housing"] });
    const events: string[] = [];
    const watch = (name: string, program: Program<Uint8Array>): Program<Uint8Array> => (party) => program(partyWith(party, {
      send: (to, type, body) => (events.push(`${name} ${type}`), party.send(to, type, body)),
      receive: async (from, type) => {
        const body = await party.receive(from, type);
        events.push(`${name} got ${type}`);
        return body;
      },
    }));
    await world.run(Object.fromEntries(Object.entries(programs).map(([name, program]) => [name, watch(name, program)])));
    for (const name of [...names, "housing"]) {
      const own = events.filter((e) => e.startsWith(`${name} `));
      assert.isBelow(own.lastIndexOf(`${name} got seeds/commit`), own.indexOf(`${name} seeds/reveal`));
      assert.lengthOf(own.filter((e) => e.endsWith("got seeds/commit")), 3);
    }
  });

  it("shows before the reveal only a hash: the commitment does not hold the nonce and cannot be found without it", async () => {
    const { world, programs } = setup({});
    await world.run(programs);
    const bodies = (type: string): Record<string, Uint8Array>[] =>
      world.sent.filter((m) => m.type === type).map((m) => m.body as Record<string, Uint8Array>);
    const commits = bodies("seeds/commit").map((body) => hex(body["commitment"] as Uint8Array));
    const nonces = bodies("seeds/reveal").map((body) => body["nonce"] as Uint8Array);
    for (const nonce of nonces) assert.notInclude(commits, hex(nonce));
    assert.notInclude(commits, createHash("sha256").update(nonces[0] as Uint8Array).digest("hex"), "bound to job, label and party");
  });

  it("refuses a nonce that does not open its commitment, and names the party", async () => {
    const changed = (b: { nonce: Uint8Array }): object => ({ nonce: b.nonce.with(31, (b.nonce[31] as number) ^ 1) });
    const tamper = withBody("seeds/reveal", changed as never, "tax");
    const { world, programs } = setup({ tamper });
    const outcomes = await world.settle(programs);
    const [found, ...more] = Object.values(outcomes).flatMap((o) => ("error" in o && o.error instanceof AppError ? [o.error] : []));
    assert.equal(found?.code, "PROTOCOL_COMMITMENT");
    assert.equal(found?.facts["peer"], partyId("tax"));
    assert.isEmpty(more, "only one of the two was lied to");
  });

  it("refuses a party that waits for another's commitment and nonce and repeats them as its own", async () => {
    // "tax" copies what "bank" committed to and revealed, in the hope that the two cancel or that it need not know a nonce.
    const copied = new Map<string, Uint8Array>();
    const tamper: Tamper = (m) => {
      if (m.from === "bank" && m.to === "social") copied.set(m.type, m.frame);
      return m.from === "tax" && m.to === "social" ? [copied.get(m.type) as Uint8Array] : undefined;
    };
    const { world, programs } = setup({ tamper });
    assert.equal(await codeOf(world.run(programs)), "PROTOCOL_COMMITMENT");
  });

  it("refuses a commitment of another label or job", async () => {
    const { world, programs } = setup({});
    const mixed: Programs = { ...programs, tax: (party) => jointSeed(party, world.peersOf("tax"), "another label") };
    assert.equal(await codeOf(world.run(mixed)), "PROTOCOL_COMMITMENT");
  });

  for (const [type, fields] of Object.entries({ "seeds/commit": ["commitment"], "seeds/reveal": ["nonce"] })) {
    for (const hostile of hostileCases(type, fields, "tax")) {
      it(`refuses ${type} ${hostile.name}`, async () => {
        const { world, programs } = setup({ tamper: hostile.tamper });
        assert.equal(await codeOf(world.run(programs)), hostile.code);
      });
    }
    it(`refuses ${type} of another length`, async () => {
      const tamper: Tamper = (m) => (m.type === type ? [encodeFrame(type, { [fields[0] as string]: new Uint8Array(31) })] : undefined);
      const { world, programs } = setup({ tamper });
      assert.equal(await codeOf(world.run(programs)), "PROTOCOL_SCHEMA");
    });
  }

  it("sends the same bytes after a restart at any moment, and gives the same seed", async () => {
    const { world, programs } = setup({});
    const result = await world.run(programs);
    for (const name of names) {
      const program = programs[name] as Program<Uint8Array>;
      assert.deepEqual(await world.replay(name, program), result[name]);
      assert.isUndefined(await world.replay(name, program, 0));
      assert.isUndefined(await world.replay(name, program, 1));
    }
  });
});
