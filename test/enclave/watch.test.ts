// What enclaves keep of monitoring: a provider's watches and news over restarts, the bank's list and alerts, and the way of an alert to the platform.
import { assert } from "chai";
import { beforeEach, describe, it } from "mocha";
import { openedAlertSchema, type OpenedAlert } from "../../api/contract/watch.ts";
import { createInstitutionKey, openSealed } from "../../cli/institution-key.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError, type Code } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { Budgets } from "../../enclave/budgets.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { AlertDelivery } from "../../enclave/watch/alerts.ts";
import { BankWatches } from "../../enclave/watch/bank-store.ts";
import { ProviderWatches } from "../../enclave/watch/provider-store.ts";
import { eraseEnded } from "../../enclave/watch/sweep.ts";
import { listDigest } from "../../federation/watch/list.ts";
import { WatchList } from "../../monitoring/watch/list.ts";
import { arrears, consentOf, declared, now, snapshot, usccOf } from "../monitoring/support.ts";
import { bank, job, planOf, power, tax } from "../support/enclave.ts";
import { keptLog } from "../support/platform.ts";

const key = createInstitutionKey();
const plan = { ...planOf({ kind: "watch", purpose: "post-loan-monitoring", params: { triggers: { tax: [arrears()], power: [arrears()] } } }), sealTo: key.publicJwk };
const set = declared(arrears());
const box = new SecretBox(new Uint8Array(32).fill(7), systemRng);

let db: StateDatabase;
const hashes = (): Budgets => new Budgets(db, () => now, new Uint8Array(32).fill(1));
const open = (): ProviderWatches => new ProviderWatches({ db, box, plan, budgets: hashes() });
const listOf = (store: ProviderWatches, clock = { ms: now }, withdrawn = new Set<string>()): WatchList =>
  new WatchList({ store, now: () => clock.ms, rng: systemRng, isWithdrawn: ({ digest }) => withdrawn.has(digest) });
const idOf = (store: ProviderWatches, n: number): string => store.find(bank, usccOf(n))?.id ?? assert.fail("not watched");
const day = (n: number, perDay = 100) => ({ day: `2026-01-0${n}`, perDay });

beforeEach(() => {
  db = new StateDatabase(":memory:");
  db.run("insert into jobs (job, state, plan, digest, created_at) values (?, 'approved', ?, 'x', 0)", job, JSON.stringify(plan));
});

describe("a provider's watches", () => {
  /** Two companies, the first of which has fallen into arrears at the second version of the data. */
  const fallen = (): { store: ProviderWatches; first: string; second: string } => {
    const store = open();
    const list = listOf(store);
    assert.deepEqual(list.register(bank, [consentOf(1), consentOf(2)], set), ["added", "added"]);
    const [first, second] = [idOf(store, 1), idOf(store, 2)];
    for (const id of [first, second]) list.observe(id, set, snapshot(1, { tax_arrears_open: 0 }));
    list.observe(first, set, snapshot(2, { tax_arrears_open: 7 }));
    return { store, first, second };
  };

  it("are there after a restart, with their states: what was told is not told again, and what was not told is", () => {
    const { first, second } = fallen();
    const again = open();
    assert.deepEqual([again.count(bank), again.count("other")], [2, 0]);
    assert.deepEqual([...again.ids()], [first, second].sort());
    assert.deepEqual(listDigest(again.ids()), listDigest([first, second].sort()));
    const list = listOf(again);
    assert.deepEqual(list.observe(first, set, snapshot(2, { tax_arrears_open: 7 })), []);
    assert.lengthOf(list.observe(second, set, snapshot(2, { tax_arrears_open: 3 })), 1);
    assert.deepEqual(again.news(10, day(1)).map((n) => n.watch), [first, second]);
    assert.throws(() => list.observe("watch_unknown", set, snapshot(3, {})), AppError);
  });
  it("lie sealed: neither a company nor what was found of it is in the file", () => {
    const { first } = fallen();
    const rows = db.all("select * from watches").concat(db.all("select * from watch_news"));
    const bytes = rows.flatMap((row) => Object.values(row)).map((v) => (v instanceof Uint8Array ? Buffer.from(v).toString("latin1") : String(v))).join();
    for (const secret of [usccOf(1), "tax_arrears_open", "arrears-begun"]) assert.notInclude(bytes, secret);
    assert.include(bytes, first);
  });
  it("number the versions of the data, also when one comes back, and a clock that was set back goes on with the last day", () => {
    const store = open();
    const [a, b] = [sha256Hex("a"), sha256Hex("b")];
    assert.deepEqual(store.version(a, "2026-01-01"), { sequence: 1, version: a, asOf: "2026-01-01" });
    assert.deepEqual(open().version(a, "2026-01-05"), { sequence: 1, version: a, asOf: "2026-01-01" });
    assert.deepEqual(store.version(b, "2025-12-01"), { sequence: 2, version: b, asOf: "2026-01-01" });
    assert.equal(store.version(a, "2026-02-01").sequence, 3);
  });
  it("are due until they were looked at in a version, some at a time, also after a restart in the middle", () => {
    const { store, first, second } = fallen();
    assert.sameMembers([...store.due(2, 10)], [first, second]);
    store.looked(first, 2);
    assert.deepEqual(open().due(2, 10), [second]);
    assert.isTrue(store.isFirstOf(first, "2026-01"));
    assert.isFalse(open().isFirstOf(first, "2026-01"));
    assert.isTrue(store.isFirstOf(first, "2026-02"));
  });
  it("end by withdrawal with their states and waiting alerts; the bank is told of the end, once", () => {
    const { store, first } = fallen();
    const list = listOf(store);
    assert.equal(list.withdraw([consentOf(1).digest]), 1);
    const [end, ...more] = store.news(10, day(1));
    assert.deepInclude(end, { watch: first, ended: "CONSENT_WITHDRAWN" });
    assert.lengthOf(more, 0, "the alert that waited is gone");
    assert.deepEqual([store.get(first), store.state(first)], [undefined, undefined]);
    store.acknowledged([end?.id ?? ""]);
    assert.deepEqual(store.news(10, day(1)), []);
  });
  it("end with the consent's last second, and by the bank's own word without any news", () => {
    const { store } = fallen();
    const clock = { ms: now };
    const list = listOf(store, clock);
    list.remove(bank, usccOf(1));
    assert.deepEqual(store.news(10, day(1)), []);
    clock.ms = now + 1_000_000;
    assert.equal(list.expire(), 1);
    assert.deepEqual(store.news(10, day(1)).map((n) => "ended" in n && n.ended), ["CONSENT_EXPIRED"]);
  });
  it("tell of the end of a consent also on a day on which more alerts wait than there is room for", () => {
    const store = open();
    const list = listOf(store);
    list.register(bank, [1, 2, 3, 4].map((n) => consentOf(n)), set);
    for (const n of [1, 2, 3, 4]) list.observe(idOf(store, n), set, snapshot(1, { tax_arrears_open: 0 }));
    for (const n of [1, 2, 3]) list.observe(idOf(store, n), set, snapshot(2, { tax_arrears_open: 1 }));
    assert.equal(list.withdraw([consentOf(4).digest]), 1);
    store.acknowledged(store.news(2, day(1, 1)).map((n) => n.id));
    assert.deepEqual(store.news(2, day(1, 1)).map((n) => "ended" in n && n.ended), ["CONSENT_WITHDRAWN"]);
  });
  it("tell as many alerts a day as the plan has room for, and again what was told and not acknowledged", () => {
    const store = open();
    const list = listOf(store);
    list.register(bank, [1, 2, 3].map((n) => consentOf(n)), set);
    for (const n of [1, 2, 3]) {
      list.observe(idOf(store, n), set, snapshot(1, { tax_arrears_open: 0 }));
      list.observe(idOf(store, n), set, snapshot(2, { tax_arrears_open: 1 }));
    }
    const first = store.news(10, day(1, 2));
    assert.lengthOf(first, 2);
    assert.deepEqual(open().news(10, day(1, 2)), first, "also after a restart");
    store.acknowledged(first.map((n) => n.id));
    assert.lengthOf(store.news(10, day(1, 2)), 0, "no room before tomorrow");
    assert.lengthOf(store.news(10, day(2, 2)), 1);
  });
  it("leave out those that are under way, and look behind them", () => {
    const store = open();
    const list = listOf(store);
    list.register(bank, [1, 2, 3].map((n) => consentOf(n)), set);
    for (const n of [1, 2, 3]) {
      list.observe(idOf(store, n), set, snapshot(1, { tax_arrears_open: 0 }));
      list.observe(idOf(store, n), set, snapshot(2, { tax_arrears_open: 1 }));
    }
    const first = store.news(2, day(1)).map((n) => n.id);
    assert.deepEqual(store.news(2, { ...day(1), except: new Set(first) }).map((n) => n.id), store.news(3, day(1)).slice(2).map((n) => n.id));
    assert.deepEqual(store.news(1, { ...day(1), except: new Set(store.news(3, day(1)).map((n) => n.id)) }), []);
  });
  it("of another service are others", () => {
    fallen();
    const other = new ProviderWatches({ db, box, plan: { ...plan, job: planOf({}, { job: "job_fedcba9876543210" }).job }, budgets: hashes() });
    assert.deepEqual([other.count(bank), [...other.ids()], other.news(10, day(1))], [0, [], []]);
  });
});

describe("the bank's list", () => {
  const opened = (company: string, party = tax): OpenedAlert => ({ version: 1, service: job, party, company, trigger: "arrears", kind: "arrears-begun", severity: "major", asOf: "2026-01-01", text: arrears().text });
  const list = (): BankWatches => new BankWatches({ db, box, plan, recordOf: (company) => hashes().hashId(bank, company) });

  it("wants a company at every provider, and what each of them says stays its own, over restarts", () => {
    const own = list();
    assert.isTrue(own.add(usccOf(1)));
    assert.isFalse(own.add(usccOf(1)));
    own.set(tax, usccOf(1), { state: "watched", watch: `watch_${"1".repeat(32)}` });
    own.set(power, usccOf(1), { state: "refused", code: "CONSENT_ITEM" });
    assert.deepEqual(list().page("", 10), { next: null, entries: [{ company: usccOf(1), providers: [{ party: power, state: "refused", code: "CONSENT_ITEM" }, { party: tax, state: "watched", code: null }] }] });
    assert.deepEqual([...own.ids(tax)], [`watch_${"1".repeat(32)}`]);
    assert.deepEqual([...own.ids(power)], []);
    assert.isFalse(own.add(usccOf(1)), "who refused is asked again");
    assert.deepEqual(own.inState(power, "wanted", now, 10).map((l) => l.company), [usccOf(1)]);
    assert.deepEqual(own.inState(tax, "wanted", now, 10), []);
  });
  it("keeps a removal whatever is answered meanwhile, until each provider has confirmed it", () => {
    const own = list();
    own.add(usccOf(1));
    assert.isTrue(own.remove(usccOf(1)));
    assert.isFalse(own.remove(usccOf(1)));
    own.set(tax, usccOf(1), { state: "watched", watch: `watch_${"1".repeat(32)}` });
    assert.deepEqual(own.inState(tax, "removing", now, 10).map((l) => l.company), [usccOf(1)]);
    assert.equal(own.count(), 0);
    own.removed(tax, usccOf(1));
    own.removed(power, usccOf(1));
    assert.deepEqual(own.page("", 10), { entries: [], next: null });
  });
  it("asks again what passes by itself, not before its time", () => {
    const own = list();
    own.add(usccOf(1));
    own.set(tax, usccOf(1), { state: "wanted", code: "CONSENT_LIST_STALE", retryAt: now + 10 });
    assert.deepEqual([own.inState(tax, "wanted", now, 10).length, own.inState(tax, "wanted", now + 10, 10).length], [0, 1]);
  });
  it("pages over everybody once", () => {
    const own = list();
    for (let n = 0; n < 60; n++) own.add(usccOf(n));
    const seen: string[] = [];
    for (let after = ""; ;) {
      const page = own.page(after, 25);
      seen.push(...page.entries.map((e) => e.company));
      if (page.next === null) break;
      after = page.next;
    }
    assert.sameMembers(seen, Array.from({ length: 60 }, (_, n) => usccOf(n)));
    const rows = own.rows({ record: new Uint8Array(0), host: "" }, 1000);
    assert.lengthOf(rows, 120);
    const [first] = rows;
    assert.lengthOf(own.rows({ record: first?.record ?? new Uint8Array(0), host: first?.host ?? "" }, 1000), 119);
  });

  it("brings each alert to the platform once, sealed, all of one size, in order, again after a failure with the same bytes", async () => {
    const own = list();
    const id = (n: number): string => `alert_${sha256Hex(`${n}`).slice(0, 32)}`;
    own.putAlert(tax, id(1), opened(usccOf(1)), now);
    own.putAlert(tax, id(1), opened(usccOf(1)), now);
    own.putAlert(tax, id(2), { version: 1, service: job, party: tax, company: usccOf(2), ended: "CONSENT_EXPIRED" }, now);
    own.putAlert(power, id(1), opened(usccOf(1), power), now);
    const sent: { id: string; sealed: string }[] = [];
    const lines: string[] = [];
    let fails: Code | undefined = "PLATFORM_BUSY";
    const deliver = (): Promise<boolean> => new AlertDelivery({
      db, box, env: { rng: systemRng, now: () => now, log: keptLog(lines) }, desk: { send: async (_kind, body) => {
        sent.push(body as (typeof sent)[number]);
        if (fails !== undefined) throw new AppError(fails);
      } },
    }).tick();
    assert.isFalse(await deliver());
    assert.lengthOf(sent, 1, "nothing after what was not taken");
    fails = undefined;
    assert.isTrue(await deliver());
    assert.isTrue(await deliver());
    assert.lengthOf(sent, 4);
    assert.deepEqual(sent[1], sent[0]);
    assert.equal(new Set(sent.slice(1).map((s) => s.id)).size, 3);
    assert.equal(new Set(sent.map((s) => s.sealed.length)).size, 1);
    const texts = await Promise.all(sent.slice(1).map(async ({ sealed }) => openedAlertSchema.parse(JSON.parse(await openSealed(sealed, key)))));
    assert.deepEqual(texts.map((t) => [t.party, t.company, "ended" in t]), [[tax, usccOf(1), false], [tax, usccOf(2), true], [power, usccOf(1), false]]);
    assert.notInclude(lines.join(), usccOf(1));
  });
  it("gives up an alert that nobody could fetch, and goes on with the next", async () => {
    const own = list();
    own.putAlert(tax, `alert_${"1".repeat(32)}`, opened(usccOf(1)), now);
    own.putAlert(tax, `alert_${"2".repeat(32)}`, opened(usccOf(2)), now);
    let tries = 0;
    const desk = { send: async () => { if (++tries === 1) throw new AppError("JOB_NOT_FOUND"); } };
    assert.isTrue(await new AlertDelivery({ db, box, desk, env: { rng: systemRng, now: () => now, log: keptLog([]) } }).tick());
    assert.equal(tries, 2);
  });
});

describe("an alert that cannot be brought", () => {
  const open4 = (): { tried: string[]; ids: string[]; clock: { ms: number }; delivery: AlertDelivery; fails: Map<string, Code> } => {
    const own = new BankWatches({ db, box, plan, recordOf: (company) => hashes().hashId(bank, company) });
    for (const n of [1, 2, 3, 4]) own.putAlert(tax, `alert_${String(n).repeat(32)}`, { version: 1, service: job, party: tax, company: usccOf(n), ended: "CONSENT_EXPIRED" }, now);
    const ids = db.all("select id from watch_alerts order by n").map((r) => String(r["id"]));
    const [clock, tried, fails] = [{ ms: now }, [] as string[], new Map<string, Code>()];
    const desk = { send: async (_kind: unknown, body: unknown) => {
      const { id } = body as { id: string };
      tried.push(id);
      const code = fails.get(id);
      if (code !== undefined) throw new AppError(code);
    } };
    return { tried, ids, clock, fails, delivery: new AlertDelivery({ db, box, desk, env: { rng: systemRng, now: () => clock.ms, log: keptLog([]) } }) };
  };
  it("holds up no other, and is tried again by itself with growing pauses", async () => {
    const { tried, ids: [first = "", ...others], clock, fails, delivery } = open4();
    fails.set(first, "REPORT_SCHEMA");
    assert.isTrue(await delivery.tick());
    assert.deepEqual(tried.splice(0), [first, ...others]);
    assert.isTrue(await delivery.tick());
    assert.deepEqual(tried, [], "not before its pause is over");
    for (const pause of [1000, 2000, 4000]) {
      clock.ms += pause - 1;
      await delivery.tick();
      assert.deepEqual(tried, []);
      clock.ms += 1;
      await delivery.tick();
      assert.deepEqual(tried.splice(0), [first]);
    }
    fails.clear();
    clock.ms += 600_000;
    assert.isTrue(await delivery.tick());
    assert.equal(Number(db.get("select count(*) as n from watch_alerts where delivered = 1")?.["n"]), 4);
  });
  it("is a damaged row: the others are brought", async () => {
    const { tried, ids: [first = "", ...others], delivery } = open4();
    db.run("update watch_alerts set sealed = ? where id = ?", new Uint8Array(40), first);
    assert.isTrue(await delivery.tick());
    assert.deepEqual(tried, others);
  });
  it("is the platform's fault where some in a row fail, or it says so: the rest waits, and none is lost", async () => {
    const { tried, ids, clock, fails, delivery } = open4();
    for (const id of ids) fails.set(id, "PLATFORM_INTERNAL");
    assert.isFalse(await delivery.tick());
    assert.deepEqual(tried.splice(0), ids.slice(0, 3));
    for (const id of ids) fails.set(id, "JOB_PLATFORM_UNREACHABLE");
    clock.ms += 600_000;
    assert.isFalse(await delivery.tick());
    assert.deepEqual(tried.splice(0), ids.slice(0, 1));
    fails.clear();
    assert.isTrue(await delivery.tick());
    assert.deepEqual(tried, ids);
  });
});

describe("the end of a monitoring service", () => {
  it("erases lists, states and what was not told; alerts stay at the bank until the institution has them for a month", () => {
    const store = open();
    const watches = listOf(store);
    watches.register(bank, [consentOf(1)], set);
    watches.observe(idOf(store, 1), set, snapshot(1, { tax_arrears_open: 0 }));
    watches.observe(idOf(store, 1), set, snapshot(2, { tax_arrears_open: 1 }));
    const own = new BankWatches({ db, box, plan, recordOf: (company) => hashes().hashId(bank, company) });
    own.add(usccOf(1));
    own.putAlert(tax, `alert_${"1".repeat(32)}`, { version: 1, service: job, party: tax, company: usccOf(1), ended: "CONSENT_EXPIRED" }, now);
    const counts = (): number[] => ["watches", "watch_news", "watch_list", "watch_alerts"].map((t) => Number(db.get(`select count(*) as n from ${t}`)?.["n"]));
    eraseEnded(db, now);
    assert.deepEqual(counts(), [1, 1, 2, 1]);
    db.run("update jobs set state = 'cancelled'");
    eraseEnded(db, now + 40 * 86_400_000);
    assert.deepEqual(counts(), [0, 0, 0, 1], "it has not been delivered");
    db.run("update watch_alerts set delivered = 1");
    eraseEnded(db, now + 40 * 86_400_000);
    assert.deepEqual(counts(), [0, 0, 0, 0]);
  });
});
