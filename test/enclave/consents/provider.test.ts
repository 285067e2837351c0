// A provider's enclave verifies every consent itself: each kind of bad one is refused with its code while the others go on, answers stay over a
// restart, a withdrawal in the middle stops the job, and uses are counted when something leaves.
import { createHmac, createPublicKey } from "node:crypto";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { EntityId, JobId, PartyId } from "../../../core/brand.ts";
import { isoSeconds } from "../../../consent/book.ts";
import { canonicalJson, sha256Hex } from "../../../core/canonical.ts";
import type { Consent } from "../../../consent/statement.ts";
import { consentDigest, keyDigest } from "../../../consent/revocation.ts";
import { signConsent } from "../../../consent/statement.ts";
import { keyId, rawKey } from "../../../consent/keys.ts";
import { signRegistrar } from "../../../consent/trust.ts";
import { registrarsSchema } from "../../../enclave/consents/trust.ts";
import type { ProviderConsents } from "../../../enclave/consents/host.ts";
import { byCompany, bank, company, consentOf, granted, headerOf, job, keys, listOf, now, rawJws, registrar, usccOf, verdictOf } from "../../consent/support.ts";
import { DeskWorld, rooted } from "../../support/desk.ts";

const other = "job_fedcba9876543210" as JobId;
const ids = Array.from({ length: 40 }, (_, i) => usccOf(i + 1));
const idOf = (n: number): string => `consent_${String(n).padStart(24, "0")}`;
/** A consent of company `n` (from 0). */
const of = (n: number, changes: Partial<Consent> = {}): string => granted({ id: idOf(n), subject: ids[n] ?? "", use: { kind: "repeated" }, ...changes });
const seconds = (ms: number): number => Math.floor(ms / 1000);
const withdrawn = (...n: number[]) => ({ entries: n.map((i) => [consentDigest(idOf(i)), seconds(now), seconds(now) + 90_000_000] as const) });

describe("a provider's consents", () => {
  let world: DeskWorld;
  beforeEach(() => {
    world = new DeskWorld();
  });
  afterEach(() => world[Symbol.dispose]());

  const answers = async (consents: ProviderConsents, texts: readonly string[], chunk = 0): Promise<string[]> => {
    const shown = texts.map((jws, record) => ({ record, subject: ids[record] as EntityId, jws }));
    return (await consents.check(chunk, shown)).map((code) => code ?? "accepted");
  };
  let asked = 0;
  const ask = (jws: string, change: Parameters<DeskWorld["provider"]>[2] = {}): Promise<string[]> => answers(world.provider(job, ids, change), [jws], asked++);

  it("accept what the registrar or the company itself signed", async () => {
    const own = signConsent(consentOf({ ...byCompany, id: idOf(7) }), keys.company);
    assert.equal(ids[0], company);
    assert.deepEqual(await answers(world.provider(job, ids), [own, of(1), of(2)]), ["accepted", "accepted", "accepted"]);
  });

  it("refuse each bad one with its code, and none of the others for it", async () => {
    const hs256 = ((): string => {
      const part = (v: object): string => Buffer.from(canonicalJson(v as never)).toString("base64url");
      const signed = `${part({ ...headerOf(keys.registrar), alg: "HS256" })}.${part(consentOf({ subject: ids[2] ?? "" }))}`;
      return `${signed}.${createHmac("sha256", Buffer.from(rawKey(keys.registrar), "base64url")).update(signed).digest("base64url")}`;
    })();
    const [head = "", payload = "", signature = ""] = of(1).split(".");
    const texts: [string, string][] = [
      [of(0), "accepted"],
      [`${head}.${payload}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`, "CONSENT_SIGNATURE"],
      [hs256, "CONSENT_ALGORITHM"],
      [rawJws({ ...headerOf(keys.registrar), alg: "none" }, consentOf(), keys.registrar), "CONSENT_ALGORITHM"],
      [signConsent(consentOf({ subject: ids[4] ?? "" }), keys.stranger), "CONSENT_ISSUER"],
      [of(6), "CONSENT_SUBJECT"],
      [of(6, { subject: ids[6] ?? "", grantee: { party: "other" as PartyId, uscc: bank.uscc } }), "CONSENT_GRANTEE"],
      [of(7, { purpose: "post-loan-monitoring" }), "CONSENT_PURPOSE"],
      [of(8, { kinds: ["train", "verify"] }), "CONSENT_KIND"],
      [of(9, { items: ["housing-fund.deposits"] }), "CONSENT_ITEM"],
      [of(10, { notBefore: "2026-07-01T00:00:00Z", notAfter: "2026-08-01T00:00:00Z" }), "CONSENT_NOT_YET"],
      [of(11, { notAfter: "2026-06-01T12:00:00Z" }), "CONSENT_EXPIRED"],
      [of(12), "CONSENT_WITHDRAWN"],
      ["not a consent", "CONSENT_ENCODING"],
      ["", "CONSENT_MISSING"],
      [of(15, { notice: { version: "2026-1", digest: "b".repeat(64) } }), "CONSENT_NOTICE"],
      [of(16, { items: ["tax.payment", "tax.unheard-of"] }), "CONSENT_ITEM_UNKNOWN"],
      [rawJws(headerOf(keys.registrar), { ...consentOf({ subject: ids[17] ?? "" }), version: 2 }, keys.registrar), "CONSENT_VERSION"],
      [of(18), "accepted"],
    ];
    world.platform.lists = [listOf(2, withdrawn(12))];
    assert.deepEqual(await answers(world.provider(job, ids), texts.map(([text]) => text)), texts.map(([, code]) => code));
  });

  it("want the kind of the job, its items and, where the policy names it, the legal person of the bank", async () => {
    assert.deepEqual(await ask(of(0, { kinds: ["train"] }), { kind: "scorecard" }), ["accepted"]);
    assert.deepEqual(await ask(of(0), { kind: "scorecard" }), ["CONSENT_KIND"]);
    assert.deepEqual(await ask(of(0), { authorised: ["housing-fund.deposits", "tax.payment"] }), ["accepted"]);
    assert.deepEqual(await ask(of(0), { authorised: ["tax.payment", "utilities.electricity"] }), ["CONSENT_ITEM"]);
    assert.deepEqual(await ask(of(0), { guestUscc: bank.uscc }), ["accepted"]);
    assert.deepEqual(await ask(of(0), { guestUscc: usccOf(5) }), ["CONSENT_GRANTEE"]);
    assert.deepEqual(await ask("", { authorised: [] }), ["accepted"], "a model without data that need it asks nobody");
  });

  it("refuse everything with a stale list or none, and ask the platform first", async () => {
    assert.deepEqual(await ask(of(0)), ["accepted"]);
    assert.include(world.platform.asked, "revocations 0");
    world.now += 3_600_000;
    assert.deepEqual(await answers(world.provider(other, ids), [of(0)]), ["CONSENT_LIST_STALE"]);
    world.platform.lists = [listOf(2, { issuedAt: world.now })];
    world.now += 5_000;
    assert.deepEqual(await answers(world.provider("job_aaaaaaaaaaaaaaaa" as JobId, ids), [of(0)]), ["accepted"]);
  });

  it("forgive two minutes of an issuer's clock, and nothing of their own that was set back", async () => {
    const at = (ms: number): Partial<Consent> => ({ issuedAt: isoSeconds(seconds(now + ms)), notBefore: isoSeconds(seconds(now + ms)) });
    assert.deepEqual(await ask(of(0, at(119_000))), ["accepted"]);
    assert.deepEqual(await ask(of(0, at(121_000))), ["CONSENT_NOT_YET"]);
    // What has ended would live again.
    world.now -= 121_000;
    assert.deepEqual(await ask(of(0)), ["CONSENT_CLOCK"]);
  });

  it("refuse everything without a registrar that the policy believes", async () => {
    world.policy = undefined;
    assert.deepEqual(await ask(of(0)), ["CONSENT_ISSUER"]);
  });

  it("give the same answers after a restart, whatever the lists say by then, but let nothing out for who has withdrawn", async () => {
    const texts = [of(0), "", of(2)];
    const said = await answers(world.provider(job, ids), texts);
    world.platform.lists = [listOf(2, withdrawn(2))];
    world.now += 10_000;
    world.restart();
    const again = world.provider(job, ids);
    assert.deepEqual(await answers(again, texts), said);
    again.admit(Int32Array.of(0, 2));
    assert.equal(await verdictOf(() => again.hold()), "CONSENT_WITHDRAWN");
    assert.equal(world.desk.uses.count(consentDigest(idOf(0))), 0, "nothing left, nothing was used");
  });

  it("hold while nothing has changed, and stop at once when one is withdrawn, over, or its key or list is", async () => {
    const changes: [string, () => void][] = [
      ["CONSENT_WITHDRAWN", () => void (world.platform.lists = [listOf(2, { issuedAt: world.now, ...withdrawn(1) })])],
      ["CONSENT_LIST_STALE", () => void (world.now += 1_000_000)],
      ["CONSENT_LIST_FORKED", () => void (world.platform.lists = [listOf(1, withdrawn(9))])],
    ];
    for (const [code, change] of changes) {
      world[Symbol.dispose]();
      world = new DeskWorld();
      const consents = world.provider(job, ids);
      await answers(consents, [of(0), of(1)]);
      await consents.hold();
      consents.admit(Int32Array.of(1, 0));
      await consents.hold();
      await consents.hold();
      change();
      world.now += 2_000;
      assert.equal(await verdictOf(() => consents.hold()), code);
      assert.equal(await verdictOf(() => consents.hold()), code, "and stays so");
    }
    const own = signConsent(consentOf({ ...byCompany, id: idOf(7), use: { kind: "repeated" }, notAfter: "2026-06-01T12:10:00Z" }), keys.company);
    for (const [code, change] of [
      ["CONSENT_KEY_WITHDRAWN", () => void (world.platform.lists = [listOf(2, { issuedAt: now, entries: [[keyDigest(keyId(keys.company)), seconds(now), seconds(now) + 9e7]] })])],
      ["CONSENT_EXPIRED", () => void (world.now += 601_000)],
    ] as const) {
      world[Symbol.dispose]();
      world = new DeskWorld();
      const consents = world.provider(job, ids);
      assert.deepEqual(await answers(consents, [own]), ["accepted"]);
      consents.admit(Int32Array.of(0));
      await consents.hold();
      change();
      world.now += 2_000;
      assert.equal(await verdictOf(() => consents.hold()), code);
    }
  });

  it("stop a running job when its operator takes the registrar's key out, also where another key of the same name signs the list", async () => {
    const year = { issuedAt: "2026-01-01T00:00:00Z", notBefore: "2026-01-01T00:00:00Z", notAfter: "2027-01-01T00:00:00Z" };
    const statement = signRegistrar({ registrar, ...year }, keys.nextRegistrar, keys.root);
    const next = { key: rawKey(createPublicKey(keys.root)), statement };
    for (const isLeft of [true, false]) {
      world[Symbol.dispose]();
      world = new DeskWorld();
      world.policy = registrarsSchema.parse({ roots: [...rooted.roots, next] });
      world.platform.lists = [listOf(1, { key: keys.nextRegistrar })];
      const consents = world.provider(job, ids);
      assert.deepEqual(await answers(consents, [of(0), of(1)]), ["accepted", "accepted"]);
      consents.admit(Int32Array.of(0, 1));
      await consents.hold();
      // A change that leaves the signer in changes nothing.
      world.policy = registrarsSchema.parse({ roots: isLeft ? [next, ...rooted.roots] : [next] });
      world.now += 2_000;
      assert.equal(await verdictOf(() => consents.hold()), isLeft ? "accepted" : "CONSENT_ISSUER");
      assert.equal(world.desk.lists.sequence(registrar), 1, "its list counts all the same");
    }
  });

  it("count a single use when something leaves, once per job, and refuse it to the next job and under another plan", async () => {
    const single = of(0, { use: { kind: "single" } });
    const first = world.provider(job, ids);
    assert.deepEqual(await answers(first, [single]), ["accepted"]);
    assert.deepEqual(await answers(world.provider(other, ids), [single]), ["accepted"], "shown, not used yet");
    first.admit(Int32Array.of(0));
    await first.hold();
    await first.hold();
    world.restart();
    const replayed = world.provider(job, ids);
    assert.deepEqual(await answers(replayed, [single]), ["accepted"]);
    replayed.admit(Int32Array.of(0));
    await replayed.hold();
    assert.equal(world.desk.uses.count(consentDigest(idOf(0))), 1);
    assert.deepEqual(await answers(world.provider("job_aaaaaaaaaaaaaaaa" as JobId, ids), [single]), ["CONSENT_USED"]);
    const late = world.provider(other, ids);
    assert.deepEqual(await answers(late, [single]), ["accepted"], "its answer is kept");
    late.admit(Int32Array.of(0));
    assert.equal(await verdictOf(() => late.hold()), "CONSENT_USED", "two jobs that were shown it at once do not both use it");
    assert.deepEqual(await answers(world.provider(job, ids, { plan: "b".repeat(64) }), [single], 1), ["CONSENT_USE_CONFLICT"]);
  });

  it("let no company out that was not accepted", async () => {
    const consents = world.provider(job, ids);
    await answers(consents, [of(0), ""]);
    consents.admit(Int32Array.of(0, 1));
    assert.equal(await verdictOf(() => consents.hold()), "CONSENT_MISSING");
  });

  it("write down for the receipt what was used of whom, with consent and list, and once", async () => {
    const text = of(0);
    const consents = world.provider(job, ids, { authorised: ["tax.payment"], open: ["registry.basic"] });
    await answers(consents, [text, of(1)]);
    consents.admit(Int32Array.of(0));
    await consents.hold();
    world.restart();
    const uses = world.uses(job);
    assert.equal(uses.commitments().digest.count, 2);
    assert.deepEqual(uses.of(ids[1] ?? ""), [], "accepted, but in no row");
    const said = uses.of(company).map((i) => uses.commitments().reveal(i).use);
    assert.sameDeepMembers(said, [
      { subject: company, grantee: "bank", items: ["tax.payment"], consent: { id: idOf(0), digest: sha256Hex(text) }, revocations: sha256Hex(listOf(1)), output: null, at: new Date(now).toISOString() },
      { subject: company, grantee: "bank", items: ["registry.basic"], consent: null, revocations: null, output: null, at: new Date(now).toISOString() },
    ]);
    assert.equal(uses.text(sha256Hex(text)), text);
    assert.equal(uses.text(sha256Hex(listOf(1))), listOf(1));
    const again = world.provider(job, ids, { authorised: ["tax.payment"], open: ["registry.basic"] });
    await answers(again, [text, of(1)]);
    again.admit(Int32Array.of(0));
    await again.hold();
    assert.equal(world.uses(job).commitments().digest.count, 2);
  });

  it("hold with a clock behind the registrar's, as far as clocks may differ, and write down when that was", async () => {
    world.platform.lists = [listOf(2, { issuedAt: now + 60_000 })];
    const consents = world.provider(job, ids);
    assert.deepEqual(await answers(consents, [of(0)]), ["accepted"]);
    consents.admit(Int32Array.of(0));
    await consents.hold();
    world.now += 300_000;
    await consents.hold();
    const uses = world.uses(job);
    const [i = -1] = uses.of(company);
    assert.equal(uses.commitments().reveal(i).use.at, new Date(now).toISOString(), "the time of the first use");
  });

  it("leave the event loop free while many are verified", async () => {
    let turns = 0;
    const timer = setInterval(() => void (turns += 1), 1);
    const texts = Array.from({ length: 40 }, (_, i) => of(i)).flatMap((t) => Array.from({ length: 12 }, () => t));
    await world.provider(job, ids).check(0, texts.map((jws, i) => ({ record: i, subject: ids[Math.floor(i / 12)] as EntityId, jws })));
    clearInterval(timer);
    assert.isAbove(turns, 0);
  });
});
