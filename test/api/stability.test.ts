// Stability of models at the platform: what parties of a model tell, the table over them, and the institution's being told when a level is left.
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { ModelStability } from "../../api/contract/monitoring.ts";
import { readWebhookBody } from "../../monitoring/webhooks/body.ts";
import { assertCode, type Client, type Reply } from "../support/clients.ts";
import { newWorld, runningJob, TestClock, type Bank, type World } from "../support/platform.ts";
import { Receiver } from "../support/receiver.ts";
import { onBothDatabases } from "../public-credit/world.ts";

const model = "model_0123456789abcdef";

onBothDatabases((name, newDatabase) => {
  describe(`stability of models on ${name}`, () => {
    let world: World;
    let rival: Bank;
    let receiver: Receiver;
    const put = (enclave: World["tax"], month: string, figures: Record<string, number | null>, more: object = {}): Promise<Reply> => enclave.client.put("/enclave/v1/monitoring/stability", {
      version: 1, model, party: enclave.identity.party, month, rule: "half", figures: Object.entries(figures).map(([feature, index]) => ({ feature, index })), ...more,
    });
    const table = async (client: Client = world.bank.client): Promise<ModelStability> => {
      const reply = await client.get(`/v1/models/${model}/stability`);
      assert.equal(reply.status, 200, reply.bytes.toString("utf8"));
      return reply.json() as ModelStability;
    };

    before(async function () {
      this.timeout(60_000);
      receiver = await Receiver.start();
      const database = await newDatabase();
      world = await newWorld({ now: new TestClock().now, ...(database === undefined ? {} : { database }), settings: { webhooks: { allow: ["127.0.0.0/8"], ports: [receiver.port], plainHttp: true } } });
      await world.platform.enrol("rival");
      rival = await world.platform.addBank("rival");
      const job = await runningJob(world, ["tax"]);
      const made = await world.guest.client.put(`/enclave/v1/jobs/${job}/results/model`, { model, kind: "scorecard", digests: {} });
      assert.equal(made.status, 200, made.bytes.toString("utf8"));
      await world.bank.client.post("/v1/webhooks", { url: `http://127.0.0.1:${receiver.port}/hook`, events: ["model.drift"] });
    });
    after(async () => {
      await world.platform[Symbol.asyncDispose]();
      await receiver[Symbol.asyncDispose]();
    });

    it("joins the months of all parties, with levels, and tells the institution of each level that is left, once", async () => {
      assert.equal((await put(world.guest, "2026-01", { score: 0.02, c1: 0.01 })).status, 200);
      assert.equal((await put(world.tax, "2026-01", { c1: 0.03 })).status, 200);
      assert.equal((await put(world.guest, "2026-02", { score: 0.3, c1: 0.12 })).status, 200);
      assert.equal((await put(world.guest, "2026-02", { score: 0.3, c1: 0.12 })).status, 200, "the same again");
      assert.equal((await put(world.tax, "2026-02", { c1: null })).status, 200);
      const { rows, alerts } = await table();
      assert.deepEqual(rows.map((r) => `${r.party} ${r.feature} ${r.month} ${r.index} ${r.level}`), [
        "bank c1 2026-01 0.01 stable", "bank c1 2026-02 0.12 shifted", "bank score 2026-01 0.02 stable", "bank score 2026-02 0.3 drifted", "tax c1 2026-01 0.03 stable", "tax c1 2026-02 null stable",
      ]);
      assert.deepEqual(alerts.map((a) => `${a.party} ${a.feature} ${a.month} ${a.from} ${a.to}`), ["bank c1 2026-02 stable shifted", "bank score 2026-02 stable drifted"]);
      await receiver.come(2);
      const events = receiver.got.map(({ body }) => readWebhookBody(Buffer.from(body)));
      assert.deepEqual(events.map((e) => e.data), [{ model, month: "2026-02" }, { model, month: "2026-02" }]);
      assert.lengthOf(receiver.got, 2);
    });

    it("refuses another figure for a month that was told, another party's name, and parties without a part in the model", async () => {
      assertCode(await put(world.tax, "2026-01", { c1: 0.04 }), "STABILITY_REPORT");
      assertCode(await put(world.tax, "2026-03", { c1: 0.04 }, { party: "bank" }), "STABILITY_REPORT");
      assertCode(await put(world.power, "2026-01", { c1: 0.04 }), "MODEL_NOT_FOUND");
      for (const bad of [{ c1: 0.014 }, { c1: -0.1 }]) assert.equal((await put(world.tax, "2026-03", bad)).status, 400);
      assert.equal((await put(world.tax, "2026-03", { c1: 0.01 }, { companies: 100 })).status, 400);
    });

    it("is the institution's own", async () => {
      assertCode(await rival.client.get(`/v1/models/${model}/stability`), "MODEL_NOT_FOUND");
    });
  });
});
