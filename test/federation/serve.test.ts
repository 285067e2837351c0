// A service as pure machines: what adds up, what each side sees, what a provider refuses, and what happens when one is slow, silent or gone.
import { createHmac } from "node:crypto";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { jobIdSchema, partyId } from "../../core/names.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { Questions, type Asking, type Outcome } from "../../federation/live/questions.ts";
import type { ServeRefusal } from "../../federation/serve/messages.ts";
import { ServeHost, type ServeHostPorts } from "../../federation/serve/host.ts";
import { maskedPart, maskOf, openTotal } from "../../federation/serve/masks.ts";
import { serveJobSchema } from "../../federation/serve/params.ts";
import { byteDeviation } from "../support/uniform.ts";

const service = jobIdSchema.parse("job_0123456789abcdef");
const [bank, grid, social, tax] = ["bank", "grid", "social", "tax"].map(partyId) as [PartyId, PartyId, PartyId, PartyId];
const hosts = [grid, social, tax];
const keyOf = (a: PartyId) => (b: PartyId): Uint8Array => new Uint8Array(createHmac("sha256", "keys").update([a, b].sort().join()).digest());
/** Own part of each provider for every company. */
const partOf: Readonly<Record<string, number>> = { grid: -20, social: 7, tax: 33 };
type Ask = TypedBody<"serve/ask">;

/** The machine, and the byte of what it lets through. */
function host(self: PartyId, more: { ports?: Partial<ServeHostPorts>; sharing?: readonly PartyId[]; singleHostTotals?: boolean; lastN?: number } = {}) {
  const machine = new ServeHost({
    self, hosts, sharing: more.sharing ?? hosts, singleHostTotals: more.singleHostTotals ?? false, lastN: more.lastN ?? -1, ports: { consent: () => undefined, charge: () => undefined, claim: () => undefined, ...more.ports },
  });
  return {
    get lastN() { return machine.lastN; },
    ask: (ask: Ask): ServeRefusal | number => machine.refuses(ask) ?? maskedPart(self, service, ask, partOf[self] ?? 0, keyOf(self)),
  };
}
const askOf = (n: number, present: readonly PartyId[] = hosts, company = "a"): Ask => ({ n, present: [...present], company, consent: "" });
function byteOf(answer: ServeRefusal | number): number {
  if (typeof answer !== "number") throw new Error(answer);
  return answer;
}
const codeOf = (answer: ServeRefusal | number): string => (typeof answer === "number" ? "ok" : answer);
const signed = (sum: number): number => openTotal([sum]);

/** A guest whose questions are kept, with times by hand. */
function guest(params: Parameters<typeof serveJobSchema.parse>[0] = {}) {
  const asked: { host: PartyId; body: Ask }[] = [];
  const probed: PartyId[] = [];
  const outcomes: ({ total: number; present: readonly PartyId[]; away: readonly PartyId[] } | Extract<Outcome<number>, { ok: false }>)[] = [];
  let n = 0;
  const machine = new Questions<number, Ask>({
    hosts, params: serveJobSchema.parse(params), port: { ask: (to, body) => asked.push({ host: to, body }), probe: (to) => probed.push(to), next: () => n++ },
  });
  const put = (now: number, asking: Asking): void => machine.ask((_host, number, present) => askOf(number, present), now, (outcome) => {
    outcomes.push(outcome.ok ? { total: openTotal(outcome.answers.values()), present: outcome.present, away: outcome.away } : outcome);
  }, asking);
  const ask = (now: number, among?: readonly PartyId[]): void => put(now, { among });
  const fixed = (now: number, among: readonly PartyId[]): void => put(now, { among, isFixed: true });
  for (const h of hosts) machine.up(h);
  const answer = (h: PartyId, body: Ask): void => machine.answered(h, body.n, byteOf(host(h, { singleHostTotals: true }).ask(body)));
  return { machine, asked, probed, outcomes, ask, fixed, answer };
}

describe("a service's provider", () => {
  it("gives bytes that add up to the total over exactly the providers of the question", () => {
    for (const present of [hosts, [grid, tax], [social, tax]]) {
      const sum = present.reduce((s, h) => s + byteOf(host(h).ask(askOf(5, present))), 0);
      assert.equal(signed(sum), present.reduce((s, h) => s + (partOf[h] ?? 0), 0));
    }
  });
  it("tells nothing by its own byte: it is uniform over the numbers of questions", () => {
    const one = host(tax);
    assert.isBelow(Math.abs(byteDeviation(Uint8Array.from({ length: 8192 }, (_, n) => byteOf(one.ask(askOf(n)))))), 10);
  });
  it("masks by number, set, company and service: none of them can be mixed", () => {
    const base = maskOf(tax, service, askOf(1), keyOf(tax));
    const others = [askOf(2), askOf(1, [grid, tax]), askOf(1, hosts, "b")].map((ask) => maskOf(tax, service, ask, keyOf(tax)));
    const elsewhere = maskOf(tax, jobIdSchema.parse("job_fedcba9876543210"), askOf(1), keyOf(tax));
    assert.isAtLeast(new Set([base, elsewhere, ...others]).size, 4);
    const mixed = byteOf(host(grid).ask(askOf(3, hosts, "a"))) + byteOf(host(social).ask(askOf(3, hosts, "a"))) + byteOf(host(tax).ask(askOf(3, hosts, "b")));
    assert.notEqual(signed(mixed), 20);
  });
  it("answers a number once, also after a restart, and what it refused stays used", () => {
    const one = host(tax);
    byteOf(one.ask(askOf(4)));
    assert.equal(codeOf(one.ask(askOf(4, hosts, "b"))), "SERVICE_ASK");
    assert.equal(codeOf(one.ask(askOf(3))), "SERVICE_ASK");
    assert.equal(codeOf(host(tax, { lastN: one.lastN }).ask(askOf(4, hosts, "b"))), "SERVICE_ASK");
    const refusing = host(tax, { ports: { consent: () => "CONSENT_MISSING" } });
    assert.equal(codeOf(refusing.ask(askOf(9))), "CONSENT_MISSING");
    assert.equal(refusing.lastN, 9);
  });
  it("refuses sets that are not of the plan, out of order, twice the same, or without itself", () => {
    for (const present of [[tax, grid], [grid, grid, tax], [grid, social], [partyId("other"), tax]]) assert.equal(codeOf(host(tax).ask(askOf(1, present))), "SERVICE_ASK");
  });
  it("is alone with the bank only where its policy says so", () => {
    assert.equal(codeOf(host(tax).ask(askOf(1, [tax]))), "POLICY_SINGLE_HOST");
    assert.equal(signed(byteOf(host(tax, { singleHostTotals: true }).ask(askOf(1, [tax])))), 33);
  });
  it("gives nothing of its own away where the model has no part of it", () => {
    assert.equal(codeOf(host(tax, { sharing: [grid, social] }).ask(askOf(1, [tax]))), "ok");
  });
  it("charges nothing for what a consent does not cover, and uses up no consent for what a budget refuses", () => {
    const done: string[] = [];
    const ports: Partial<ServeHostPorts> = { consent: () => "CONSENT_WITHDRAWN", charge: () => void done.push("charged"), claim: (company, _jws, n) => void done.push(`claimed ${company} ${n}`) };
    assert.equal(codeOf(host(tax, { ports }).ask(askOf(1))), "CONSENT_WITHDRAWN");
    assert.equal(codeOf(host(tax, { ports: { ...ports, consent: () => undefined, charge: () => "SERVICE_SETS" } }).ask(askOf(1))), "SERVICE_SETS");
    assert.deepEqual(done, []);
    assert.equal(codeOf(host(tax, { ports: { ...ports, consent: () => undefined } }).ask(askOf(2))), "ok");
    assert.deepEqual(done, ["charged", "claimed a 2"]);
  });
});

describe("a live service's questions", () => {
  it("gives the total when the last provider has answered", () => {
    const { asked, outcomes, ask, answer } = guest();
    ask(0);
    assert.deepEqual(asked.map((a) => a.host), hosts);
    for (const { host: h, body } of asked.toReversed()) answer(h, body);
    assert.deepEqual(outcomes, [{ total: 20, present: hosts, away: [] }]);
  });
  it("refuses when one is silent and the plan does not let it be missing", () => {
    const { machine, asked, outcomes, ask, answer } = guest({ timeoutMs: 100 });
    ask(0);
    for (const { host: h, body } of asked.slice(0, 2)) answer(h, body);
    assert.equal(machine.nextTick(), 100);
    machine.tick(99);
    assert.deepEqual(outcomes, []);
    machine.tick(100);
    assert.deepEqual(outcomes, [{ ok: false, code: "SERVICE_PROVIDER_AWAY", party: tax }]);
    assert.equal(machine.waiting, 0);
  });
  it("asks the others again under a new number with masks over them alone, and flags it; a late byte changes nothing", () => {
    const { machine, asked, outcomes, ask, answer } = guest({ timeoutMs: 100, fallback: "missing-bin", setsPerCompany: 2 });
    ask(0);
    const [first, second, late] = asked.splice(0) as [{ host: PartyId; body: Ask }, { host: PartyId; body: Ask }, { host: PartyId; body: Ask }];
    answer(first.host, first.body);
    answer(second.host, second.body);
    machine.tick(100);
    assert.deepEqual(asked.map((a) => a.body.present), [[grid, social], [grid, social]]);
    assert.notEqual(asked[0]?.body.n, first.body.n);
    answer(late.host, late.body);
    for (const { host: h, body } of asked) answer(h, body);
    assert.deepEqual(outcomes, [{ total: -13, present: [grid, social], away: [tax] }]);
  });
  it("asks no more sets than the plan allows", () => {
    const { machine, outcomes, ask, asked } = guest({ timeoutMs: 100, fallback: "missing-bin", setsPerCompany: 1 });
    ask(0);
    machine.tick(100);
    assert.equal(asked.length, 3);
    assert.property(outcomes[0], "code");
  });
  it("leaves a provider out after some failures in a row, probes it, and takes it back when it answers", () => {
    const { machine, asked, probed, outcomes, ask, answer } = guest({ timeoutMs: 100, fallback: "missing-bin", setsPerCompany: 2, breaker: { failures: 3, probeMs: 1000 } });
    const serve = (now: number): void => {
      ask(now);
      for (let round = 0; round < 2 && machine.waiting > 0; round++) {
        for (const { host: h, body } of asked.splice(0)) if (h !== tax) answer(h, body);
        machine.tick(now + 100 * (round + 1));
      }
    };
    for (const now of [0, 200, 400]) serve(now);
    assert.isFalse(machine.isUp(tax));
    ask(600);
    assert.deepEqual(asked[0]?.body.present, [grid, social], "later requests do not wait for it");
    for (const { host: h, body } of asked.splice(0)) answer(h, body);
    machine.tick(1499);
    assert.deepEqual(probed, []);
    machine.tick(1500);
    machine.tick(1600);
    assert.deepEqual(probed, [tax]);
    machine.up(tax);
    ask(1700);
    assert.deepEqual(asked[0]?.body.present, hosts);
    assert.equal(outcomes.filter((o) => "away" in o && o.away.includes(tax)).length, 4);
  });
  it("does not wait for a provider that is known to be gone, not even in a question under way", () => {
    const { machine, asked, outcomes, ask, answer } = guest({ fallback: "missing-bin", setsPerCompany: 2 });
    ask(0);
    asked.splice(0);
    machine.down(social, 5);
    assert.deepEqual(asked.map((a) => a.body.present), [[grid, tax], [grid, tax]]);
    for (const { host: h, body } of asked.splice(0)) answer(h, body);
    assert.deepEqual(outcomes, [{ total: 13, present: [grid, tax], away: [social] }]);
  });
  it("ends a question that a provider refuses and asks nobody else instead", () => {
    const { machine, asked, outcomes, ask } = guest({ fallback: "missing-bin", setsPerCompany: 3 });
    ask(0);
    machine.refused(grid, asked[0]?.body.n ?? -1, "CONSENT_WITHDRAWN");
    assert.deepEqual(outcomes, [{ ok: false, code: "CONSENT_WITHDRAWN", party: grid }]);
    machine.tick(10_000);
    assert.equal(outcomes.length, 1);
    assert.equal(asked.length, 3);
  });
  it("takes no byte twice, none of a stranger, none to an unknown number, and counts garbage as failure", () => {
    const { machine, asked, outcomes, ask, answer } = guest({ breaker: { failures: 2, probeMs: 1000 } });
    ask(0);
    const n = asked[0]?.body.n ?? -1;
    answer(grid, askOf(n));
    machine.answered(grid, n, 9);
    machine.answered(bank, n, 9);
    machine.answered(tax, n + 7, 9);
    assert.deepEqual(outcomes, []);
    machine.garbage(tax, 1);
    machine.garbage(tax, 1);
    assert.isFalse(machine.isUp(tax));
    assert.equal(outcomes.length, 1, "the plan refuses without it");
  });
  it("asks only those of the question, and nobody else is missed", () => {
    const { machine, asked, outcomes, ask, answer } = guest();
    machine.down(grid, 0);
    ask(1, [tax]);
    assert.deepEqual(asked.map((a) => a.host), [tax]);
    for (const { host: h, body } of asked.splice(0)) answer(h, body);
    assert.deepEqual(outcomes, [{ total: 33, present: [tax], away: [] }]);
  });
  it("asks these providers or nobody where a question is fixed", () => {
    const { machine, asked, outcomes, fixed, answer } = guest({ timeoutMs: 100, fallback: "missing-bin", setsPerCompany: 3 });
    fixed(0, [grid, tax]);
    assert.deepEqual(asked.map((a) => a.host), [grid, tax]);
    answer(grid, asked[0]?.body as Ask);
    machine.tick(100);
    assert.deepEqual(outcomes, [{ ok: false, code: "SERVICE_PROVIDER_AWAY", party: tax }]);
    assert.lengthOf(asked, 2, "grid is not asked again without tax");
    machine.down(tax, 200);
    fixed(201, [grid, tax]);
    assert.deepEqual(outcomes[1], { ok: false, code: "SERVICE_PROVIDER_AWAY", party: tax });
    assert.equal(machine.waiting, 0);
  });
  it("scores without any provider only as missing, and says that all are away", () => {
    const { machine, outcomes, ask } = guest({ fallback: "missing-bin", setsPerCompany: 2 });
    for (const h of hosts) machine.down(h, 0);
    ask(1);
    assert.deepEqual(outcomes, [{ total: 0, present: [], away: hosts }]);
  });
});

describe("the statement of a service", () => {
  const dataset = { name: "d", rows: 10, features: 2, labelled: false, snapshotDigest: "a".repeat(64) };
  it("states per host every message of the term, and nothing between providers", () => {
    const params = serveJobSchema.parse({ days: 2, requestsPerDay: 10, setsPerCompany: 2, fallback: "missing-bin" });
    const { leakage } = compileLeakage({ kind: "serve", guest: bank, hosts, params, datasets: { bank: dataset, grid: dataset, social: dataset, tax: { ...dataset, consents: true } } });
    assert.sameMembers(leakage.filter((i) => i.from === tax).map((i) => i.type), ["serve/part", "serve/refused"]);
    assert.equal(leakage.find((i) => i.from === tax && i.type === "serve/part")?.maxMessages, 60);
    assert.equal(leakage.find((i) => i.to === tax && i.type === "serve/ask")?.numbers, 120);
    assert.isTrue(leakage.every((i) => i.from === bank || i.to === bank));
  });
});
