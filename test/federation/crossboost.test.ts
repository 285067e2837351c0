// Boosting on cross-party cells: the federated run takes the decisions of the plaintext oracle on the same sums, what each party
// sees, what a party that deviates gets, and restarts.
import { assert } from "chai";
import { after, describe, it } from "mocha";
import { partyId } from "../../core/names.ts";
import type { CrossboostGuestResult } from "../../federation/crossboost/guest.ts";
import type { CrossboostHostInput, CrossboostHostResult } from "../../federation/crossboost/host.ts";
import { crossboostJobSchema } from "../../federation/crossboost/params.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { AppError } from "../../core/errors.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { cellsPrograms, knownSeed, openGuard, sameOracle, type CellsOptions } from "../support/crossboost.ts";
import { bank, late, namesOf, treeTables, watchedKernels, type Opened, type TreeTables } from "../support/gbdt.ts";
import { hostileCases, withBody } from "../support/hostile.ts";
import { assertWithin, refusal } from "../support/joint.ts";
import { codeOf, createWorld, type Tamper, type World } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());

const small = treeTables({ rows: 1300, trainRows: 1000, seed: 5, own: 2, hosts: [2, 1] });
type Run = { readonly world: World; readonly guest: CrossboostGuestResult; readonly opened: Opened; readonly hosts: readonly CrossboostHostResult[] };

async function run(tables: TreeTables, options: CellsOptions = {}, seed: number | string = 1): Promise<Run> {
  const opened: Opened = { vectors: [], sums: [] };
  const world = createWorld({ parties: namesOf(tables), seed, kernels: watchedKernels(kernels, opened) });
  const results = await world.run(cellsPrograms(tables, { wrap: knownSeed, ...options }));
  return { world, opened, guest: results[bank] as CrossboostGuestResult, hosts: tables.hosts.map((h) => results[h.name] as CrossboostHostResult) };
}

describe("crossboost over domains", () => {
  const cases: readonly [string, TreeTables, CellsOptions][] = [
    ["additive, two hosts", small, {}],
    ["additive, one host that holds half of the companies", treeTables({ rows: 1100, trainRows: 900, seed: 6, own: 1, hosts: [2], absent: 0.5 }), {}],
    ["crosses, three hosts", treeTables({ rows: 5200, trainRows: 4400, seed: 7, own: 3, hosts: [2, 1, 2] }), {}],
    ["crosses, more noise", treeTables({ rows: 4700, trainRows: 4100, seed: 8, own: 2, hosts: [2] }), { params: { noiseSd: 2 } }],
  ];
  for (const [name, tables, options] of cases) {
    it(`makes the tables of the oracle from the same noisy sums, and opens its totals to within 8 bits: ${name}`, async () => {
      const { guest, opened } = await run(tables, options);
      const oracle = sameOracle(tables, opened, options);
      assert.deepEqual(guest.prepared.counted, oracle.prepared.counted, "the same rows are held back");
      const [first, expected] = [guest.stages[0], oracle.stages[0]];
      assert(first !== undefined && expected !== undefined);
      assert.deepEqual(first.queries.vectors, expected.queries.vectors);
      assert.deepEqual(first.lookup, expected.lookup, "bit for bit");
      const limit = 1.01 * (128 * (tables.hosts.length + 1)) * first.lookup.unit;
      for (let row = 0; row < tables.rows; row++) assert.isAtMost(Math.abs((first.total[row] ?? 0) - (expected.total[row] ?? 0)), limit, `row ${row}`);
    });
  }

  it("does not depend on the order of arrival", async () => {
    const [a, b] = [await run(small), await run(small, { wrap: (party) => knownSeed(late(party, (to) => (to === "host_b" ? 5 : 0))) })];
    assert.deepEqual(b.guest.odds, a.guest.odds);
  });

  it("keeps at a host nothing but its bins", async () => {
    const { hosts } = await run(small);
    for (const host of hosts) assert.sameMembers(Object.keys(host), ["fine", "queries", "totals"]);
    assert.isAbove(hosts[0]?.fine.length ?? 0, 0);
  });

  it("sends a host queries, uniform bytes and counts only, whatever the labels are", async () => {
    const types = new Set(["cells/query", "cells/next", "lookup/tables", "ot/base-answer", "ot/extend"]);
    const flipped: TreeTables = { ...small, label: small.label.map((y) => 1 - y) };
    for (const tables of [small, flipped]) {
      const { world } = await run(tables);
      for (const m of world.view(partyId("host_a"))) {
        assert.isTrue(types.has(m.type), m.type);
        if (m.type !== "lookup/tables") continue;
        assert.isBelow(chiSquare((m.body as TypedBody<"lookup/tables">).bytes), 360);
      }
    }
    const steps = async (tables: TreeTables): Promise<unknown[]> =>
      (await run(tables)).world.view(partyId("host_a")).filter((m) => m.type === "cells/next").map((m) => m.body);
    assert.deepEqual(await steps(flipped), await steps(small), "what is in the clear is the same for other labels");
  });

  it("gives the guest no bin of a company: sums, counts and one masked byte a row", async () => {
    const { world } = await run(small);
    const types = new Set(world.view(bank).map((m) => m.type));
    assert.sameMembers([...types], ["cells/offer", "cells/gram", "cells/hint", "cells/answer", "ot/base-ask", "ot/extend", "totals/masked"]);
    const masked = world.view(bank).filter((m) => m.type === "totals/masked" && m.from === "host_a");
    for (const m of masked) assert.isBelow(chiSquare((m.body as TypedBody<"totals/masked">).bytes), 360, "one host's bytes are uniform");
  });

  it("has noise in every sum that it opens", async () => {
    const { opened } = await run(small);
    for (const [query, hosts] of opened.sums.entries()) {
      const whole = Int32Array.from(opened.vectors[query] ?? []).reduce((a, b) => a + b, 0);
      // Bins of the first feature add up to the whole only by accident.
      const sums = hosts[0] ?? new BigInt64Array(0);
      assert.notEqual(Number(sums.slice(0, 3).reduce((a, b) => a + b, 0n)), whole);
      assert.isTrue(sums.some((x) => x % 16n !== 0n));
    }
  });

  it("stays inside its statement", async () => {
    const { world } = await run(small);
    const size = (rows: number, features: number, labelled: boolean) => ({ name: "loans", rows, features, labelled, snapshotDigest: "0".repeat(64) });
    const compiled = compileLeakage({
      kind: "crossboost", guest: bank, hosts: small.hosts.map((h) => h.name), params: crossboostJobSchema.parse({}),
      datasets: { [bank]: size(1300, 3, true), ...Object.fromEntries(small.hosts.map((h) => [h.name, size(1300, h.features.length, false)])) },
    });
    assertWithin(compiled, world);
  });

  it("gives the same bytes again after a restart of any party", async () => {
    const { world } = await run(small);
    for (const [name, program] of Object.entries(cellsPrograms(small, { wrap: knownSeed }))) await world.replay(name, program);
  });

  it("goes on without a host that has nothing to tell, and refuses when none has", async () => {
    const away = (tables: TreeTables, which: readonly number[]): TreeTables => (
      { ...tables, hosts: tables.hosts.map((h, i) => (which.includes(i) ? { ...h, rowOf: new Int32Array(tables.rows).fill(-1) } : h)) });
    const { guest } = await run(away(small, [1]));
    assert.deepEqual(guest.offers.map((o) => o.host), ["host_a"]);
    assert.equal(await codeOf(run(away(small, [0, 1]))), "JOB_NO_FEATURE");
  });

  it("refuses one outcome only", async () => {
    assert.equal(await codeOf(run({ ...small, label: new Uint8Array(small.rows) })), "MODEL_ONE_CLASS");
  });

  describe("with a guest or host that deviates", () => {
    const attempt = async (tamper: Tamper, options: CellsOptions = {}): Promise<{ code: string; party: unknown }> => {
      const world = createWorld({ parties: namesOf(small), seed: 1, kernels, tamper });
      return refusal(world.run(cellsPrograms(small, options)));
    };
    const host = partyId("host_a");
    const changes: readonly [string, string, string, Tamper][] = [
      ["bins that do not hold every company", "PROTOCOL_WRONG_SHAPE", host, withBody("cells/offer", ((b: TypedBody<"cells/offer">) => (
        { features: b.features.map((f, i) => (i === 0 ? { ...f, totals: f.totals.map((t) => t + 1) } : f)) })), host)],
      ["a bin below the floor", "FLOOR_BINS", host, withBody("cells/offer", ((b: TypedBody<"cells/offer">) => (
        { features: b.features.map((f, i) => (i === 0 ? { ...f, totals: f.totals.map((t, k) => (k === 0 ? t + (f.totals[1] ?? 0) - 3 : k === 1 ? 3 : t)) } : f)) })), host)],
      ["a Gram of another length", "PROTOCOL_WRONG_SHAPE", host, withBody("cells/gram", ((b: TypedBody<"cells/gram">) => ({ ...b, counts: b.counts.subarray(4) })), host)],
      ["more companies in a pair than there are", "PROTOCOL_CONTRADICTION", host, withBody("cells/gram", ((b: TypedBody<"cells/gram">) => ({ ...b, counts: new Uint8Array(b.counts.length).fill(99) })), host)],
      ["an answer of the wrong length", "PROTOCOL_WRONG_SHAPE", host, withBody("cells/answer", ((b: TypedBody<"cells/answer">) => ({ ...b, bytes: b.bytes.subarray(1) })), host)],
      ["an unknown party in the total", "PROTOCOL_WRONG_PARTY", bank, withBody("cells/next", ((b: Extract<TypedBody<"cells/next">, { step: "stage" }>) => ({ ...b, present: [...b.present, "stranger"] })))],
      ["more queries than the rows allow", "BUDGET_EQUATIONS", bank, withBody("cells/next", ((b: Extract<TypedBody<"cells/next">, { step: "stage" }>) => ({ ...b, vectors: 40 })))],
    ];
    for (const [name, code, party, tamper] of changes) it(`refuses ${name}`, async () => assert.deepEqual(await attempt(tamper), { code, party }));
    for (const c of [...hostileCases("cells/offer", ["features"]), ...hostileCases("cells/gram", ["index", "counts"]), ...hostileCases("cells/next", ["step"])]) {
      if (c.name === "sent twice") continue;
      it(`refuses a ${c.code} message: ${c.name}`, async () => assert.equal(await codeOf(createWorld({ parties: namesOf(small), seed: 1, kernels, tamper: c.tamper }).run(cellsPrograms(small))), c.code));
    }

    it("opens nothing when a budget refuses it", async () => {
      const refusing = (call: keyof CrossboostHostInput["guard"]): CrossboostHostInput["guard"] => (
        { ...openGuard, [call]: () => { throw new AppError("BUDGET_TOTALS"); } });
      for (const call of ["chargeQueries", "chargeTotals", "admitCompany"] as const) {
        const world = createWorld({ parties: namesOf(small), seed: 1, kernels });
        assert.equal(await codeOf(world.run(cellsPrograms(small, { hostGuard: () => refusing(call) }))), "BUDGET_TOTALS", call);
        assert.isEmpty(world.view(bank).filter((m) => m.type === "totals/masked"));
        if (call !== "chargeTotals") assert.isEmpty(world.view(bank).filter((m) => m.type === "cells/answer"));
      }
    });
  });
});

function chiSquare(bytes: Uint8Array): number {
  const counts = new Float64Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  return counts.reduce((sum, n) => sum + (n - bytes.length / 256) ** 2 / (bytes.length / 256), 0);
}
