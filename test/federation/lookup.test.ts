// Oblivious lookups: totals as the plain tables say, to within the 8 bits that are opened; what every party sees is uniform; what
// does not follow is refused in its sender's name.
import { assert } from "chai";
import { after, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import { lookupGuest, type LookupGroup } from "../../federation/lookup/guest.ts";
import { lookupHost } from "../../federation/lookup/host.ts";
import { Statement } from "../../federation/statement.ts";
import { addLookups } from "../../federation/lookup/statement.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { seededDraw } from "../support/draw.ts";
import { encodeFrame } from "../../core/codec.ts";
import { assertWithin, refusal } from "../support/joint.ts";
import { createWorld, type Program, type Tamper, type World } from "../support/world.ts";

const guest = partyId("bank");
const [a, b, c] = ["alpha", "beta", "gamma"].map(partyId) as [PartyId, PartyId, PartyId];
type Shape = readonly (readonly [PartyId, number])[];
type Job = { readonly rows: number; readonly hosts: readonly PartyId[]; readonly groups: readonly { readonly shape: Shape; readonly tables: number }[]; readonly seed?: number; readonly spread?: number };

describe("oblivious table lookups", () => {
  const kernels = createKernels({ threads: 1 });
  after(() => kernels[Symbol.asyncDispose]());

  function setup(job: Job, tamper?: Tamper) {
    const draw = seededDraw(job.seed ?? 1);
    const { rows, hosts } = job;
    const groups = job.groups.map(({ shape, tables }) => {
      const entries = shape.reduce((n, [, choices]) => n * choices, 1);
      return {
        hosts: shape.map(([host, choices]) => ({ host, choices })), entries,
        tables: Array.from({ length: tables }, () => Int16Array.from({ length: rows * entries }, () => draw.int(job.spread ?? 2000) - (job.spread ?? 2000) / 2)),
        picks: new Map(shape.map(([host, choices]) => [host, Array.from({ length: tables }, () => Uint8Array.from({ length: rows }, () => draw.int(choices)))])),
      };
    });
    const expected = Int32Array.from({ length: rows }, (_, row) => groups.reduce((sum, g) => sum + g.tables.reduce((all, table, t) => {
      const entry = g.hosts.reduce((e, { host, choices }) => e * choices + (g.picks.get(host)?.[t]?.[row] ?? 0), 0);
      return all + (table[row * g.entries + entry] ?? 0);
    }, 0), 0));
    const world = createWorld({ parties: [guest, ...hosts], seed: job.seed ?? 1, kernels, ...(tamper && { tamper }) });
    const asking: Program<Int16Array> = (party) => lookupGuest(party, {
      rows, label: "test", round: 0, hosts,
      groups: groups.map((g, group): LookupGroup => ({
        group, hosts: g.hosts, tables: g.tables.map((table) => (first, last, out) => out.set(table.subarray(first * g.entries, last * g.entries))),
      })),
    });
    const picking = (host: PartyId): Program<void> => (party) => lookupHost(party, {
      guest, rows, label: "test", round: 0, present: hosts,
      groups: groups.flatMap((g, group) => {
        const picked = g.picks.get(host);
        return picked === undefined ? [] : [{ group, hosts: g.hosts, tables: g.tables.length, picked }];
      }),
    });
    return { world, groups, expected, programs: { [guest]: asking, ...Object.fromEntries(hosts.map((h) => [h, picking(h)])) } };
  }

  async function totals(job: Job): Promise<{ world: World; totals: Int16Array; expected: Int32Array }> {
    const { world, programs, expected } = setup(job);
    const results = await world.run(programs);
    return { world, totals: results[guest] as Int16Array, expected };
  }

  const cases: readonly [string, Job][] = [
    ["one host, one column", { rows: 300, hosts: [a], groups: [{ shape: [[a, 17]], tables: 1 }] }],
    ["one host, columns of several widths", { rows: 70, hosts: [a], groups: [{ shape: [[a, 2]], tables: 3 }, { shape: [[a, 33]], tables: 2 }, { shape: [[a, 254]], tables: 1 }] }],
    ["three hosts with tables of their own", { rows: 120, hosts: [a, b, c], groups: [{ shape: [[a, 5]], tables: 2 }, { shape: [[b, 9]], tables: 1 }, { shape: [[c, 3]], tables: 4 }] }],
    ["a table of two hosts", { rows: 200, hosts: [a, b], groups: [{ shape: [[a, 4], [b, 2]], tables: 2 }] }],
    ["tables of three hosts beside their own, one row", { rows: 1, hosts: [a, b, c], groups: [{ shape: [[a, 2], [b, 4], [c, 2]], tables: 3 }, { shape: [[b, 8]], tables: 1 }, { shape: [[a, 2], [c, 8]], tables: 2 }] }],
    ["more rows than one block", { rows: 33_000, hosts: [a, b], groups: [{ shape: [[a, 3]], tables: 2 }, { shape: [[a, 2], [b, 2]], tables: 1 }] }],
    ["a host without a table", { rows: 50, hosts: [a, b], groups: [{ shape: [[b, 6]], tables: 1 }] }],
  ];
  for (const [name, job] of cases) {
    it(`give each row's sum to within the bits that are opened: ${name}`, async () => {
      const { totals: opened, expected } = await totals(job);
      // A host's dropped bits are between 0 and 255; the guest adds their mean.
      const off = Array.from(opened, (t, row) => t - (expected[row] ?? 0));
      for (const error of off) assert.isAtMost(Math.abs(error), 128 * job.hosts.length);
      if (job.rows >= 200) assert.isAtLeast(new Set(opened).size, 30, "and it is no constant");
    });
  }

  it("round fairly: the mean error is near zero and its size that of the dropped bits", async () => {
    const { totals: opened, expected } = await totals({ rows: 4000, hosts: [a, b], groups: [{ shape: [[a, 3]], tables: 1 }, { shape: [[b, 3]], tables: 1 }] });
    const off = Array.from(opened, (t, row) => t - (expected[row] ?? 0));
    const mean = off.reduce((x, y) => x + y, 0) / off.length;
    const sd = Math.sqrt(off.reduce((x, y) => x + (y - mean) ** 2, 0) / off.length);
    // Two uniform remainders of 256: sd 256 / sqrt(12) each.
    assert.isBelow(Math.abs(mean), 4 * (104.5 / Math.sqrt(4000)));
    assert.closeTo(sd, 104.5, 6);
  });

  it("show a host uniform bytes, whatever the tables are", async () => {
    // All entries equal: if anything of them showed, the bytes would be far from uniform.
    const { world } = await totals({ rows: 2000, hosts: [a, b], spread: 2, groups: [{ shape: [[a, 5]], tables: 1 }, { shape: [[a, 2], [b, 4]], tables: 1 }] });
    for (const [host, type] of [[a, "lookup/tables"], [b, "lookup/tables"], [b, "lookup/shares"]] as const) {
      const seen = world.view(host).filter((m) => m.type === type);
      assert.isNotEmpty(seen, `${host} ${type}`);
      const bytes = Buffer.concat(seen.map((m) => Buffer.from((m.body as { bytes?: Uint8Array; pads?: Uint8Array }).bytes ?? (m.body as TypedBody<"lookup/shares">).pads)));
      assert.isBelow(chiSquare(bytes), 330, `${host} ${type}`); // 255 degrees of freedom: 330 is p < 0.001
    }
    const places = world.view(b).filter((m) => m.type === "lookup/shares").flatMap((m) => [...(m.body as TypedBody<"lookup/shares">).places]);
    const ones = places.filter((p) => p === 1).length;
    assert.closeTo(ones / places.length, 0.5, 0.05, "where the other host's choice stands says nothing about it");
  });

  it("hide the place also when a host always picks the same", async () => {
    const { world, programs, groups } = setup({ rows: 1000, hosts: [a, b], groups: [{ shape: [[a, 2], [b, 2]], tables: 1 }] });
    for (const picked of groups[0]?.picks.get(a) ?? []) picked.fill(1);
    await world.run(programs);
    const places = world.view(b).filter((m) => m.type === "lookup/shares").flatMap((m) => [...(m.body as TypedBody<"lookup/shares">).places]);
    assert.closeTo(places.filter((p) => p === 1).length / places.length, 0.5, 0.07);
  });

  it("open one byte a row and host to the guest, and no single host's share means anything", async () => {
    const { world } = await totals({ rows: 3000, hosts: [a, b], spread: 2, groups: [{ shape: [[a, 4]], tables: 1 }, { shape: [[b, 4]], tables: 1 }] });
    const fromA = world.view(guest).filter((m) => m.from === a && m.type === "totals/masked");
    const bytes = Buffer.concat(fromA.map((m) => Buffer.from((m.body as TypedBody<"totals/masked">).bytes)));
    assert.equal(bytes.length, 3000);
    assert.isBelow(chiSquare(bytes), 330);
    assert.sameMembers([...new Set(world.view(guest).map((m) => m.type))], ["ot/base-ask", "ot/extend", "totals/masked"]);
  });

  it("stay within what the plan would state", async () => {
    const job: Job = { rows: 500, hosts: [a, b], groups: [{ shape: [[a, 4], [b, 2]], tables: 3 }] };
    const { world } = await totals(job);
    const statement = new Statement();
    addLookups(statement.add, { guest, hosts: job.hosts, rows: 500, joint: true, of: () => ({ groups: 1, tables: 3, entries: 8, choices: 4 }) });
    assertWithin({ leakage: statement.items, log2FloodDistance: -1000, attacks: [] }, world);
  });

  const job: Job = { rows: 20, hosts: [a, b], groups: [{ shape: [[a, 2], [b, 4]], tables: 1 }, { shape: [[a, 3]], tables: 1 }] };
  const swap = (type: "lookup/tables" | "lookup/shares", change: (body: Record<string, unknown>) => object): Tamper => (m) =>
    (m.type === type ? [encodeFrame(type, change(m.body as Record<string, unknown>))] : undefined);
  const hostile: readonly [string, Tamper, string, PartyId][] = [
    ["tables of another group", swap("lookup/tables", (x) => ({ ...x, group: 7 })), "PROTOCOL_OUT_OF_ORDER", guest],
    ["tables out of turn", swap("lookup/tables", (x) => ({ ...x, index: 3 })), "PROTOCOL_OUT_OF_ORDER", guest],
    ["tables cut short", swap("lookup/tables", (x) => ({ ...x, bytes: (x["bytes"] as Uint8Array).slice(2) })), "PROTOCOL_WRONG_SHAPE", guest],
    ["shares cut short", swap("lookup/shares", (x) => ({ ...x, pads: (x["pads"] as Uint8Array).slice(2) })), "PROTOCOL_WRONG_SHAPE", a],
    ["a place outside the table", swap("lookup/shares", (x) => ({ ...x, places: new Uint8Array(20).fill(2) })), "PROTOCOL_WRONG_SHAPE", a],
    ["shares of another group", swap("lookup/shares", (x) => ({ ...x, group: 1 })), "PROTOCOL_OUT_OF_ORDER", a],
  ];
  for (const [name, tamper, code, party] of hostile) {
    it(`refuse ${name}, naming the sender`, async () => {
      const { world, programs } = setup(job, tamper);
      assert.deepEqual(await refusal(world.run(programs)), { code, party });
    });
  }

  it("give the same bytes again after a restart of any party", async () => {
    const { world, programs } = setup(job);
    await world.run(programs);
    for (const [name, program] of Object.entries<Program<unknown>>(programs)) await world.replay(name, program);
  });
});

function chiSquare(bytes: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  return counts.reduce((sum, n) => sum + (n - bytes.length / 256) ** 2 / (bytes.length / 256), 0);
}
