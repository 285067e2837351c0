// Which protocol a pair uses, and that the statement's bounds are what really passes.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { EntityId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import { kkrtIntersection } from "../../federation/kkrt/kkrt.ts";
import { OtReceiver } from "../../federation/ot/receiver.ts";
import { OtSender } from "../../federation/ot/sender.ts";
import { openingTraffic, transferTraffic } from "../../federation/ot/traffic.ts";
import { alignmentProtocol, intersectionFor, kkrtTraffic, type Pair } from "../../federation/psi/choose.ts";
import type { SetIntersection } from "../../federation/psi/intersection.ts";
import type { Kernels } from "../../kernels/api.ts";
import { createKernels } from "../../kernels/kernels.ts";
import { createWorld, type World } from "../support/world.ts";

const [bank, tax] = [partyId("bank"), partyId("tax")];
const range = (count: number): EntityId[] => Array.from({ length: count }, (_, i) => `company-${i}` as EntityId);
/** Around the payload of a frame: names of fields, lengths. */
const frameOverhead = 256;

describe("the choice of an alignment protocol", () => {
  let kernels: Kernels;
  before(() => {
    kernels = createKernels({ threads: 1 });
  });
  after(() => kernels[Symbol.asyncDispose]());

  it("is the curve for small sets and for sets beyond the limit, oblivious transfer from a few thousand ids", () => {
    const choices = [[1, 1], [100, 10_000], [2000, 2000], [4000, 4000], [500, 100_000], [1_000_000, 1_000_000], [10_000, 10_000_000], [20_000_000, 10]] as const;
    assert.deepEqual(choices.map(([guestRows, hostRows]) => alignmentProtocol({ guestRows, hostRows, reusable: false })), ["ecdh", "ecdh", "ecdh", "kkrt", "kkrt", "kkrt", "kkrt", "ecdh"]);
    const named = (protocol: string): SetIntersection => ({ ...kkrtIntersection(), protocol });
    const protocols = { ecdh: named("ecdh"), kkrt: named("kkrt"), reusable: named("reusable") };
    const pair = (guestRows: number, hostRows: number): Pair => ({ guestRows, hostRows, reusable: true });
    assert.equal(intersectionFor(protocols, pair(10, 10)).protocol, "ecdh");
    assert.equal(intersectionFor(protocols, pair(10_000, 10_000)).protocol, "kkrt");
    assert.equal(intersectionFor(protocols, pair(10_000, 10_000_000)).protocol, "reusable");
  });
  it("is kept tags where the host keeps them and its set is large, and much larger than the guest's: nowhere else", () => {
    const choices = [[10_000, 10_000_000], [10_000, 2_560_000], [10_000, 2_559_999], [1000, 500_000], [1000, 499_999], [1, 50_000_000], [20_000_000, 10]] as const;
    const choose = (reusable: boolean): string[] => choices.map(([guestRows, hostRows]) => alignmentProtocol({ guestRows, hostRows, reusable }));
    assert.deepEqual(choose(true), ["reusable", "reusable", "kkrt", "reusable", "kkrt", "reusable", "ecdh"]);
    assert.deepEqual(choose(false), ["kkrt", "kkrt", "kkrt", "kkrt", "kkrt", "ecdh", "ecdh"]);
  });

  type Line = { readonly from: string; readonly type: string; readonly messages: number; readonly bytes: number };
  function holds(world: World, lines: readonly Line[]): void {
    const left = new Set(world.sent);
    for (const { from, type, messages, bytes } of lines) {
      const sent = world.sent.filter((m) => m.from === from && m.type === type);
      for (const message of sent) left.delete(message);
      assert.equal(sent.length, messages, `${from} ${type}`);
      assert.isAtMost(sent.reduce((sum, m) => sum + m.bytes, 0), bytes + messages * frameOverhead, `${from} ${type}`);
    }
    assert.isEmpty([...left].map((m) => m.type), "nothing passes that the statement does not have");
  }
  it("states the messages and bytes that an intersection sends", async () => {
    for (const [guestRows, hostRows] of [[3, 5], [2000, 300], [200_000, 270_000]] as const) {
      const world = createWorld({ parties: ["bank", "tax"], seed: 1, kernels });
      const psi = kkrtIntersection();
      await world.run({
        bank: (party) => psi.guest(party, tax, range(guestRows), { setSecret: new Uint8Array(32) }),
        tax: (party) => psi.host(party, bank, range(hostRows), { admit: () => {} }),
      });
      holds(world, kkrtTraffic(guestRows, hostRows).map((line) => ({ ...line, from: line.from === "guest" ? bank : tax })));
    }
  });
  it("states the messages and bytes of transfers", async () => {
    const world = createWorld({ parties: ["bank", "tax"], seed: 1, kernels });
    const options = { label: "t", session: "t" };
    const [count, choices, bytes] = [2100, 256, 32];
    await world.run({
      bank: async (party) => {
        await using receiver = await OtReceiver.open(party, tax, options);
        await receiver.pads(new Uint8Array(count), choices, bytes);
      },
      tax: async (party) => {
        await using sender = await OtSender.open(party, bank, options);
        await sender.pads(count, choices, bytes);
      },
    });
    holds(world, [...openingTraffic(), transferTraffic(count, choices, bytes)].map((line) => ({ ...line, from: line.from === "asker" ? bank : tax })));
  });
});
