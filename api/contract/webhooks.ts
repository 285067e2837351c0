// Webhooks: where an institution is called back, for what, with which keys, and what became of each. Bodies hold ids and what is sealed to the
// institution: monitoring/webhooks. Signed by the Standard Webhooks specification 1.0.0 (v1a, Ed25519).
import { z } from "zod";
import { webhookTypes } from "../../monitoring/webhooks/body.ts";
import { bodyErrors, page, time, type Endpoint } from "./endpoint.ts";
import { bankPeople } from "./roles.ts";

export const webhookIdSchema = z.string().regex(/^hook_[0-9a-f]{24}$/);
export const deliveryIdSchema = z.string().regex(/^msg_[0-9a-f]{32}$/);
export const deliveryStates = ["waiting", "sending", "delivered", "dead", "dropped"] as const;

export const webhookSchema = z.strictObject({
  id: webhookIdSchema, url: z.string(), events: z.array(z.enum(webhookTypes)), state: z.enum(["active", "disabled"]),
  /** Why it is disabled: its owner stopped it, or it answered 410. */
  reason: z.enum(["owner", "gone"]).nullable(),
  createdAt: time, waiting: z.number().int(), dead: z.number().int(),
});
export type WebhookView = z.output<typeof webhookSchema>;

export const deliverySchema = z.strictObject({
  id: deliveryIdSchema, webhook: webhookIdSchema, sequence: z.number().int(), type: z.enum(webhookTypes), state: z.enum(deliveryStates), attempts: z.number().int(),
  createdAt: time, /** When it is tried next. */ dueAt: time.nullable(), endedAt: time.nullable(),
  failure: z.enum(["timeout", "network", "address", "redirect", "gone", "throttled", "status", "lost"]).nullable(), status: z.number().int().nullable(),
});
export type DeliveryView = z.output<typeof deliverySchema>;

export const webhookKeysSchema = z.strictObject({
  /** Public keys that a receiver takes now, `whpk_…`, the current one first. */
  keys: z.array(z.string().max(64)),
  /** Until when the second one signs as well. */
  previousUntil: time.nullable(),
});
export type WebhookKeysView = z.output<typeof webhookKeysSchema>;

const byWebhook = z.strictObject({ webhook: webhookIdSchema });
const byDelivery = byWebhook.extend({ delivery: deliveryIdSchema });
const change = { listener: "bank", auth: "institution", roles: ["bank-submitter"], method: "post" } as const;
const look = { listener: "bank", auth: "institution", roles: bankPeople, method: "get", status: 200 } as const;

export const webhookEndpoints = {
  createWebhook: { ...change, path: "/v1/webhooks", status: 201, errors: ["WEBHOOK_URL", "WEBHOOK_LIMIT", "WEBHOOK_EXISTS", ...bodyErrors],
    summary: { en: "Register an address (https) for events; the same again gives the same webhook", zh: "登记接收事件的回调地址（https）；重复登记返回同一回调" },
    body: z.strictObject({ url: z.string().max(2048), events: z.array(z.enum(webhookTypes)).min(1).max(webhookTypes.length) }),
    reply: z.strictObject({ webhook: webhookSchema, keys: webhookKeysSchema }) },
  listWebhooks: { ...look, path: "/v1/webhooks", errors: [], summary: { en: "The institution's webhooks", zh: "本机构的回调" }, reply: z.strictObject({ items: z.array(webhookSchema) }) },
  setWebhook: { ...change, path: "/v1/webhooks/:webhook/state", status: 200, errors: ["WEBHOOK_NOT_FOUND", ...bodyErrors],
    summary: { en: "Stop sending, or take it up again; what waits is kept", zh: "暂停或恢复投递；待投递的事件保留" },
    params: byWebhook, body: z.strictObject({ state: z.enum(["active", "disabled"]) }), reply: webhookSchema },
  removeWebhook: { ...change, path: "/v1/webhooks/:webhook/removal", status: 200, errors: ["WEBHOOK_NOT_FOUND", ...bodyErrors],
    summary: { en: "Remove it; what waits is not sent any more", zh: "删除回调；待投递的事件不再发送" }, params: byWebhook, body: z.strictObject({}), reply: z.strictObject({ removed: webhookIdSchema }) },
  testWebhook: { ...change, path: "/v1/webhooks/:webhook/test", status: 201, errors: ["WEBHOOK_NOT_FOUND", "WEBHOOK_QUEUE_FULL", ...bodyErrors],
    summary: { en: "Send it an event of the type webhook.test, in the order of the others", zh: "按序发送一个 webhook.test 测试事件" }, params: byWebhook, body: z.strictObject({}), reply: deliverySchema },
  listWebhookDeliveries: { ...look, path: "/v1/webhooks/:webhook/deliveries", errors: ["WEBHOOK_NOT_FOUND"],
    summary: { en: "Deliveries, newest first, kept for 30 days after their end", zh: "投递记录，最新在前，结束后保留 30 天" },
    params: byWebhook, query: page.extend({ state: z.enum(deliveryStates).optional() }), reply: z.strictObject({ items: z.array(deliverySchema), next: z.string().nullable() }) },
  getWebhookDelivery: { ...look, path: "/v1/webhooks/:webhook/deliveries/:delivery", errors: ["WEBHOOK_NOT_FOUND", "WEBHOOK_DELIVERY_NOT_FOUND"],
    summary: { en: "One delivery with the body that was or would be sent", zh: "单个投递及其内容" }, params: byDelivery, reply: deliverySchema.extend({ body: z.string() }) },
  resendWebhookDelivery: { ...change, path: "/v1/webhooks/:webhook/deliveries/:delivery/resend", status: 200, errors: ["WEBHOOK_NOT_FOUND", "WEBHOOK_DELIVERY_NOT_FOUND", "WEBHOOK_STATE", ...bodyErrors],
    summary: { en: "Take a dead letter up again, under its id and sequence", zh: "重新投递一个死信，编号与序号不变" }, params: byDelivery, body: z.strictObject({}), reply: deliverySchema },
  webhookKeys: { ...look, path: "/v1/webhook-keys", errors: [], summary: { en: "Public keys (Ed25519) under which the institution's webhooks are signed now", zh: "当前签署本机构回调的公钥（Ed25519）" },
    reply: webhookKeysSchema },
  rotateWebhookKey: { ...change, path: "/v1/webhook-keys/rotation", status: 200, errors: ["WEBHOOK_ROTATION", ...bodyErrors],
    summary: { en: "Sign with a new key; the old one signs as well for the overlap, unless it is compromised", zh: "更换签名密钥；重叠期内新旧密钥同时签名，除非声明旧钥已泄露" },
    body: z.strictObject({ compromised: z.boolean().default(false), overlapHours: z.number().int().min(1).max(30 * 24).default(7 * 24) }), reply: webhookKeysSchema },
} as const satisfies Record<string, Endpoint>;
