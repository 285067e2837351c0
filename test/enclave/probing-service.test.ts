// Signs of probing through running services: honest use is answered, patterns that find out a model are told of, slowed and refused, where they can be seen.
import { assert } from "chai";
import { afterEach, describe, it } from "mocha";
import type { ServiceAnswer } from "../../api/contract/services.ts";
import { budgetsPolicySchema, type BudgetsPolicy } from "../../enclave/charges/policy.ts";
import { sightingLines } from "../../enclave/charges/sightings.ts";
import { bank, power, tax } from "../support/enclave.ts";
import { ServiceWorld, type ServiceWorldOptions } from "../support/live-service.ts";

const day = 86_400_000;
const own = { names: ["amount", "months", "collateral"], degreesOfFreedom: 12 };

describe("probing through a running service", () => {
  let now = 0;
  let world: ServiceWorld;
  const open = async (more: Partial<ServiceWorldOptions> = {}): Promise<void> => {
    now = Date.parse("2026-03-10T04:00:00Z");
    world = await ServiceWorld.open({ now: () => now, params: { perCompanyPerDay: 1000 }, ...more });
  };
  const withProbing = (probing: object = {}): (() => BudgetsPolicy) => {
    const policy = budgetsPolicySchema.parse({ probing });
    return () => policy;
  };
  afterEach(() => world[Symbol.dispose]());
  const codeOf = (answer: ServiceAnswer): string => (answer.status === "refused" ? answer.code : answer.status);

  it("answers honest use: a portfolio scored again and again, some with figures corrected", async () => {
    await open({ own });
    for (let round = 0; round < 4; round++, now += 7 * day) {
      for (let i = 0; i < 25; i++) {
        const columns = { amount: 1000 + i + (i % 5 === 0 ? round : 0), months: 12, collateral: i % 2 === 0 ? "house" : null };
        assert.equal(codeOf(await world.ask(`company ${i}`, columns)), "scored");
      }
    }
    assert.deepEqual(world.sightings, []);
    assert.deepEqual(world.faults, []);
  });

  it("refuses at the bank's own enclave to have one company scored under one changed figure after another", async () => {
    await open({ own });
    const codes: string[] = [];
    for (let i = 0; i < 40; i++, now += 3_600_000) codes.push(codeOf(await world.ask("one", { amount: 1000 * i, months: 12, collateral: "house" })));
    assert.equal(codes.lastIndexOf("scored"), 11, "as many as the model has free numbers");
    assert.equal(codes.at(-1), "BUDGET_PROBING");
    const last = await world.ask("one", { amount: -1, months: 12, collateral: "house" });
    assert.isAbove(last.status === "refused" ? (last.retryAfter ?? 0) : 0, 86_400, "free when the window has passed");
    assert.equal(codeOf(await world.ask("one", { amount: 0, months: 12, collateral: "house" })), "scored", "a question asked before tells nothing new");
    assert.equal(codeOf(await world.ask("two", { amount: 1, months: 12, collateral: "house" })), "scored");
    assert.isTrue(world.sightings.every(({ at }) => at === bank));
  });

  it("is seen by providers, too, who see no figures: one company asked about more than any use explains", async () => {
    await open({ policy: withProbing({ signals: { repeats: { alert: 60, slow: 120, refuse: 240 } } }) });
    const codes: string[] = [];
    let waited: number | undefined;
    for (let i = 0; i < 180; i++, now += 60_000) {
      const answer = await world.ask("one");
      codes.push(codeOf(answer));
      if (answer.status === "refused") waited ??= answer.retryAfter;
    }
    assert.equal(codes.indexOf("BUDGET_SLOWED"), 120);
    assert.isAtMost(waited ?? 0, 120);
    assert.isAbove(waited ?? 0, 0);
    assert.equal(codeOf(await world.ask("two")), "scored");
    for (const party of [tax, power]) {
      const lines = sightingLines(world.databases.get(party) ?? assert.fail(), { limit: 10 });
      assert.deepEqual([...new Set(lines.map((l) => [l.institution, l.signal].join()))], ["bank,repeats"]);
      assert.notInclude(JSON.stringify(lines), "one");
    }
  });

  it("is told of alone where the policy says so", async () => {
    await open({ policy: withProbing({ action: "alert" }), own });
    for (let i = 0; i < 130; i++) assert.equal(codeOf(await world.ask("one", { amount: i, months: 1, collateral: null })), "scored");
    const seen = new Set(world.sightings.map(({ at, sighting }) => `${at} ${sighting.finding.signal}`));
    assert.includeMembers([...seen], ["bank variants", "bank sweep", "tax repeats", "power repeats"]);
  });

  it("tells the bank what is left of its budgets, and when a budget that refused is free again", async () => {
    await open({ params: { requestsPerDay: 3 } });
    const first = await world.ask("a");
    assert.deepInclude(first.remaining, { requests: 2, companies: 49_999, dayEnds: "2026-03-11T00:00:00.000Z" });
    await world.ask("a");
    await world.ask("b");
    const over = await world.ask("c");
    assert.deepInclude(over, { status: "refused", code: "SERVICE_BUDGET", retryAfter: 20 * 3600 });
    assert.deepInclude(over.remaining, { requests: 0, companies: 49_998 });
    now += day;
    assert.equal(codeOf(await world.ask("c")), "scored");
  });

  it("leaves a provider's quota to the provider: its refusal reaches the bank with the time of the next period", async () => {
    const policy = budgetsPolicySchema.parse({ quotas: { institutions: { bank: { "companies-a-month": 2 } } } });
    await open({ policy: () => policy });
    for (const company of ["a", "b", "a"]) assert.equal(codeOf(await world.ask(company)), "scored");
    const over = await world.ask("c");
    assert.deepInclude(over, { status: "refused", code: "BUDGET_COMPANIES" });
    assert.equal(over.status === "refused" ? over.retryAfter : 0, (Date.parse("2026-03-31T16:00:00Z") - now) / 1000);
  });
});
