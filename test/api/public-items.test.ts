// Public items at the platform, on both databases: who may publish what, whole batches once, corrections with their history, withdrawals that
// erase, terms that end; and subscriptions that give each institution what changed, no more and no less.
import { createPublicKey } from "node:crypto";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { compactVerify } from "jose";
import type { MemberView } from "../../api/contract/institutions.ts";
import type { TestIssuer } from "../../api/identity/test-issuer.ts";
import type { BatchOutcome, Delivered, OwnDelivery, SubscriptionView } from "../../api/contract/public-credit.ts";
import { withdrawOverdue } from "../../api/services/public-items.ts";
import { sha256Hex } from "../../core/canonical.ts";
import type { RowInput } from "../../public-credit/batch.ts";
import { assertCode, type Client, type Reply } from "../support/clients.ts";
import { approveByBoth, goodAssessment, said, staffOf } from "../support/institutions.ts";
import { keptLog, TestClock } from "../support/platform.ts";
import { login, person, withIssuer } from "../support/subjects.ts";
import { usccOf } from "../public-credit/support.ts";
import { onBothDatabases, PublicWorld } from "../public-credit/world.ts";

const dayMs = 86_400_000;
const company = (n: number, name = `北京演示${n}号有限公司`, more: object = {}): RowInput => ({ uscc: usccOf(n), values: { company_name: name }, ...more });
const penalty = (n: number, key: string, offence: string, more: object = {}): RowInput => ({ uscc: usccOf(n), key, values: { offence }, ...more });
const penaltyItem = "administrative.penalties";

onBothDatabases((name, newDatabase) => {
  describe(`public items on ${name}`, () => {
    const clock = new TestClock();
    const lines: string[] = [];
    let world: PublicWorld;
    let issuer: TestIssuer;
    before(async () => {
      const database = await newDatabase();
      world = await PublicWorld.start({ now: clock.now, log: keptLog(lines), ...(database === undefined ? {} : { database }) });
      issuer = await withIssuer(world.platform);
    });
    after(async () => {
      await issuer.close();
      await world[Symbol.asyncDispose]();
    });

    const subscribe = async (body: object, client: Client = world.bank.client): Promise<SubscriptionView> => {
      const reply = await client.post("/v1/subscriptions", { purpose: "post-loan-monitoring", ...body });
      assert.equal(reply.status, 201, reply.bytes.toString("utf8"));
      return reply.json() as SubscriptionView;
    };
    const pull = (id: string, cursor = 0, client: Client = world.bank.client): Promise<Reply> => client.get(`/v1/subscriptions/${id}/items?cursor=${cursor}`);
    const taken = (reply: Reply): Delivered[] => {
      assert.equal(reply.status, 200, reply.bytes.toString("utf8"));
      assert.equal(reply.headers["x-content-digest"], sha256Hex(reply.bytes));
      return reply.bytes.toString("utf8").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Delivered);
    };
    const nextOf = (reply: Reply): number => Number(reply.headers["x-next-cursor"]);

    it("are taken once: the same batch again gives the same answer, equal rows count as repeated, others as corrections", async () => {
      const batch = await world.batch([company(1), company(2)]);
      const first = (await world.put(batch)).json() as BatchOutcome;
      assert.deepInclude(first as object, { added: 2, corrected: 0, withdrawn: 0, repeated: 0, records: 2, digest: batch.digest, party: "registry" });
      clock.ms += 1000;
      assert.deepEqual((await world.put(batch)).json(), first);
      assert.deepInclude(await world.publish([company(1), company(2, "改名有限公司"), company(3)]), { added: 1, corrected: 1, repeated: 1 });
      assert.deepInclude(await world.publish([company(1)], undefined, "2026-01-05"), { added: 0, corrected: 0, repeated: 1 }, "a later day alone is no change");
    });

    it("are the batch as a whole or nothing of it", async () => {
      const wrong: readonly [readonly RowInput[], string][] = [
        [[company(10), { uscc: usccOf(11), withdraw: "expired" }], "PUBLIC_UNKNOWN_RECORD"], [[company(10), company(10)], "PUBLIC_DUPLICATE"],
        [[company(10), { uscc: usccOf(11), values: { legal_person: "x" } }], "CATALOGUE_UNKNOWN_FIELD"],
      ];
      for (const [rows, code] of wrong) assertCode(await world.put(await world.batch(rows)), code);
      assert.deepInclude(await world.publish([company(10)]), { added: 1 }, "nothing of them was taken");
    });

    it("come from their source alone, signed by it, under their own digest", async () => {
      assertCode(await world.put(await world.batch([company(20)], "registry.basic", "2026-01-04", world.other), world.other.client), "PUBLIC_SOURCE");
      assertCode(await world.put(await world.batch([company(20)]), world.other.client), "PUBLIC_SIGNATURE");
      assertCode(await world.put({ ...(await world.batch([company(20)])), digest: "0".repeat(64) }), "PUBLIC_DIGEST");
      await world.allow(world.other.identity.party, ["customs.credit-grade"]);
      assertCode(await world.put(await world.batch([company(20)], "registry.basic", "2026-01-04", world.other), world.other.client), "PUBLIC_SOURCE");
      const grade: RowInput = { uscc: usccOf(20), values: { credit_grade: "高级认证企业" } };
      assert.equal((await world.put(await world.batch([grade], "customs.credit-grade", "2026-01-04", world.other), world.other.client)).status, 200);
      // Another source's record of the same company and key is another record.
      await world.allow(world.other.identity.party, ["registry.basic"]);
      assert.equal((await world.put(await world.batch([company(1, "海关所见名称")], "registry.basic", "2026-01-04", world.other), world.other.client)).status, 200);
      await world.allow(world.other.identity.party, []);
    });

    it("come from no source that is suspended, until it is resumed", async () => {
      const { party } = world.source.identity;
      await world.platform.admin.suspendParty(party);
      assertCode(await world.put(await world.batch([company(25)])), "AUTH_SUSPENDED");
      await world.platform.admin.resumeParty(party);
      assert.deepInclude(await world.publish([company(25)]), { added: 1 });
    });

    it("that are not public are refused with the clause", async () => {
      for (const [item, clause] of [["registry.industry", "P21-note-2-interface"], ["social-insurance.payment", "P21-note-2-verification"]] as const) {
        const reply = await world.put(await world.batch([{ uscc: usccOf(1), values: { industry: "C" } }], item));
        assertCode(reply, "CATALOGUE_MODE");
        assert.equal((reply.json() as { facts: { clause: string } }).facts.clause, clause);
      }
      assertCode(await world.put(await world.batch([{ uscc: usccOf(1), key: "x", values: { legal_representative_certificate: "1" } }], penaltyItem)), "CATALOGUE_MODE");
    });

    it("do not go back in time, and do not come back after a withdrawal, which erases every version", async () => {
      await world.publish([penalty(30, "p1", "一"), penalty(30, "p2", "二")], penaltyItem, "2026-01-03");
      await world.publish([penalty(30, "p1", "一，更正")], penaltyItem, "2026-01-04");
      assertCode(await world.put(await world.batch([penalty(30, "p1", "一")], penaltyItem, "2026-01-03")), "PUBLIC_OUTDATED");
      const gone: RowInput = { uscc: usccOf(30), key: "p1", withdraw: "credit-repair" };
      assert.deepInclude(await world.publish([gone], penaltyItem, "2026-01-05"), { withdrawn: 1 });
      assert.deepInclude(await world.publish([gone, penalty(30, "p2", "二")], penaltyItem, "2026-01-05"), { withdrawn: 0, repeated: 2 });
      assertCode(await world.put(await world.batch([penalty(30, "p1", "一，再来")], penaltyItem, "2026-01-05")), "PUBLIC_WITHDRAWN");
      const read = world.platform.running?.platform.db.read;
      const kept = await read?.publicItem.findMany({ where: { subject: usccOf(30), recordKey: "p1" } });
      const versions = await read?.publicItemVersion.findMany({ where: { recordId: kept?.[0]?.id ?? "" } });
      assert.deepInclude(kept?.[0], { values: null, digest: "", reason: "credit-repair", version: 3 });
      assert.deepEqual(versions?.map(({ version, values, digest }) => ({ version, values, digest })).sort((a, b) => a.version - b.version), [
        { version: 1, values: null, digest: "" }, { version: 2, values: null, digest: "" },
      ]);
      assert.equal((await read?.publicItem.findFirst({ where: { subject: usccOf(30), recordKey: "p2" } }))?.values, '{"offence":"二"}');
    });

    it("are delivered by region, section and item, in pages that lose nothing, each with its digest and the platform's signature", async () => {
      const rows = Array.from({ length: 1500 }, (_, i) => company(1000 + i, `第${i}号有限公司`, { region: i % 3 === 0 ? "440305" : "330106", sector: i % 2 === 0 ? "C" : "F" }));
      await world.publish(rows);
      const wanted = rows.filter((_, i) => i % 3 === 0 && i % 2 === 0).map((row) => row.uscc);
      const { id } = await subscribe({ items: ["registry.basic"], regions: ["44"], sectors: ["C"] });
      const first = await pull(id);
      assert.sameMembers(taken(first).map((line) => line.uscc), wanted);
      assert.equal(first.headers["x-more"], "false");
      const { id: all } = await subscribe({ items: ["registry.basic"] });
      const seen: Delivered[] = [];
      let cursor = 0;
      let pages = 0;
      for (let more = true; more; pages += 1) {
        const reply = await pull(all, cursor);
        seen.push(...taken(reply));
        cursor = nextOf(reply);
        more = reply.headers["x-more"] === "true";
      }
      assert.isAbove(pages, 1);
      assert.includeMembers(seen.map((line) => line.uscc), rows.map((row) => row.uscc));
      assert.equal(new Set(seen.map((line) => `${line.source} ${line.uscc}`)).size, seen.length, "each record once");
      assert.isEmpty(taken(await pull(all, cursor)), "nothing new");
      const jwk = (await world.bank.client.get("/v1/attestation-key")).json() as object;
      const { payload } = await compactVerify(String(first.headers["x-statement"]), createPublicKey({ key: { ...jwk }, format: "jwk" }));
      assert.deepInclude(JSON.parse(new TextDecoder().decode(payload)), { subscription: id, first: 0, last: nextOf(first), records: wanted.length, digest: sha256Hex(first.bytes) });
    });

    it("give what changed since the cursor, and tell of a withdrawal only those who had the record", async () => {
      await world.publish([penalty(40, "a", "甲"), penalty(40, "b", "乙")], penaltyItem);
      const { id } = await subscribe({ items: [penaltyItem] });
      const first = await pull(id);
      assert.includeMembers(taken(first).map((l) => l.key), ["a", "b"]);
      assert.notInclude(taken(first).map((l) => l.op), "withdraw", "records that were withdrawn before are not mentioned");
      await world.publish([penalty(40, "a", "甲，更正"), { uscc: usccOf(40), key: "b", withdraw: "credit-repair" }, penalty(40, "c", "丙")], penaltyItem);
      const second = await pull(id, nextOf(first));
      assert.deepEqual(taken(second).map((l) => ({ op: l.op, key: l.key, version: l.op === "put" ? l.version : 0 })), [
        { op: "put", key: "a", version: 2 }, { op: "withdraw", key: "b", version: 0 }, { op: "put", key: "c", version: 1 },
      ]);
      assert.notInclude(second.bytes.toString("utf8"), "credit-repair");
      const { id: late } = await subscribe({ items: [penaltyItem] }, world.rival.client);
      const theirs = taken(await pull(late, 0, world.rival.client));
      assert.isEmpty(theirs.filter((l) => l.op === "withdraw"));
      await world.publish([{ uscc: usccOf(40), key: "c", withdraw: "published-in-error" }], penaltyItem);
      assert.deepEqual(taken(await pull(late, nextOf(await pull(late, 0, world.rival.client)) - 1, world.rival.client)).map((l) => [l.op, l.key]), [["withdraw", "c"]]);
    });

    it("follow a company that moves: records of other items go along", async () => {
      await world.publish([company(50, "迁址有限公司", { region: "110105", sector: "C" })]);
      await world.publish([penalty(50, "m", "甲")], penaltyItem);
      const { id } = await subscribe({ items: [penaltyItem], regions: ["51"], sectors: ["C"] });
      const first = await pull(id);
      assert.isEmpty(taken(first));
      await world.publish([company(50, "迁址有限公司", { region: "510104", sector: "C" })]);
      const second = await pull(id, nextOf(first));
      assert.deepEqual(taken(second).map((l) => [l.uscc, l.op === "put" ? l.region : ""]), [[usccOf(50), "510104"]]);
      // It moves away again: said once to whoever had its record; then the record is withdrawn, and they hear that too.
      await world.publish([company(50, "迁址有限公司", { region: "320102", sector: "C" })]);
      const third = await pull(id, nextOf(second));
      assert.deepEqual(taken(third).map((l) => [l.op, l.uscc, l.key]), [["leave", usccOf(50), "m"]]);
      assert.notInclude(third.bytes.toString("utf8"), "320102", "where it went is no news for this subscription");
      await world.publish([{ uscc: usccOf(50), key: "m", withdraw: "credit-repair" }], penaltyItem);
      assert.deepEqual(taken(await pull(id, nextOf(third))).map((l) => [l.op, l.key]), [["withdraw", "m"]]);
      const { id: never } = await subscribe({ items: [penaltyItem], regions: ["51"] }, world.rival.client);
      assert.notInclude(taken(await pull(never, 0, world.rival.client)).map((l) => l.uscc), usccOf(50));
    });

    it("tell of no withdrawal where the record was never given, whatever else was", async () => {
      // The delivery covers the change's number, and not the record: it is of another region.
      const { id } = await subscribe({ items: [penaltyItem], regions: ["62"] });
      await world.publish([company(70, "甘肃有限公司", { region: "620102" }), company(71, "北京有限公司", { region: "110105" })]);
      await world.publish([penalty(70, "x", "甲"), penalty(71, "x", "乙")], penaltyItem);
      const first = await pull(id);
      assert.deepEqual(taken(first).map((l) => l.uscc), [usccOf(70)]);
      await world.publish([company(71, "北京有限公司", { region: "620102" }), { ...company(70, "甘肃有限公司"), region: "620102" }]);
      await world.publish([{ uscc: usccOf(71), key: "x", withdraw: "published-in-error" }], penaltyItem);
      assert.isEmpty(taken(await pull(id, nextOf(first))), "it came into the region and was withdrawn before anybody took it");
    });

    it("are uses that the company sees, each version with who, what for, how often and when, and nobody else", async () => {
      const [own, stranger] = [await login(world.platform, usccOf(80)), await login(world.platform, usccOf(81))];
      await world.publish([penalty(80, "u", "甲")], penaltyItem);
      const { id } = await subscribe({ items: [penaltyItem], sectors: [] });
      const last = nextOf(await pull(id));
      clock.ms += 60_000;
      await pull(id, last - 1);
      await world.publish([penalty(80, "u", "甲，更正")], penaltyItem);
      await pull(id, last);
      type Page = { items: OwnDelivery[]; next: string | null };
      const first = (await own.client.get("/v1/subject/public-deliveries?limit=1")).json() as Page;
      assert.deepInclude(first.items[0] as object, { subscription: id, institution: "Bank of bank", purpose: "post-loan-monitoring", item: penaltyItem, source: "registry", key: "u", version: 2, times: 1 });
      const rest = (await own.client.get(`/v1/subject/public-deliveries?cursor=${first.next ?? ""}`)).json() as Page;
      const [earlier] = rest.items.filter((d) => d.subscription === id);
      assert.deepInclude(earlier as object, { version: 1, times: 2 });
      assert.equal(Date.parse(earlier?.lastAt ?? "") - Date.parse(earlier?.firstAt ?? ""), 60_000);
      assert.isEmpty(((await stranger.client.get("/v1/subject/public-deliveries")).json() as Page).items);
      assertCode(await stranger.client.get(`/v1/subject/public-deliveries?cursor=${first.next ?? ""}`), "REQUEST_INVALID");
      assertCode(await world.bank.client.get("/v1/subject/public-deliveries"), "AUTH_INVALID");
      await world.publish([{ uscc: usccOf(80), key: "u", withdraw: "credit-repair" }], penaltyItem);
      assert.lengthOf(((await own.client.get("/v1/subject/public-deliveries")).json() as Page).items, 2, "that it was used stays, also after the record is gone");
    });

    it("end with their term of publication, at once in what is given out, and for good with the clock", async () => {
      await world.publish([{ uscc: usccOf(60), key: "t", values: { offence: "甲", published_until: "2026-01-06" } }], penaltyItem);
      const { id } = await subscribe({ items: [penaltyItem] });
      const first = await pull(id);
      assert.include(taken(first).map((l) => l.uscc), usccOf(60));
      clock.ms = Date.parse("2026-01-06T15:59:00Z");
      assert.include(taken(await pull(id)).map((l) => l.uscc), usccOf(60), "until the end of the day in China");
      clock.ms = Date.parse("2026-01-06T16:00:30Z");
      assert.isEmpty(taken(await pull(id)).filter((l) => l.op === "put" && l.uscc === usccOf(60)), "at once, before the clock has withdrawn it");
      const { platform } = world.platform.running ?? assert.fail();
      await withdrawOverdue(platform);
      await withdrawOverdue(platform);
      assert.deepInclude(await platform.db.read.publicItem.findFirst({ where: { subject: usccOf(60) } }), { values: null, reason: "expired" });
      assert.deepEqual(taken(await pull(id, nextOf(first))).map((l) => [l.op, l.key]), [["withdraw", "t"]]);
      clock.ms = Date.parse("2026-01-07T00:00:00Z");
    });

    it("are subscribed by their institution alone, for a purpose that needs them, until it ends or the institution is suspended", async () => {
      const refuse = async (body: object, code: string): Promise<void> => assertCode(await world.bank.client.post("/v1/subscriptions", body), code);
      await refuse({ purpose: "curiosity", items: [penaltyItem] }, "REQUEST_INVALID");
      await refuse({ purpose: "loan-approval", items: ["tax.payment"] }, "CATALOGUE_MODE");
      await refuse({ purpose: "policy-matching", items: ["judicial.dishonest-debtors"] }, "CATALOGUE_UNNECESSARY");
      await refuse({ purpose: "loan-approval", items: [penaltyItem], regions: ["4"] }, "REQUEST_INVALID");
      const { id } = await subscribe({ items: [penaltyItem] });
      assertCode(await pull(id, 0, world.rival.client), "SUBSCRIPTION_NOT_FOUND");
      assertCode(await pull(id, 1_000_000), "SUBSCRIPTION_CURSOR");
      const ended = (await world.bank.client.post(`/v1/subscriptions/${id}/end`, {})).json() as SubscriptionView;
      assert.equal(ended.state, "ended");
      assertCode(await pull(id), "SUBSCRIPTION_ENDED");
      const { client, institution } = world.bank;
      const { items: mine } = (await client.get("/v1/subscriptions")).json() as { items: SubscriptionView[] };
      const open = mine.filter((s) => s.state === "active").length;
      const filled: string[] = [];
      for (let n = open; n < 32; n += 1) filled.push((await subscribe({ items: [penaltyItem] })).id);
      await refuse({ purpose: "loan-approval", items: [penaltyItem] }, "SUBSCRIPTION_LIMIT");
      for (const full of filled) assert.equal((await client.post(`/v1/subscriptions/${full}/end`, {})).status, 200);
      const submitter = await person(world.platform, "bank-submitter", "officer 1", { institution });
      assert.equal((await submitter.get("/v1/subscriptions")).status, 200);
      assertCode(await (await person(world.platform, "analyst", "analyst 1", { institution })).get("/v1/subscriptions"), "AUTH_ROLE");
    });

    it("pause while the institution is suspended, and go on where they were after two supervisors let it in again", async () => {
      const { client, institution } = world.rival;
      const { id } = await subscribe({ items: [penaltyItem] }, client);
      await world.publish([penalty(90, "s", "甲")], penaltyItem);
      const first = await pull(id, 0, client);
      await world.platform.admin.suspendInstitution(institution);
      assertCode(await pull(id, nextOf(first), client), "AUTH_SUSPENDED");
      await world.publish([penalty(90, "s", "甲，更正")], penaltyItem);
      const staff = await staffOf(world.platform);
      const { items } = await said<{ items: MemberView[] }>(staff.ana.client.get("/v1/members"));
      const member = items.find((m) => m.institution === institution) ?? assert.fail();
      const again = await said<MemberView>(staff.operator.client.post(`/v1/members/${member.id}/readmission`, goodAssessment("bank")));
      await approveByBoth(staff, again);
      assert.deepEqual(taken(await pull(id, nextOf(first), client)).map((l) => [l.key, l.op === "put" ? l.version : 0]), [["s", 2]]);
    });

    it("are numbered without a loss when batches come at the same time", async () => {
      const { id } = await subscribe({ items: ["registry.basic"] });
      const batches = await Promise.all(Array.from({ length: 8 }, (_, b) => world.batch(Array.from({ length: 25 }, (__, i) => company(5000 + b * 25 + i)))));
      const replies = await Promise.all([...batches, ...batches].map((batch) => world.put(batch)));
      assert(replies.every((reply) => reply.status === 200));
      const uscc = new Set<string>();
      let cursor = 0;
      for (let more = true; more; ) {
        const reply = await pull(id, cursor);
        for (const line of taken(reply)) uscc.add(line.uscc);
        cursor = nextOf(reply);
        more = reply.headers["x-more"] === "true";
      }
      for (let n = 5000; n < 5200; n += 1) assert(uscc.has(usccOf(n)));
    });

    it("leave no company and no value in the log", () => {
      for (const line of lines) {
        assert.notMatch(line, /91[0-9]{6}MA/);
        assert.notMatch(line, /\p{Script=Han}/u);
      }
      assert.isAbove(lines.length, 50);
      assert.isAbove(clock.ms, dayMs);
    });
  });
});
