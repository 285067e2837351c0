// Webhooks as a bank's people and programs use them: register, test, list, send again, and check offline what came.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { CompactEncrypt, importJWK } from "jose";
import type { DeliveryView, WebhookKeysView, WebhookView } from "../../api/contract/webhooks.ts";
import { enqueueWebhook, eventTime } from "../../api/services/webhooks.ts";
import { admitProfile, createProfile } from "../../cli/profile.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { newWorld, type World } from "../support/platform.ts";
import { Receiver, type Got } from "../support/receiver.ts";
import { fails, json, succeeds } from "./support.ts";

describe("yunei webhook", () => {
  const folder = temporaryFolder();
  let receiver: Receiver;
  let world: World;
  let sealTo: ReturnType<typeof createProfile>;
  before(async function () {
    this.timeout(60_000);
    receiver = await Receiver.start();
    world = await newWorld({ settings: { webhooks: { allow: ["127.0.0.1/32"], ports: [receiver.port], plainHttp: true } } });
    const { platform, bank } = world;
    const profile = join(folder.path, "yunei-bank.json");
    sealTo = createProfile(profile);
    const admission = join(folder.path, "admission.json");
    writeFileSync(admission, JSON.stringify({ institution: bank.institution, guest: "bank", url: `https://127.0.0.1:${platform.apiPort}`, apiKey: bank.apiKey, ca: platform.ca }));
    admitProfile(profile, admission);
  });
  after(async () => {
    await world.platform[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const keep = (got: Got | undefined): string[] => {
    writeFileSync(join(folder.path, "body"), got?.body ?? "");
    writeFileSync(join(folder.path, "headers.json"), JSON.stringify(got?.headers ?? {}));
    return ["webhook", "verify", "body", "--headers", "headers.json"];
  };

  it("registers, tests, lists, checks what came, stops, resumes and removes", async function () {
    this.timeout(60_000);
    const url = `http://127.0.0.1:${receiver.port}/hook`;
    await fails(["webhook", "add", "http://example.com/hook"], folder.path, "WEBHOOK_URL");
    await fails(["webhook", "add", url, "--event", "gossip"], folder.path, "CLI_ARGUMENT");
    const { webhook, keys } = await json<{ webhook: WebhookView; keys: WebhookKeysView }>(["webhook", "add", url, "--event", "webhook.test", "alert.new"], folder.path);
    assert.include(await succeeds(["webhook", "list"], folder.path), url);
    assert.include(await succeeds(["webhook", "test", webhook.id], folder.path), "webhook.test");
    await receiver.come(1);
    const arrived = new Date().toISOString();
    const check = keep(receiver.got[0]);
    const checked = await json<{ id: string; body: { type: string; sequence: number } }>([...check, "--key", ...keys.keys, "--at", arrived], folder.path);
    assert.deepInclude(checked.body, { type: "webhook.test", sequence: 1 });
    await fails([...check, "--key", ...keys.keys, "--at", "2024-01-31T00:00:00Z"], folder.path, "WEBHOOK_TIMESTAMP");
    await fails([...check, "--key", `whpk_${Buffer.alloc(32, 7).toString("base64")}`, "--at", arrived], folder.path, "WEBHOOK_SIGNATURE");
    await fails([...check, "--key", "whpk_x", "--at", arrived], folder.path, "WEBHOOK_KEY");
    writeFileSync(join(folder.path, "body"), `${receiver.got[0]?.body} `);
    await fails([...check, "--key", ...keys.keys, "--at", arrived], folder.path, "WEBHOOK_SIGNATURE");
    writeFileSync(join(folder.path, "headers.json"), "[]");
    await fails([...check, "--key", ...keys.keys], folder.path, "CLI_ARGUMENT");
    const [delivery] = await json<DeliveryView[]>(["webhook", "deliveries", webhook.id], folder.path);
    assert.equal(delivery?.id, checked.id);
    assert.include(await succeeds(["webhook", "show", webhook.id, delivery?.id ?? ""], folder.path), `{"data":{"webhook":"${webhook.id}"}`);
    await fails(["webhook", "resend", webhook.id, `msg_${"0".repeat(32)}`], folder.path, "WEBHOOK_DELIVERY_NOT_FOUND");
    assert.include(await succeeds(["webhook", "stop", webhook.id], folder.path), "disabled (owner)");
    assert.include(await succeeds(["webhook", "resume", webhook.id], folder.path), "active");
    assert.include(await succeeds(["webhook", "rotate", "--overlap", "2"], folder.path), keys.keys[0] ?? "?");
    await fails(["webhook", "rotate"], folder.path, "WEBHOOK_ROTATION");
    assert.lengthOf((await json<WebhookKeysView>(["webhook", "rotate", "--compromised"], folder.path)).keys, 1);
    assert.lengthOf((await json<WebhookKeysView>(["webhook", "keys"], folder.path)).keys, 1);
  });

  it("opens what is sealed to the institution", async function () {
    this.timeout(60_000);
    const sealed = await new CompactEncrypt(Buffer.from('{"severity":"high"}')).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" }).encrypt(await importJWK({ kty: sealTo.kty, crv: sealTo.crv, x: sealTo.x }, "ECDH-ES"));
    const data = { alert: `alert_${"1".repeat(32)}`, sealed };
    await world.platform.running?.platform.db.write((tx) =>
      enqueueWebhook(tx, world.bank.institution, { id: data.alert, body: { type: "alert.new", timestamp: eventTime(Date.now()), data } }, Date.now()));
    await receiver.come(2);
    const check = keep(receiver.got[1]);
    const { keys } = await json<WebhookKeysView>(["webhook", "keys"], folder.path);
    const opened = await succeeds([...check, "--key", ...keys, "--open"], folder.path);
    assert.include(opened, '{"severity":"high"}');
    assert.notInclude(receiver.got[1]?.body ?? "", "severity");
    const [webhook] = await json<WebhookView[]>(["webhook", "list"], folder.path);
    await succeeds(["webhook", "remove", webhook?.id ?? ""], folder.path);
    assert.isEmpty(await json<WebhookView[]>(["webhook", "list"], folder.path));
  });
});
