// What a consent may be used for over time: once, again by the same job, by many at a time, and not after its withdrawal.
import { createPublicKey } from "node:crypto";
import { CompactSign, compactVerify } from "jose";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { JobId } from "../../core/brand.ts";
import { canonicalJson } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { consentDigest } from "../../consent/revocation.ts";
import { signConsent } from "../../consent/statement.ts";
import { isKnownNotice, notices, noticeDigest } from "../../consent/notice.ts";
import { MemoryUseBook } from "../../consent/uses.ts";
import { checkConsent, stillHolds, verifyConsent, verifyConsents } from "../../consent/verify.ts";
import { purposeTable } from "../../catalogue/purposes.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { purposes as jobPurposes } from "../../federation/plan-schema.ts";
import { asked, basisOf, bank, byCompany, claimantOf, company, consentOf, granted, headerOf, items, job, keys, listOf, now, plan, usccOf, verdict } from "./support.ts";

const otherJob = "job_fedcba9876543210" as JobId;
const until = Date.parse(consentOf().notAfter) / 1000;

describe("a consent for a single use", () => {
  it("is claimed by the first job, is free for the same job again, and refused to another job and to another plan", () => {
    const uses = new MemoryUseBook();
    const ask = (claimant: { job: JobId; plan: string }): string => verdict(() => verifyConsent(granted(), company, asked, basisOf(), { uses, ...claimant }, now));
    assert.deepEqual([ask({ job, plan }), ask({ job, plan }), ask({ job: otherJob, plan }), ask({ job, plan: "b".repeat(64) }), ask({ job, plan })],
      ["accepted", "accepted", "CONSENT_USED", "CONSENT_USE_CONFLICT", "accepted"]);
    assert.equal(uses.count(consentDigest(consentOf().id)), 1);
  });

  it("is not used up by a use that is refused", () => {
    const uses = new MemoryUseBook();
    assert.equal(verdict(() => verifyConsent(granted(), company, { ...asked, kind: "train" }, basisOf(), claimantOf(uses), now)), "CONSENT_KIND");
    assert.equal(verdict(() => verifyConsent(granted(), company, asked, basisOf({ lists: [] }), claimantOf(uses), now)), "CONSENT_LIST_STALE");
    assert.equal(uses.count(consentDigest(consentOf().id)), 0);
  });

  it("is used up for a second text under the same id, too", () => {
    const uses = new MemoryUseBook();
    verifyConsent(granted(), company, asked, basisOf(), claimantOf(uses), now);
    const second = granted({ notAfter: "2026-12-31T00:00:00Z" });
    assert.equal(verdict(() => verifyConsent(second, company, asked, basisOf(), { uses, job: otherJob, plan }, now)), "CONSENT_USED");
  });
});

describe("a consent for repeated use", () => {
  it("is counted by jobs up to its bound, and without end where it has none", () => {
    const uses = new MemoryUseBook();
    const jobs = Array.from({ length: 5 }, (_, i) => `job_000000000000000${i}` as JobId);
    const ask = (jws: string): string[] => jobs.map((id) => verdict(() => verifyConsent(jws, company, asked, basisOf(), { uses, job: id, plan }, now)));
    assert.deepEqual(ask(granted({ use: { kind: "repeated", atMost: 3 } })), ["accepted", "accepted", "accepted", "CONSENT_USED", "CONSENT_USED"]);
    assert.deepEqual(ask(granted({ use: { kind: "repeated" }, id: "consent_000000000000000000000002" })), jobs.map(() => "accepted"));
  });
});

describe("a withdrawal", () => {
  it("stops a running job with the next list, and a list that is over stops it as well", () => {
    const basis = basisOf();
    const accepted = checkConsent(granted(), company, asked, basis, now);
    stillHolds(accepted, basis, now + 1000);
    basis.revocations.accept(listOf(2, { issuedAt: now + 2000, entries: [[accepted.digest, now / 1000 + 1, until]] }));
    assert.equal(verdict(() => stillHolds(accepted, basis, now + 3000)), "CONSENT_WITHDRAWN");
    const quiet = basisOf();
    assert.equal(verdict(() => stillHolds(accepted, quiet, now + 900_000)), "CONSENT_LIST_STALE");
    assert.equal(verdict(() => stillHolds(accepted, basisOf({ lists: [listOf(3, { issuedAt: until * 1000 })] }), until * 1000)), "CONSENT_EXPIRED");
  });

  it("that arrives while a batch is verified counts for those that were looked at before it", async () => {
    const basis = basisOf();
    const batch = Array.from({ length: 200 }, (_, i) => {
      const id = `consent_${String(i).padStart(26, "0")}`;
      return { id, subject: usccOf(i), jws: granted({ id, subject: usccOf(i) }) };
    });
    const early = batch[3]?.id ?? "";
    const uses = new MemoryUseBook();
    const run = verifyConsents(batch, asked, basis, claimantOf(uses), () => now);
    // The batch waits for the event loop after its first piece.
    basis.revocations.accept(listOf(2, { entries: [[consentDigest(early), now / 1000, until]] }));
    const outcomes = await run;
    assert.deepEqual(outcomes.flatMap((o, i) => (o.ok ? [] : [[i, o.code]])), [[3, "CONSENT_WITHDRAWN"]]);
    assert.equal(uses.count(consentDigest(early)), 0);
    assert.equal(uses.count(consentDigest(batch[4]?.id ?? "")), 1);
  });
});

describe("a batch", () => {
  it("has one outcome for each consent, in order, whatever is wrong with the others", async () => {
    const uses = new MemoryUseBook();
    const second = { id: "consent_000000000000000000000002", subject: usccOf(2) };
    const good = granted();
    const presented = [
      { subject: company, jws: good }, { subject: usccOf(2), jws: good }, { subject: usccOf(2), jws: granted(second) }, { subject: company, jws: "not a consent" },
      { subject: company, jws: `${good.slice(0, -2)}${good.endsWith("AA") ? "BA" : "AA"}` }, { subject: company, jws: good },
    ];
    const seen = async (id: JobId): Promise<string[]> =>
      (await verifyConsents(presented, asked, basisOf(), { uses, job: id, plan }, () => now)).map((o) => (o.ok ? o.accepted.consent.subject : o.code));
    const first = await seen(job);
    assert.deepEqual(first.filter((_, i) => i !== 4), [company, "CONSENT_SUBJECT", usccOf(2), "CONSENT_ENCODING", company]);
    assert.include(["CONSENT_SIGNATURE", "CONSENT_ENCODING"], first[4]);
    assert.deepEqual(await seen(job), first, "the same job again, as after a restart");
    assert.deepEqual((await seen(otherJob)).filter((_, i) => [0, 2, 5].includes(i)), ["CONSENT_USED", "CONSENT_USED", "CONSENT_USED"]);
  });

  it("says the same of each consent as it would alone", async () => {
    const jws = [granted(), granted({ purpose: "guarantee-review" }), granted({ items: ["housing-fund.deposits"] }), granted({ grantee: { party: bank.party, uscc: usccOf(9002) } })];
    const together = await verifyConsents(jws.map((text) => ({ subject: company, jws: text })), asked, basisOf(), claimantOf(), () => now);
    const alone = jws.map((text) => verdict(() => verifyConsent(text, company, asked, basisOf(), claimantOf(), now)));
    assert.deepEqual(together.map((o) => (o.ok ? "accepted" : o.code)), alone);
    assert.deepEqual(alone, ["accepted", "CONSENT_PURPOSE", "CONSENT_ITEM", "CONSENT_GRANTEE"]);
  });

  it("lets errors of the program through instead of calling them refusals", async () => {
    const broken = { ...basisOf(), isItem: (): boolean => { throw new TypeError("a bug"); } };
    let seen: unknown;
    try {
      await verifyConsents([{ subject: company, jws: granted() }], asked, broken, claimantOf(), () => now);
    } catch (error) {
      seen = error;
    }
    assert.instanceOf(seen, TypeError);
  });
});

describe("a refusal", () => {
  it("names the item that is not covered and nothing of the company", () => {
    let facts: unknown;
    try {
      checkConsent(granted(), company, { ...asked, items }, basisOf(), now);
    } catch (error) {
      if (error instanceof AppError) ({ facts } = error);
    }
    assert.deepEqual(facts, { item: items[2] });
  });

  it("of a skew above five minutes is the program's own error", () => {
    assert.throws(() => checkConsent(granted(), company, asked, basisOf({ skew: 300_001 }), now), RangeError);
    assert.throws(() => checkConsent(granted(), company, asked, basisOf({ skew: Number.NaN }), now), RangeError);
  });
});

describe("a consent is an ordinary JWS", () => {
  it("that another implementation reads", async () => {
    const { payload, protectedHeader } = await compactVerify(granted(), createPublicKey(keys.registrar), { algorithms: ["EdDSA"] });
    assert.deepEqual(protectedHeader, headerOf(keys.registrar));
    assert.equal(new TextDecoder().decode(payload), canonicalJson(consentOf()));
  });

  it("and that another implementation can make", async () => {
    const text = new TextEncoder().encode(canonicalJson(consentOf(byCompany)));
    const jws = await new CompactSign(text).setProtectedHeader(headerOf(keys.company)).sign(keys.company);
    const accepted = checkConsent(jws, company, asked, basisOf(), now);
    assert.equal(accepted.registrar, "registrar");
    assert.isDefined(accepted.key);
  });
});

describe("the closed lists", () => {
  it("of purposes is one for consents, jobs and the sharing catalogue", () => {
    assert.deepEqual(Object.keys(purposeTable), [...financingPurposes]);
    assert.equal<unknown>(jobPurposes, financingPurposes);
    for (const purpose of financingPurposes) assert.doesNotThrow(() => signConsent(consentOf({ purpose }), keys.registrar));
  });

  it("of risk notices keep their texts: a changed text is a new version", () => {
    assert.deepEqual(notices.map((notice) => [notice.version, noticeDigest(notice)]), [["2026-1", "e5d5ab4698c541643e39949e171d1151473f355401174a0212d4f46c954d0bef"]]);
    assert.isFalse(isKnownNotice("2026-2", noticeDigest(notices[0] as (typeof notices)[number])));
  });
});
