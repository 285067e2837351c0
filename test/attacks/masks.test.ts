// The masks of the host-host products: with them the asking host learns nothing of the other's columns, without them every product.
import { assert } from "chai";
import { after, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import { momentsGuest } from "../../federation/moments/guest.ts";
import { momentsHost } from "../../federation/moments/host.ts";
import { crossBits } from "../../federation/moments/shape.ts";
import type { Party } from "../../federation/party.ts";
import type { Kernels } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { seededDraw } from "../support/draw.ts";
import { openHostGuard } from "../support/joint.ts";
import { recoverLabels } from "../support/recover.ts";
import { createWorld, partyWith, type Program } from "../support/world.ts";

const kernels = createKernels();
after(() => kernels[Symbol.asyncDispose]());
const [bank, asking, answering] = [partyId("bank"), partyId("host_a"), partyId("host_b")];
const rows = 60;
const draw = seededDraw(5);
// The asking host's columns are as many as companies: with the products it solves the other's column.
const asked = Array.from({ length: rows }, () => Int8Array.from({ length: rows }, () => draw.int(2)));
const secret = Int8Array.from({ length: rows }, () => draw.int(2));

/** Kernels that forget the masks: the protection switched off. */
function unmasked(real: Kernels): Kernels {
  return {
    ...real,
    host: async (options) => {
      const host = await real.host(options);
      return {
        rows: host.rows, cells: host.cells, hint: (...args) => host.hint(...args), [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
        answer: async (queries, each) => ({
          ...(await host.answer(queries, each.map(({ flood }) => ({ flood })))), masks: each.map(({ mask }) => mask && new BigUint64Array(host.cells)),
        }),
      };
    },
  };
}

/** What the asking host opened of the other's answers, one number per own column. */
async function opened(masked: boolean): Promise<number[]> {
  const world = createWorld({ parties: [bank, asking, answering], seed: 1, kernels });
  const columnsOf = new Map<PartyId, number>([[asking, rows], [answering, 1]]);
  const hosts = [asking, answering];
  const common = { guest: bank, hosts, jointSeed: new Uint8Array(32), rows, queries: 1, guard: openHostGuard, columnsOf };
  const host = (columns: Int8Array[], change: (p: Party) => Party = (p) => p): Program<void> => async (party) => {
    await using _ = await momentsHost(change(party), { ...common, columns });
  };
  await world.run({
    [bank]: async (party) => {
      await using _ = await momentsGuest(party, { hosts, jointSeed: common.jointSeed, rows, label: Uint8Array.from(secret), columns: [], columnsOf });
    },
    [asking]: host(asked),
    [answering]: host([secret], masked ? undefined : (party) => partyWith(party, { kernels: unmasked(kernels) })),
  });
  return world.sent.filter((m) => m.type === "cross/opened").map((m) => {
    const [value = 0n] = new BigUint64Array((m.body as { values: Uint8Array }).values.slice().buffer);
    return Number(BigInt.asIntN(crossBits, value));
  });
}
const recovered = (products: readonly number[]): number => {
  const guess = recoverLabels(asked.map((c) => Uint8Array.from(c)), products, new Float64Array(rows).fill(0.5), 40);
  return guess.reduce((sum, x, i) => sum + ((x > 0.5 ? 1 : 0) === secret[i] ? 1 : 0), 0) / rows;
};

describe("attack: a host on another host's columns", () => {
  it("reads every product and so the column itself when the masks are switched off", async () => {
    const products = await opened(false);
    assert.deepEqual(products, asked.map((c) => c.reduce((sum, x, i) => sum + x * (secret[i] ?? 0), 0)));
    assert.isAbove(recovered(products), 0.95);
  });
  it("finds no more than a coin with the masks", async () => {
    const products = await opened(true);
    assert.isTrue(products.every((v) => Math.abs(v) > rows), "no opened number is even in the range of the sums");
    assert.closeTo(recovered(products), 0.5, 0.2);
  });
});
