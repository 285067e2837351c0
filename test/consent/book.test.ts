// Granting, listing, withdrawing and issuing lists, from a store to what an enclave then accepts.
import { createHash } from "node:crypto";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import type { Rng } from "../../core/env.ts";
import { grant, issueList, list, lodge, newConsentId, withdraw, withdrawSubjectKey, type ConsentRecord, type ConsentStore, type RegistrarEnv } from "../../consent/book.ts";
import { keyId } from "../../consent/keys.ts";
import type { RevokedEntry } from "../../consent/revocation.ts";
import { consentIdSchema, signConsent, type ConsentTerms } from "../../consent/statement.ts";
import { checkConsent } from "../../consent/verify.ts";
import { asked, basisOf, byCompany, company, consentOf, granted, isItem, keys, listOf, now, registrar, usccOf, verdict, verdictOf } from "./support.ts";

/** What a database does, in a map. */
function memoryStore(): ConsentStore & { readonly lists: Map<PartyId, { sequence: number; issuedAt: number; jws: string }> } {
  const records = new Map<string, ConsentRecord>();
  const keyEntries: { registrar: PartyId; entry: RevokedEntry }[] = [];
  const lists = new Map<PartyId, { sequence: number; issuedAt: number; jws: string }>();
  return {
    lists,
    insert(record) {
      const free = !records.has(record.id);
      if (free) records.set(record.id, record);
      return Promise.resolve(free);
    },
    get: (id) => Promise.resolve(records.get(id)),
    ofSubject: (subject, { after = "", limit }) =>
      Promise.resolve([...records.values()].filter((r) => r.subject === subject && r.id > after).sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit)),
    withdraw(id, at) {
      const record = records.get(id) as ConsentRecord;
      const withdrawnAt = record.withdrawnAt ?? at;
      records.set(id, { ...record, withdrawnAt });
      return Promise.resolve(withdrawnAt);
    },
    withdrawKey(name, entry) {
      if (!keyEntries.some((e) => e.entry[0] === entry[0])) keyEntries.push({ registrar: name, entry });
      return Promise.resolve();
    },
    withdrawn(name, after) {
      const consents = [...records.values()].filter((r) => r.registrar === name && r.withdrawnAt !== undefined)
        .map((r): RevokedEntry => [r.digest, r.withdrawnAt as number, r.notAfter]);
      return Promise.resolve([...consents, ...keyEntries.filter((e) => e.registrar === name).map((e) => e.entry)].filter(([, , until]) => until > after));
    },
    lastList: (name) => Promise.resolve(lists.get(name)),
    putList(name, next) {
      const follows = next.sequence === (lists.get(name)?.sequence ?? 0) + 1;
      if (follows) lists.set(name, next);
      return Promise.resolve(follows);
    },
  };
}

function countingRng(): Rng {
  let count = 0;
  return (bytes) => new Uint8Array(createHash("shake256", { outputLength: bytes }).update(`rng ${count++}`).digest());
}
const registrarAt = (at: () => number = () => now): RegistrarEnv => ({ name: registrar, key: keys.registrar, rng: countingRng(), now: at, isItem });
const { version: _v, id: _i, issuedAt: _a, issuer: _s, notBefore: _b, ...terms } = consentOf();

describe("the book of consents", () => {
  it("grants what an enclave accepts, and lists it as active", async () => {
    const store = memoryStore();
    const record = await grant(store, terms, registrarAt());
    assert.equal(checkConsent(record.jws, company, asked, basisOf(), now).consent.id, record.id);
    assert.deepEqual((await list(store, company, now)).map((v) => [v.record.id, v.state]), [[record.id, "active"]]);
    assert.isEmpty(await list(store, usccOf(2), now));
  });

  it("withdraws: with the next list the enclave refuses, and the company sees it as withdrawn", async () => {
    const store = memoryStore();
    const env = registrarAt();
    const record = await grant(store, terms, env);
    const before = await issueList(store, env);
    const basis = basisOf({ lists: [before] });
    const accepted = (): string => verdict(() => checkConsent(record.jws, company, asked, basis, now));
    assert.equal(accepted(), "accepted");
    assert.equal((await withdraw(store, record.id, company, now)).state, "withdrawn");
    basis.revocations.accept(await issueList(store, env));
    assert.equal(accepted(), "CONSENT_WITHDRAWN");
    assert.deepEqual((await list(store, company, now)).map((v) => v.state), ["withdrawn"]);
  });

  it("keeps the first time of a withdrawal, and hides other companies' consents", async () => {
    const store = memoryStore();
    const record = await grant(store, terms, registrarAt());
    assert.equal(await verdictOf(() => withdraw(store, record.id, usccOf(2), now)), "CONSENT_NOT_FOUND");
    assert.equal(await verdictOf(() => withdraw(store, "consent_none", company, now)), "CONSENT_NOT_FOUND");
    await withdraw(store, record.id, company, now);
    assert.equal((await withdraw(store, record.id, company, now + 60_000)).record.withdrawnAt, now / 1000);
  });

  it("refuses to grant beyond the catalogue, the closed list or a term, and stores nothing then", async () => {
    const store = memoryStore();
    const ask = (changes: Partial<ConsentTerms>): Promise<string> => verdictOf(() => grant(store, { ...terms, ...changes }, registrarAt()));
    assert.equal(await ask({ items: ["tax.invented"] }), "CONSENT_ITEM_UNKNOWN");
    assert.equal(await ask({ purpose: "marketing" as "loan-approval" }), "CONSENT_SCHEMA");
    assert.equal(await ask({ subject: `${company.slice(0, 17)}?` }), "CONSENT_SCHEMA");
    assert.equal(await ask({ notAfter: "2026-06-01T12:00:00Z" }), "CONSENT_TERMS");
    assert.isEmpty(await list(store, company, now));
  });

  it("tells pending and expired, page by page", async () => {
    const store = memoryStore();
    const env = registrarAt();
    await grant(store, { ...terms, notBefore: "2026-07-01T00:00:00Z" }, env);
    await grant(store, { ...terms, notAfter: "2026-06-02T00:00:00Z" }, env);
    const later = await list(store, company, now + 86_400_000);
    assert.sameMembers(later.map((v) => v.state), ["pending", "expired"]);
    assert.deepEqual(await list(store, company, now + 86_400_000, later[0]?.record.id), later.slice(1));
  });

  it("takes what a company signed itself, once or again, and refuses forgeries and a second text under one id", async () => {
    const store = memoryStore();
    const jws = signConsent(consentOf({ ...byCompany, notBefore: "2026-07-01T00:00:00Z" }), keys.company);
    const record = await lodge(store, jws, basisOf(), now);
    assert.deepEqual(await lodge(store, jws, basisOf(), now), record);
    assert.equal(record.registrar, registrar);
    assert.equal(await verdictOf(() => lodge(store, granted(), basisOf(), now)), "CONSENT_EXISTS");
    assert.equal(await verdictOf(() => lodge(store, signConsent(consentOf(byCompany), keys.stranger), basisOf(), now)), "CONSENT_ISSUER");
    assert.equal(await verdictOf(() => lodge(store, jws, basisOf({ lists: [listOf(1, { issuedAt: now + 86_400_000 * 200 })] }), now + 86_400_000 * 200)), "CONSENT_EXPIRED");
  });

  it("withdraws a company's lost key with all that it signed", async () => {
    const store = memoryStore();
    const env = registrarAt();
    const jws = signConsent(consentOf(byCompany), keys.company);
    await withdrawSubjectKey(store, { kid: keyId(keys.company), registrar, keyEnd: Date.parse("2027-01-01T00:00:00Z") }, now);
    const basis = basisOf({ lists: [await issueList(store, env)] });
    assert.equal(verdict(() => checkConsent(jws, company, asked, basis, now)), "CONSENT_KEY_WITHDRAWN");
    assert.equal(verdict(() => checkConsent(granted(), company, asked, basis, now)), "accepted");
  });
});

describe("the issue of lists", () => {
  it("counts on, never goes back in time with the clock, and drops what has ended", async () => {
    const store = memoryStore();
    let clock = now;
    const env = registrarAt(() => clock);
    const record = await grant(store, { ...terms, notAfter: "2026-06-01T13:00:00Z" }, env);
    await withdraw(store, record.id, company, clock);
    const basis = basisOf({ lists: [await issueList(store, env)] });
    clock = now - 3_600_000;
    assert.equal(basis.revocations.accept(await issueList(store, env)).issuedAt, now);
    clock = now + 7_200_000;
    const last = basis.revocations.accept(await issueList(store, env));
    assert.deepEqual([last.sequence, last.entries.size, last.issuedAt], [3, 0, clock]);
  });

  it("is not stopped by a withdrawal that another clock stored ahead of time or after the end", async () => {
    const store = memoryStore();
    const env = registrarAt();
    const first = await grant(store, terms, env);
    const second = await grant(store, { ...terms, notAfter: "2026-06-01T12:00:30Z" }, env);
    await withdraw(store, first.id, company, now + 60_000);
    await withdraw(store, second.id, company, now + 60_000);
    const accepted = basisOf({ lists: [] }).revocations.accept(await issueList(store, env));
    assert.deepEqual([[...accepted.entries.keys()], accepted.issuedAt], [[first.digest], now + 60_000]);
  });

  it("gives two writers two numbers", async () => {
    const store = memoryStore();
    const made = await Promise.all(Array.from({ length: 4 }, () => issueList(store, registrarAt())));
    const basis = basisOf({ lists: [] });
    assert.sameMembers(made.map((jws) => basisOf({ lists: [] }).revocations.accept(jws).sequence), [1, 2, 3, 4]);
    basis.revocations.accept(store.lists.get(registrar)?.jws ?? "");
    assert.equal(basis.revocations.sequence(registrar), 4);
  });

  it("gives up with a code when it never gets a number", async () => {
    const store = { ...memoryStore(), putList: () => Promise.resolve(false) };
    assert.equal(await verdictOf(() => issueList(store, registrarAt())), "CONSENT_LIST_BUSY");
  });
});

describe("ids of consents", () => {
  it("fit their schema and differ", () => {
    const rng = countingRng();
    const ids = Array.from({ length: 200 }, () => newConsentId(rng));
    for (const id of ids) assert.isTrue(consentIdSchema.safeParse(id).success, id);
    assert.equal(new Set(ids).size, 200);
  });
});
