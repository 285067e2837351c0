// Sealed channels: keys come from both ends and from the approved plan, frames are deterministic, and what is not a frame of
// this channel does not open.
import { createCipheriv, createHash, createPublicKey, sign, verify } from "node:crypto";
import { join } from "node:path";
import { assert } from "chai";
import { before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { openFrame, sealFrame } from "../../enclave/channel/seal.ts";
import { createEphemeralKey, Session, transcriptHash } from "../../enclave/channel/session.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { bank, Ca, Channels, planOf, power, tax, temporaryFolder } from "../support/enclave.ts";

/** The header of a frame from the bank. */
const headerOf = (seq: number, to: PartyId): Buffer => Buffer.concat([
  Buffer.from("YN02\u0004bank"), Buffer.of(to.length), Buffer.from(to), Buffer.alloc(7), Buffer.of(seq), Buffer.of(0, 0, 0, frame.length),
]);
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
    return "nothing";
  };

  it("opens at the other end what was sealed at one, and nothing of it can be read on the way", () => {
    const sealed = sealFrame(frame, 3, channels.session(bank, tax), keyOf(bank));
    assert.deepEqual(openFrame(sealed, 3, channels.session(tax, bank), keyOf(bank)), { frame, digest: createHash("sha256").update(frame).digest("hex") });
    assert.isFalse(Buffer.from(sealed).includes(Buffer.from(frame).subarray(0, 8)));
  });

  it("gives the same bytes for the same frame and number, others for another number, direction or peer", () => {
    const seal = (from: PartyId, to: PartyId, seq: number): string => Buffer.from(sealFrame(frame, seq, channels.session(from, to), keyOf(from))).toString("hex");
    assert.equal(seal(bank, tax, 0), seal(bank, tax, 0));
    // Only the ciphertexts: headers and signatures differ anyway.
    const body = (hex: string): string => hex.slice(-2 * (64 + 16 + frame.length), -2 * (64 + 16));
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

  it("signs content, number and both ends, so that a peer cannot say that another was sent", () => {
    // The receiver has the channel's keys: only the signature keeps it from making frames of the sender itself.
    const forged = (change: { digestOf?: Uint8Array; seq?: number; key?: Identity["signKey"] }): string => {
      const digest = createHash("sha256").update(change.digestOf ?? frame).digest("hex");
      const sealed = sealFrame(frame, change.seq ?? 3, channels.session(bank, tax), change.key ?? keyOf(bank), { digest });
      return codeOf(() => openFrame(sealed, 3, channels.session(tax, bank), keyOf(bank)));
    };
    assert.equal(forged({}), "nothing");
    assert.equal(forged({ digestOf: frame.subarray(1) }), "PROTOCOL_BAD_SIGNATURE");
    assert.equal(forged({ key: keyOf(tax) }), "PROTOCOL_BAD_SIGNATURE");
    // A signature of the sender's under another number, or to another peer, sealed again by who has the keys.
    const signatureOf = (seq: number, to: PartyId): Buffer => {
      const header = headerOf(seq, to);
      return sign(null, Buffer.concat([Buffer.from("yunei/frame/v2\0"), channels.transcript, header, createHash("sha256").update(frame).digest()]), keyOf(bank));
    };
    const sealedWith = (signature: Buffer): Buffer => {
      const header = headerOf(3, tax);
      const cipher = createCipheriv("aes-256-gcm", channels.session(tax, bank).key(bank, tax), Buffer.from("000000000000000000000003", "hex"));
      cipher.setAAD(Buffer.concat([channels.transcript, header]));
      return Buffer.concat([header, cipher.update(frame), cipher.update(signature), cipher.final(), cipher.getAuthTag()]);
    };
    const open = (sealed: Buffer): string => codeOf(() => openFrame(sealed, 3, channels.session(tax, bank), keyOf(bank)));
    assert.equal(open(sealedWith(signatureOf(3, tax))), "nothing");
    assert.equal(open(sealedWith(signatureOf(2, tax))), "PROTOCOL_BAD_SIGNATURE");
    assert.equal(open(sealedWith(signatureOf(3, power))), "PROTOCOL_BAD_SIGNATURE");
  });

  it("hides the signature: a relay that guesses a frame cannot test its guess", () => {
    const sealed = sealFrame(frame, 3, channels.session(bank, tax), keyOf(bank));
    const message = Buffer.concat([
      Buffer.from("yunei/frame/v2\0"), channels.transcript, headerOf(3, tax), createHash("sha256").update(frame).digest(),
    ]);
    const publicKey = createPublicKey(keyOf(bank));
    for (let at = 0; at + 64 <= sealed.length; at++) assert.isFalse(verify(null, message, publicKey, sealed.subarray(at, at + 64)));
  });

  it("takes frames of every length around a piece, byte for byte", () => {
    for (const length of [0, 1, 65_472, 65_535, 65_536, 65_537, 131_072, 200_001]) {
      const long = Uint8Array.from({ length }, (_, i) => i * 7);
      const sealed = sealFrame(long, 5, channels.session(bank, tax), keyOf(bank));
      assert.isTrue(Buffer.from(openFrame(sealed, 5, channels.session(tax, bank), keyOf(bank)).frame).equals(long), String(length));
      assert.isAtMost(sealed.length, length + 160);
    }
  });

  it("does not open a frame whose sender keeps the signature and changes the ciphertext, header or number", () => {
    const sealed = sealFrame(frame, 3, channels.session(bank, tax), keyOf(bank));
    const at = (i: number): Uint8Array => sealed.with(i, (sealed[i] ?? 0) ^ 1);
    const open = (bytes: Uint8Array, seq = 3): string => codeOf(() => openFrame(bytes, seq, channels.session(tax, bank), keyOf(bank)));
    const seqAt = 4 + 1 + 4 + 1 + 3 + 7;
    assert.equal(open(at(0)), "PROTOCOL_MALFORMED");
    assert.equal(open(at(5)), "PROTOCOL_WRONG_PARTY");
    assert.equal(open(at(seqAt + 4)), "PROTOCOL_MALFORMED"); // its length
    for (const i of [seqAt, sealed.length - 90, sealed.length - 20, sealed.length - 1]) assert.equal(open(at(i)), "PROTOCOL_BAD_SEAL", String(i));
    assert.equal(open(sealed, 4), "PROTOCOL_REPLAYED");
  });
});
