// The row order: every host ends with the rows that the guest meant, or nothing is computed at all.
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import type { Party } from "../../federation/party.ts";
import { secretPermutation } from "../../federation/psi/permutation.ts";
import { orderCommitment } from "../../federation/rows/digests.ts";
import { rowsGuest, type RowOrder } from "../../federation/rows/guest.ts";
import { rowsHost, type HostRows } from "../../federation/rows/host.ts";
import { hostileCases, onFirst, withBody } from "../support/hostile.ts";
import { codeOf, createWorld, isPeerFailure, partyWith, type Program, type Tamper, type World } from "../support/world.ts";

const bank = partyId("bank");
const hostNames = ["tax", "social"];
const idOf = (n: number): EntityId => `company-${n}` as EntityId;
type Audit = Awaited<ReturnType<typeof rowsGuest>>;
type Case = {
  guest: number[];
  hosts: number[][];
  trainRows: number;
  seed?: number;
  minRows?: number;
  rows?: number[];
  tamper?: Tamper;
  admit?: () => void | Promise<void>;
  parts?: "train-and-test" | "score";
};
type Programs = Record<string, Program<Audit | HostRows>>;

/** What the intersection leaves behind: each host's shuffled list, and the guest's positions in it. */
function setup(c: Case): { world: World; programs: Programs; rows: Int32Array; order: RowOrder } {
  const { guest, hosts, trainRows, seed = 1, minRows = 1, tamper, admit, parts = "train-and-test" } = c;
  const world = createWorld({ parties: ["bank", ...hostNames], seed, ...(tamper && { tamper }) });
  const shuffled = (n: number, label: string): Int32Array => secretPermutation(n, seededRng(new Uint8Array(32), `${label} ${seed}`));
  const orders = hosts.map((ids, i) => shuffled(ids.length, `host ${i}`));
  const positionOf = (i: number, id: number): number => orders[i]?.findIndex((record) => hosts[i]?.[record] === id) ?? -1;
  const rows = c.rows ? Int32Array.from(c.rows) : shuffled(guest.length, "rows");
  const matches = hostNames.map((name, i) => ({ host: partyId(name), matched: Int32Array.from(guest, (id) => positionOf(i, id)) }));
  const hostProgram = (i: number): Program<HostRows> => (party) => rowsHost(party, {
    guest: bank,
    otherHosts: hostNames.filter((_, j) => j !== i).map(partyId),
    ids: (hosts[i] ?? []).map(idOf),
    order: orders[i] ?? new Int32Array(),
    minRows,
    parts,
    ...(admit && { admit }),
  });
  const order: RowOrder = { ids: guest.map(idOf), rows, trainRows, hosts: matches };
  const guestProgram: Program<Audit> = (party) => rowsGuest(party, order);
  return { world, rows, order, programs: { bank: guestProgram, tax: hostProgram(0), social: hostProgram(1) } };
}
const refusal = async (c: Case): Promise<string> => {
  const { world, programs } = setup(c);
  return codeOf(world.run(programs));
};
const plain: Case = { guest: [1, 2, 3, 4, 5, 6], hosts: [[9, 2, 3, 5, 7], [6, 5, 4, 8]], trainRows: 4 };

describe("the row order", () => {
  it("gives every host, for each row, its own record of the guest's company or none", () =>
    fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.nat(30), { minLength: 3, maxLength: 20 }),
        fc.array(fc.uniqueArray(fc.nat(30), { minLength: 1 }), { minLength: 2, maxLength: 2 }),
        fc.nat(1000),
        async (guest, hosts, seed) => {
          const trainRows = 1 + (seed % (guest.length - 1));
          const { world, programs, rows } = setup({ guest, hosts, trainRows, seed });
          const results = await world.run(programs);
          for (const [i, name] of hostNames.entries()) {
            const got = results[name] as HostRows;
            const expected = Array.from(rows, (at) => (hosts[i] as number[]).indexOf(guest[at] as number));
            assert.deepEqual(Array.from(got.rowOf), expected);
            assert.equal(got.trainRows, trainRows);
            assert.equal(got.matchedRows, expected.filter((r) => r >= 0).length);
            assert.equal(got.matchedTrainRows, expected.slice(0, trainRows).filter((r) => r >= 0).length);
          }
        },
      ),
      { numRuns: 25, seed: 1 },
    ));

  it("works over several chunks", async () => {
    const guest = Array.from({ length: 70_000 }, (_, i) => i);
    const { world, programs, rows } = setup({ guest, hosts: [[5, 69_999], [1]], trainRows: 50_000 });
    const { rowOf } = (await world.run(programs))["tax"] as HostRows;
    assert.equal(rowOf.length, 70_000);
    assert.equal(rowOf[rows.indexOf(69_999)], 1);
    assert.equal(rowOf[rows.indexOf(5)], 0);
    assert.equal(world.sent.filter((m) => m.type === "rows/order" && m.to === "tax").length, 2);
  });

  it("may leave some of the guest's companies out of the job", async () => {
    const { world, programs } = setup({ ...plain, rows: [4, 0, 1], trainRows: 2 });
    const results = await world.run(programs);
    assert.deepEqual(Array.from((results["tax"] as HostRows).rowOf), [3, -1, 1]);
  });

  it("can be opened in an audit with the guest's salt, and not be guessed without it", async () => {
    const { world, programs, rows } = setup(plain);
    const results = await world.run(programs);
    const { salt, commitment } = results["bank"] as Audit;
    const ids = Array.from(rows, (at) => idOf(plain.guest[at] as number));
    assert.deepEqual(await orderCommitment(world.job, salt, 4, ids), commitment);
    assert.deepEqual((results["tax"] as HostRows).commitment, commitment);
    assert.notDeepEqual(await orderCommitment(world.job, new Uint8Array(32), 4, ids), commitment);
    assert.notDeepEqual(await orderCommitment(world.job, salt, 3, ids), commitment);
    assert.notDeepEqual(await orderCommitment(world.job, salt, 4, ids.toReversed()), commitment);
    assert.isFalse(world.sent.some((m) => Buffer.from(m.frame).includes(Buffer.from(salt))), "the salt stays with the guest");
  });

  describe("what a host sees", () => {
    it("is the same shapes whatever it holds of the job's companies, and nothing about the other host's", async () => {
      const a = setup(plain);
      const b = setup({ ...plain, hosts: [[100, 101, 102, 103, 104], [1, 2, 3, 4]], seed: 2 });
      await a.world.run(a.programs);
      await b.world.run(b.programs);
      assert.deepEqual(a.world.shape("tax"), b.world.shape("tax"));
      const c = setup({ ...plain, hosts: [plain.hosts[0] as number[], [1, 2, 3]] });
      await c.world.run(c.programs);
      const bodies = (world: World): unknown[] =>
        ["bank", "social"].map((from) => world.view("tax").filter((m) => m.from === from).map((m) => m.body));
      assert.deepEqual(bodies(c.world), bodies(a.world), "another set at the other host changes nothing here");
    });
    it("tells nothing about companies that it does not hold", async () => {
      const a = setup(plain);
      const b = setup({ ...plain, guest: [21, 2, 3, 24, 5, 26] });
      await a.world.run(a.programs);
      await b.world.run(b.programs);
      const orderOf = (world: World): unknown[] => world.view("tax").filter((m) => m.type === "rows/order").map((m) => m.body);
      assert.deepEqual(orderOf(a.world), orderOf(b.world));
    });
  });

  describe("a barrier before any arithmetic", () => {
    it("lets no party end before all others have confirmed", async () => {
      const { world, programs } = setup(plain);
      await world.run(programs);
      const confirms = world.sent.flatMap((m, i) => (m.type === "rows/confirm" ? [{ from: m.from, i }] : []));
      const lastOfHosts = Math.max(...confirms.filter((c) => c.from !== "bank").map((c) => c.i));
      assert.isTrue(confirms.filter((c) => c.from === "bank").every((c) => c.i > lastOfHosts));
      assert.lengthOf(confirms, 6);
    });
    it("stops at a host whose budget refuses the rows: it confirms to nobody", async () => {
      const refuse = (): never => { throw new AppError("PROTOCOL_TOO_FEW_ROWS"); };
      // At once, or after work of its own.
      for (const admit of [refuse, () => new Promise<void>((resolve) => void setImmediate(resolve)).then(refuse)]) {
        const { world, programs } = setup({ ...plain, admit });
        assert.equal(await codeOf(world.run(programs)), "PROTOCOL_TOO_FEW_ROWS");
        assert.isFalse(world.sent.some((m) => m.type === "rows/confirm"));
      }
    });
  });

  describe("rows that do not belong together are an error, not a bad model", () => {
    const positions = (change: (p: Int32Array) => Int32Array): Tamper => withBody("rows/order", (b: Order) => {
      const changed = change(new Int32Array(b.positions.slice().buffer));
      return { ...b, positions: new Uint8Array(changed.buffer) };
    }, "bank");
    const open = (change: (b: Open) => object): Tamper => withBody("rows/open", change as never);
    const confirm = (change: (b: Open) => object): Tamper => withBody("rows/confirm", change as never, "social");
    const zeros = new Uint8Array(32);
    const cases: [string, string, Tamper][] = [
      ["an order that is shifted by one row", "PROTOCOL_ROW_ORDER", positions((p) => p.map((_, i) => p[(i + 1) % p.length] ?? 0))],
      ["rows in reverse", "PROTOCOL_ROW_ORDER", positions((p) => p.toReversed())],
      ["a row that is hidden from its host", "PROTOCOL_ROW_ORDER", positions((p) => p.with(p.findIndex((v) => v >= 0), -1))],
      ["a position outside the list", "PROTOCOL_WRONG_SHAPE", positions((p) => p.with(0, 5))],
      ["a negative position", "PROTOCOL_WRONG_SHAPE", positions((p) => p.with(0, -2))],
      ["one record in two rows", "PROTOCOL_DUPLICATE_ELEMENT", positions((p) => p.fill(1))],
      ["fewer rows than declared", "PROTOCOL_WRONG_SHAPE", positions((p) => p.slice(1))],
      ["more rows than declared", "PROTOCOL_WRONG_SHAPE", positions((p) => Int32Array.of(...p, -1))],
      ["a later chunk first", "PROTOCOL_OUT_OF_ORDER", withBody("rows/order", (b: object) => ({ ...b, index: 1 }))],
      ["another digest of the matched rows", "PROTOCOL_ROW_ORDER", open((b) => ({ ...b, matchedDigest: zeros }))],
      ["another commitment for one host", "PROTOCOL_ROW_ORDER", open((b) => ({ ...b, commitment: zeros }))],
      ["another training part for one host", "PROTOCOL_ROW_ORDER", open((b) => ({ ...b, trainRows: 3 }))],
      ["an empty test part", "PROTOCOL_WRONG_SHAPE", open((b) => ({ ...b, trainRows: 6 }))],
      ["an empty training part", "PROTOCOL_WRONG_SHAPE", open((b) => ({ ...b, trainRows: 0 }))],
      ["a host that confirms other rows", "PROTOCOL_ROW_ORDER", confirm((b) => ({ ...b, rows: 7 }))],
      ["a host that confirms another training part", "PROTOCOL_ROW_ORDER", confirm((b) => ({ ...b, trainRows: 3 }))],
      ["a host that confirms another commitment", "PROTOCOL_ROW_ORDER", confirm((b) => ({ ...b, commitment: zeros }))],
    ];
    for (const [name, code, tamper] of cases) {
      it(`refuses ${name}`, async () => {
        assert.equal(await refusal({ ...plain, tamper }), code);
      });
    }
    it("is found by the hosts among themselves when the guest tells each of them another consistent story", async () => {
      const one = setup(plain);
      const two = setup({ ...plain, rows: [0, 1, 2, 3, 4] });
      // The guest plays its role faultlessly towards each host alone, and compares nothing across them.
      const towards = (party: Party, order: RowOrder, host: string): Promise<Audit> =>
        rowsGuest(partyWith(party, { rng: (label) => seededRng(new Uint8Array(32), label) }), {
          ...order, hosts: order.hosts.filter((h) => h.host === host),
        });
      const outcomes = await one.world.settle({
        bank: (party) => Promise.all([towards(party, one.order, "tax"), towards(party, two.order, "social")]),
        tax: one.programs["tax"] as Program<unknown>,
        social: two.programs["social"] as Program<unknown>,
      });
      assert.isFalse("error" in (outcomes["bank"] as object), "the guest itself saw nothing wrong");
      for (const host of hostNames) {
        const outcome = outcomes[host] as object;
        assert.isTrue("error" in outcome && (isPeerFailure(outcome) || (outcome.error as AppError).code === "PROTOCOL_ROW_ORDER"));
      }
    });
    it("refuses fewer rows than the domain's floor", async () => {
      assert.equal(await refusal({ ...plain, minRows: 7 }), "PROTOCOL_TOO_FEW_ROWS");
      const { world, programs } = setup({ ...plain, minRows: 6 });
      await world.run(programs);
    });
    it("refuses a split with an empty part", async () => {
      assert.equal(await refusal({ ...plain, trainRows: 6 }), "PROTOCOL_WRONG_SHAPE");
      assert.equal(await refusal({ ...plain, trainRows: 0 }), "PROTOCOL_WRONG_SHAPE");
      assert.equal(await refusal({ ...plain, trainRows: -1 }), "PROTOCOL_WRONG_SHAPE");
    });
    it("takes rows that are only scored where the job says so, and no training part among them", async () => {
      const { world, programs, rows } = setup({ ...plain, trainRows: 0, parts: "score" });
      const scored = (await world.run(programs))["tax"] as HostRows;
      assert.deepEqual(Array.from(scored.rowOf), Array.from(rows, (at) => (plain.hosts[0] ?? []).indexOf(plain.guest[at] ?? -1)));
      assert.equal(scored.matchedTrainRows, 0);
      assert.equal(await refusal({ ...plain, trainRows: 4, parts: "score" }), "PROTOCOL_WRONG_SHAPE");
      assert.equal(await refusal({ ...plain, rows: [], trainRows: 0, parts: "score", minRows: 0 }), "PROTOCOL_WRONG_SHAPE");
    });
  });

  describe("bad messages", () => {
    const agreed = ["rows", "trainRows", "commitment"];
    const types = [
      { type: "rows/open", fields: [...agreed, "matchedDigest"], sender: "bank" },
      { type: "rows/order", fields: ["index", "positions"], sender: "bank" },
      { type: "rows/confirm", fields: agreed, sender: "tax" },
      { type: "rows/confirm", fields: agreed, sender: "bank" },
    ];
    for (const { type, fields, sender } of types) {
      for (const hostile of hostileCases(type, fields, sender)) {
        it(`refuses ${type} of ${sender} ${hostile.name}`, async () => {
          assert.equal(await refusal({ ...plain, tamper: hostile.tamper }), hostile.code);
        });
      }
    }
    it("refuses a row order that comes from a host", async () => {
      const tamper = onFirst("rows/confirm", () => [Uint8Array.from(openFrame())], "tax");
      assert.equal(await refusal({ ...plain, tamper }), "PROTOCOL_WRONG_PARTY");
    });
  });

  it("sends the same bytes after a restart at any moment, and gives the same rows", async () => {
    const { world, programs } = setup(plain);
    const results = await world.run(programs);
    for (const name of ["bank", ...hostNames]) {
      const program = programs[name] as Program<Audit | HostRows>;
      assert.deepEqual(await world.replay(name, program), results[name]);
      for (const frames of name === "bank" ? [0] : [0, 1, 2]) assert.isUndefined(await world.replay(name, program, frames));
    }
  });
});

type Order = { positions: Uint8Array };
type Open = { rows: number };

/** A valid "rows/open", as some guest sent it. */
function openFrame(): Uint8Array {
  return encodeFrame("rows/open", { rows: 6, trainRows: 4, commitment: new Uint8Array(32), matchedDigest: new Uint8Array(32) });
}
