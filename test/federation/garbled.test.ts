// Transfers that are prepared for blind ranges: both sides have the same, each is used once, and what a side that deviates comes to.
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { GuestTransfers, type GuestTransfersOptions, type GuestTransfersPort, type TakenTransfers } from "../../federation/garbled/guest.ts";
import { HostTransfers } from "../../federation/garbled/host.ts";
import { chunkBytes, chunkTransfers, garbledMessages } from "../../federation/garbled/messages.ts";
import { openings } from "../../federation/garbled/session.ts";
import { labelBytes } from "../../kernels/oblivious/garbled.ts";
import { inlineKernels } from "../support/transfers.ts";
import { bitDeviation, byteDeviation } from "../support/uniform.ts";

const ends = { service: jobIdSchema.parse("job_0123456789abcdef01234567"), host: partyId("tax"), guest: partyId("bank") };
const codeOf = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work();
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
  return "none";
};
type Extend = Parameters<GuestTransfersPort["extend"]>[0];
/** A guest and a host; `change` is what a guest that deviates does to its messages. */
const pair = (change: (body: Extend) => Extend = (body) => body, more: Partial<GuestTransfersOptions> = {}) => {
  const clock = { now: 0 };
  const host = new HostTransfers({ ends, kernels: inlineKernels, rng: systemRng, now: () => clock.now });
  const sent: Extend[] = [];
  let n = 0;
  const guest = new GuestTransfers({
    ends, kernels: inlineKernels, rng: systemRng, now: () => clock.now, ...more,
    port: {
      open: async (session) => garbledMessages["garbled/base"].body.parse({ n: n++, points: await host.open(session) }),
      extend: async (given) => {
        const { n: number, ...body } = garbledMessages["garbled/extend"].body.parse({ n: n++, ...change(given) });
        sent.push(body);
        return { n: number, made: await host.extend(body) };
      },
    },
  });
  const take = async (count: number): Promise<TakenTransfers> => {
    for (let taken = guest.take(count); ; taken = guest.take(count)) {
      if (taken !== undefined) return taken;
      await guest.more();
    }
  };
  return { host, guest, take, sent, clock };
};
const same = (taken: TakenTransfers, pads: Uint8Array | undefined): void => {
  assert.isDefined(pads);
  for (const [k, bit] of taken.drawn.entries()) {
    const [mine, other] = [bit, 1 - bit].map((b) => pads.subarray((2 * k + b) * labelBytes, (2 * k + b + 1) * labelBytes));
    assert.deepEqual(taken.pads.subarray(k * labelBytes, (k + 1) * labelBytes), mine);
    assert.notDeepEqual(mine, other);
  }
};

describe("prepared transfers", () => {
  it("are the same at both ends over several refills, for questions of two sizes, and none is given out twice", async () => {
    const { host, take, sent } = pair();
    const numbers = new Set<number>();
    let last = -1;
    const seen: Uint8Array[] = [];
    for (let i = 0; i < 260; i++) {
      const count = i % 3 === 0 ? 36 : 80;
      const taken = await take(count);
      assert.isAbove(taken.first, last);
      last = taken.first;
      for (let k = 0; k < count; k++) numbers.add(taken.first + k);
      same(taken, host.take(taken.session, taken.first, count));
      seen.push(taken.pads);
      assert.isAtMost(host.heldBytes, 2 * chunkTransfers * 2 * labelBytes, "bounded at the provider");
    }
    assert.equal(numbers.size, 87 * 36 + 173 * 80);
    assert.isAtLeast(sent.length, 3);
    const pads = Buffer.concat(seen);
    assert.isBelow(byteDeviation(pads), 7);
    assert.isBelow(Math.abs(bitDeviation(pads)), 7);
  });
  it("are used once at the provider, rising, of this session alone", async () => {
    const { host, take } = pair();
    const [a, b] = [await take(80), await take(80)];
    assert.isUndefined(host.take("0".repeat(16), a.first, 80), "another session");
    assert.isUndefined(host.take(a.session, chunkTransfers - 40, 80), "beyond what there is");
    same(b, host.take(b.session, b.first, 80));
    for (const first of [b.first, b.first + 79, a.first, 0]) assert.isUndefined(host.take(b.session, first, 80), String(first));
    assert.isDefined(host.take(b.session, b.first + 80, 80));
  });
  it("find a bank that does not extend as it should, and it has nothing of that session (what it may do besides: test/kernels/oblivious-transfer.test.ts)", async () => {
    const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 2 : byte));
    for (let i = 0; i < 12; i++) {
      // One bit of one column, in the first chunk or in a later one, or of the sums.
      const { host, guest, sent } = pair((body) => (body.index < i % 2 ? body : i < 8 ? { ...body, columns: flipped(body.columns, (i * 9973) % body.columns.length) } : { ...body, check: flipped(body.check, 17 * i + 3) }));
      if (i % 2 === 1) await guest.more();
      assert.equal(await codeOf(() => guest.more()), "PROTOCOL_OT_CHECK", String(i));
      assert.equal(host.heldBytes, 0);
      assert.isUndefined(guest.take(80));
      assert.isUndefined(host.take((sent[0] as Extend).session, 0, 80), "the session is over");
    }
  });
  it("refuse steps that are not the next one, points that are none, and more than is used up, and go on with a new session", async () => {
    const wrong: ((body: Extend) => Extend)[] = [
      (body) => ({ ...body, index: 1 }), (body) => ({ ...body, session: "0".repeat(16) }), (body) => ({ ...body, base: undefined }), (body) => ({ ...body, base: new Uint8Array(body.base?.length ?? 0).fill(255) }),
    ];
    const codes = await Promise.all(wrong.map((change) => codeOf(() => pair(change).guest.more())));
    assert.deepEqual(codes, ["VERIFY_TRANSFERS", "VERIFY_TRANSFERS", "VERIFY_TRANSFERS", "PROTOCOL_BAD_POINT"]);
    const { host, guest, take, sent } = pair();
    await guest.more();
    await guest.more();
    assert.equal(await codeOf(() => guest.more()), "VERIFY_TRANSFERS", "two chunks that nobody used");
    assert.isAtMost(host.heldBytes, 2 * chunkTransfers * 2 * labelBytes);
    const taken = await take(80);
    same(taken, host.take(taken.session, taken.first, 80));
    assert.notEqual(taken.session, sent[0]?.session);
    const repeated = sent.at(-1);
    assert.isDefined(repeated);
    assert.equal(await codeOf(() => host.extend(repeated)), "VERIFY_TRANSFERS", "again");
    // One number twice would give both pads of each.
    const late = pair();
    await late.guest.more();
    await late.guest.more();
    for (let used = 0; used < chunkTransfers; used += 80) {
      const t = await late.take(80);
      late.host.take(t.session, t.first, 80);
    }
    assert.equal(await codeOf(() => late.host.extend(late.sent[1] as Extend)), "VERIFY_TRANSFERS", "a number that was");
    for (const bad of [{ columns: new Uint8Array(chunkBytes.columns - 1) }, { check: new Uint8Array(0) }, { base: new Uint8Array(32) }, { index: -1 }, { session: "x" }, { more: 1 }]) {
      assert.isFalse(garbledMessages["garbled/extend"].body.safeParse({ n: 1, ...repeated, ...bad }).success, Object.keys(bad).join());
    }
  });
  it("begin some times at once and then once a minute, so that no bank makes a provider work for nothing", async () => {
    const { host, clock } = pair();
    const opened = async (): Promise<string> => codeOf(() => host.open("1".repeat(16)));
    for (let i = 0; i < openings.host; i++) assert.equal(await opened(), "none");
    assert.equal(await opened(), "SERVICE_BUSY");
    clock.now += 59_000;
    assert.equal(await opened(), "SERVICE_BUSY");
    clock.now += 1_000;
    assert.deepEqual([await opened(), await opened()], ["none", "SERVICE_BUSY"]);
    const { guest, clock: time } = pair();
    for (let i = 0; i < openings.guest; i++) {
      await guest.more();
      guest.reset();
    }
    const error = await guest.more().catch((e: unknown) => e);
    assert.isTrue(error instanceof AppError && error.code === "SERVICE_BUSY" && error.facts["retryAfter"] === 60);
    time.now += 60_000;
    await guest.more();
    assert.isDefined(guest.take(80));
  });
  it("begin a new session before their numbers end", async () => {
    const { host, take } = pair(undefined, { chunksPerSession: 2 });
    const sessions = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const taken = await take(80);
      sessions.add(taken.session);
      assert.isBelow(taken.first, 2 * chunkTransfers);
      same(taken, host.take(taken.session, taken.first, 80));
    }
    assert.isAtLeast(sessions.size, 3);
  });
  it("are of no use once the channel is another one, also those that were just being made", async () => {
    const { host, guest, take } = pair();
    const taken = await take(80);
    guest.lost("0".repeat(16));
    assert.isDefined(guest.take(80), "of a session that is over already");
    guest.lost(taken.session);
    assert.isUndefined(guest.take(80));
    const making = guest.more();
    guest.reset();
    assert.equal(await codeOf(() => making), "SERVICE_PROVIDER_AWAY");
    assert.isUndefined(guest.take(80));
    const next = await take(80);
    assert.notEqual(next.session, taken.session);
    assert.isUndefined(host.take(taken.session, taken.first, 80));
    same(next, host.take(next.session, next.first, 80));
  });
  it("tell the provider nothing of the bits that were drawn: what it gets is uniform, and of one size", async () => {
    const { guest, sent } = pair();
    await guest.more();
    await guest.more();
    for (const { columns } of sent) {
      assert.isBelow(byteDeviation(columns), 7);
      assert.isBelow(Math.abs(bitDeviation(columns)), 7);
    }
    assert.equal(new Set(sent.map(({ columns, check }) => `${columns.length} ${check.length}`)).size, 1);
  });
  it("take what a provider answers for what it is: points that are none, or another number of transfers, are no answer", async () => {
    const lying = (port: Partial<GuestTransfersPort>): GuestTransfers => {
      const { host } = pair();
      return new GuestTransfers({ ends, kernels: inlineKernels, rng: systemRng, now: () => 0, port: {
        open: async (session) => ({ n: 1, points: await host.open(session) }), extend: async (body) => ({ n: 2, made: await host.extend({ base: undefined, ...body }) }), ...port,
      } });
    };
    assert.equal(await codeOf(() => lying({ open: async () => ({ n: 1, points: new Uint8Array(8192).fill(255) }) }).more()), "VERIFY_REPLY");
    assert.equal(await codeOf(() => lying({ extend: async () => ({ n: 2, made: 1 }) }).more()), "VERIFY_REPLY");
  });
});
