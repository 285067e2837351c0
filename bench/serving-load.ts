// The load of the bench section `serving`, a process of its own: requests sealed beforehand, sent at their times whether or not earlier ones were
// answered, latency counted from the time at which each was due. Reads its order from stdin (one line of JSON), says "ready", waits for a line,
// and prints the result as one line of JSON.
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { serviceEndpoints } from "../api/contract/services.ts";
import { ApiClient } from "../cli/api-client.ts";
import { ServiceClient, type SealedRequest } from "../cli/service-client.ts";
import { isAppError } from "../core/errors.ts";
import type { LoadOrder, LoadResult } from "./serving-result.ts";

const sealedAtOnce = 64;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const order = JSON.parse(String((await lines.next()).value)) as LoadOrder;
await using api = new ApiClient(order);
const client = await ServiceClient.open(api, { service: order.service, ca: order.ca, now: Date.now() });
const total = Math.round(order.rate * order.seconds);
const sealed: SealedRequest[] = [];
for (let at = 0; at < total; at += sealedAtOnce) {
  const part = Array.from({ length: Math.min(sealedAtOnce, total - at) }, (_, k) => at + k);
  sealed.push(...await Promise.all(part.map((i) => {
    const company = order.companies[i % order.companies.length] ?? "";
    return client.seal({ company, ...(order.consents?.[company] === undefined ? {} : { consent: order.consents[company] }) }, Date.now());
  })));
}
const params = { id: order.service };
await Promise.all(Array.from({ length: order.connections }, () => api.call(serviceEndpoints.getService, { params })));
process.stdout.write("ready\n");
await lines.next();

const latencies: number[] = [];
const refusedLatencies: number[] = [];
const codes: Record<string, number> = {};
const answers: { readonly sealed: SealedRequest; readonly answer: string }[] = [];
let withoutRetry = 0;
let waiting = 0;
let mostWaiting = 0;
let latest = 0;
const count = (code: string): void => { codes[code] = (codes[code] ?? 0) + 1; };

async function ask(one: SealedRequest, due: number): Promise<void> {
  waiting += 1;
  mostWaiting = Math.max(mostWaiting, waiting);
  try {
    const { answer } = await api.call(serviceEndpoints.askService, { params, body: { request: one.jwe }, headers: { "idempotency-key": one.id } });
    latencies.push(performance.now() - due);
    answers.push({ sealed: one, answer });
  } catch (error) {
    refusedLatencies.push(performance.now() - due);
    const { status, retryAfterSeconds } = isAppError(error) ? error.facts : {};
    count(`${String(status ?? "")} ${isAppError(error) ? error.code : "thrown"}`.trim());
    if (status === 429 && retryAfterSeconds === undefined) withoutRetry += 1;
  } finally {
    waiting -= 1;
  }
}

const cpu = process.cpuUsage();
const began = performance.now();
const all: Promise<void>[] = [];
for (let i = 0; i < total; ) {
  for (; i < total; i++) {
    const due = began + (i * 1000) / order.rate;
    const now = performance.now();
    if (due > now) break;
    latest = Math.max(latest, now - due);
    all.push(ask(sealed[i] as SealedRequest, due));
  }
  await delay(1);
}
await Promise.all(all);
const seconds = (performance.now() - began) / 1000;
const used = process.cpuUsage(cpu);
let partial = 0;
const statuses: Record<string, number> = {};
for (const { sealed: asked, answer } of answers) {
  const opened = await client.opened(asked, answer);
  const status = opened.status === "scored" ? "scored" : opened.code;
  statuses[status] = (statuses[status] ?? 0) + 1;
  if (opened.status === "scored" && opened.partial) partial += 1;
}
latencies.sort((a, b) => a - b);
refusedLatencies.sort((a, b) => a - b);
const result: LoadResult = { sent: total, seconds, latencies, refusedLatencies, codes, statuses, partial, withoutRetry, mostWaiting, latestMs: latest, cpuSeconds: (used.user + used.system) / 1e6 };
process.stdout.write(`${JSON.stringify(result)}\n`);
