// Webhooks over the API and over real sockets: signed, in order, again after failures and restarts, to nowhere that they must not go.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { DeliveryView, WebhookKeysView, WebhookView } from "../../api/contract/webhooks.ts";
import type { Platform } from "../../api/platform.ts";
import { Authority } from "../../api/pki/authority.ts";
import { enqueueWebhook, eventTime, type NewEvent } from "../../api/services/webhooks.ts";
import { findHead, setNextDue, storeDelivery } from "../../api/store/webhooks.ts";
import { readVerifyingKey } from "../../monitoring/webhooks/keys.ts";
import { readWebhookBody } from "../../monitoring/webhooks/body.ts";
import { receiveWebhook } from "../../monitoring/webhooks/signature.ts";
import { scheduleSchema } from "../../monitoring/webhooks/schedule.ts";
import { systemRng } from "../../core/rng.ts";
import { assertCode, type Client, type Reply } from "../support/clients.ts";
import { keptLog, newWorld, runningJob, submit, TestClock, type Bank, type World } from "../support/platform.ts";
import { Receiver, type Got } from "../support/receiver.ts";
import { onBothDatabases } from "../public-credit/world.ts";

const schedule = scheduleSchema.parse({ firstDelayMs: 1000, factor: 2, maxDelayMs: 60_000, maxAttempts: 3, leaseMs: 60_000 });

onBothDatabases((name, newDatabase) => {
  describe(`webhooks on ${name}`, () => {
    const clock = new TestClock();
    const lines: string[] = [];
    const names = new Map<string, readonly string[]>();
    let receiver: Receiver;
    let secure: Receiver;
    let world: World;
    let rival: Bank;
    before(async function () {
      this.timeout(60_000);
      const database = await newDatabase();
      // Certificates are judged by the machine's own clock.
      const env = { rng: systemRng, now: Date.now };
      const authority = await Authority.open(await Authority.create("receivers", env), env);
      const { keyPem, certificatePem } = await authority.issueServer(["hooks.example.com"], 30);
      receiver = await Receiver.start();
      secure = await Receiver.start({ key: keyPem, cert: certificatePem });
      world = await newWorld({
        now: clock.now, log: keptLog(lines), ...(database === undefined ? {} : { database }),
        settings: { webhooks: { allow: ["127.0.0.0/8"], ports: [receiver.port, secure.port], plainHttp: true } },
        webhooks: { schedule, timeoutMs: 20_000, resolve: async (host) => names.get(host) ?? [] },
      });
      await world.platform.enrol("rival");
      rival = await world.platform.addBank("rival");
      // The receivers' own CA is what an operator would name in `caFile`.
      caPem = authority.certificatePem;
    });
    let caPem = "";
    after(async () => {
      await world.platform[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
      await secure[Symbol.asyncDispose]();
    });

    const parts = (): Platform => world.platform.running?.platform ?? assert.fail("not running");
    const urlOf = (path: string): string => `http://127.0.0.1:${receiver.port}${path}`;
    const create = async (path: string, events: readonly string[], client: Client = world.bank.client): Promise<WebhookView> => {
      const reply = await client.post("/v1/webhooks", { url: urlOf(path), events });
      assert.equal(reply.status, 201, reply.bytes.toString("utf8"));
      return (reply.json() as { webhook: WebhookView }).webhook;
    };
    const deliveries = async (id: string, query = "", client: Client = world.bank.client): Promise<DeliveryView[]> =>
      ((await client.get(`/v1/webhooks/${id}/deliveries${query}`)).json() as { items: DeliveryView[] }).items;
    const remove = (id: string): Promise<Reply> => world.bank.client.post(`/v1/webhooks/${id}/removal`, {});
    const keysOf = async (client: Client = world.bank.client): Promise<WebhookKeysView> => (await client.get("/v1/webhook-keys")).json() as WebhookKeysView;
    /** What is due is sent, until nothing is. */
    const send = async (): Promise<void> => {
      await parts().webhooks.look();
      await parts().webhooks.settled();
    };
    const alert = (n: number): NewEvent => ({ id: `alert ${n}`, body: { type: "alert.new", timestamp: eventTime(clock.ms), data: { alert: `alert_${String(n).padStart(32, "0")}` } } });
    const happen = (event: NewEvent, bank: Bank = world.bank): Promise<void> => parts().db.write((tx) => enqueueWebhook(tx, bank.institution, event, clock.ms));
    const accepts = (got: Got | undefined, keys: readonly string[]): string =>
      receiveWebhook(got?.headers ?? {}, Buffer.from(got?.body ?? ""), { keys: keys.map(readVerifyingKey), now: clock.ms, seen: { claim: () => "new" } }).id;
    const finish = async (): Promise<string> => {
      const job = await runningJob(world);
      for (const party of [world.guest, world.tax, world.power]) assert.equal((await party.client.post(`/enclave/v1/jobs/${job}/state`, { state: "done" })).status, 200);
      return job;
    };

    it("tell the end of a job to who asked for it, signed under the institution's key", async () => {
      const webhook = await create("/jobs", ["job.done", "job.failed"]);
      assert.deepInclude(webhook, { state: "active", waiting: 0, dead: 0, events: ["job.done", "job.failed"] });
      const job = await finish();
      await send();
      const [got, ...more] = receiver.at("/jobs");
      assert.isEmpty(more);
      const { keys } = await keysOf();
      assert.lengthOf(keys, 1);
      assert.match(accepts(got, keys), /^msg_[0-9a-f]{32}$/);
      assert.deepEqual(readWebhookBody(Buffer.from(got?.body ?? "")), { type: "job.done", timestamp: eventTime(clock.ms), sequence: 1, data: { job, kind: "scorecard" } });
      assert.throws(() => accepts(got, ["whpk_" + Buffer.alloc(32, 1).toString("base64")]), "WEBHOOK_");
      assert.throws(() => accepts({ ...(got as Got), body: (got?.body ?? "").replace("job.done", "job.fail") }, keys), "WEBHOOK_SIGNATURE");
      const cancelled = await submit(world);
      await world.bank.client.post(`/v1/jobs/${cancelled}/cancel`, {});
      const failed = await runningJob(world);
      await world.tax.client.post(`/enclave/v1/jobs/${failed}/state`, { state: "failed", code: "DISK_FAILED" });
      await send();
      const told = receiver.at("/jobs").slice(1).map(({ body }) => readWebhookBody(Buffer.from(body)));
      assert.deepEqual(told.map(({ type, sequence, data }) => ({ type, sequence, data })), [
        { type: "job.failed", sequence: 2, data: { job: cancelled, kind: "scorecard", code: "JOB_CANCELLED" } },
        { type: "job.failed", sequence: 3, data: { job: failed, kind: "scorecard", code: "DISK_FAILED" } },
      ]);
      assert.sameMembers((await deliveries(webhook.id)).map((d) => `${d.sequence} ${d.state} ${d.attempts} ${d.status}`), ["1 delivered 1 204", "2 delivered 1 204", "3 delivered 1 204"]);
      await remove(webhook.id);
    });

    it("are registered for public https addresses, and what the operator allows, alone", async () => {
      const { client } = world.bank;
      const put = (url: string): Promise<Reply> => client.post("/v1/webhooks", { url, events: ["job.done"] });
      for (const url of [
        "http://example.com/hook", "https://10.0.0.1/hook", "https://[::1]/hook", "https://localhost/hook", "https://169.254.169.254/latest", "https://bank.internal/x", "http://10.0.0.1/x", "https://user@example.com/",
        `https://example.com:${receiver.port + 1}/`, "ftp://example.com/", "https://0x7f.1/", `http://[::ffff:10.0.0.1]:${receiver.port}/`,
      ]) assertCode(await put(url), "WEBHOOK_URL");
      assertCode(await client.post("/v1/webhooks", { url: urlOf("/x"), events: ["gossip"] }), "REQUEST_INVALID");
      const webhook = await create("/same", ["job.done"]);
      assert.equal((await create("/same", ["job.done"])).id, webhook.id);
      assertCode(await client.post("/v1/webhooks", { url: urlOf("/same"), events: ["job.failed"] }), "WEBHOOK_EXISTS");
      const ids = [webhook.id];
      for (let n = 1; n < 8; n += 1) ids.push((await create(`/same${n}`, ["job.done"])).id);
      assertCode(await put(urlOf("/ninth")), "WEBHOOK_LIMIT");
      for (const id of ids) assert.equal((await remove(id)).status, 200);
      assertCode(await remove(webhook.id), "WEBHOOK_NOT_FOUND");
    });

    it("belong to their institution: for others they do not exist", async () => {
      const webhook = await create("/mine", ["alert.new"]);
      const other = rival.client;
      for (const reply of [
        await other.post(`/v1/webhooks/${webhook.id}/test`, {}), await other.get(`/v1/webhooks/${webhook.id}/deliveries`), await other.post(`/v1/webhooks/${webhook.id}/removal`, {}),
        await other.post(`/v1/webhooks/${webhook.id}/state`, { state: "disabled" }),
      ]) assertCode(reply, "WEBHOOK_NOT_FOUND");
      assert.isEmpty(((await other.get("/v1/webhooks")).json() as { items: [] }).items);
      assert.notDeepEqual((await keysOf()).keys, (await keysOf(other)).keys);
      await happen(alert(1), rival);
      await send();
      assert.isEmpty(receiver.at("/mine"));
      await remove(webhook.id);
    });

    it("come again after failures under the same id, later and later, then lie dead, and go out again when asked", async () => {
      const webhook = await create("/ill", ["alert.new"]);
      receiver.answers.set("/ill", (n) => ({ status: n <= 4 ? 500 : 204 }));
      await happen(alert(2));
      await happen(alert(3));
      await happen(alert(2));
      await send();
      assert.lengthOf(receiver.at("/ill"), 1);
      await send();
      assert.lengthOf(receiver.at("/ill"), 1, "not before its time");
      const [, first] = await deliveries(webhook.id);
      assert.deepInclude(first, { state: "waiting", attempts: 1, failure: "status", status: 500, sequence: 1 });
      assert.isAbove(Date.parse(first?.dueAt ?? ""), clock.ms);
      for (let n = 2; n <= 3; n += 1) {
        clock.ms += 10_000;
        await send();
      }
      const all = receiver.at("/ill");
      assert.lengthOf(all, 3, "three attempts of the first; the second one has not overtaken it");
      assert.lengthOf(new Set(all.map((got) => got.headers["webhook-id"])), 1);
      assert.lengthOf(new Set(all.map((got) => got.headers["webhook-timestamp"])), 3);
      const dead = (await deliveries(webhook.id, "?state=dead"))[0];
      assert.deepInclude(dead, { sequence: 1, attempts: 3, state: "dead", dueAt: null });
      await send();
      assert.lengthOf(receiver.at("/ill"), 4, "the next one follows");
      assertCode(await world.bank.client.post(`/v1/webhooks/${webhook.id}/deliveries/msg_${"0".repeat(32)}/resend`, {}), "WEBHOOK_DELIVERY_NOT_FOUND");
      assert.equal((await world.bank.client.post(`/v1/webhooks/${webhook.id}/deliveries/${dead?.id}/resend`, {})).status, 200);
      assertCode(await world.bank.client.post(`/v1/webhooks/${webhook.id}/deliveries/${dead?.id}/resend`, {}), "WEBHOOK_STATE");
      clock.ms += 10_000;
      await send();
      const sequences = receiver.at("/ill").slice(4).map((got) => readWebhookBody(Buffer.from(got.body)).sequence);
      assert.deepEqual(sequences, [1, 2]);
      assert.deepEqual((await deliveries(webhook.id)).map((d) => d.state), ["delivered", "delivered"]);
      assert.equal(receiver.at("/ill").at(4)?.headers["webhook-id"], all[0]?.headers["webhook-id"]);
      await remove(webhook.id);
    });

    it("of a receiver that is slow hold up nobody else's", async () => {
      const slow = await create("/slow", ["alert.new"]);
      const quick = await create("/quick", ["alert.new"], rival.client);
      receiver.answers.set("/slow", () => "hold");
      const had = receiver.got.length;
      await happen(alert(4));
      await happen(alert(5));
      await parts().webhooks.look();
      await receiver.come(had + 1);
      await happen(alert(6), rival);
      await parts().webhooks.look();
      await receiver.come(had + 2);
      assert.lengthOf(receiver.at("/quick"), 1);
      assert.lengthOf(receiver.at("/slow"), 1, "one at a time");
      assert.deepEqual((await deliveries(slow.id)).map((d) => d.state), ["waiting", "sending"]);
      receiver.answers.delete("/slow");
      receiver.release(204);
      await parts().webhooks.settled();
      assert.lengthOf(receiver.at("/slow"), 2);
      await remove(slow.id);
      await rival.client.post(`/v1/webhooks/${quick.id}/removal`, {});
    });

    it("survive a stop in the middle of an attempt, and a process that was killed", async function () {
      this.timeout(60_000);
      const webhook = await create("/restart", ["alert.new"]);
      receiver.answers.set("/restart", (n) => (n === 1 ? "hold" : { status: 204 }));
      const had = receiver.got.length;
      await happen(alert(7));
      await parts().webhooks.look();
      await receiver.come(had + 1);
      await world.platform.stop();
      await world.platform.launch();
      clock.ms += 10_000;
      await send();
      assert.lengthOf(receiver.at("/restart"), 2);
      assert.lengthOf(new Set(receiver.at("/restart").map((got) => got.headers["webhook-id"])), 1);
      // As a killed process leaves it: an attempt that began and never ended.
      await parts().db.write(async (tx) => {
        await enqueueWebhook(tx, world.bank.institution, alert(8), clock.ms);
        const head = (await findHead(tx, webhook.id)) ?? assert.fail("nothing waits");
        await storeDelivery(tx, { ...head, state: "sending", attempts: 1, dueAt: clock.ms + schedule.leaseMs });
        await setNextDue(tx, webhook.id);
      });
      await send();
      assert.lengthOf(receiver.at("/restart"), 2, "its lease runs");
      for (let n = 0; n < 2; n += 1) {
        clock.ms += schedule.leaseMs;
        await send();
      }
      assert.lengthOf(receiver.at("/restart"), 3);
      assert.deepInclude((await deliveries(webhook.id))[0], { sequence: 2, state: "delivered", attempts: 2 });
      await remove(webhook.id);
    });

    it("follow no redirect, and go to no address that may not be called, whatever the name said before", async () => {
      receiver.answers.set("/elsewhere", () => ({ status: 302, headers: { location: urlOf("/target") } }));
      const redirected = await create("/elsewhere", ["alert.new"]);
      names.set("hooks.example.net", ["127.0.0.1"]);
      const reply = await world.bank.client.post("/v1/webhooks", { url: `http://hooks.example.net:${receiver.port}/named`, events: ["alert.new"] });
      const named = (reply.json() as { webhook: WebhookView }).webhook;
      await happen(alert(9));
      await send();
      assert.isEmpty(receiver.at("/target"));
      assert.deepInclude((await deliveries(redirected.id))[0], { failure: "redirect", status: 302 });
      assert.lengthOf(receiver.at("/named"), 1);
      assert.equal(receiver.at("/named")[0]?.headers["host"], `hooks.example.net:${receiver.port}`);
      await remove(redirected.id);
      let n = 20;
      for (const addresses of [["10.0.0.5"], ["127.0.0.1", "169.254.169.254"], ["::ffff:169.254.169.254"], ["93.184.215.14"]]) {
        names.set("hooks.example.net", addresses);
        await happen(alert(n));
        n += 1;
        // Three attempts, then it is dead.
        for (let attempt = 0; attempt < 3; attempt += 1) {
          await send();
          clock.ms += 60_000;
        }
        assert.lengthOf(receiver.at("/named"), 1, addresses.join());
        assert.deepInclude((await deliveries(named.id))[0], { state: "dead", failure: "address", status: null, attempts: 3 }, addresses.join());
      }
      await remove(named.id);
    });

    it("over TLS are sent only to who shows a certificate for the name", async () => {
      names.set("hooks.example.com", ["127.0.0.1"]);
      const reply = await world.bank.client.post("/v1/webhooks", { url: `https://hooks.example.com:${secure.port}/tls`, events: ["alert.new"] });
      const { id } = (reply.json() as { webhook: WebhookView }).webhook;
      await happen(alert(40));
      await send();
      assert.isEmpty(secure.got);
      assert.deepInclude((await deliveries(id))[0], { state: "waiting", failure: "network" });
      await remove(id);
      const { postWebhook } = await import("../../api/services/webhook-post.ts");
      const post = (host: string, ca: string | undefined): Promise<unknown> => postWebhook({ url: `https://${host}:${secure.port}/tls`, headers: {}, body: "{}", attempt: 1 }, {
        rules: { allow: ["127.0.0.1/32"], ports: [secure.port] }, timeoutMs: 20_000, ca, resolve: async () => ["127.0.0.1"], signal: new AbortController().signal,
      });
      assert.deepEqual(await post("hooks.example.com", undefined), { kind: "network" });
      assert.deepEqual(await post("hooks.example.org", caPem), { kind: "network" });
      assert.deepEqual(await post("hooks.example.com", caPem), { kind: "response", status: 204 });
      assert.lengthOf(secure.at("/tls"), 1);
    });

    it("are signed by both keys for a week after a rotation, by the new one alone when the old is compromised", async () => {
      const webhook = await create("/keys", ["webhook.test"]);
      const old = (await keysOf()).keys;
      const rotated = (await world.bank.client.post("/v1/webhook-keys/rotation", {})).json() as WebhookKeysView;
      assert.deepEqual(rotated.keys.slice(1), [...old]);
      assert.equal(rotated.previousUntil, new Date(clock.ms + 7 * 86_400_000).toISOString());
      assertCode(await world.bank.client.post("/v1/webhook-keys/rotation", {}), "WEBHOOK_ROTATION");
      const test = async (): Promise<Got | undefined> => {
        assert.equal((await world.bank.client.post(`/v1/webhooks/${webhook.id}/test`, {})).status, 201);
        await send();
        return receiver.at("/keys").at(-1);
      };
      const both = await test();
      for (const key of rotated.keys) assert.match(accepts(both, [key]), /^msg_/);
      const replaced = (await world.bank.client.post("/v1/webhook-keys/rotation", { compromised: true })).json() as WebhookKeysView;
      assert.lengthOf(replaced.keys, 1);
      const one = await test();
      assert.match(accepts(one, replaced.keys), /^msg_/);
      for (const key of rotated.keys) assert.throws(() => accepts(one, [key]), "WEBHOOK_SIGNATURE");
      await remove(webhook.id);
    });

    it("wait where the receiver says that it wants no more, or its owner stops them, and while the institution is suspended", async () => {
      const webhook = await create("/gone", ["alert.new"]);
      receiver.answers.set("/gone", (n) => ({ status: n === 1 ? 410 : 204 }));
      await happen(alert(50));
      await send();
      const listed = async (): Promise<WebhookView | undefined> => ((await world.bank.client.get("/v1/webhooks")).json() as { items: WebhookView[] }).items[0];
      assert.deepInclude(await listed(), { state: "disabled", reason: "gone", waiting: 1 });
      await happen(alert(51));
      clock.ms += 60_000;
      await send();
      assert.lengthOf(receiver.at("/gone"), 1);
      const put = async (state: string): Promise<object> => (await world.bank.client.post(`/v1/webhooks/${webhook.id}/state`, { state })).json() as object;
      assert.deepInclude(await put("active"), { state: "active", reason: null, waiting: 2 });
      await send();
      assert.lengthOf(receiver.at("/gone"), 3);
      assert.deepInclude(await put("disabled"), { state: "disabled", reason: "owner" });
      await happen(alert(52));
      await send();
      assert.lengthOf(receiver.at("/gone"), 3);
      await remove(webhook.id);
      await create("/suspended", ["alert.new"], rival.client);
      await world.platform.admin.suspendInstitution(rival.institution);
      await happen(alert(53), rival);
      await send();
      assert.isEmpty(receiver.at("/suspended"));
      await parts().db.write((tx) => tx.institution.update({ where: { id: rival.institution }, data: { state: "active" } }));
      clock.ms += 3 * 60_000;
      await send();
      assert.lengthOf(receiver.at("/suspended"), 1);
    });

    it("are bounded: a full queue leaves a gap and does not hold up a job", async function () {
      this.timeout(60_000);
      const webhook = await create("/full", ["job.done"]);
      await world.bank.client.post(`/v1/webhooks/${webhook.id}/state`, { state: "disabled" });
      const row = (n: number) => ({ id: `msg_${String(n).padStart(32, "0")}`, webhookId: webhook.id, sequence: n, type: "job.done", body: "{}", state: "waiting", attempts: 0, dueAt: new Date(clock.ms), createdAt: new Date(clock.ms) });
      await parts().db.write((tx) => tx.webhookDelivery.createMany({ data: Array.from({ length: 10_000 }, (_, i) => row(i + 1)) }));
      await parts().db.write((tx) => tx.webhook.update({ where: { id: webhook.id }, data: { nextSequence: 10_001 } }));
      assertCode(await world.bank.client.post(`/v1/webhooks/${webhook.id}/test`, {}), "WEBHOOK_QUEUE_FULL");
      const job = await finish();
      assert.equal(((await world.bank.client.get(`/v1/jobs/${job}`)).json() as { state: string }).state, "done");
      const kept = await parts().db.read.webhook.findUnique({ where: { id: webhook.id } });
      assert.equal(kept?.nextSequence, 10_003, "two gaps");
      assert.equal(await parts().db.read.webhookDelivery.count({ where: { webhookId: webhook.id } }), 10_000);
      await remove(webhook.id);
      assert.equal(await parts().db.read.webhookDelivery.count({ where: { webhookId: webhook.id, state: "waiting" } }), 0);
    });

    it("forget what ended a month ago, and say no address in the log", async () => {
      const ended = await parts().db.read.webhookDelivery.count({ where: { endedAt: { not: null } } });
      assert.isAbove(ended, 10_000);
      clock.ms += 31 * 86_400_000;
      await send();
      assert.equal(await parts().db.read.webhookDelivery.count({ where: { endedAt: { not: null } } }), 0);
      assert.notInclude(lines.join("\n"), "127.0.0.1");
      assert.notInclude(lines.join("\n"), "whsk_");
    });
  });
});
