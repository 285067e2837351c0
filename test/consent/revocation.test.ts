// Lists of withdrawals over time: restarts, forks, more than one registrar, many entries.
import { createPublicKey } from "node:crypto";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { consentDigest, readRevocationList, Revocations, signRevocationList } from "../../consent/revocation.ts";
import { registrarFromStatement, signRegistrar, Trust } from "../../consent/trust.ts";
import { keys, listOf, now, registrar, registrarStatement, trustOf, verdict } from "./support.ts";

const until = now / 1000 + 86_400;

describe("the lists of withdrawals", () => {
  it("do not rewind over a restart: the stored list is handed in first, even when it is over by then", () => {
    const stored = listOf(5, { entries: [[consentDigest("a"), now / 1000, until]] });
    const afterRestart = new Revocations(trustOf());
    afterRestart.accept(stored);
    const later = now + 3_600_000;
    assert.equal(verdict(() => afterRestart.current(registrar, later, 0)), "CONSENT_LIST_STALE");
    assert.equal(verdict(() => afterRestart.accept(listOf(4, { issuedAt: later }))), "CONSENT_LIST_REWOUND");
    assert.equal(verdict(() => afterRestart.accept(listOf(6, { issuedAt: later }))), "CONSENT_LIST_DROPPED");
    afterRestart.accept(listOf(6, { issuedAt: later, entries: [[consentDigest("a"), now / 1000, until]] }));
    assert.isTrue(afterRestart.current(registrar, later, 0).entries.has(consentDigest("a")));
    assert.equal(afterRestart.sequence(registrar), 6);
  });

  it("keep the earlier one when a new one is refused", () => {
    const revocations = new Revocations(trustOf());
    revocations.accept(listOf(5, { entries: [[consentDigest("a"), now / 1000, until]] }));
    assert.equal(verdict(() => revocations.accept(listOf(6))), "CONSENT_LIST_DROPPED");
    assert.isTrue(revocations.current(registrar, now, 0).entries.has(consentDigest("a")));
  });

  it("stop all use of a registrar that signed two of one number, whatever follows", () => {
    const revocations = new Revocations(trustOf());
    revocations.accept(listOf(5));
    assert.equal(verdict(() => revocations.accept(listOf(5, { issuedAt: now + 1000 }))), "CONSENT_LIST_FORKED");
    assert.equal(verdict(() => revocations.current(registrar, now, 0)), "CONSENT_LIST_FORKED");
    revocations.accept(listOf(6, { issuedAt: now + 2000 }));
    assert.equal(verdict(() => revocations.current(registrar, now, 120_000)), "CONSENT_LIST_FORKED");
  });

  it("are each registrar's own, over the change of its key", () => {
    const other = "other" as PartyId;
    const year = { issuedAt: "2026-01-01T00:00:00Z", notBefore: "2026-01-01T00:00:00Z", notAfter: "2027-01-01T00:00:00Z" };
    const root = createPublicKey(keys.root);
    const trust = new Trust([
      registrarFromStatement(registrarStatement, root), registrarFromStatement(signRegistrar({ registrar, ...year }, keys.nextRegistrar, keys.root), root),
      registrarFromStatement(signRegistrar({ registrar: other, ...year }, keys.company, keys.root), root),
    ]);
    const revocations = new Revocations(trust);
    revocations.accept(listOf(5));
    assert.equal(verdict(() => revocations.current(other, now, 0)), "CONSENT_LIST_STALE");
    revocations.accept(listOf(1, { name: other, key: keys.company }));
    assert.equal(verdict(() => revocations.accept(listOf(4, { key: keys.nextRegistrar }))), "CONSENT_LIST_REWOUND");
    revocations.accept(listOf(6, { key: keys.nextRegistrar }));
    assert.deepEqual([revocations.sequence(registrar), revocations.sequence(other)], [6, 1]);
    assert.equal(verdict(() => revocations.accept(listOf(7, { key: keys.company }))), "CONSENT_LIST_FORGED");
  });

  it("hold twenty thousand entries", () => {
    const entries = Array.from({ length: 20_000 }, (_, i) => [consentDigest(`c${i}`), now / 1000, until] as const);
    const list = readRevocationList(listOf(1, { entries }), trustOf());
    assert.equal(list.entries.size, 20_000);
    assert.deepEqual(list.entries.get(consentDigest("c19999")), [now / 1000, until]);
  });

  it("are not signed longer than a day, with a withdrawal in the future, or with an entry twice", () => {
    const times = { issuedAt: "2026-06-01T12:00:00Z", nextUpdate: "2026-06-01T12:15:00Z" };
    const sign = (changes: Partial<Parameters<typeof signRevocationList>[0]>): string =>
      verdict(() => signRevocationList({ registrar, sequence: 1, entries: [], ...times, ...changes }, keys.registrar));
    const entry = [consentDigest("a"), now / 1000, until] as const;
    assert.equal(sign({ entries: [entry] }), "accepted");
    assert.equal(sign({ nextUpdate: "2026-06-02T12:00:01Z" }), "CONSENT_TERMS");
    assert.equal(sign({ entries: [[entry[0], entry[1] + 1, until]] }), "CONSENT_TERMS");
    assert.equal(sign({ entries: [entry, entry] }), "CONSENT_TERMS");
    assert.equal(sign({ sequence: 0 }), "CONSENT_SCHEMA");
  });
});
