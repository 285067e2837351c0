// The door out: schema, plan and ledger before the seal; a number is used for one content only, also after a restart.
import { join } from "node:path";
import { assert } from "chai";
import { before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { encodeFrame } from "../../core/codec.ts";
import { AppError } from "../../core/errors.ts";
import { Ledger } from "../../enclave/ledger.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { release } from "../../enclave/release.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { openFrame } from "../../enclave/channel/seal.ts";
import type { MessageType } from "../../federation/messages.ts";
import { bank, Ca, Channels, planOf, power, sampleBodies, summaryOf, tax, temporaryFolder } from "../support/enclave.ts";

describe("the door out of an enclave", () => {
  const identities = new Map<PartyId, Identity>();
  let channels: Channels;
  before(async () => {
    using folder = temporaryFolder();
    const ca = await Ca.create();
    for (const party of [bank, tax, power]) identities.set(party, await ca.enrol(join(folder.path, party), party));
    // Few rows: their alignment has the messages that are used here.
    const datasets = { bank: summaryOf("loans", true, 1000), tax: summaryOf("filings", false, 1000), power: summaryOf("usage", false, 1000) };
    channels = await Channels.open(planOf({}, { datasets }), identities);
  });
  const keyOf = (party: PartyId): Identity["signKey"] => identities.get(party)?.signKey ?? assert.fail(party);
  const send = (db: StateDatabase, type: string, body: unknown, seq: number, change: { ledger?: Ledger; ends?: { from: "guest" | "host"; to: "guest" | "host" } } = {}) =>
    release({
      type, body, to: tax, seq, ends: change.ends ?? { from: "guest", to: "host" }, session: channels.session(bank, tax), identity: keyOf(bank),
      ledger: change.ledger ?? new Ledger(db, channels.plan, bank),
    });
  const codeOf = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (error instanceof AppError) return error.code;
      throw error;
    }
    return assert.fail("it was let out");
  };
  const rows = (db: StateDatabase): unknown[] => db.all("select peer, seq, type from ledger order by seq").map((r) => [r["peer"], r["seq"], r["type"]]);

  it("lets a message of the plan out, sealed for its receiver", () => {
    using db = new StateDatabase(":memory:");
    const out = send(db, "psi/open", sampleBodies["psi/open"], 0);
    const { frame } = openFrame(out.sealed ?? assert.fail(), 0, channels.session(tax, bank), keyOf(bank));
    assert.deepEqual(frame, encodeFrame("psi/open", sampleBodies["psi/open"]));
    assert.deepEqual(rows(db), [["tax", 0, "psi/open"]]);
  });

  it("has the ledger's row on disk before anything is sealed", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "state.db");
    using db = new StateDatabase(file);
    const session = channels.session(bank, tax);
    let seen: unknown[] | undefined;
    const watched = Object.assign(Object.create(session) as typeof session, {
      self: bank, peer: tax, transcript: session.transcript,
      key: (a: PartyId, b: PartyId) => {
        using other = new StateDatabase(file);
        seen = rows(other);
        return session.key(a, b);
      },
    });
    release({ type: "psi/open", body: sampleBodies["psi/open"], to: tax, seq: 0, ends: { from: "guest", to: "host" }, session: watched, identity: keyOf(bank), ledger: new Ledger(db, channels.plan, bank) });
    assert.deepEqual(seen, [["tax", 0, "psi/open"]]);
  });

  it("gives the same bytes for the same content again, and knows what was acknowledged, also after a restart", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "state.db");
    {
      using db = new StateDatabase(file);
      const first = send(db, "psi/open", sampleBodies["psi/open"], 0).sealed ?? assert.fail();
      assert.deepEqual(send(db, "psi/open", { ...sampleBodies["psi/open"] }, 0).sealed, first);
      new Ledger(db, channels.plan, bank).acknowledge(tax, 0);
    }
    using db = new StateDatabase(file);
    const again = send(db, "psi/open", { ...sampleBodies["psi/open"] }, 0);
    assert.isUndefined(again.sealed, "the relay has it");
    assert.lengthOf(rows(db), 1);
  });

  it("refuses another content under a used number, and a number that is not the next", () => {
    using db = new StateDatabase(":memory:");
    send(db, "psi/open", sampleBodies["psi/open"], 0);
    assert.equal(codeOf(() => send(db, "psi/open", { ...sampleBodies["psi/open"], size: 2999 }, 0)), "ENCLAVE_REPLAY_DIVERGED");
    assert.equal(codeOf(() => send(db, "seeds/commit", sampleBodies["seeds/commit"], 0)), "ENCLAVE_REPLAY_DIVERGED");
    assert.equal(codeOf(() => send(db, "seeds/commit", sampleBodies["seeds/commit"], 2)), "PROTOCOL_OUT_OF_ORDER");
    assert.deepEqual(rows(db), [["tax", 0, "psi/open"]]);
  });

  it("refuses what does not fit its schema or may not be sent by this role, and writes nothing down", () => {
    using db = new StateDatabase(":memory:");
    const refused: [string, unknown, string][] = [
      ["psi/open", { ...sampleBodies["psi/open"], ids: ["C1", "C2"] }, "PROTOCOL_SCHEMA"],
      ["psi/open", { size: 3000 }, "PROTOCOL_SCHEMA"],
      ["psi/ready", sampleBodies["psi/ready"], "PROTOCOL_WRONG_PARTY"],
      ["raw/rows", { rows: [1, 2, 3] }, "PROTOCOL_UNKNOWN_TYPE"],
      ["toString", {}, "PROTOCOL_UNKNOWN_TYPE"],
    ];
    for (const [type, body, code] of refused) assert.equal(codeOf(() => send(db, type, body, 0)), code, type);
    assert.isEmpty(rows(db));
  });

  it("refuses a type that the plan does not have, one message more than the plan has, and one byte more", () => {
    using db = new StateDatabase(":memory:");
    const without = (types: readonly MessageType[]): Ledger => new Ledger(db, { ...channels.plan, leakage: channels.plan.leakage.filter((l) => !types.some((t) => t === l.type)) }, bank);
    assert.equal(codeOf(() => send(db, "psi/open", sampleBodies["psi/open"], 0, { ledger: without(["psi/open"]) })), "LEDGER_OUTSIDE_PLAN");
    assert.isEmpty(rows(db));
    send(db, "psi/open", sampleBodies["psi/open"], 0);
    assert.equal(codeOf(() => send(db, "psi/open", sampleBodies["psi/open"], 1)), "LEDGER_OUTSIDE_PLAN");
    const length = encodeFrame("rows/open", sampleBodies["rows/open"]).length;
    const bounded = (maxBytes: number): Ledger =>
      new Ledger(db, { ...channels.plan, leakage: channels.plan.leakage.map((l) => (l.type === "rows/open" && l.to === tax ? { ...l, maxBytes } : l)) }, bank);
    assert.equal(codeOf(() => send(db, "rows/open", sampleBodies["rows/open"], 1, { ledger: bounded(length - 1) })), "LEDGER_OUTSIDE_PLAN");
    send(db, "rows/open", sampleBodies["rows/open"], 1, { ledger: bounded(length) });
    assert.deepEqual(rows(db), [["tax", 0, "psi/open"], ["tax", 1, "rows/open"]]);
  });

  it("bounds each channel by itself: what one host may get says nothing about another", () => {
    using db = new StateDatabase(":memory:");
    const onlyPower = new Ledger(db, { ...channels.plan, leakage: channels.plan.leakage.filter((l) => l.to !== tax) }, bank);
    assert.equal(codeOf(() => send(db, "psi/open", sampleBodies["psi/open"], 0, { ledger: onlyPower })), "LEDGER_OUTSIDE_PLAN");
  });

  it("has a digest that every line goes into", () => {
    const digest = (bodies: readonly { size: number }[]): string => {
      using db = new StateDatabase(":memory:");
      for (const [seq, { size }] of bodies.entries()) send(db, seq === 0 ? "psi/open" : "seeds/commit", seq === 0 ? { ...sampleBodies["psi/open"], size } : sampleBodies["seeds/commit"], seq);
      return new Ledger(db, channels.plan, bank).digest();
    };
    const digests = [digest([]), digest([{ size: 1 }]), digest([{ size: 2 }]), digest([{ size: 1 }, { size: 1 }])];
    assert.equal(new Set(digests).size, 4);
    assert.equal(digest([{ size: 1 }]), digests[1]);
  });
});
