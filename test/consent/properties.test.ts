// Properties over made-up consents and changes to them.
import * as fc from "fast-check";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { JobId, PartyId } from "../../core/brand.ts";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { checkFollows, readRevocationList, type RevokedEntry } from "../../consent/revocation.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { consentKinds, parseConsent, signConsent, type Consent } from "../../consent/statement.ts";
import { MemoryUseBook } from "../../consent/uses.ts";
import { checkConsent } from "../../consent/verify.ts";
import { asked, bank, basisOf, byCompany, company, consentOf, granted, items, keys, listOf, now, rawJws, headerOf, trustOf, usccOf, verdict } from "./support.ts";

const basis = basisOf();
const texts = [granted(), signConsent(consentOf(byCompany), keys.company)];
const holds = (jws: string): string => verdict(() => checkConsent(jws, company, asked, basis, now));

describe("a signed consent", () => {
  it("is refused, with a code, after any change of one character, and accepted without", () => {
    assert.deepEqual(texts.map(holds), ["accepted", "accepted"]);
    fc.assert(fc.property(fc.constantFrom(...texts), fc.nat(), fc.string({ unit: "binary", minLength: 1, maxLength: 1 }), (jws, where, put) => {
      const at = where % jws.length;
      const changed = jws.slice(0, at) + put + jws.slice(at + 1);
      if (changed !== jws) assert.match(holds(changed), /^CONSENT_/);
    }), { numRuns: 1500 });
  });

  it("is refused after any change of one bit of what its parts decode to", () => {
    fc.assert(fc.property(fc.constantFrom(...texts), fc.constantFrom(0, 1, 2), fc.nat(), fc.nat(7), (jws, part, where, bit) => {
      const parts = jws.split(".").map((segment) => Buffer.from(segment, "base64url"));
      const bytes = parts[part] as Buffer;
      const at = where % bytes.length;
      bytes[at] = (bytes[at] as number) ^ (1 << bit);
      assert.match(holds(parts.map((p) => p.toString("base64url")).join(".")), /^CONSENT_/);
    }), { numRuns: 1000 });
  });

  it("is refused when cut, doubled or mixed from two", () => {
    fc.assert(fc.property(fc.nat(), fc.nat(), (from, to) => {
      const [a = "", b = ""] = texts;
      const mixed = a.slice(0, from % a.length) + b.slice(to % b.length);
      assert.match(holds(a.slice(0, from % a.length)), /^CONSENT_/);
      // Cut where both are equal, the mixture is one of them.
      if (!texts.includes(mixed)) assert.match(holds(mixed), /^CONSENT_/);
    }), { numRuns: 300 });
  });

  it("is refused when any field was changed and the old signature kept", () => {
    const [header, , mac] = (texts[0] as string).split(".");
    const fields = Object.keys(consentOf()) as (keyof Consent)[];
    fc.assert(fc.property(fc.constantFrom(...fields), fc.jsonValue(), (field, value) => {
      const changed = { ...consentOf(), [field]: value } as unknown as Json;
      if (canonicalJson(changed) === canonicalJson(consentOf())) return;
      assert.match(holds(`${header}.${Buffer.from(canonicalJson(changed)).toString("base64url")}.${mac}`), /^CONSENT_/);
    }), { numRuns: 800 });
  });

  it("fails with a code whatever its signer wrote into it", () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), fc.option(fc.constantFrom(...Object.keys(consentOf()))), (value, field) => {
      const payload = field === null ? value : { ...consentOf(), [field]: value };
      // Never another error than a refusal; a value that happens to fit is accepted.
      assert.match(holds(rawJws(headerOf(keys.registrar), canonicalJson(payload), keys.registrar)), /^(accepted|CONSENT_)/);
    }), { numRuns: 500 });
  });
});

const consents = fc.record({
  company: fc.integer({ min: 0, max: 9_999_999 }), items: fc.subarray([...items], { minLength: 1 }), purpose: fc.constantFrom(...financingPurposes),
  kinds: fc.subarray([...consentKinds], { minLength: 1 }), begin: fc.integer({ min: 0, max: 86_400 * 60 }), term: fc.integer({ min: 1, max: 86_400 * 1096 }),
}).map((c): Partial<Consent> => {
  const begin = Date.parse("2026-05-01T00:00:00Z") + c.begin * 1000;
  const iso = (ms: number): string => new Date(ms).toISOString().replace(".000Z", "Z");
  return { subject: usccOf(c.company), items: c.items, purpose: c.purpose, kinds: c.kinds, notBefore: iso(begin), notAfter: iso(begin + c.term * 1000) };
});

describe("any consent", () => {
  it("reads as what was signed", () => {
    fc.assert(fc.property(consents, (changes) => {
      const consent = consentOf(changes);
      assert.deepEqual(parseConsent(signConsent(consent, keys.registrar)).consent, consent);
    }), { numRuns: 100 });
  });

  it("is accepted exactly where subject, grantee, purpose, kind, items and time are within it", () => {
    const asks = fc.record({
      same: fc.boolean(), party: fc.constantFrom("bank", "bank", "bank", "other"), items: fc.subarray([...items], { minLength: 1 }), purpose: fc.constantFrom(...financingPurposes),
      kind: fc.constantFrom(...consentKinds), usual: fc.boolean(), at: fc.integer({ min: -1000, max: 1000 }).map((s) => now + s * 86_400),
    });
    let accepted = 0;
    fc.assert(fc.property(consents, asks, (changes, ask) => {
      const consent = consentOf(changes);
      const purpose = ask.usual ? consent.purpose : ask.purpose;
      const wanted = ask.usual ? consent.items : ask.items;
      const within = ask.same && ask.party === "bank" && purpose === consent.purpose && consent.kinds.includes(ask.kind) && wanted.every((i) => consent.items.includes(i))
        && ask.at + 120_000 >= Date.parse(consent.notBefore) && ask.at < Date.parse(consent.notAfter);
      const use = { grantee: { party: ask.party as PartyId, uscc: bank.uscc }, items: wanted as typeof items, purpose, kind: ask.kind };
      const fresh = basisOf({ lists: [listOf(1, { issuedAt: ask.at - 1000 })] });
      const result = verdict(() => checkConsent(signConsent(consent, keys.registrar), ask.same ? consent.subject : company, use, fresh, ask.at));
      if (ask.same || consent.subject !== company) assert.equal(result === "accepted", within, result);
      if (result === "accepted") accepted++;
    }), { numRuns: 400 });
    assert.isAbove(accepted, 10, "both outcomes are seen");
  });
});

describe("the book of uses", () => {
  it("never counts a job twice nor more jobs than allowed, in any order of claims", () => {
    const claim = fc.record({ consent: fc.nat(3), job: fc.nat(6), plan: fc.nat(1) });
    fc.assert(fc.property(fc.array(fc.array(claim, { maxLength: 8 }), { maxLength: 12 }), fc.constantFrom(1, 2, 3), (calls, atMost) => {
      const book = new MemoryUseBook();
      const model = new Map<string, string>();
      for (const call of calls) {
        const uses = call.map((c) => ({ consent: `c${c.consent}`, job: `job_${c.job}` as JobId, plan: `p${c.plan}`, atMost, at: 1, until: 9 }));
        for (const [i, verdictOfOne] of book.claim(uses).entries()) {
          const use = uses[i] as (typeof uses)[number];
          const held = model.get(`${use.consent} ${use.job}`);
          const count = [...model.keys()].filter((key) => key.startsWith(`${use.consent} `)).length;
          const expected = held !== undefined ? (held === use.plan ? "again" : "conflict") : count >= atMost ? "used-up" : "claimed";
          assert.equal(verdictOfOne, expected);
          if (expected === "claimed") model.set(`${use.consent} ${use.job}`, use.plan);
        }
      }
    }), { numRuns: 200 });
  });
});

describe("two lists of one registrar", () => {
  it("follow each other exactly when number and time do not fall and no entry is missed before its end", () => {
    const trust = trustOf();
    const at = now / 1000;
    const entry = fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 100 })).map(([n, ends]): RevokedEntry => [n.toString(16).repeat(64), at - 10, at + ends]);
    const entries = fc.uniqueArray(entry, { selector: ([digest]) => digest, maxLength: 5 });
    fc.assert(fc.property(entries, entries, fc.integer({ min: 1, max: 4 }), fc.integer({ min: -20, max: 120 }), fc.boolean(), (a, b, sequence, later, keep) => {
      const kept = keep ? [...b.filter(([d]) => !a.some(([e]) => e === d)), ...a] : b;
      const seen = readRevocationList(listOf(2, { entries: a }), trust);
      const next = readRevocationList(listOf(sequence, { issuedAt: now + later * 1000 + 20_000 * (later < 0 ? 0 : 1), entries: kept.map(([d, , u]) => [d, at - 20, Math.max(u, at)]) }), trust);
      const missing = a.some(([digest, , until]) => {
        const found = kept.find(([d]) => d === digest);
        return found === undefined ? until * 1000 > next.issuedAt : found[2] < until;
      });
      const right = sequence > 2 && next.issuedAt >= seen.issuedAt && !missing;
      const same = sequence === 2 && next.digest === seen.digest;
      assert.equal(verdict(() => checkFollows(seen, next)) === "accepted", right || same);
    }), { numRuns: 300 });
  });
});
