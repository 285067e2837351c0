// Both views of a whole training job: what each party saw, and what must not be in it. And restarts at every moment.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { ecdhIntersection } from "../../federation/psi/ecdh.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import type { Party } from "../../federation/party.ts";
import { createKernels } from "../../kernels/kernels.ts";
import type { Job } from "../support/csv.ts";
import { assertInsidePlan, generatedJob, namesOf, trainPrograms, type JointOptions, type Trained } from "../support/joint.ts";
import { createWorld, partyWith, type Entry, type Program, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());

async function train(job: Job, seed: number | string, options: JointOptions = {}): Promise<{ world: World; trained: Trained; programs: Record<string, Program<unknown>> }> {
  const world = createWorld({ parties: namesOf(job), seed, kernels });
  const programs = trainPrograms(job, options);
  return { world, programs, trained: (await world.run(programs))["bank"] as Trained };
}
const bytesOf = (body: unknown): Uint8Array => (body as { bytes: Uint8Array }).bytes;
const shapes = (entries: readonly Entry[], except: readonly string[]): string[] =>
  entries.filter((e) => !except.includes(e.type)).map((e) => `${e.from}>${e.to} ${e.type} ${e.bytes}`).sort();

describe("what the parties of a training job see", () => {
  const job = generatedJob({ rows: 2500, trainRows: 2100, seed: 12, guest: 2, hosts: [3, 2] });
  // The same companies with outcomes that have nothing to do with the first ones.
  const otherLabels = { ...job, label: generatedJob({ rows: 2500, trainRows: 2100, seed: 12, guest: 2, hosts: [3, 2], signal: -0.8 }).label };
  let one: Awaited<ReturnType<typeof train>>;
  let two: Awaited<ReturnType<typeof train>>;
  before(async () => {
    one = await train(job, 1);
    two = await train(otherLabels, 2);
  });

  it("is in the registry's types only, and each host sees no others than these", () => {
    const expected = [
      "binning/merged", "binning/query", "cross/answer", "cross/hint", "finish/model", "finish/next", "moments/query", "psi/open",
      "rows/confirm", "rows/open", "rows/order", "seeds/commit", "seeds/reveal", "totals/weights",
    ];
    assert.deepEqual([...new Set(one.world.view("host_a").map((m) => m.type))].sort(), expected);
    const answering = expected.map((t) => (t === "cross/answer" ? "cross/query" : t)).filter((t) => t !== "cross/hint").sort();
    assert.deepEqual([...new Set(one.world.view("host_b").map((m) => m.type))].sort(), answering);
  });

  it("has the same shapes whatever the labels are, but for what says in its own words that it carries label statistics", () => {
    const said = ["binning/merged", "totals/weights"];
    assert.deepEqual(shapes(one.world.sent, said), shapes(two.world.sent, said));
    assert.notDeepEqual(one.trained.result.label, two.trained.result.label);
  });

  it("tells a host about labels in its merged bins and weights only: all other plain messages stay the same", async () => {
    const again = await train(otherLabels, 1);
    const types = ["psi/open", "rows/open", "rows/order", "seeds/commit", "seeds/reveal", "finish/next"];
    const plain = (world: World): unknown[] => world.view("host_b").filter((m) => types.includes(m.type)).map((m) => m.frame);
    // The row order is drawn apart from the labels, so with the same randomness these are the same bytes.
    assert.deepEqual(plain(again.world), plain(one.world));
    const queries = (world: World): Buffer[] => world.view("host_b").filter((m) => m.type === "binning/query").map((m) => Buffer.from(bytesOf(m.body)));
    const [a, b] = [queries(one.world)[0], queries(again.world)[0]];
    assert(a && b);
    // Even with the same randomness another label vector gets another secret: nothing of their difference shows.
    let equal = 0;
    for (let i = 0; i < a.length; i++) if (a[i] === b[i]) equal++;
    assert.closeTo(equal / a.length, 1 / 256, 0.002);
  });

  it("gives the guest no single host's total: each host's bytes are uniform, only their sum is small", () => {
    const ofRound = (host: string): Uint8Array => bytesOf(one.world.view("bank").find((m) => m.type === "totals/masked" && m.from === host)?.body);
    const [a, b] = [ofRound("host_a"), ofRound("host_b")];
    const chiSquare = (bytes: Uint8Array): number => {
      const counts = new Float64Array(16);
      for (const byte of bytes) counts[byte >> 4] = (counts[byte >> 4] ?? 0) + 1;
      return counts.reduce((sum, c) => sum + (c - bytes.length / 16) ** 2 / (bytes.length / 16), 0);
    };
    // 15 degrees of freedom: 50 is passed by chance once in 80,000 times. The seed is fixed.
    assert.isBelow(chiSquare(a), 50);
    assert.isBelow(chiSquare(b), 50);
    assert.isAbove(chiSquare(Uint8Array.from(a, (v, i) => v + (b[i] ?? 0) + 128)), 500);
  });

  it("never lets two runs show the same pseudorandom bytes", () => {
    const types = /\/(hint|query|answer|masked|opened|masks)$/;
    const secret = (world: World): string[] => world.sent.filter((m) => types.test(m.type)).map((m) => Buffer.from(m.frame).toString("base64"));
    const both = [...secret(one.world), ...secret(two.world)];
    // The same query goes to both hosts; nothing else is ever sent twice.
    const twice = both.length - new Set(both).size;
    const broadcast = [one, two].reduce((sum, run) => sum + run.world.sent.filter((m) => m.to === "host_b" && m.from === "bank" && m.type.endsWith("/query")).length, 0);
    assert.equal(twice, broadcast);
  });

  it("stays inside the plan with the real alignment too", async () => {
    const curve = await inlineCurve();
    const run = await train(job, 3, { intersection: ecdhIntersection(curve) });
    assertInsidePlan(job, run.world);
    assert.isTrue(run.world.sent.some((m) => m.type === "psi/own"));
    assert.deepEqual(run.trained.half.columns, one.trained.half.columns.map((c, i) => ({ ...c, weight: run.trained.half.columns[i]?.weight })));
  });
});

describe("a restart during a training job", () => {
  const job = generatedJob({ rows: 2400, trainRows: 2050, seed: 21, guest: 2, hosts: [2, 2] });
  let run: Awaited<ReturnType<typeof train>>;
  before(async () => {
    run = await train(job, 5);
  });
  for (const name of ["bank", "host_a", "host_b"]) {
    it(`of ${name} after any message sends the same bytes again`, async () => {
      const perPeer = run.world.peersOf(name).map((peer) => run.world.view(name).filter((m) => m.from === peer).length);
      for (let frames = 0; frames < Math.max(...perPeer); frames++) {
        const party = run.programs[name] as Program<unknown>;
        await run.world.replay(name, party, frames);
      }
    });
    it(`of ${name} at the end gives the same model`, async () => {
      const again = await run.world.replay(name, run.programs[name] as Program<unknown>);
      if (name !== "bank") assert.equal((again as { digest: string }).digest, run.trained.receipts.find((r) => r.host === name)?.receipt.split(" ")[1]);
      else assert.deepEqual((again as Trained).half, run.trained.half);
    });
  }
  it("would be noticed if a party drew its randomness anew", async () => {
    const fresh = (party: Party): Party => partyWith(party, { rng: (label) => party.rng(`${label}/again`) });
    const changed = trainPrograms(job, { wrap: fresh });
    const message = await run.world.replay("host_a", changed["host_a"] as Program<unknown>, 8).then(() => "", (e: Error) => e.message);
    assert.match(message, /differs/);
  });
});
