// Receipts and openings of uses: one strict form, nothing of a company in the clear, nothing that can be opened otherwise.
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { assert } from "chai";
import { describe, it } from "mocha";
import * as fc from "fast-check";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { partyId } from "../../core/names.ts";
import { seededRng } from "../../core/rng.ts";
import { signJws } from "../../receipts/jws.ts";
import { checkNext, following, noPrevious, readReceipt, receiptDigest, receiptType, signReceipt, verifyReceipt, type ReceiptStatement } from "../../receipts/receipt.ts";
import { checkReveal, commitOutput, UseCommitments, UsesSoFar, type Reveal, type Use } from "../../receipts/uses.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { codeOf } from "./codes.ts";
import { publicOf, testKey } from "./keys.ts";

const key = testKey("enclave tax");
const pub = publicOf(key);
const digest = (c: string): string => c.repeat(64);
const statement: ReceiptStatement = {
  version: 2, id: "job_0123456789abcdef", kind: "score", party: partyId("tax"), purpose: "loan-approval",
  planDigest: digest("a"), modelDigest: digest("b"), snapshotDigest: digest("c"), outputDigest: null, ledgerDigest: digest("d"), seedsDigest: null, uses: { count: 0, root: digest("e") }, at: "2026-10-01T08:00:00.000Z", sequence: 0, previous: noPrevious,
};
const encode = (value: string | Uint8Array): string => Buffer.from(value as string).toString("base64url");
const company = (i: number): string => {
  const first = `91330100MA${String(i).padStart(7, "0")}`;
  return `${first}${usccCheckCharacter(first)}`;
};
const useOf = (i: number): Use => ({
  subject: company(i), grantee: "bank-a", items: ["tax.payment"], consent: { id: `c-${i}`, digest: digest("1") },
  revocations: digest("2"), output: digest("3"), at: "2026-10-01T07:59:00.000Z",
});

describe("a receipt", () => {
  it("is signed and read in one form, the same text for the same statement", () => {
    const jws = signReceipt(statement, key);
    assert.equal(jws, signReceipt(statement, key));
    assert.deepEqual(verifyReceipt(jws, pub), statement);
    assert.deepEqual(readReceipt(jws), statement);
  });

  it("is refused with another key, a changed byte, or a key of another kind", async () => {
    const jws = signReceipt(statement, key);
    assert.equal(await codeOf(() => verifyReceipt(jws, publicOf(testKey("else")))), "RECEIPT_SIGNATURE");
    const other = signReceipt({ ...statement, sequence: 1, previous: digest("9") }, key);
    const mixed = [...other.split(".").slice(0, 2), jws.split(".")[2]].join(".");
    assert.equal(await codeOf(() => verifyReceipt(mixed, pub)), "RECEIPT_SIGNATURE");
    for (const wrong of [generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey, generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey, key]) {
      assert.equal(await codeOf(() => verifyReceipt(jws, wrong)), "RECEIPT_SIGNATURE");
    }
  });

  it("knows one algorithm: none, HS256 with the public key and headers that bring a key are refused", async () => {
    const payload = encode(canonicalJson(statement));
    const made = (header: Json, signature: (input: string) => Uint8Array): string => {
      const input = `${encode(canonicalJson(header))}.${payload}`;
      return `${input}.${encode(signature(input))}`;
    };
    const pem = pub.export({ format: "pem", type: "spki" });
    const ours = (input: string): Uint8Array => sign(null, Buffer.from(input), key);
    const forms = [
      made({ alg: "none", typ: receiptType }, () => new Uint8Array(0)),
      made({ alg: "none", typ: receiptType }, ours),
      made({ alg: "HS256", typ: receiptType }, (input) => createHmac("sha256", pem).update(input).digest()),
      made({ alg: "HS512", typ: receiptType }, (input) => createHmac("sha512", pem).update(input).digest()),
      made({ alg: "EdDSA", typ: receiptType, jwk: { kty: "OKP" } }, ours),
      made({ alg: "EdDSA", typ: receiptType, crit: ["b64"], b64: false }, ours),
      made({ alg: "EdDSA", typ: receiptType, kid: "1" }, ours),
      made({ alg: "EdDSA", typ: "yunei-approval+jws" }, ours),
      made({ alg: "EdDSA" }, ours),
    ];
    for (const form of forms) assert.equal(await codeOf(() => verifyReceipt(form, pub)), "RECEIPT_FORMAT", form.slice(0, 60));
  });

  it("of an earlier or later version is refused as such, before anything else of it is read", async () => {
    for (const version of [1, 3, 99, "2", null]) {
      assert.equal(await codeOf(() => verifyReceipt(signJws({ ...statement, version, more: "later" }, receiptType, key), pub)), "RECEIPT_VERSION");
    }
  });

  it("has exactly the fields of its version, in canonical form", async () => {
    const wrong: Json[] = [
      { ...statement, extra: 1 }, { ...statement, planDigest: digest("A") }, { ...statement, at: "2026-10-01" }, { ...statement, sequence: -1 }, { ...statement, sequence: 0.5 },
      { ...statement, sequence: 1 }, { ...statement, previous: digest("7") }, { ...statement, party: "Not A Party" }, { ...statement, uses: { count: 1 } }, [], "text", 5, null,
      Object.fromEntries(Object.entries(statement).filter(([name]) => name !== "ledgerDigest")),
    ];
    for (const value of wrong) assert.equal(await codeOf(() => verifyReceipt(signJws(value, receiptType, key), pub)), "RECEIPT_FORMAT", canonicalJson(value).slice(0, 40));
    const loose = `${encode(canonicalJson({ alg: "EdDSA", typ: receiptType }))}.${encode(` ${canonicalJson(statement)}`)}`;
    assert.equal(await codeOf(() => verifyReceipt(`${loose}.${encode(sign(null, Buffer.from(loose), key))}`, pub)), "RECEIPT_FORMAT");
    assert.equal(await codeOf(() => signReceipt({ ...statement, sequence: 3 }, key)), "RECEIPT_FORMAT");
  });

  it("never comes apart as another text that verifies", () => {
    const jws = signReceipt(statement, key);
    fc.assert(fc.property(fc.nat(jws.length - 1), fc.constantFrom("A", "b", "_", "=", ".", " "), (at, c) => {
      fc.pre(jws[at] !== c);
      const changed = `${jws.slice(0, at)}${c}${jws.slice(at + 1)}`;
      try {
        verifyReceipt(changed, pub);
      } catch {
        return true;
      }
      return false;
    }));
  });

  it("follows the one before it: repeats are known, gaps and second ones of a number refused", async () => {
    const first = signReceipt(statement, key);
    const head = { sequence: 0, digest: receiptDigest(first) };
    const next: ReceiptStatement = { ...statement, ...following(head) };
    assert.equal(checkNext(undefined, first, statement), "next");
    assert.equal(checkNext(head, first, statement), "same");
    assert.equal(checkNext(head, signReceipt(next, key), next), "next");
    const second = { ...statement, kind: "check" };
    assert.equal(await codeOf(() => checkNext(head, signReceipt(second, key), second)), "RECEIPT_CHAIN", "two with one number");
    const gap = { ...next, sequence: 2 };
    assert.equal(await codeOf(() => checkNext(head, signReceipt(gap, key), gap)), "RECEIPT_CHAIN");
    const unlinked = { ...next, previous: digest("8") };
    assert.equal(await codeOf(() => checkNext(head, signReceipt(unlinked, key), unlinked)), "RECEIPT_CHAIN");
    assert.equal(await codeOf(() => checkNext(undefined, signReceipt(next, key), next)), "RECEIPT_CHAIN");
  });
});

describe("the uses of a receipt", () => {
  const rng = seededRng(new Uint8Array(32), "uses.test");

  it("can each be opened alone, at any number of companies", () => {
    for (const count of [1, 2, 3, 7, 64, 100]) {
      const uses = Array.from({ length: count }, (_, i) => useOf(i));
      const made = new UseCommitments(uses, UseCommitments.draw(count, rng));
      for (let i = 0; i < count; i++) assert.deepEqual(checkReveal(made.digest, made.reveal(i)), uses[i]);
    }
  });

  it("have the same digest when they are not in memory together, at any number of companies", () => {
    for (const count of [...Array(35).keys(), 300]) {
      const uses = Array.from({ length: count }, (_, i) => useOf(i));
      const salts = UseCommitments.draw(count, rng);
      const soFar = new UsesSoFar();
      for (const [i, use] of uses.entries()) soFar.add(use, salts[i] as Uint8Array);
      assert.deepEqual(soFar.digest(), new UseCommitments(uses, salts).digest, `${count}`);
    }
  });
  it("cannot be opened as another company's, with another salt, place or path, or in another receipt", async () => {
    const uses = Array.from({ length: 9 }, (_, i) => useOf(i));
    const made = new UseCommitments(uses, UseCommitments.draw(9, rng));
    const other = new UseCommitments(uses, UseCommitments.draw(9, rng));
    const right = made.reveal(4);
    const wrong: Reveal[] = [
      { ...right, use: useOf(5) }, { ...right, use: { ...right.use, grantee: "bank-b" } }, { ...right, use: { ...right.use, output: null } },
      { ...right, salt: made.reveal(5).salt }, { ...right, salt: Buffer.alloc(31).toString("base64") }, { ...right, index: right.index === 0 ? 1 : 0 },
      { ...right, path: right.path.slice(1) }, { ...right, path: other.reveal(4).path },
    ];
    for (const reveal of wrong) assert.equal(await codeOf(() => checkReveal(made.digest, reveal)), "RECEIPT_REVEAL");
    assert.equal(await codeOf(() => checkReveal(other.digest, right)), "RECEIPT_REVEAL");
    assert.equal(await codeOf(() => checkReveal({ ...made.digest, count: 8 }, right)), "RECEIPT_REVEAL");
  });

  it("show nothing to somebody who knows the company and guesses: the same use gives other digests each time", () => {
    const roots = Array.from({ length: 5 }, () => new UseCommitments([useOf(1)], UseCommitments.draw(1, rng)).digest.root);
    assert.equal(new Set(roots).size, 5);
    assert.notEqual(commitOutput("612", rng(32)), commitOutput("612", rng(32)));
  });

  it("lie in an order that says nothing about the rows", () => {
    const uses = Array.from({ length: 50 }, (_, i) => useOf(i));
    const salts = UseCommitments.draw(50, rng);
    const forwards = new UseCommitments(uses, salts);
    const backwards = new UseCommitments(uses.toReversed(), salts.toReversed());
    assert.equal(forwards.digest.root, backwards.digest.root);
    assert.notDeepEqual(uses.map((_, i) => forwards.reveal(i).index), uses.map((_, i) => i));
  });

  it("must fit their schema: a real company code, items, consent and list together", async () => {
    const good = useOf(1);
    const wrong = [{ ...good, subject: "91330100MA0000001A" }, { ...good, items: [] }, { ...good, revocations: null }, { ...good, consent: null }, { ...good, output: "612" }, { ...good, at: "2026-10-01" }];
    for (const use of wrong) assert.equal(await codeOf(() => new UseCommitments([use], [rng(32)])), "RECEIPT_USE");
    assert.equal(await codeOf(() => new UseCommitments([good], [rng(16)])), "RECEIPT_USE");
    assert.equal(await codeOf(() => new UseCommitments([good], [])), "RECEIPT_USE");
  });
});
