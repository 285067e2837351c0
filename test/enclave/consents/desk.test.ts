// What an enclave keeps of authorisation: lists of withdrawals that never go back, counted uses, the consents that it holds itself, and whom
// it believes.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { JobId, PartyId } from "../../../core/brand.ts";
import { isoSeconds } from "../../../consent/book.ts";
import { keyId, rawKey } from "../../../consent/keys.ts";
import { consentDigest } from "../../../consent/revocation.ts";
import type { Use } from "../../../consent/uses.ts";
import { BankConsents } from "../../../enclave/consents/guest.ts";
import { keptLists, settleLists } from "../../../enclave/consents/lists.ts";
import { registrarsOf, registrarsSchema } from "../../../enclave/consents/trust.ts";
import type { EntityId } from "../../../core/brand.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import { bank, company, granted, job, keys, listOf, now, plan, registrar, usccOf } from "../../consent/support.ts";
import { DeskWorld, rooted } from "../../support/desk.ts";
import { keptLog } from "../../support/platform.ts";
import { eventually } from "../../support/process.ts";

const skew = 120_000;

describe("lists of withdrawals at an enclave", () => {
  let world: DeskWorld;
  beforeEach(() => {
    world = new DeskWorld();
  });
  afterEach(() => world[Symbol.dispose]());
  const sequence = (): number => world.desk.lists.sequence(registrar);
  const refused = (): string[] => world.logs.flatMap((l) => /CONSENT_LIST_[A-Z]+/.exec(l) ?? []);

  it("are kept over a restart, so that a platform that goes back is found", async () => {
    world.platform.lists = [listOf(5)];
    await world.desk.refresh(0);
    assert.equal(sequence(), 5);
    world.restart();
    assert.equal(sequence(), 5, "without the platform");
    world.platform.lists = [listOf(4)];
    await world.desk.refresh(0);
    assert.equal(sequence(), 5);
    assert.include(refused(), "CONSENT_LIST_REWOUND");
  });

  it("that contradict each other end the use of their registrar, also after a restart", async () => {
    await world.desk.refresh(0);
    world.platform.lists = [listOf(1, { lifetime: 800 })];
    await world.desk.refresh(0);
    for (const restart of [false, true]) {
      if (restart) world.restart();
      assert.throws(() => world.desk.basis.revocations.current(registrar, now, skew), /CONSENT_LIST_FORKED/);
    }
    assert.equal(world.db.all("select jws from revocation_lists").length, 2, "both are kept as evidence");
    // Neither a third one nor the next number makes anything good, also not after a restart; nor do they fill the disk.
    world.platform.lists = [listOf(1, { lifetime: 700 }), listOf(2)];
    await world.desk.refresh(0);
    world.restart();
    assert.throws(() => world.desk.basis.revocations.current(registrar, now, skew), /CONSENT_LIST_FORKED/);
    const [kept, other] = keptLists(world.db).map((list) => list.digest);
    assert.lengthOf(keptLists(world.db), 2);
    // Until the operator says which of the two is right.
    assert.isFalse(settleLists(world.db, registrar, "0".repeat(64)));
    assert.isTrue(settleLists(world.db, registrar, kept ?? ""));
    assert.isFalse(settleLists(world.db, registrar, kept ?? ""));
    world.restart();
    assert.doesNotThrow(() => world.desk.basis.revocations.current(registrar, now, skew));
    world.platform.lists = [listOf(2)];
    await world.desk.refresh(0);
    assert.equal(sequence(), 2);
    assert.notInclude(keptLists(world.db).map((list) => list.digest), other);
  });

  it("that leave out what was withdrawn, or are signed by nobody, change nothing", async () => {
    const entry = [consentDigest("consent_000000000000000000000001"), Math.floor(now / 1000), Math.floor(now / 1000) + 9e7] as const;
    world.platform.lists = [listOf(2, { entries: [entry] })];
    await world.desk.refresh(0);
    world.platform.lists = [listOf(3), listOf(4, { key: keys.stranger }), "nonsense"];
    await world.desk.refresh(0);
    assert.equal(sequence(), 2);
    assert.deepEqual(refused().slice(-3), ["CONSENT_LIST_DROPPED", "CONSENT_LIST_FORGED", "CONSENT_LIST_FORGED"]);
    assert.isTrue(world.desk.basis.revocations.current(registrar, now, skew).entries.has(entry[0]));
  });

  it("come from files, too, and without the platform they count until they are over", async () => {
    world.platform.isDown = true;
    mkdirSync(`${world.folder.path}/revocations`);
    writeFileSync(`${world.folder.path}/revocations/registrar.jws`, `${listOf(7)}\n`);
    await world.desk.refresh(0);
    assert.equal(sequence(), 7);
    assert.doesNotThrow(() => world.desk.basis.revocations.current(registrar, now + 899_000, skew));
    assert.throws(() => world.desk.basis.revocations.current(registrar, now + 900_000, skew), /CONSENT_LIST_STALE/);
  });

  it("are asked for by number, and not again within their time", async () => {
    await world.desk.refresh(0);
    await world.desk.refresh(60_000);
    world.now += 61_000;
    await world.desk.refresh(60_000);
    assert.deepEqual(world.platform.asked.filter((a) => a.startsWith("revocations")), ["revocations 0", "revocations 1"]);
  });

  it("are asked for at once when they could not be fetched before", async () => {
    world.platform.isDown = true;
    await world.desk.refresh(60_000);
    world.platform.isDown = false;
    await world.desk.refresh(60_000);
    assert.equal(sequence(), 1);
  });

  it("are followed all the time, and a platform that answers at once with nothing new is not asked without end", async () => {
    const stop = new AbortController();
    const following = world.desk.follow(stop.signal);
    // Without a pause the event loop would not come back to this test.
    await eventually("the first list", () => sequence() === 1);
    assert.isBelow(world.platform.asked.length, 100);
    world.platform.lists = [listOf(2, { issuedAt: world.now })];
    await eventually("the next list", () => sequence() === 2);
    stop.abort();
    await following;
  });

  it("follow the policy: a registrar that was taken out counts no more, one that was put in counts again with its last list", async () => {
    world.platform.lists = [listOf(3)];
    await world.desk.refresh(0);
    world.policy = registrarsSchema.parse({});
    await world.desk.refresh(0);
    assert.equal(sequence(), 0);
    assert.throws(() => world.desk.basis.revocations.current(registrar, now, skew), /CONSENT_LIST_STALE/);
    world.policy = rooted;
    world.platform.lists = [listOf(2)];
    await world.desk.refresh(0);
    assert.equal(sequence(), 3);
  });
});

describe("whom an enclave believes", () => {
  const options = { ca: "no certificate", log: keptLog([]) };
  const from = isoSeconds(Math.floor(now / 1000) - 1000);
  const to = isoSeconds(Math.floor(now / 1000) + 1000);
  const named = { name: registrar, key: rawKey(keys.registrar), from, to };

  it("is what its policy says: a key, or a root that vouches", () => {
    const kids = (policy: unknown, certificates: string[] = []): string[] => registrarsOf(registrarsSchema.parse(policy), certificates, options).map((r) => r.kid);
    assert.deepEqual(kids({}), []);
    assert.deepEqual(kids({ keys: [named] }), [keyId(keys.registrar)]);
    assert.deepEqual(kids(rooted), [keyId(keys.registrar)]);
    const wrongRoot = { roots: [{ key: rawKey(keys.stranger), statement: rooted.roots[0]?.statement }] };
    assert.deepEqual(kids(wrongRoot), [], "a root that did not sign it");
    assert.deepEqual(kids({ keys: [{ ...named, key: "A".repeat(43) }] }), [], "a key of small order");
    assert.deepEqual(kids({}, ["no certificate either"]), []);
    assert.throws(() => registrarsSchema.parse({ keys: [{ ...named, name: "*" }] }));
  });
});

describe("counted uses in the state database", () => {
  const use = (change: Partial<Use> = {}): Use => ({ consent: "c".repeat(64), job, plan, atMost: 1, at: 100, until: 200, ...change });
  const other = "job_fedcba9876543210" as JobId;
  it("are durable: the same job again is free, another is not, another plan is refused", () => {
    using world = new DeskWorld();
    assert.deepEqual(world.desk.uses.foresee([use(), use({ job: other })]), ["claimed", "claimed"]);
    assert.deepEqual(world.desk.uses.claim([use(), use({ job: other })]), ["claimed", "used-up"], "in one step, in order");
    world.restart();
    assert.deepEqual(world.desk.uses.claim([use(), use({ job: other }), use({ plan: "b".repeat(64) })]), ["again", "used-up", "conflict"]);
    assert.deepEqual(world.desk.uses.claim([use({ consent: "d".repeat(64), atMost: 2 }), use({ consent: "d".repeat(64), atMost: 2, job: other })]), ["claimed", "claimed"]);
    assert.deepEqual([world.desk.uses.count("c".repeat(64)), world.desk.uses.count("d".repeat(64)), world.desk.uses.count("e".repeat(64))], [1, 2, 0]);
    assert.equal(world.desk.uses.forget(200), 0);
    assert.equal(world.desk.uses.forget(201), 2);
    assert.deepEqual(world.desk.uses.claim([use({ job: other })]), ["claimed"]);
  });
  it("name no consent and no company in the file", () => {
    using world = new DeskWorld();
    world.desk.uses.claim([use({ consent: consentDigest("consent_000000000000000000000001") })]);
    world.db.settle();
    assert.notInclude(readFileSync(world.stateFile, "latin1"), "consent_0000");
  });
});

describe("the consents that a bank holds", () => {
  const planWith = (authorised: string[], hosts = ["tax"]): JobPlan => ({
    job, kind: "score", purpose: "loan-approval", guest: bank.party, hosts, params: {},
    datasets: Object.fromEntries(hosts.map((h) => [h, { consents: true, catalogue: { version: "2024-15", items: authorised, authorised } }])),
  } as unknown as JobPlan);
  const ids = [company, usccOf(2)] as EntityId[];
  const bankOf = (world: DeskWorld, authorised = ["tax.payment"]): BankConsents =>
    new BankConsents({ store: world.desk.store, records: world.records(), plan: planWith(authorised), ids, now: () => world.now });
  const at = (second: number): { id: string; issuedAt: string; notBefore: string } => {
    const time = isoSeconds(Math.floor(now / 1000) - 1000 + second);
    return { id: `consent_${String(second).padStart(24, "0")}`, issuedAt: time, notBefore: time };
  };
  const tax = "tax" as PartyId;

  it("come from the platform, page by page, and from files; once each", async () => {
    using world = new DeskWorld();
    world.platform.granted = [1, 2, 3].map((n) => granted(at(n)));
    mkdirSync(`${world.folder.path}/consents`);
    writeFileSync(`${world.folder.path}/consents/mine.jws`, `${granted({ ...at(4), subject: usccOf(2) })}\r\n\nnonsense\n`);
    await world.desk.collect();
    await world.desk.collect();
    assert.equal(Number(world.db.get("select count(*) as n from consents")?.["n"]), 4);
    assert.deepEqual(world.platform.asked, ["consents 0", "consents 2", "consents 3", "consents 3"]);
    assert.isTrue(world.logs.some((l) => l.includes("consents-unreadable") && l.includes("1")));
    world.restart();
    world.platform.granted.push(granted(at(9)));
    await world.desk.collect();
    assert.equal(world.platform.asked.at(-2), "consents 3");
    assert.equal(world.desk.store.of(company).length, 4);
  });

  it("lie sealed: the state database names no company", async () => {
    using world = new DeskWorld();
    const text = granted(at(1));
    await world.desk.store.add([text]);
    world.db.settle();
    const raw = readFileSync(world.stateFile, "latin1");
    for (const part of [company, text.slice(0, 200), text.split(".")[1]?.slice(0, 60) ?? "?"]) assert.notInclude(raw, part);
    assert.isTrue(existsSync(world.stateFile));
  });

  it("are chosen by what the provider needs, then the newest, and stay chosen over a restart", async () => {
    using world = new DeskWorld();
    const [narrow, wide, newer] = [granted({ ...at(30), items: ["housing-fund.deposits"] }), granted(at(10)), granted(at(20))];
    await world.desk.store.add([narrow, wide, newer, granted({ ...at(40), purpose: "credit-line-review" }), granted({ ...at(41), kinds: ["train"] }),
      granted({ ...at(42), grantee: { party: "other" as PartyId, uscc: bank.uscc } }), granted({ ...at(43), notAfter: isoSeconds(Math.floor(now / 1000) - 900) })]);
    const choose = (): Promise<readonly string[]> => bankOf(world).choose(tax, 0, Int32Array.of(0, 1));
    assert.deepEqual(await choose(), [newer, ""]);
    await world.desk.store.add([granted(at(50))]);
    world.restart();
    assert.deepEqual(await choose(), [newer, ""], "what was shown once is shown again");
    assert.notEqual((await bankOf(world).choose(tax, 1, Int32Array.of(0)))[0], newer);
  });

  it("are removed when they are over, and the memory of a job with the job", async () => {
    using world = new DeskWorld();
    await world.desk.store.add([granted(at(1)), granted({ ...at(2), notAfter: isoSeconds(Math.floor(now / 1000) + 10) })]);
    await bankOf(world).choose(tax, 0, Int32Array.of(0));
    world.now += 8 * 86_400_000;
    await world.desk.collect();
    assert.equal(world.desk.store.of(company).length, 2, "a job that runs again after a restart shows the same text");
    world.now += 20_000;
    await world.desk.collect();
    assert.equal(world.desk.store.of(company).length, 1);
    assert.equal(world.db.all("select 1 as x from memo").length, 1);
    world.records().end(job, "done");
    assert.equal(world.db.all("select 1 as x from memo").length, 0);
  });
});
