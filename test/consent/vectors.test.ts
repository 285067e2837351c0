// The vectors in vectors/*.json: consents and lists of withdrawals that must be accepted, and all that must be refused, each with its code.
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { ItemId, PartyId } from "../../core/brand.ts";
import { consentErrors } from "../../core/error-codes/consent.ts";
import { publicKeyFrom } from "../../consent/keys.ts";
import { Revocations } from "../../consent/revocation.ts";
import { registrarFromStatement, Trust } from "../../consent/trust.ts";
import { MemoryUseBook } from "../../consent/uses.ts";
import { verifyConsent, type Asked } from "../../consent/verify.ts";
import { claimantOf, keys, verdict } from "./support.ts";
import { vectorFiles, type ConsentVector, type ListVector } from "./vectors.ts";

type File<T> = { readonly root: string; readonly registrarStatement: string; readonly items: readonly string[]; readonly vectors: readonly T[] };
const textOf = (name: string): string => readFileSync(join(import.meta.dirname, "vectors", name), "utf8");
const consents = JSON.parse(textOf("consents.json")) as File<ConsentVector>;
const lists = JSON.parse(textOf("lists.json")) as File<ListVector>;
const trustOf = (file: File<unknown>): Trust => new Trust([registrarFromStatement(file.registrarStatement, publicKeyFrom(file.root))]);

describe("the vectors of consents", () => {
  for (const vector of consents.vectors) {
    it(`${vector.name}: ${vector.expected}`, () => {
      const trust = trustOf(consents);
      const revocations = new Revocations(trust);
      for (const list of vector.lists) revocations.accept(list);
      const { party, uscc, items, purpose, kind } = vector.asked;
      const asked = { grantee: { party: party as PartyId, uscc }, items: items as ItemId[], purpose, kind } as Asked;
      const uses = new MemoryUseBook();
      const basis = { trust, revocations, isItem: (id: string): boolean => consents.items.includes(id) };
      assert.equal(verdict(() => verifyConsent(vector.jws, vector.subject, asked, basis, claimantOf(uses), Date.parse(vector.at))), vector.expected);
    });
  }
});

describe("the vectors of lists of withdrawals", () => {
  for (const vector of lists.vectors) {
    it(`${vector.name}: ${vector.expected}`, () => {
      const revocations = new Revocations(trustOf(lists));
      for (const list of vector.seen) revocations.accept(list);
      assert.equal(verdict(() => revocations.accept(vector.jws)), vector.expected);
    });
  }
});

describe("the files of vectors", () => {
  it("are what their seeds give", () => {
    for (const [name, text] of Object.entries(vectorFiles)) assert.equal(textOf(name), text(), name);
    assert.isTrue(publicKeyFrom(consents.root).equals(createPublicKey(keys.root)));
  });

  it("have one that must fail for every way to fail that one text can show", () => {
    const shown = new Set([...consents.vectors, ...lists.vectors].map((v) => v.expected));
    // What depends on earlier uses or on a store has tests of its own.
    const elsewhere = ["CONSENT_USED", "CONSENT_USE_CONFLICT", "CONSENT_EXISTS", "CONSENT_NOT_FOUND", "CONSENT_LIST_BUSY", "CONSENT_MISSING"];
    assert.sameMembers(Object.keys(consentErrors).filter((code) => !shown.has(code)), elsewhere);
  });
});
