// What an enclave charges for questions about companies: one store for all services and jobs, durable over kills, closed when the disk is full, and the same
// whatever the clock does.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { rulesOf } from "../../audit/alerts/rules.ts";
import { eventSchema, type AuditEvent } from "../../audit/entry.ts";
import { auditSettingsSchema } from "../../audit/settings.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { JobAudit } from "../../enclave/audit/job-audit.ts";
import { Budgets } from "../../enclave/budgets.ts";
import type { ChargedQuestion, Refused } from "../../enclave/charges/desk.ts";
import { openBudgets, presentPolicy } from "../../enclave/charges/open.ts";
import { budgetsPolicySchema, type BudgetsPolicy } from "../../enclave/charges/policy.ts";
import { sightingLines, type Sighting } from "../../enclave/charges/sightings.ts";
import { ProbingReports } from "../../enclave/charges/told.ts";
import { ServiceBudgets } from "../../enclave/live/service-budgets.ts";
import { policySchema } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { bank, temporaryFolder } from "../support/enclave.ts";

const key = new Uint8Array(32).fill(5);
const other = partyId("other_bank");
const day = 86_400_000;

describe("charges of questions", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let db: StateDatabase;
  let budgets: Budgets;
  let now: number;
  let policy: BudgetsPolicy;
  let seen: Sighting[];
  beforeEach(() => {
    folder = temporaryFolder();
    now = Date.parse("2026-03-10T04:00:00Z");
    policy = budgetsPolicySchema.parse({});
    seen = [];
    start();
  });
  afterEach(() => {
    db[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  function start(): void {
    db = new StateDatabase(join(folder.path, "state.db"));
    budgets = new Budgets(db, () => now, key, undefined, { policy: () => policy, onSighting: (sighting) => seen.push(sighting) });
  }
  /** As after kill -9: nothing but the file remains. */
  function restart(): void {
    db[Symbol.dispose]();
    start();
  }
  const quotas = (limits: object, institutions: object = {}): void => {
    policy = budgetsPolicySchema.parse({ quotas: { limits, institutions } });
  };
  let n = 0;
  const ask = (company: string, more: Partial<ChargedQuestion> = {}): Refused | undefined =>
    budgets.desk.charge({ institution: bank, company, kind: "score", id: `job_1.${n++}`, items: ["tax.payment"], ...more });
  const commit = (): void => db.transaction(() => budgets.desk.write());

  it("count by institution, company and item, and say when a budget is free again", () => {
    quotas({
      "requests-a-day": 3, "companies-a-month": 2,
      "company-and-item": { counts: "requests", per: ["institution", "company", "item"], window: { rollingSeconds: 3600 }, limit: 1 },
    });
    assert.isUndefined(ask("a"));
    assert.deepInclude(ask("a"), { code: "BUDGET_REQUESTS" });
    assert.isUndefined(ask("a", { items: ["tax.arrears"] }), "another item has a count of its own");
    assert.isUndefined(ask("b"));
    const full = ask("c");
    assert.deepInclude(full, { code: "BUDGET_COMPANIES" });
    assert.equal(full?.retryAfter, (Date.parse("2026-03-31T16:00:00Z") - now) / 1000, "the first of the month in Beijing");
    assert.isUndefined(ask("c", { institution: other }));
    now += day;
    assert.deepInclude(ask("c"), { code: "BUDGET_COMPANIES" });
    assert.isUndefined(ask("b"), "a company of the month is free");
  });

  it("of claims count under the items that their field is of, and guesses under the field", () => {
    quotas({ "claims-per-value": 2, "one-item": { counts: "requests", per: ["institution", "item"], window: { rollingSeconds: 3600 }, limit: 4 }, "companies-of-item": { counts: "companies", per: ["item"], window: { rollingSeconds: 3600 }, limit: 2 } });
    const claim = (company: string, field: string, text: string, items: readonly string[]): string => ask(company, { kind: "verify", items: [], claims: [{ item: field, items, claim: { kind: "clear", text } }] })?.code ?? "ok";
    assert.deepEqual(["1", "2", "3"].map((text) => claim("a", "paid", text, ["tax.payment"])), ["ok", "ok", "BUDGET_CLAIMS"]);
    assert.equal(claim("a", "filed", "1", ["tax.payment"]), "ok", "another value of the same item: guesses of its own");
    assert.isUndefined(ask("b"), "a score that rests on the item");
    assert.equal(claim("b", "filed", "1", ["tax.payment"]), "BUDGET_REQUESTS", "which counts with them");
    assert.equal(claim("b", "name", "1", ["tax.arrears", "tax.payment"]), "BUDGET_REQUESTS", "each item of a field");
    assert.equal(claim("c", "name", "1", ["tax.arrears"]), "ok");
    now += day;
    quotas({ "companies-of-item": { counts: "companies", per: ["item"], window: { rollingSeconds: 3600 }, limit: 2 } });
    assert.deepEqual(["d", "e", "f"].map((company) => claim(company, "paid", "9", ["tax.payment"])), ["ok", "ok", "BUDGET_COMPANIES"]);
    assert.equal(claim("f", "paid", "9", []), "ok", "of no item: under its own name");
  });

  it("are kept over a kill once they were written, and nothing of them names a company", () => {
    quotas({ "companies-a-month": 1 });
    assert.isUndefined(ask("SECRET-COMPANY"));
    commit();
    assert.isUndefined(ask("b", { institution: other }));
    restart();
    assert.equal(ask("b")?.code, "BUDGET_COMPANIES");
    assert.isUndefined(ask("c", { institution: other }), "what was not written did not leave either");
    const text = JSON.stringify(db.all("select * from budget_rows"));
    assert.include(text, "companies-a-month");
    assert.notInclude(text, "SECRET-COMPANY");
  });

  it("stay charged in memory when the disk fails, and are written with the next group", () => {
    quotas({ "companies-a-month": 1 });
    assert.isUndefined(ask("a"));
    assert.throws(() => db.transaction(() => {
      budgets.desk.write();
      throw new Error("disk full");
    }), "disk full");
    assert.equal(ask("b")?.code, "BUDGET_COMPANIES");
    commit();
    restart();
    assert.equal(ask("b")?.code, "BUDGET_COMPANIES");
    assert.isUndefined(ask("a"));
  });

  it("are not freed by a clock that is set back", () => {
    quotas({ "companies-a-month": 1, "company-a-day": 1 });
    assert.isUndefined(ask("a"));
    commit();
    now -= 40 * day;
    restart();
    assert.equal(ask("b")?.code, "BUDGET_COMPANIES");
    assert.equal(ask("a")?.code, "BUDGET_REQUESTS");
  });

  it("follow the policy's file at once, and refuse everything while it cannot be read", () => {
    const file = join(folder.path, "policy.json");
    const present = presentPolicy({ policyFile: file, now: () => now });
    const write = (limit: unknown): void => {
      writeFileSync(file, JSON.stringify({ version: 1, budgets: { quotas: { limits: { "companies-a-month": limit } } } }));
      now += 2_000;
    };
    budgets = new Budgets(db, () => now, key, undefined, { policy: present });
    assert.isUndefined(ask("a"));
    write(1);
    assert.equal(ask("b")?.code, "BUDGET_COMPANIES");
    write("many");
    assert.equal(ask("a")?.code, "BUDGET_POLICY");
    write(20);
    assert.isUndefined(ask("b"));
    assert.isFalse(policySchema.safeParse({ version: 1, budgets: { quotas: { limits: { "no-such-limit": 3 } } } }).success);
  });

  it("of claims tell of guesses, slow them and refuse them, by value and by what policy wants done", () => {
    const guess = (value: number, company = "a"): Refused | undefined =>
      ask(company, { kind: "verify", claims: [{ item: "tax.payment", claim: { kind: "clear", text: `equal ${value}` } }] });
    for (let value = 0; value < 6; value++) assert.isUndefined(guess(value));
    assert.deepEqual(seen.map(({ finding }) => [finding.signal, finding.verdict]), [["claims", "alert"]]);
    assert.isUndefined(guess(6));
    const slowed = guess(7);
    assert.equal(slowed?.code, "BUDGET_SLOWED");
    assert.isAbove(slowed?.retryAfter ?? 0, 30);
    assert.isUndefined(guess(3), "a claim made before is free");
    assert.isUndefined(guess(0, "b"), "another company is asked about as ever");
    for (let value = 7; value < 10; value++) {
      now += 3_600_000;
      assert.isUndefined(guess(value));
    }
    now += 3_600_000;
    assert.equal(guess(10)?.code, "BUDGET_PROBING");
    policy = budgetsPolicySchema.parse({ probing: { action: "alert" } });
    assert.isUndefined(guess(10));
    assert.isUndefined(guess(11));
    commit();
    const lines = sightingLines(db, { limit: 100 });
    assert.include(lines.map((l) => l.verdict), "refuse");
    assert.isTrue(lines.every((l) => /^[0-9a-f]{32}$/.test(l.company) && l.institution === "bank" && l.model === "tax.payment"));
  });

  it("stand in the audit log: signs of probing, quotas that refused, quotas used to a large part", () => {
    const events: AuditEvent[] = [];
    const log = { note: (event: AuditEvent) => events.push(eventSchema.parse(event)), company: () => "0".repeat(32) };
    const audit = new JobAudit(log as never, db, bank);
    const file = join(folder.path, "policy.json");
    writeFileSync(file, JSON.stringify({ version: 1, budgets: { quotas: { limits: { "requests-a-day": 600 } } } }));
    budgets = openBudgets({ db, now: () => now, key, audit, policyFile: file });
    for (let i = 0; i < 700; i++) ask(`C${i % 300}`);
    const rules = rulesOf(auditSettingsSchema.parse({}).alerts);
    let seq = 0;
    const kinds = events.flatMap((event) => rules.flatMap((rule) => rule({ ...eventSchema.parse(event), v: 1, seq: seq++, at: new Date(now).toISOString(), previous: "0".repeat(64) })?.kind ?? []));
    assert.deepEqual([...new Set(kinds)], ["budget-high", "budget-exhausted"]);
    assert.equal(events.filter((e) => e.action === "budget.refused").length, 1, "said once");
    for (let i = 0; i < 6; i++) ask("C1", { kind: "verify", institution: other, claims: [{ item: "tax.payment", claim: { kind: "blind-range" } }] });
    const signs = events.filter((e) => e.action === "probing.seen");
    assert.isAtLeast(signs.length, 1);
    assert.isTrue(rules.some((rule) => rule({ ...eventSchema.parse(signs[0]), v: 1, seq: seq++, at: new Date(now).toISOString(), previous: "0".repeat(64) })?.kind === "probing"));
    assert.notInclude(JSON.stringify(events), "C1\"");
  });

  it("tell the platform of signs of probing until it has heard of each, without a company", async () => {
    for (let i = 0; i < 60; i++) ask("A-COMPANY", { model: "model_1" });
    commit();
    const sent: unknown[] = [];
    let isAway = true;
    const desk = { send: async (kind: string, body: unknown): Promise<void> => {
      if (isAway) throw new AppError("PLATFORM_BUSY");
      sent.push([kind, body]);
    } };
    const reports = new ProbingReports({ db, desk, env: { now: () => now, rng: (count) => new Uint8Array(count), log: { info() {}, warn() {}, error() {} } } });
    const { signal } = new AbortController();
    assert.isFalse(await reports.tick(signal));
    isAway = false;
    assert.isTrue(await reports.tick(signal));
    assert.isTrue(await reports.tick(signal));
    assert.lengthOf(sent, 1);
    assert.match(JSON.stringify(sent), /"party":"bank","signal":"repeats","verdict":"alert"/);
    assert.notInclude(JSON.stringify(sent), "A-COMPANY");
  });

  it("tell the platform of more signs than go into one report, none passed over", async () => {
    const companies = 130;
    for (let i = 0; i < companies; i++) {
      const company = i.toString(16).padStart(32, "0");
      db.run("insert into budget_sightings (at, institution, company, model, signal, verdict, measured) values (?, 'bank', ?, 'score', 'repeats', ?, 1)", now, company, i === 0 ? "allow" : "alert");
    }
    const sent: string[] = [];
    const desk = { send: async (_kind: string, body: unknown): Promise<void> => void sent.push(...(body as { signs: { company: string }[] }).signs.map((s) => s.company)) };
    const reports = new ProbingReports({ db, desk, env: { now: () => now, rng: (count) => new Uint8Array(count), log: { info() {}, warn() {}, error() {} } } });
    for (let i = 0; i < 3; i++) assert.isTrue(await reports.tick(new AbortController().signal));
    assert.equal(new Set(sent).size, companies - 1);
    assert.lengthOf(sent, companies - 1);
  });

  describe("of services", () => {
    const limits = { requestsPerDay: 5, companiesPerMonth: 100, perCompanyPerDay: 100, setsPerCompany: 1, maxModelsPerCompany: 6 };
    const service = (name: string): ServiceBudgets => new ServiceBudgets({
      db, budgets, now: () => now, guest: bank, dataset: "filings", model: "model_1", limits, charges: { service: name, kind: "score", items: [] },
    });
    const asks = (b: ServiceBudgets, count: number): (string | undefined)[] => Array.from({ length: count }, (_, i) => b.ask(`C${i}`, "s", i)?.code);

    it("two services of one bank and model share one budget, before anything is written and after a restart", () => {
      const [one, two] = [service("job_1"), service("job_2")];
      assert.deepEqual(asks(one, 3), [undefined, undefined, undefined]);
      assert.deepEqual(asks(two, 3), [undefined, undefined, "SERVICE_BUDGET"]);
      assert.equal(two.ask("C0", "another set", 9)?.code, "SERVICE_BUDGET");
      assert.deepInclude(one.remaining, { requests: 0, companies: 97, dayEnds: "2026-03-11T00:00:00.000Z", monthEnds: "2026-04-01T00:00:00.000Z" });
      assert.equal(one.ask("C0", "s", 9)?.retryAfter, 20 * 3600);
      db.transaction(() => two.write());
      restart();
      assert.deepEqual(asks(service("job_3"), 1), ["SERVICE_BUDGET"]);
      now += day;
      assert.equal(service("job_4").ask("C0", "another set", 1)?.code, "SERVICE_SETS");
    });

    it("of many models share the budget of models of a company, before anything is written", () => {
      const model = (name: string): ServiceBudgets => new ServiceBudgets({ db, budgets, now: () => now, guest: bank, dataset: "filings", model: name, limits: { ...limits, maxModelsPerCompany: 2 } });
      const [one, two, three] = [model("model_1"), model("model_2"), model("model_3")];
      assert.deepEqual([one, two, three, one].map((m) => m.ask("a", "s", 0)?.code), [undefined, undefined, "BUDGET_TOTALS", undefined]);
      db.transaction(() => one.write());
      assert.equal(three.ask("a", "s", 0)?.code, "BUDGET_TOTALS");
      db.transaction(() => two.write());
      assert.equal(three.ask("a", "s", 0)?.code, "BUDGET_TOTALS");
      restart();
      assert.deepEqual([model("model_3").ask("a", "s", 0)?.code, model("model_2").ask("a", "s", 0)?.code, model("model_3").ask("b", "s", 0)?.code], ["BUDGET_TOTALS", undefined, undefined]);
    });

    it("are charged to nothing when one of their budgets refuses", () => {
      quotas({ "requests-a-day": 1 });
      const one = service("job_1");
      assert.isUndefined(one.ask("a", "s", 1)?.code);
      assert.equal(one.ask("b", "s", 2)?.code, "BUDGET_REQUESTS");
      assert.equal(one.remaining.requests, 4);
      assert.equal(one.ask("a", "another set", 3)?.code, "SERVICE_SETS");
      quotas({ "requests-a-day": 2 });
      assert.isUndefined(one.ask("b", "s", 4), "the refused one was not counted");
    });

    it("are written with the next group when the disk failed, and not freed by a clock that is set back", () => {
      const one = service("job_1");
      asks(one, 5);
      assert.throws(() => db.transaction(() => {
        one.write();
        throw new Error("disk full");
      }));
      db.transaction(() => one.write());
      now -= 40 * day;
      restart();
      assert.deepEqual(asks(service("job_1"), 1), ["SERVICE_BUDGET"]);
    });

    it("do not tell an honest monthly portfolio from use, and refuse one company asked again and again", () => {
      const wide = new ServiceBudgets({
        db, budgets, now: () => now, guest: bank, dataset: "filings", model: "model_1", limits: { ...limits, requestsPerDay: 1e6, companiesPerMonth: 1e6, perCompanyPerDay: 1e6 },
        charges: { service: "job_1", kind: "score", items: ["tax.payment"] },
      });
      policy = budgetsPolicySchema.parse({ probing: { signals: { repeats: { alert: 60, slow: 120, refuse: 240 } } } });
      let number = 0;
      for (let round = 0; round < 10; round++, now += 3 * day) for (let i = 0; i < 200; i++) assert.isUndefined(wide.ask(`honest ${i}`, "s", number++));
      assert.deepEqual(seen, []);
      const codes = new Set<string | undefined>();
      let answered = 0;
      for (let i = 0; i < 2_000; i++, now += 60_000) {
        const refused = wide.ask("one", "s", number++);
        codes.add(refused?.code);
        if (refused === undefined) answered++;
      }
      assert.deepEqual([...codes], [undefined, "BUDGET_SLOWED"]);
      assert.isBelow(answered, 240);
      assert.isTrue(seen.some(({ finding }) => finding.signal === "repeats" && finding.verdict === "alert"));
      assert.isUndefined(wide.ask("honest 1", "s", number++));
    });
  });
});
