// Sealed channels: keys come from both ends and from the approved plan, frames are deterministic, and what is not a frame of
// this channel does not open.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { assert } from "chai";
import { before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { openFrame, sealFrame } from "../../enclave/channel/seal.ts";
import { createEphemeralKey, Session, transcriptHash } from "../../enclave/channel/session.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { bank, Ca, Channels, planOf, power, tax, temporaryFolder } from "../support/enclave.ts";

const frame = new TextEncoder().encode("a frame of some bytes");

describe("a sealed channel", () => {
  const identities = new Map<PartyId, Identity>();
  let channels: Channels;
  before(async () => {
    using folder = temporaryFolder();
    const ca = await Ca.create();
    for (const party of [bank, tax, power]) identities.set(party, await ca.enrol(join(folder.path, party), party));
    channels = await Channels.open(planOf(), identities);
  });
  const keyOf = (party: PartyId): Identity["signKey"] => identities.get(party)?.signKey ?? assert.fail(party);
  const codeOf = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (error instanceof AppError) return error.code;
      throw error;
    }
    return assert.fail("nothing was refused");
  };

  it("opens at the other end what was sealed at one, and nothing of it can be read on the way", () => {
    const sealed = sealFrame(frame, 3, channels.session(bank, tax), keyOf(bank));
    assert.deepEqual(openFrame(sealed, 3, channels.session(tax, bank), keyOf(bank)), frame);
    assert.isFalse(Buffer.from(sealed).includes(Buffer.from(frame).subarray(0, 8)));
  });

  it("gives the same bytes for the same frame and number, others for another number, direction or peer", () => {
    const seal = (from: PartyId, to: PartyId, seq: number): string => Buffer.from(sealFrame(frame, seq, channels.session(from, to), keyOf(from))).toString("hex");
    assert.equal(seal(bank, tax, 0), seal(bank, tax, 0));
    // Only the ciphertexts: headers and signatures differ anyway.
    const body = (hex: string): string => hex.slice(-2 * (64 + 16 + frame.length), -128);
    assert.lengthOf(new Set([seal(bank, tax, 0), seal(bank, tax, 1), seal(tax, bank, 0), seal(bank, power, 0), seal(power, tax, 0)].map(body)), 5);
  });

  it("has one key per direction, which both ends and nobody else derive", () => {
    const [out, back] = [channels.session(bank, tax), channels.session(tax, bank)];
    assert.deepEqual(out.key(bank, tax), back.key(bank, tax));
    assert.notDeepEqual(out.key(bank, tax), out.key(tax, bank));
    assert.notDeepEqual(channels.session(power, tax).key(power, tax), channels.session(power, bank).key(power, tax));
    assert.deepEqual(channels.session(tax, power).sharedRng("m")(16), channels.session(power, tax).sharedRng("m")(16));
    assert.notDeepEqual(channels.session(tax, power).sharedRng("m")(16), channels.session(bank, tax).sharedRng("m")(16));
  });

  it("has other keys for another plan, another approval or another set of parties", () => {
    const approvals = new Map([[bank, "a"], [tax, "b"]]);
    const hashes = [
      transcriptHash("1".repeat(64), approvals), transcriptHash("2".repeat(64), approvals),
      transcriptHash("1".repeat(64), new Map([...approvals, [tax, "c"]])), transcriptHash("1".repeat(64), new Map([...approvals, [power, "b"]])),
      // Where one part ends and the next begins is part of the hash.
      transcriptHash("1".repeat(64), new Map([[bank, "a\0tax\0b"]])),
    ].map((h) => Buffer.from(h).toString("hex"));
    assert.equal(new Set(hashes).size, hashes.length);
    assert.equal(Buffer.from(transcriptHash("1".repeat(64), new Map([...approvals].toReversed()))).toString("hex"), hashes[0]);
    const keys = hashes.map((h) => Buffer.from(channels.session(bank, tax, Buffer.from(h, "hex")).key(bank, tax)).toString("hex"));
    assert.equal(new Set(keys).size, keys.length);
  });

  it("refuses a channel key that is no key, or one of small order", () => {
    const ephemeral = createEphemeralKey();
    const open = (peerPublicX: string): unknown => new Session({ self: bank, peer: tax, ephemeral, peerPublicX, transcript: createHash("sha256").digest() });
    assert.equal(codeOf(() => open("A".repeat(43))), "PROTOCOL_BAD_SEAL");
    assert.equal(codeOf(() => open("short")), "PROTOCOL_BAD_SEAL");
    assert.doesNotThrow(() => open(createEphemeralKey().publicX));
  });

  it("does not open a frame whose sender keeps the signature and changes the ciphertext, header or number", () => {
    const sealed = sealFrame(frame, 3, channels.session(bank, tax), keyOf(bank));
    const at = (i: number): Uint8Array => sealed.with(i, (sealed[i] ?? 0) ^ 1);
    const open = (bytes: Uint8Array, seq = 3): string => codeOf(() => openFrame(bytes, seq, channels.session(tax, bank), keyOf(bank)));
    const seqAt = 4 + 1 + 4 + 1 + 3 + 7;
    assert.equal(open(at(0)), "PROTOCOL_MALFORMED");
    assert.equal(open(at(5)), "PROTOCOL_WRONG_PARTY");
    assert.equal(open(at(seqAt)), "PROTOCOL_BAD_SIGNATURE");
    assert.equal(open(at(sealed.length - 90)), "PROTOCOL_BAD_SIGNATURE");
    assert.equal(open(at(sealed.length - 1)), "PROTOCOL_BAD_SIGNATURE");
    assert.equal(open(sealed, 4), "PROTOCOL_REPLAYED");
  });
});
