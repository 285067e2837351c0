// Rules over entries with a clock of their own: raised once, quiet until things have calmed down, bounded in memory.
import { assert } from "chai";
import { describe, it } from "mocha";
import { rulesOf, type Finding } from "../../audit/alerts/rules.ts";
import { Windows } from "../../audit/alerts/windows.ts";
import type { Entry } from "../../audit/entry.ts";
import { auditSettingsSchema } from "../../audit/settings.ts";

const start = Date.parse("2026-03-02T01:00:00Z");
const minute = 60_000;
const { alerts: limits } = auditSettingsSchema.parse({});

/** Feeds entries with all rules and keeps what they find. */
function watch(settings: Partial<typeof limits> = {}): { feed: (event: Partial<Entry>, afterMs?: number, times?: number) => void; found: Finding[]; kinds: () => string[] } {
  const rules = rulesOf({ ...limits, ...settings });
  const found: Finding[] = [];
  let seq = 0;
  let now = start;
  const feed = (event: Partial<Entry>, afterMs = 0, times = 1): void => {
    for (let i = 0; i < times; i++) {
      now += afterMs;
      const entry: Entry = { v: 1, seq: seq++, at: new Date(now).toISOString(), previous: "0".repeat(64), actor: { role: "enclave" }, action: "request", outcome: "ok", ...event };
      for (const rule of rules) {
        const one = rule(entry);
        if (one !== undefined) found.push(one);
      }
    }
  };
  return { feed, found, kinds: () => found.map(({ kind }) => kind) };
}
const hash = (n: number): string => String(n).padStart(32, "0");

describe("alerts", () => {
  it("see a burst of uses of one company, once, and again only after a calm", () => {
    const { feed, found, kinds } = watch();
    feed({ company: hash(1) }, 1000, 19);
    feed({ company: hash(2) }, 1000, 19);
    assert.isEmpty(found);
    feed({ company: hash(1) });
    assert.deepInclude(found[0], { kind: "company-burst", about: hash(1), count: 20 });
    feed({ company: hash(1) }, 1000, 100);
    assert.lengthOf(found, 1, "it is known");
    feed({ company: hash(1) }, 30 * minute);
    feed({ company: hash(1) }, 1000, 18);
    assert.lengthOf(found, 1);
    feed({ company: hash(1) });
    assert.deepEqual(kinds(), ["company-burst", "company-burst"]);
  });

  it("see no burst in uses that are spread out, and count each company of a batch", () => {
    const { feed, found } = watch();
    feed({ company: hash(1) }, minute, 200);
    assert.isEmpty(found);
    feed({ companies: [hash(3), hash(4)], facts: { times: 2 } }, 1000, 19);
    assert.isEmpty(found);
    feed({ companies: [hash(5), hash(4)] });
    assert.deepEqual(found.map(({ about }) => about), [hash(4)]);
  });

  it("see a budget over its share, then exhausted, each once until it is low again", () => {
    const { feed, kinds } = watch();
    const charge = (used: number, more: Partial<Entry> = {}): void => feed({ action: "budget.charged", objects: { party: "bank" }, facts: { budget: "new-ids", used, limit: 100 }, ...more });
    charge(50);
    charge(79);
    assert.isEmpty(kinds());
    charge(80);
    charge(95);
    assert.deepEqual(kinds(), ["budget-high"]);
    charge(100, { action: "budget.refused", outcome: "BUDGET_NEW_IDS" });
    charge(100, { action: "budget.refused", outcome: "BUDGET_NEW_IDS" });
    assert.deepEqual(kinds(), ["budget-high", "budget-exhausted"]);
    charge(90, { objects: { party: "other" } });
    assert.lengthOf(kinds(), 3, "of another bank");
    charge(5);
    charge(85);
    assert.lengthOf(kinds(), 4, "in the next month");
    charge(85, { facts: { budget: "set", used: 1 } });
    assert.lengthOf(kinds(), 4, "a budget without a limit");
  });

  it("see failed authorisations by credential, else by address, and sums count as many", () => {
    const { feed, found } = watch();
    feed({ outcome: "AUTH_INVALID", actor: { role: "unknown", id: "cred_1" } }, 1000, 9);
    feed({ outcome: "AUTH_INVALID", actor: { role: "unknown" }, from: hash(9) }, 1000, 9);
    feed({ outcome: "JOB_NOT_FOUND", actor: { role: "unknown", id: "cred_1" } }, 1000, 50);
    assert.isEmpty(found);
    feed({ outcome: "AUTH_ROLE", actor: { role: "analyst", id: "cred_1" } });
    feed({ action: "requests", outcome: "AUTH_RATE_LIMITED", actor: { role: "unknown" }, from: hash(9), facts: { times: 400 } });
    assert.deepEqual(found.map(({ about, count }) => [about, count]), [["cred_1", 10], [hash(9), 409]]);
  });

  it("see wrong passphrases of operators, and a bank that comes without authorisations", () => {
    const { feed, found } = watch();
    feed({ action: "operator.command", actor: { role: "operator" }, outcome: "OPERATOR_PASSPHRASE", facts: { command: "approve", as: "operator/li" } }, 1000, 9);
    feed({ action: "consents.checked", objects: { job: "job_1", party: "bank" }, outcome: "ok", facts: { times: 5000 } });
    feed({ action: "consents.checked", objects: { job: "job_1", party: "bank" }, outcome: "CONSENT_MISSING", facts: { times: 40 } });
    assert.isEmpty(found);
    feed({ action: "consents.checked", objects: { job: "job_2", party: "bank" }, outcome: "CONSENT_EXPIRED", facts: { times: 10 } });
    feed({ action: "operator.command", actor: { role: "operator" }, outcome: "OPERATOR_KEY", facts: { command: "approve", as: "operator/li" } });
    assert.deepEqual(found.map(({ kind, about, count }) => [kind, about, count]), [["refused-consents", "bank", 50], ["failed-authorisations", "operator/li", 10]]);
  });

  it("see plans refused again and again, a broken chain and a clock that goes back", () => {
    const { feed, found, kinds } = watch();
    feed({ action: "plan.refused", objects: { party: "bank" }, outcome: "POLICY_KIND" }, minute, 3);
    feed({ route: "POST /enclave/v1/jobs/:id/refusal", actor: { role: "party", id: "tax" } }, minute, 3);
    feed({ action: "log.broken", outcome: "AUDIT_BROKEN", facts: { entry: 12 } });
    feed({}, -1000);
    assert.deepEqual(kinds(), ["refused-plans", "refused-plans", "chain-broken"]);
    feed({}, -10 * minute, 1);
    feed({}, 1000, 5);
    assert.deepInclude(found[3], { kind: "clock-back", count: 601 });
    assert.lengthOf(found, 4);
    feed({}, 20 * minute);
    feed({}, -10 * minute);
    assert.lengthOf(found, 5);
  });

  it("see another domain's log that has become shorter, or another one of the same size", () => {
    const { feed, found } = watch();
    const head = (party: string, size: number, digest = hash(size)): void => feed({ action: "head.taken", objects: { party, after: digest.repeat(2) }, facts: { size } });
    for (const size of [5, 40, 40, 90]) head("tax", size);
    head("power", 7);
    assert.isEmpty(found);
    head("tax", 60);
    head("tax", 70);
    assert.deepEqual(found.map(({ kind, about, count }) => [kind, about, count]), [["log-shrunk", "tax", 30]]);
    head("power", 7, hash(8));
    assert.deepInclude(found[1], { kind: "log-shrunk", about: "power", count: 0 });
  });

  it("see people at unusual hours when that is asked for: once a night", () => {
    const china = { hours: { from: 8, to: 20, offsetMinutes: 480 } };
    const person = { actor: { role: "analyst", id: "cred_7" } };
    const off = watch();
    off.feed(person, 15 * 60 * minute);
    assert.isEmpty(off.found);
    const on = watch(china);
    on.feed(person); // 09:00 in China
    assert.isEmpty(on.found);
    on.feed({ actor: { role: "party", id: "tax" } }, 14 * 60 * minute);
    assert.isEmpty(on.found, "machines work at night");
    on.feed(person);
    on.feed(person, minute, 20);
    assert.deepEqual(on.kinds(), ["unusual-hour"]);
    on.feed(person, 24 * 60 * minute);
    assert.lengthOf(on.found, 2);
  });

  it("remember a bounded number of keys, the latest ones", () => {
    const windows = new Windows(minute, 3, 100);
    for (let i = 0; i < 10_000; i++) windows.add(`k${i}`, start, 1);
    assert.equal(windows.size, 100);
    windows.add("k9999", start, 1);
    assert.equal(windows.add("k9999", start, 1), 3);
    assert.isUndefined(windows.add("k0", start, 1));
  });
});

describe("settings of the audit", () => {
  it("keep entries at least six months, whatever an operator writes", () => {
    assert.equal(auditSettingsSchema.parse({}).retentionDays, 1096);
    assert.equal(auditSettingsSchema.parse({ retentionDays: 183 }).retentionDays, 183);
    for (const bad of [{ retentionDays: 182 }, { retentionDays: 30, minimumDays: 30 }, { retentionDays: 400, minimumDays: 500 }, { keep: 1 }]) assert.isFalse(auditSettingsSchema.safeParse(bad).success, JSON.stringify(bad));
  });
});
