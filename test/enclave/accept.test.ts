// The door in, for every message type: whatever a broken or hostile peer, or the relay, puts in place of a message is refused
// with its code, nothing is stored, and the right message is taken afterwards.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { AppError, type Code } from "../../core/errors.ts";
import { maxFrameBytes, type Role } from "../../core/message.ts";
import { Inbox } from "../../enclave/accept.ts";
import { maxSealedBytes, sealFrame } from "../../enclave/channel/seal.ts";
import { transcriptHash, type Session } from "../../enclave/channel/session.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { messageTable, specOf, type MessageType } from "../../federation/messages.ts";
import { planDigest, type JobPlan } from "../../federation/plan-schema.ts";
import { sumsParams } from "../../kernels/params.ts";
import { bank, Ca, Channels, planOf, power, sampleBodies, summaryOf, tax, temporaryFolder } from "../support/enclave.ts";

const parties = [bank, tax, power];
/** Few rows: companies are aligned by the curve, whose messages the tests of channels and chunks use. */
const small = { bank: summaryOf("loans", true, 2900), tax: summaryOf("filings", false, 2900), power: summaryOf("usage", false, 2900) };
const roleOf = (party: PartyId): Role => (party === bank ? "guest" : "host");
const types = Object.keys(messageTable) as MessageType[];
let identities: Map<PartyId, Identity>;
let channels: Channels;

before(async () => {
  using folder = temporaryFolder();
  const ca = await Ca.create();
  identities = new Map();
  for (const party of parties) identities.set(party, await ca.enrol(join(folder.path, party), party));
  channels = await Channels.open(planOf({}, { datasets: small }), identities);
});

/** Sender and receiver of a type. Of two hosts the one that sorts first asks, and gives its half as `opened`. */
function endsOf(type: MessageType): { from: PartyId; to: PartyId } {
  const { from, to } = messageTable[type];
  if (from === "host" && to === "host") return type === "cross/query" ? { from: power, to: tax } : { from: tax, to: power };
  if (type === "cross/opened") return { from: power, to: bank };
  return { from: from === "host" ? tax : bank, to: to === "guest" ? bank : from === "host" ? bank : tax };
}

/** The plan, with room for one message of a type that its kind of job does not have. */
function planWith(plan: JobPlan, type: MessageType, from: PartyId, to: PartyId): JobPlan {
  const [some] = plan.leakage;
  if (some === undefined || plan.leakage.some((l) => l.type === type && l.from === from && l.to === to)) return plan;
  return { ...plan, leakage: [...plan.leakage, { ...some, type, from, to, maxMessages: 1, maxBytes: 2 * maxFrameBytes }] };
}

const keyOf = (party: PartyId): Identity["signKey"] => identities.get(party)?.signKey ?? assert.fail(party);

/** A receiver with one message of the sender already taken (number 0); number 1 is next. */
class Receiver implements Disposable {
  readonly from: PartyId;
  readonly to: PartyId;
  readonly db = new StateDatabase(":memory:");
  readonly #folder = temporaryFolder();
  readonly inbox: Inbox;
  readonly type: MessageType;
  readonly first: MessageType;

  constructor(type: MessageType, plan = channels.plan) {
    this.type = type;
    ({ from: this.from, to: this.to } = endsOf(type));
    this.inbox = new Inbox({ db: this.db, plan: planWith(plan, type, this.from, this.to), self: this.to, folder: this.#folder.path, now: Date.now });
    this.first = type === "seeds/commit" ? "rows/confirm" : "seeds/commit";
    this.accept(this.seal(this.first, sampleBodies[this.first], { seq: 0 }), this.first, 0);
  }
  /** A frame as the sender would seal it, with anything about it changed. */
  seal(type: string, body: unknown, change: { seq?: number; session?: Session; key?: Identity["signKey"] } = {}): Uint8Array {
    return this.sealBytes(encodeFrame(type, body), change);
  }
  sealBytes(frame: Uint8Array, change: { seq?: number; session?: Session; key?: Identity["signKey"] } = {}): Uint8Array {
    return sealFrame(frame, change.seq ?? 1, change.session ?? channels.session(this.from, this.to), change.key ?? keyOf(this.from));
  }
  accept(sealed: Uint8Array, expected: MessageType = this.type, seq = 1): unknown {
    return this.inbox.accept(sealed, {
      peer: this.from, seq, expected, ends: { from: roleOf(this.from), to: roleOf(this.to) },
      session: channels.session(this.to, this.from), peerIdentity: publicOf(this.from),
    });
  }
  get stored(): { rows: unknown[]; files: string[] } {
    return { rows: this.db.all("select * from inbox"), files: readdirSync(this.#folder.path).sort() };
  }
  get refusals(): unknown[] {
    return this.db.all("select code from refusals order by id").map((r) => r["code"]);
  }
  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}

const publicOf = (party: PartyId): Identity["signKey"] => keyOf(party); // verify() takes the private key's public half

function codeOf(work: () => unknown): Code {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return assert.fail("it was accepted");
}

type Case = { readonly name: string; readonly code: Code; readonly sealed: Uint8Array };

/** Everything that may come instead of message number 1. */
function hostileFrames(r: Receiver): Case[] {
  const { type, from, to } = r;
  const spec = specOf(type) ?? assert.fail(type);
  const body: Record<string, unknown> = { ...sampleBodies[type] };
  const frame = encodeFrame(type, body);
  const good = r.sealBytes(frame);
  const own = channels.session(from, to);
  const third = parties.find((p) => p !== from && p !== to) ?? assert.fail();
  const otherTranscript = transcriptHash(planDigest({ ...channels.plan, purpose: "loan-approval" }), new Map());
  // What a peer could do that signs properly but seals with the key of another job.
  const foreignKey = Object.assign(Object.create(own) as Session, {
    self: from, peer: to, transcript: own.transcript, key: (a: PartyId, b: PartyId) => channels.session(from, to, otherTranscript).key(a, b),
  });
  const other: MessageType = type === "seeds/reveal" ? "rows/confirm" : "seeds/reveal";
  const c = (name: string, code: Code, sealed: Uint8Array): Case => ({ name, code, sealed });
  const cases = [
    c("nothing", "PROTOCOL_MALFORMED", new Uint8Array(0)),
    c("a truncated envelope", "PROTOCOL_MALFORMED", good.subarray(0, -1)),
    c("an envelope followed by a byte", "PROTOCOL_MALFORMED", Uint8Array.of(...good.subarray(0, 300), ...good.subarray(300), 0)),
    c("an oversized envelope", "PROTOCOL_OVERSIZED", new Uint8Array(maxSealedBytes + 1)),
    c("its own earlier message", "PROTOCOL_REPLAYED", r.seal(r.first, sampleBodies[r.first], { seq: 0 })),
    c("the right message under a used number", "PROTOCOL_REPLAYED", r.sealBytes(frame, { seq: 0 })),
    c("the message after the next", "PROTOCOL_OUT_OF_ORDER", r.sealBytes(frame, { seq: 2 })),
    c("a message with a number beyond 2^53", "PROTOCOL_OUT_OF_ORDER", r.sealBytes(frame, { seq: 2 ** 53 })),
    c("a message of another turn", "PROTOCOL_OUT_OF_ORDER", r.seal(other, sampleBodies[other])),
    c("a message of a third party to this one", "PROTOCOL_WRONG_PARTY", r.sealBytes(frame, { session: channels.session(third, to), key: keyOf(third) })),
    c("a message to a third party", "PROTOCOL_WRONG_PARTY", r.sealBytes(frame, { session: channels.session(from, third) })),
    c("its own message sent back", "PROTOCOL_WRONG_PARTY", r.sealBytes(frame, { session: channels.session(to, from), key: keyOf(to) })),
    c("a message signed by a third party", "PROTOCOL_BAD_SIGNATURE", r.sealBytes(frame, { key: keyOf(third) })),
    c("a message of another job of the same parties", "PROTOCOL_BAD_SEAL", r.sealBytes(frame, { session: channels.session(from, to, otherTranscript) })),
    c("a message sealed with another job's key", "PROTOCOL_BAD_SEAL", r.sealBytes(frame, { session: foreignKey })),
    c("a truncated body", "PROTOCOL_MALFORMED", r.sealBytes(frame.subarray(0, -1))),
    c("an empty body", "PROTOCOL_MALFORMED", r.sealBytes(new Uint8Array(0))),
    c("a body followed by a byte", "PROTOCOL_MALFORMED", r.sealBytes(new Uint8Array(Buffer.concat([frame, Buffer.of(0)])))),
    c("bytes that are no body", "PROTOCOL_MALFORMED", r.sealBytes(new TextEncoder().encode("hello, is it me you are looking for?"))),
    c("deep nesting", "PROTOCOL_MALFORMED", r.sealBytes(new Uint8Array(100_000).fill(0x81))),
    c("an unknown type", "PROTOCOL_UNKNOWN_TYPE", r.seal("psi/secret", body)),
    c("a property of every object as its type", "PROTOCOL_UNKNOWN_TYPE", r.seal("constructor", body)),
    c("an unknown field", "PROTOCOL_SCHEMA", r.seal(type, { ...body, extra: 1 })),
    c("a list as its body", "PROTOCOL_SCHEMA", r.seal(type, Object.values(body))),
    c("no body", "PROTOCOL_SCHEMA", r.seal(type, null)),
    ...Object.keys(body).flatMap((field) => [
      c(`no ${field}`, "PROTOCOL_SCHEMA", r.seal(type, Object.fromEntries(Object.entries(body).filter(([key]) => key !== field)))),
      ...[-1.5, "\u0000", [[]], null].filter((value) => typeof value !== typeof body[field] || value === -1.5).map((value) => c(`${JSON.stringify(value)} as ${field}`, "PROTOCOL_SCHEMA", r.seal(type, { ...body, [field]: value }))),
    ]),
  ];
  const padding = new Uint8Array(Math.min(spec.maxBytes, maxFrameBytes));
  cases.push(c("a body beyond the limit of its type", "PROTOCOL_OVERSIZED", r.seal(type, { ...body, padding })));
  if (spec.from !== "any") {
    // The other end of the channel says it: that role may not.
    const reversed = spec.from === spec.to ? [] : [c("a type that only the other role may send", "PROTOCOL_WRONG_PARTY", r.seal(wrongWay(from), sampleBodies[wrongWay(from)]))];
    cases.push(...reversed);
  }
  if (type.endsWith("/query")) {
    const residues = Uint8Array.from(sampleBodies[type as "binning/query"].bytes);
    new DataView(residues.buffer).setUint32(0, sumsParams.primes[0] ?? 0, true);
    cases.push(c("residues that are not canonical", "PROTOCOL_SCHEMA", r.seal(type, { ...body, bytes: residues })));
    cases.push(c("half a coefficient", "PROTOCOL_SCHEMA", r.seal(type, { ...body, bytes: residues.subarray(0, 20) })));
  }
  return cases;
}

/** A type that a party of the other role sends. */
function wrongWay(from: PartyId): "psi/open" | "psi/ready" {
  return roleOf(from) === "host" ? "psi/open" : "psi/ready";
}

describe("the door into an enclave", () => {
  for (const type of types) {
    it(`refuses everything but the right ${type}, stores nothing of it, and takes the right one after each refusal`, () => {
      using sender = new Receiver(type);
      const cases = hostileFrames(sender);
      assert.isAbove(cases.length, 24);
      for (const { name, code, sealed } of cases) {
        using r = new Receiver(type);
        const earlier = r.stored;
        assert.equal(codeOf(() => r.accept(sealed)), code, name);
        assert.deepEqual(r.stored, earlier, `${name}: nothing stored`);
        assert.deepEqual(r.refusals, [code], name);
        assert.deepEqual(r.accept(r.seal(type, sampleBodies[type])), sampleBodies[type], `after ${name}`);
        assert.deepEqual(r.inbox.stored(r.from, 1, { from: roleOf(r.from), to: roleOf(r.to) }), { type, body: sampleBodies[type] });
      }
    });
  }

  it("goes on with the next message of the channel after all of them in a row", () => {
    using r = new Receiver("psi/own", planOf({}, { datasets: { ...small, bank: summaryOf("loans", true, 2000), tax: summaryOf("filings", false, 5000) } }));
    const cases = hostileFrames(r);
    for (const { sealed } of cases) codeOf(() => r.accept(sealed));
    assert.lengthOf(r.refusals, cases.length);
    for (const seq of [1, 2]) r.accept(r.seal("psi/own", sampleBodies["psi/own"], { seq }), "psi/own", seq);
    assert.lengthOf(r.stored.rows, 3);
  });

  it("never takes a frame with flipped bits, whichever they are, and never fails in another way", () => {
    for (const type of ["psi/open", "binning/query", "totals/masked", "finish/receipt"] as const) {
      using r = new Receiver(type);
      const good = r.seal(type, sampleBodies[type]);
      fc.assert(fc.property(fc.uniqueArray(fc.nat(good.length * 8 - 1), { minLength: 1, maxLength: 4 }), (bits) => {
        const bad = Uint8Array.from(good);
        for (const bit of bits) bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.match(codeOf(() => r.accept(bad)), /^PROTOCOL_/);
      }), { numRuns: 150 });
      assert.lengthOf(r.stored.rows, 1);
      r.accept(good);
    }
  });

  it("never fails in another way when a peer signs and seals damaged or random bodies properly", () => {
    using r = new Receiver("binning/offer");
    const frame = encodeFrame("binning/offer", sampleBodies["binning/offer"]);
    const refusedOrSame = (bytes: Uint8Array): void => {
      try {
        r.accept(r.sealBytes(bytes));
        r.db.run("update inbox set digest = '' where seq = 1");
        assert.isUndefined(r.inbox.stored(r.from, 1, { from: roleOf(r.from), to: roleOf(r.to) }));
      } catch (error) {
        assert.instanceOf(error, AppError);
        assert.match(error.code, /^PROTOCOL_/);
      }
    };
    fc.assert(fc.property(fc.nat(frame.length - 1), fc.integer({ min: 1, max: 255 }), (at, value) => refusedOrSame(frame.with(at, (frame[at] ?? 0) ^ value))), { numRuns: 300 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refusedOrSame), { numRuns: 200 });
  });

  it("refuses a type that the plan does not have, and more of a type than the plan has", () => {
    const scoring = planOf({ kind: "score", model: "model_0123456789abcdef", params: { batch: "c".repeat(64), rows: 100 } });
    using other = new Receiver("psi/ready");
    const inbox = new Inbox({ db: other.db, plan: scoring, self: bank, folder: "/nowhere", now: Date.now });
    const accept = (type: MessageType): unknown => inbox.accept(other.seal(type, sampleBodies[type]), {
      peer: tax, seq: 1, expected: type, ends: { from: "host", to: "guest" }, session: channels.session(bank, tax), peerIdentity: publicOf(tax),
    });
    assert.equal(codeOf(() => accept("binning/offer")), "PROTOCOL_UNKNOWN_TYPE");
    assert.isFalse(existsSync("/nowhere"));

    using r = new Receiver("psi/ready");
    r.accept(r.seal("psi/ready", { size: 3000 }));
    assert.equal(codeOf(() => r.accept(r.seal("psi/ready", { size: 3000 }, { seq: 2 }), "psi/ready", 2)), "PROTOCOL_OVERSIZED");
    using chunks = new Receiver("psi/own");
    const most = channels.plan.leakage.find((l) => l.type === "psi/own" && l.from === tax)?.maxMessages ?? assert.fail();
    for (let seq = 1; seq <= most; seq++) chunks.accept(chunks.seal("psi/own", sampleBodies["psi/own"], { seq }), "psi/own", seq);
    assert.equal(codeOf(() => chunks.accept(chunks.seal("psi/own", sampleBodies["psi/own"], { seq: most + 1 }), "psi/own", most + 1)), "PROTOCOL_OVERSIZED");
  });

  it("gives a role bytes of its own: the memory in which a message was opened is used again for the next", () => {
    const plan = channels.plan;
    using r = new Receiver("psi/twice", { ...plan, leakage: plan.leakage.map((l) => ({ ...l, maxMessages: 10, maxBytes: 1_000_000 })) });
    const points = (value: number): Uint8Array => new Uint8Array(32 * 4000).fill(value);
    const first = r.accept(r.seal("psi/twice", { index: 0, points: points(1) })) as { points: Uint8Array };
    const second = r.accept(r.seal("psi/twice", { index: 1, points: points(2) }, { seq: 2 }), "psi/twice", 2) as { points: Uint8Array };
    assert.deepEqual([first.points, second.points], [points(1), points(2)]);
    assert.lengthOf(r.stored.files, 2, "large ones lie in files");
    for (const [seq, value] of [[1, 1], [2, 2]] as const) {
      const stored = r.inbox.stored(r.from, seq, { from: roleOf(r.from), to: roleOf(r.to) })?.body as { points: Uint8Array };
      assert.deepEqual(stored.points, points(value));
    }
  });

  it("forgets a stored message whose file is gone or differs, so that it is pulled again", () => {
    using r = new Receiver("psi/own");
    const ends = { from: roleOf(r.from), to: roleOf(r.to) };
    r.accept(r.seal("psi/own", sampleBodies["psi/own"]));
    assert.isDefined(r.inbox.stored(r.from, 1, ends));
    r.db.run("update inbox set digest = ? where seq = 1", "0".repeat(64));
    assert.isUndefined(r.inbox.stored(r.from, 1, ends));
    assert.lengthOf(r.stored.rows, 1);
    r.accept(r.seal("psi/own", sampleBodies["psi/own"]));
    assert.isDefined(r.inbox.stored(r.from, 1, ends));
  });
});
