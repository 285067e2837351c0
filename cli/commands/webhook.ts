// `yunei webhook`: where the platform calls the institution back, what became of each call, and the check of one that came.
import { readFileSync, statSync } from "node:fs";
import { InvalidArgumentError, Option, type Command } from "commander";
import { z } from "zod";
import { deliveryIdSchema, deliveryStates, webhookEndpoints as e, webhookIdSchema, type DeliveryView, type WebhookKeysView, type WebhookView } from "../../api/contract/webhooks.ts";
import { maxBodyBytes, readWebhookBody, webhookTypes, type WebhookType } from "../../monitoring/webhooks/body.ts";
import { readVerifyingKey } from "../../monitoring/webhooks/keys.ts";
import { receiveWebhook } from "../../monitoring/webhooks/signature.ts";
import { existingFile, explained, problemsOf, readJson, timeText } from "../arguments.ts";
import { languageOf, printJson, printLines, type Language } from "../terminal.ts";
import { openSealed } from "../institution-key.ts";
import { openProfile } from "../profile.ts";
import { common, run, type Common } from "./job.ts";

export function addWebhook(program: Command): void {
  const webhook = program.command("webhook").description("callbacks of the platform to the institution, signed / 平台签名回调");
  common(webhook.command("add").argument("<url>", "https address that takes POST").description("register an address for events / 登记回调地址"))
    .addOption(new Option("--event <type...>", "types of events; all by default").choices(webhookTypes)).action(add);
  common(webhook.command("list").description("webhooks of the institution / 列出回调")).action((o: Common) => run(o, async ({ api, json, language }) => {
    const { items } = await api.call(e.listWebhooks);
    if (json) printJson(items);
    else printLines(items.length === 0 ? [language === "zh" ? "没有回调" : "no webhooks"] : items.flatMap((item) => linesOf(item, language)));
  }));
  const byId = (name: string, description: string): Command => common(webhook.command(name).argument("<webhook>", "its id", webhookName).description(description));
  byId("test", "send it a test event / 发送测试事件").action((id: string, o: Common) => run(o, async ({ api, json }) => sayDelivery(await api.call(e.testWebhook, { params: { webhook: id }, body: {} }), json)));
  for (const [name, state, words] of [["stop", "disabled", "stop sending; what waits is kept / 暂停投递"], ["resume", "active", "send again, from what waits on / 恢复投递"]] as const) {
    byId(name, words).action((id: string, o: Common) => run(o, async ({ api, json, language }) => {
      const set = await api.call(e.setWebhook, { params: { webhook: id }, body: { state } });
      if (json) printJson(set);
      else printLines(linesOf(set, language));
    }));
  }
  byId("remove", "remove it; what waits is not sent / 删除回调").action((id: string, o: Common) => run(o, async ({ api, json }) => {
    const { removed } = await api.call(e.removeWebhook, { params: { webhook: id }, body: {} });
    if (json) printJson({ removed });
    else printLines([removed]);
  }));
  byId("deliveries", "what was sent, waits or lies dead, newest first / 投递记录").addOption(new Option("--state <state>", "of one state alone").choices(deliveryStates)).action(deliveries);
  const byDelivery = (name: string, description: string): Command => common(webhook.command(name).argument("<webhook>", "its id", webhookName).argument("<delivery>", "id of the delivery", deliveryName).description(description));
  byDelivery("show", "a delivery with its body / 查看投递及内容").action((id: string, delivery: string, o: Common) => run(o, async ({ api, json }) => {
    const view = await api.call(e.getWebhookDelivery, { params: { webhook: id, delivery } });
    if (json) printJson(view);
    else printLines([lineOf(view), view.body]);
  }));
  byDelivery("resend", "send a dead letter again / 重发死信").action((id: string, delivery: string, o: Common) =>
    run(o, async ({ api, json }) => sayDelivery(await api.call(e.resendWebhookDelivery, { params: { webhook: id, delivery }, body: {} }), json)));
  common(webhook.command("keys").description("public keys under which webhooks are signed now / 当前验签公钥")).action((o: Common) => run(o, async ({ api, json, language }) => sayKeys(await api.call(e.webhookKeys), json, language)));
  common(webhook.command("rotate").description("sign with a new key; the old one signs as well for a week / 更换签名密钥"))
    .option("--compromised", "the old key stops at once").option("--overlap <hours>", "how long the old one signs as well", hours, 168)
    .action((o: Common & { compromised?: boolean; overlap: number }) => run(o, async ({ api, json, language }) =>
      sayKeys(await api.call(e.rotateWebhookKey, { body: { compromised: o.compromised === true, overlapHours: o.overlap } }), json, language)));
  common(webhook.command("verify").argument("<body>", "file with the body as it came, byte for byte").description("check a webhook that came, offline; exit status 1 if it is not genuine / 离线核验回调"))
    .requiredOption("--headers <file>", "JSON file with its headers").requiredOption("--key <whpk...>", "public keys (`yunei webhook keys`)")
    .option("--at <time>", "when it came; now by default", timeText).option("--open", "open what is sealed in it with the profile's key").action(verify);
}

function webhookName(text: string): string {
  if (!webhookIdSchema.safeParse(text).success) throw new InvalidArgumentError("A webhook's id looks like hook_0123456789abcdef01234567.");
  return text;
}

function deliveryName(text: string): string {
  if (!deliveryIdSchema.safeParse(text).success) throw new InvalidArgumentError("A delivery's id is msg_ and 32 characters of 0-9 and a-f.");
  return text;
}

function hours(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text) || Number(text) > 720) throw new InvalidArgumentError("1 to 720 hours.");
  return Number(text);
}

function add(url: string, o: Common & { event?: WebhookType[] }): Promise<void> {
  return run(o, async ({ api, json, language }) => {
    const made = await api.call(e.createWebhook, { body: { url, events: o.event ?? webhookTypes } });
    if (json) printJson(made);
    else printLines([...linesOf(made.webhook, language), ...keyLines(made.keys, language)]);
  });
}

function deliveries(id: string, o: Common & { state?: (typeof deliveryStates)[number] }): Promise<void> {
  return run(o, async ({ api, json }) => {
    const items: DeliveryView[] = [];
    for (let cursor: string | undefined; ; ) {
      const query = { limit: "100", ...(o.state === undefined ? {} : { state: o.state }), ...(cursor === undefined ? {} : { cursor }) };
      const page = await api.call(e.listWebhookDeliveries, { params: { webhook: id }, query });
      items.push(...page.items);
      if (page.next === null) break;
      cursor = page.next;
    }
    if (json) printJson(items);
    else printLines(items.map(lineOf));
  });
}

const headersSchema = z.record(z.string().max(128), z.union([z.string().max(8192), z.array(z.string().max(8192))]));

type VerifyOptions = Common & { headers: string; key: string[]; at?: string; open?: boolean };

/** Throws WEBHOOK_…: what is wrong with it. Whether it came before is for the receiver to know: one file has no memory. */
async function verify(file: string, o: VerifyOptions): Promise<void> {
  const path = existingFile(file);
  if (statSync(path).size > maxBodyBytes) throw explained("WEBHOOK_BODY", `larger than ${maxBodyBytes} bytes: ${file}`);
  const headers = headersSchema.safeParse(readJson(o.headers));
  if (!headers.success) throw explained("CLI_ARGUMENT", `headers: ${o.headers}\n${problemsOf(headers.error)}`);
  const lower = Object.fromEntries(Object.entries(headers.data).map(([name, value]) => [name.toLowerCase(), value]));
  const bytes = readFileSync(path);
  const now = o.at === undefined ? Date.now() : Date.parse(o.at);
  const { id, timestamp } = receiveWebhook(lower, bytes, { keys: o.key.map(readVerifyingKey), now, seen: { claim: () => "new" } });
  const body = readWebhookBody(bytes);
  const sealed = "sealed" in body.data ? body.data.sealed : undefined;
  const opened = o.open === true && sealed !== undefined ? await openSealed(sealed, openProfile(o.profile).key) : undefined;
  if (o.json === true) printJson({ id, timestamp, body, ...(opened === undefined ? {} : { opened }) });
  else printLines([`${id}  ${new Date(timestamp * 1000).toISOString()}  ${body.type}  #${body.sequence}`, `  ${JSON.stringify(body.data)}`, ...(opened === undefined ? [] : [`  ${opened}`])]);
}

function linesOf({ id, url, events, state, reason, waiting, dead }: WebhookView, language: Language): string[] {
  const why = reason === null ? "" : ` (${reason})`;
  return [`${id}  ${state}${why}  ${url}`, `  ${events.join(" ")}`, language === "zh" ? `  待投递 ${waiting}，死信 ${dead}` : `  ${waiting} waiting, ${dead} dead`];
}

function lineOf({ id, sequence, type, state, attempts, dueAt, failure, status }: DeliveryView): string {
  return `${id}  #${sequence}  ${type}  ${state}  ${attempts}  ${status ?? failure ?? "-"}${dueAt === null ? "" : `  ${dueAt}`}`;
}

function sayDelivery(view: DeliveryView, json: boolean): void {
  if (json) printJson(view);
  else printLines([lineOf(view)]);
}

function keyLines({ keys, previousUntil }: WebhookKeysView, language: Language): string[] {
  const until = previousUntil === null ? [] : [language === "zh" ? `第二把密钥签名至 ${previousUntil}` : `the second one signs until ${previousUntil}`];
  return [...keys, ...until];
}

function sayKeys(keys: WebhookKeysView, json: boolean, language: Language): void {
  if (json) printJson(keys);
  else printLines(keyLines(keys, languageOf(language)));
}
