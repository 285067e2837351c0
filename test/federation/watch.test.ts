// A monitoring service as pure machines: what each side sends and keeps, lost frames, restarts, and that no alert is lost or told twice.
import { assert } from "chai";
import { describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { encodeFrame } from "../../core/codec.ts";
import { compileLeakage } from "../../federation/leakage.ts";
import { checkBody, specOf } from "../../federation/messages.ts";
import { WatchGuest, type Wanted } from "../../federation/watch/guest.ts";
import { firstPauseMs, longestPauseMs, mostUnderWay, WatchHost } from "../../federation/watch/host.ts";
import { listDigest } from "../../federation/watch/list.ts";
import { againAfter, frameBytes, passingRefusals, type News, type WatchAnswer, type WatchAsk, type WatchVerdict } from "../../federation/watch/messages.ts";
import { watchJobSchema } from "../../federation/watch/params.ts";

const [bank, tax] = ["bank", "tax"].map(partyId) as [PartyId, PartyId];
const watchOf = (company: string): string => `watch_${sha256Hex(company).slice(0, 32)}`;
const alert = (n: number, company = "a"): News => ({
  id: `alert_${sha256Hex(`${n}`).slice(0, 32)}`, watch: watchOf(company), trigger: "tax-arrears", kind: "arrears-begun", severity: "major", asOf: "2026-02-01",
});
const trigger = { id: "arrears", kind: "arrears-begun", severity: "major", text: { zh: "开始欠税", en: "Arrears have begun" }, coolDownDays: 30, indicator: "tax_arrears_open" } as const;

/** A provider with what it keeps: restarted on the same state by `start`. */
class Provider {
  readonly watched = new Set<string>();
  readonly waiting = new Map<string, News>();
  readonly refused = new Map<string, WatchVerdict>();
  sent: News[][] = [];
  machine = this.start();

  start(): WatchHost {
    this.machine = new WatchHost({
      register: (companies) => companies.map(({ company }): WatchVerdict => {
        const refusal = this.refused.get(company);
        if (refusal !== undefined) return refusal;
        this.watched.add(company);
        return { watch: watchOf(company) };
      }),
      remove: (companies) => companies.forEach((c) => this.watched.delete(c)),
      list: () => listDigest([...this.watched].map(watchOf).sort()),
      news: (limit, except) => [...this.waiting.values()].filter((n) => !except.has(n.id)).slice(0, limit),
      acknowledged: (ids) => ids.forEach((id) => this.waiting.delete(id)),
      send: ({ news }) => this.sent.push(news),
    });
    return this.machine;
  }
}

/** A bank with what it keeps; its questions are answered by hand. */
class Bank {
  readonly wanted = new Map<string, { state: "wanted" | "removing" | "watched" | "refused"; watch?: string }>();
  readonly stored = new Set<string>();
  asked: { host: PartyId; ask: WatchAsk; end: (answer: WatchAnswer | undefined) => void }[] = [];
  acknowledged: string[][] = [];
  consentChars = 10;
  machine = this.start();

  start(): WatchGuest {
    const inState = (state: string): string[] => [...this.wanted].filter(([, w]) => w.state === state).map(([c]) => c);
    this.asked = [];
    this.machine = new WatchGuest([tax], {
      toRegister: (_host, limit): Wanted => inState("wanted").slice(0, limit).map((company) => ({ company, consent: "x".repeat(this.consentChars) })),
      toRemove: (_host, limit) => inState("removing").slice(0, limit),
      registered: (_host, companies, verdicts) => companies.forEach((c, i) => {
        const verdict = verdicts[i] as WatchVerdict;
        this.wanted.set(c, "watch" in verdict ? { state: "watched", watch: verdict.watch } : { state: "refused" });
      }),
      removed: (_host, companies) => companies.forEach((c) => this.wanted.delete(c)),
      list: () => listDigest([...this.wanted.values()].flatMap((w) => w.watch ?? []).sort()),
      forget: () => inState("watched").forEach((c) => this.wanted.set(c, { state: "wanted" })),
      take: (_host, news) => {
        const known = new Set([...this.wanted.values()].flatMap((w) => w.watch ?? []));
        const taken = news.filter((n) => known.has(n.watch)).map((n) => n.id);
        taken.forEach((id) => this.stored.add(id));
        return taken;
      },
      ask: (host, ask, end) => this.asked.push({ host, ask, end }),
      acknowledge: (_host, { ids }) => this.acknowledged.push(ids),
    });
    return this.machine;
  }
  want(...companies: string[]): void {
    for (const c of companies) this.wanted.set(c, { state: "wanted" });
    this.machine.changed();
  }
  states(): string[] {
    return [...this.wanted].map(([c, w]) => `${c} ${w.state}`);
  }
  /** Has everything that is under way answered, and what follows from it. */
  settle(provider: Provider): string[] {
    const kinds: string[] = [];
    for (let next = this.asked.shift(); next !== undefined; next = this.asked.shift()) {
      kinds.push(next.ask.what);
      next.end(provider.machine.ask(next.ask));
    }
    return kinds;
  }
}
const connected = (): { bank: Bank; provider: Provider } => {
  const both = { bank: new Bank(), provider: new Provider() };
  both.bank.machine.up(tax);
  both.provider.machine.up(0);
  both.bank.settle(both.provider);
  return both;
};

describe("the bank's list at a provider", () => {
  it("is brought there, one question at a time, and what is refused stays so", () => {
    const { bank: b, provider: p } = connected();
    p.refused.set("c", { code: "CONSENT_MISSING" });
    b.want("a", "b", "c");
    assert.lengthOf(b.asked, 1);
    assert.deepEqual(b.settle(p), ["register"]);
    assert.deepEqual(b.states(), ["a watched", "b watched", "c refused"]);
    assert.sameMembers([...p.watched], ["a", "b"]);
    b.machine.changed();
    assert.lengthOf(b.asked, 0);
  });
  it("waits for a channel, and comes in frames that fit", () => {
    const b = new Bank();
    const p = new Provider();
    b.consentChars = 8000;
    b.want(...Array.from({ length: 20 }, (_, i) => `company ${i}`));
    assert.lengthOf(b.asked, 0);
    b.machine.up(tax);
    assert.deepEqual(b.settle(p), ["list", "register", "register", "register"]);
    assert.equal(p.watched.size, 20);
  });
  it("survives lost questions and lost answers: the next channel asks again, and the provider says the same", () => {
    const { bank: b, provider: p } = connected();
    b.want("a");
    // The question arrived, its answer did not.
    p.machine.ask((b.asked[0] as (typeof b.asked)[0]).ask);
    b.asked.shift()?.end(undefined);
    assert.deepEqual(b.states(), ["a wanted"]);
    b.machine.up(tax);
    b.settle(p);
    assert.deepEqual(b.states(), ["a watched"]);
    assert.equal(p.watched.size, 1);
  });
  it("is taken off before anything is added, and a removal that was lost is asked again", () => {
    const { bank: b, provider: p } = connected();
    b.want("a");
    b.settle(p);
    b.wanted.set("a", { state: "removing" });
    b.want("b");
    assert.equal(b.asked[0]?.ask.what, "remove");
    b.asked.shift()?.end(undefined);
    b.machine.compare();
    assert.deepEqual(b.settle(p), ["remove", "list", "register"]);
    assert.deepEqual([b.states(), [...p.watched]], [["b watched"], ["b"]]);
  });
  it("is registered anew where the provider has another, once and not in circles", () => {
    const { bank: b, provider: p } = connected();
    b.want("a", "b");
    b.settle(p);
    p.watched.delete("a");
    b.machine.compare();
    assert.deepEqual(b.settle(p), ["list", "register"]);
    assert.sameMembers([...p.watched], ["a", "b"]);
    b.machine.compare();
    assert.deepEqual(b.settle(p), ["list"], "they are the same again");
    p.watched.add("of a backup");
    b.machine.compare();
    assert.deepEqual(b.settle(p), ["list", "register"]);
    b.machine.compare();
    assert.deepEqual(b.settle(p), ["list"], "it differs for another reason");
  });
  it("takes nothing from an answer of another kind or length", () => {
    const { bank: b } = connected();
    b.want("a");
    b.asked.shift()?.end({ what: "registered", verdicts: [{ watch: watchOf("a") }, { watch: watchOf("b") }] });
    b.machine.compare();
    b.asked.shift()?.end({ what: "registered", verdicts: [{ watch: watchOf("a") }] });
    assert.deepEqual(b.states(), ["a wanted"]);
  });
});

describe("news of a provider", () => {
  it("stay until they are acknowledged, and are sent again with growing pauses", () => {
    const { provider: p } = connected();
    p.waiting.set(alert(1).id, alert(1));
    p.machine.told(0);
    assert.lengthOf(p.sent, 1);
    let now = 0;
    const pauses: number[] = [];
    for (let i = 0; i < 12; i++) {
      const next = p.machine.nextTick();
      pauses.push(next - now);
      now = next;
      p.machine.tick(now - 1);
      p.machine.tick(now);
    }
    assert.lengthOf(p.sent, 13);
    assert.equal(pauses[0], firstPauseMs);
    assert.equal(pauses.at(-1), longestPauseMs);
    assert.isTrue(p.sent.every((news) => news[0]?.id === alert(1).id));
  });
  it("reach the bank once, whatever is lost or repeated on the way", () => {
    const { bank: b, provider: p } = connected();
    b.want("a");
    b.settle(p);
    p.waiting.set(alert(1).id, alert(1));
    p.machine.told(0);
    // The acknowledgement is lost, and the provider is killed; its rows are not.
    b.machine.news(tax, { news: p.sent[0] as News[] });
    p.sent = [];
    p.start();
    assert.lengthOf(p.sent, 0, "nothing leaves without a channel");
    p.machine.up(10);
    b.machine.news(tax, { news: p.sent[0] as News[] });
    assert.equal(b.stored.size, 1);
    assert.deepEqual(b.acknowledged, [[alert(1).id], [alert(1).id]]);
    p.machine.acknowledge({ ids: b.acknowledged[1] as string[] }, 20);
    assert.equal(p.waiting.size, 0);
    assert.equal(p.machine.nextTick(), Infinity);
  });
  it("are not acknowledged for a watch that the bank does not know yet: they are told again", () => {
    const { bank: b, provider: p } = connected();
    p.waiting.set(alert(1).id, alert(1));
    p.machine.told(0);
    b.machine.news(tax, { news: p.sent[0] as News[] });
    assert.deepEqual(b.acknowledged, []);
    b.want("a");
    b.settle(p);
    p.machine.tick(firstPauseMs);
    b.machine.news(tax, { news: p.sent[1] as News[] });
    assert.deepEqual(b.acknowledged, [[alert(1).id]]);
  });
  it("come frame by frame, each once on its way, and no more under way than there is room for", () => {
    const { provider: p } = connected();
    for (let i = 0; i < 600; i++) p.waiting.set(alert(i).id, alert(i));
    p.machine.told(0);
    p.machine.told(1);
    assert.deepEqual(p.sent.map((s) => s.length), Array.from({ length: mostUnderWay / 64 }, () => 64));
    p.machine.acknowledge({ ids: (p.sent[0] as News[]).map((n) => n.id) }, 2);
    assert.equal(p.sent.at(-1)?.length, 64);
    p.machine.acknowledge({ ids: p.sent.slice(1).flat().map((n) => n.id) }, 3);
    assert.equal(p.sent.at(-1)?.length, 600 - mostUnderWay - 64);
    assert.sameMembers(p.sent.flat().map((n) => n.id), Array.from({ length: 600 }, (_, i) => alert(i).id));
    p.machine.acknowledge({ ids: p.sent.flat().map((n) => n.id) }, 4);
    assert.deepEqual([p.waiting.size, p.machine.nextTick()], [0, Infinity]);
  });
  it("are not held up by one that the bank cannot place yet, which is told again with pauses that go on growing", () => {
    const { bank: b, provider: p } = connected();
    b.want("a");
    b.settle(p);
    const stuck = alert(1, "of nobody");
    p.waiting.set(stuck.id, stuck);
    p.machine.told(0);
    const pass = (now: number): void => {
      for (const news of p.sent.splice(0)) b.machine.news(tax, { news });
      for (const ids of b.acknowledged.splice(0)) p.machine.acknowledge({ ids }, now);
    };
    pass(0);
    for (let i = 2; i < 5; i++) {
      p.waiting.set(alert(i).id, alert(i));
      p.machine.told(i);
      assert.deepEqual(p.sent.map((news) => news.map((n) => n.id)), [[alert(i).id]], "at once, and alone");
      pass(i);
    }
    assert.deepEqual([...p.waiting.keys()], [stuck.id]);
    p.machine.tick(firstPauseMs);
    assert.deepEqual(p.sent.map((news) => news.map((n) => n.id)), [[stuck.id]]);
    assert.equal(p.machine.nextTick(), 3 * firstPauseMs);
  });
});

describe("what a monitoring service sends", () => {
  it("has no room for a value, a company or a band in what leaves a provider", () => {
    const ends = { from: "host", to: "guest" } as const;
    const fits = (type: string, body: unknown): boolean => {
      try {
        checkBody(type, body, ends);
        return true;
      } catch (error) {
        if (error instanceof AppError && error.code === "PROTOCOL_SCHEMA") return false;
        throw error;
      }
    };
    const [good] = [alert(1)];
    assert.isTrue(fits("watch/news", { news: [good] }));
    for (const more of [{ value: 7 }, { company: "a" }, { band: "strong" }, { text: "x" }]) assert.isFalse(fits("watch/news", { news: [{ ...good, ...more }] }), JSON.stringify(more));
    assert.isFalse(fits("watch/news", { news: [{ ...good, watch: "91310000000000001X" }] }));
    assert.isFalse(fits("watch/answer", { n: 1, answer: { what: "registered", verdicts: [{ watch: watchOf("a"), held: true }] } }));
  });
  it("fits its frames at their fullest", () => {
    const news = Array.from({ length: 64 }, (_, i): News => ({ ...alert(i), trigger: "t".repeat(48), kind: "activity-collapse", severity: "critical" }));
    assert.isBelow(encodeFrame("watch/news", { news }).length, specOf("watch/news")?.maxBytes ?? 0);
    const verdicts = Array.from({ length: 64 }, () => ({ code: "CONSENT_USE_CONFLICT" }));
    assert.isBelow(encodeFrame("watch/answer", { n: 2 ** 40, answer: { what: "registered", verdicts } }).length, specOf("watch/answer")?.maxBytes ?? 0);
    const companies = Array.from({ length: 64 }, () => "企".repeat(128));
    assert.isBelow(encodeFrame("watch/ask", { n: 1, ask: { what: "remove", companies } }).length, specOf("watch/ask")?.maxBytes ?? 0);
    assert.isBelow(frameBytes, specOf("watch/ask")?.maxBytes ?? 0);
  });
  const dataset = { name: "data", rows: 10, features: 2, labelled: true, snapshotDigest: "0".repeat(64) };
  const planOf = (params: Record<string, unknown>) => ({
    kind: "watch" as const, guest: bank, hosts: [tax], datasets: { bank: dataset, tax: dataset }, params: watchJobSchema.parse(params) as unknown as Record<string, unknown>,
  });
  it("is stated: companies and consents to the provider, one bit for each alert to the bank", () => {
    const { leakage } = compileLeakage(planOf({ days: 30, triggers: { tax: [trigger] }, companies: 100, alertsPerDay: 5 }));
    const line = (type: string) => leakage.find((l) => l.type === type) ?? assert.fail(type);
    assert.equal(line("watch/ask").numbers, 2 * 31 * 100);
    // Five a day for 31 days are fewer than two for each company; and each watch may end.
    assert.equal(line("watch/news").numbers, 5 * 31 + 31 * 100);
    const wide = compileLeakage(planOf({ days: 30, triggers: { tax: [trigger] }, companies: 100, alertsPerDay: 1000 })).leakage.find((l) => l.type === "watch/news");
    assert.equal(wide?.numbers, 2 * 100 + 31 * 100);
  });
  it("has room for a list that a quota refuses all the time, brought again as often as it is", () => {
    for (const companies of [1, 16, 17, 30, 100, 3_000, 10_000, 100_000]) {
      const { leakage } = compileLeakage(planOf({ days: 90, triggers: { tax: [trigger] }, companies }));
      const messages = leakage.find((l) => l.type === "watch/ask")?.maxMessages ?? 0;
      for (const code of Object.keys(passingRefusals)) {
        const times = (90 * 86_400_000) / (againAfter(code, companies) ?? 0);
        // Consents of two kilobytes; and lists are compared once a minute.
        assert.isBelow(times * Math.ceil(companies / 29) + 90 * 1440, messages, `${code} ${companies}`);
      }
    }
  });
  it("registers again what a registrar that is not believed yet signed, and not what no time changes", () => {
    assert.equal(againAfter("CONSENT_ISSUER", 10), 3_600_000);
    assert.isUndefined(againAfter("CONSENT_ITEM", 10));
    assert.isUndefined(againAfter("constructor", 10));
  });
  it("needs triggers for every provider, and none that tells what it finds first", () => {
    assert.throws(() => compileLeakage({ ...planOf({ triggers: { tax: [trigger] } }), hosts: [partyId("power")] }), AppError);
    assert.isFalse(watchJobSchema.safeParse({ triggers: { tax: [{ ...trigger, atStart: "alert" }] } }).success);
    assert.isFalse(watchJobSchema.safeParse({ triggers: { tax: [] } }).success);
  });
});
