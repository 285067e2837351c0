// Webhooks on the bank's listener: an institution's programs and people.
import type { Express } from "express";
import { webhookEndpoints as e } from "../contract/webhooks.ts";
import type { ForInstitution } from "../http/role-guard.ts";
import { route } from "../http/route.ts";
import type { Platform } from "../platform.ts";
import { createWebhook, deliveriesOf, deliveryOf, removeWebhook, resendDelivery, rotateWebhookKey, setWebhook, testWebhook, webhookKeysOf, webhooksOf } from "../services/webhooks.ts";

export function addWebhooks(app: Express, platform: Platform, forInstitution: ForInstitution): void {
  route(app, e.createWebhook, forInstitution(e.createWebhook), async ({ caller: { institution }, body }) => {
    const webhook = await createWebhook(platform, institution, body);
    return { webhook, keys: await webhookKeysOf(platform, institution) };
  });
  route(app, e.listWebhooks, forInstitution(e.listWebhooks), async ({ caller }) => ({ items: await webhooksOf(platform, caller.institution) }));
  route(app, e.setWebhook, forInstitution(e.setWebhook), ({ caller, params, body }) => setWebhook(platform, caller.institution, params.webhook, body.state));
  route(app, e.removeWebhook, forInstitution(e.removeWebhook), async ({ caller, params }) => {
    await removeWebhook(platform, caller.institution, params.webhook);
    return { removed: params.webhook };
  });
  route(app, e.testWebhook, forInstitution(e.testWebhook), ({ caller, params }) => testWebhook(platform, caller.institution, params.webhook));
  route(app, e.listWebhookDeliveries, forInstitution(e.listWebhookDeliveries), ({ caller, params, query }) => deliveriesOf(platform, caller.institution, params.webhook, query));
  route(app, e.getWebhookDelivery, forInstitution(e.getWebhookDelivery), ({ caller, params }) => deliveryOf(platform, caller.institution, params.webhook, params.delivery));
  route(app, e.resendWebhookDelivery, forInstitution(e.resendWebhookDelivery), ({ caller, params }) => resendDelivery(platform, caller.institution, params.webhook, params.delivery));
  route(app, e.webhookKeys, forInstitution(e.webhookKeys), ({ caller }) => webhookKeysOf(platform, caller.institution));
  route(app, e.rotateWebhookKey, forInstitution(e.rotateWebhookKey), ({ caller, body }) => rotateWebhookKey(platform, caller.institution, body));
}
