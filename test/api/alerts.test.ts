// Alerts of monitoring services at the platform: taken from the bank's own enclave alone, listed for its institution, pushed once, acknowledged.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { AlertView } from "../../api/contract/monitoring.ts";
import { sweepAlerts } from "../../api/services/alerts.ts";
import { sha256Hex } from "../../core/canonical.ts";
import type { JobId } from "../../core/brand.ts";
import { sealResult } from "../../enclave/job/seal-result.ts";
import { readWebhookBody } from "../../monitoring/webhooks/body.ts";
import { arrears } from "../monitoring/support.ts";
import { assertCode, type Client, type Reply } from "../support/clients.ts";
import { newWorld, runningJob, TestClock, type Bank, type World } from "../support/platform.ts";
import { eventually } from "../support/process.ts";
import { Receiver } from "../support/receiver.ts";
import { person } from "../support/subjects.ts";
import { onBothDatabases } from "../public-credit/world.ts";

onBothDatabases((name, newDatabase) => {
  describe(`alerts of monitoring services on ${name}`, () => {
    const clock = new TestClock();
    let world: World;
    let rival: Bank;
    let analyst: Client;
    let receiver: Receiver;
    let service: JobId;
    const idOf = (n: number): string => `alert_${sha256Hex(`${n}`).slice(0, 32)}`;
    const seal = (text: string): Promise<string> => sealResult(text, world.bank.sealTo, "application/json");
    const put = async (n: number, more: object = {}, enclave = world.guest): Promise<Reply> =>
      enclave.client.put("/enclave/v1/monitoring/alerts", { id: idOf(n), service, sealed: await seal(`alert ${n}`), ...more });
    const list = async (query = "", client: Client = world.bank.client): Promise<{ items: AlertView[]; next: string | null }> => {
      const reply = await client.get(`/v1/monitoring/alerts${query}`);
      assert.equal(reply.status, 200, reply.bytes.toString("utf8"));
      return reply.json() as { items: AlertView[]; next: string | null };
    };

    before(async function () {
      this.timeout(60_000);
      receiver = await Receiver.start();
      const database = await newDatabase();
      world = await newWorld({ now: clock.now, ...(database === undefined ? {} : { database }), settings: { webhooks: { allow: ["127.0.0.0/8"], ports: [receiver.port], plainHttp: true } } });
      await world.platform.enrol("rival");
      rival = await world.platform.addBank("rival");
      analyst = await person(world.platform, "analyst", "Li 01", { institution: world.bank.institution });
      const submitted = await world.bank.client.post("/v1/jobs", {
        kind: "watch", guest: "bank", hosts: ["tax", "power"], purpose: "post-loan-monitoring", params: { triggers: { tax: [arrears()], power: [arrears()] } },
      });
      assert.equal(submitted.status, 201, submitted.bytes.toString("utf8"));
      service = (submitted.json() as { id: JobId }).id;
      assert.equal((await world.bank.client.post("/v1/webhooks", { url: `http://127.0.0.1:${receiver.port}/hook`, events: ["alert.new"] })).status, 201);
    });
    after(async () => {
      await world.platform[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
    });

    it("takes one from the bank's enclave, and the same one again changes nothing: neither list nor webhook", async () => {
      assert.equal((await put(1)).status, 200);
      const one = await list();
      assert.equal((await put(1)).status, 200);
      assert.deepEqual(await list(), one);
      assert.deepEqual(one.items.map((a) => [a.id, a.service, a.acknowledgedAt]), [[idOf(1), service, null]]);
      await receiver.come(1);
      const event = readWebhookBody(Buffer.from(receiver.got[0]?.body ?? ""));
      if (event.type !== "alert.new") assert.fail(event.type);
      assert.deepEqual(event.data, { alert: idOf(1), service, sealed: one.items[0]?.sealed ?? "" });
      assert.lengthOf(receiver.got, 1);
    });

    it("refuses what is not sealed, of no monitoring service, from a provider, or from another bank's enclave", async () => {
      assert.equal((await put(2, { sealed: "plain" })).status, 400);
      assertCode(await put(2, { sealed: (await seal("x")).replace(/^[^.]+/, Buffer.from('{"alg":"none"}').toString("base64url")) }), "RESULT_NOT_SEALED");
      assertCode(await put(2, {}, world.tax), "RESULT_WRONG_PARTY");
      assertCode(await put(2, { service: "job_0123456789abcdef01234567" }), "JOB_NOT_FOUND");
      assertCode(await put(2, { service: await runningJob(world) }), "JOB_NOT_FOUND");
      assert.equal((await put(2, { company: "91310000000000001X" })).status, 400);
      assert.lengthOf((await list()).items, 1);
    });

    it("is acknowledged once, by a person with their name; open ones and others are told apart", async () => {
      assert.equal((await put(3)).status, 200);
      const done = await analyst.post(`/v1/monitoring/alerts/${idOf(1)}/acknowledgement`, {});
      assert.deepInclude(done.json() as AlertView, { acknowledgedBy: "Li 01" });
      const again = await world.bank.client.post(`/v1/monitoring/alerts/${idOf(1)}/acknowledgement`, {});
      assert.deepEqual(again.json(), done.json());
      assert.deepEqual((await list("?state=open")).items.map((a) => a.id), [idOf(3)]);
      assert.deepEqual((await list("?state=acknowledged", analyst)).items.map((a) => a.id), [idOf(1)]);
    });

    it("is nobody else's", async () => {
      assert.deepEqual((await list("", rival.client)).items, []);
      for (const path of [`/v1/monitoring/alerts/${idOf(1)}`, "/v1/monitoring/alerts/alert_00000000000000000000000000000000"]) assertCode(await rival.client.get(path), "MONITOR_ALERT_NOT_FOUND");
      assertCode(await rival.client.post(`/v1/monitoring/alerts/${idOf(3)}/acknowledgement`, {}), "MONITOR_ALERT_NOT_FOUND");
      assertCode(await rival.client.get(`/v1/monitoring/alerts?cursor=${idOf(1)}`), "REQUEST_INVALID");
    });

    it("is pushed also while something else that the clock does fails every time", async () => {
      const { revocations } = world.platform.running?.platform ?? assert.fail("not running");
      await receiver.come(2);
      let failed = 0;
      Object.assign(revocations, { renew: () => {
        failed += 1;
        return Promise.reject(new Error("a damaged row"));
      } });
      try {
        await eventually("it has failed", () => failed > 0);
        assert.equal((await put(4)).status, 200);
        await receiver.come(3);
      } finally {
        Reflect.deleteProperty(revocations, "renew");
      }
    });

    it("of a suspended bank is neither taken, shown nor pushed, and its monitoring is over at every provider; one let in again gets what its enclave still has", async () => {
      const { db } = world.platform.running?.platform ?? assert.fail("not running");
      await receiver.come(3);
      await world.platform.admin.suspendInstitution(world.bank.institution);
      assertCode(await put(5), "AUTH_SUSPENDED");
      for (const client of [world.bank.client, analyst]) assertCode(await client.get("/v1/monitoring/alerts"), "AUTH_SUSPENDED");
      assert.deepInclude(await db.read.job.findUnique({ where: { id: service } }), { state: "failed", failureCode: "JOB_MEMBER_SUSPENDED" });
      assert.isNull(await db.read.alert.findUnique({ where: { id: idOf(5) } }));
      assert.lengthOf(receiver.got, 3);
      await db.write(async (tx) => {
        await tx.institution.update({ where: { id: world.bank.institution }, data: { state: "active" } });
        await tx.party.update({ where: { id: "bank" }, data: { state: "active" } });
      });
      assert.equal((await put(5)).status, 200);
      clock.ms += 60_000;
      await receiver.come(4);
      assert.include((await list()).items.map((a) => a.id), idOf(5));
    });

    it("comes in pages, newest first, each once, and is forgotten after 400 days", async () => {
      for (let n = 10; n < 15; n++) {
        clock.ms += 1000;
        assert.equal((await put(n)).status, 200);
      }
      const ids: string[] = [];
      for (let cursor: string | null = ""; cursor !== null;) {
        const page: { items: AlertView[]; next: string | null } = await list(`?limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`);
        ids.push(...page.items.map((a) => a.id));
        cursor = page.next;
      }
      assert.lengthOf(ids, 9);
      assert.equal(new Set(ids).size, 9);
      clock.ms += 400 * 86_400_000 - 1500;
      await sweepAlerts(world.platform.running?.platform ?? assert.fail("not running"));
      assert.sameMembers((await list()).items.map((a) => a.id), [idOf(13), idOf(14)]);
    });
  });
});
