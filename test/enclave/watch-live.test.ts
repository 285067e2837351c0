// The ends of a monitoring service in one process, over lines in memory: what the bank's does with news that it cannot place, and a provider's with withdrawals.
import { assert } from "chai";
import { afterEach, before, describe, it } from "mocha";
import type { PartyId } from "../../core/brand.ts";
import { systemRng } from "../../core/rng.ts";
import { Budgets } from "../../enclave/budgets.ts";
import type { ConsentDesk } from "../../enclave/consents/desk.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { HostLink } from "../../enclave/live/host-link.ts";
import { Journal } from "../../enclave/live/journal.ts";
import { ServiceLedger } from "../../enclave/live/service-ledger.ts";
import type { Standing } from "../../enclave/live/standing.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { BankWatches } from "../../enclave/watch/bank-store.ts";
import { GuestWatch } from "../../enclave/watch/guest-watch.ts";
import { HostWatch } from "../../enclave/watch/host-watch.ts";
import { ProviderWatches } from "../../enclave/watch/provider-store.ts";
import type { TypedBody } from "../../federation/messages.ts";
import { listDigest } from "../../federation/watch/list.ts";
import type { News } from "../../federation/watch/messages.ts";
import { WatchList } from "../../monitoring/watch/list.ts";
import { arrears, consentOf, declared, now, usccOf } from "../monitoring/support.ts";
import { bank, Ca, Channels, planOf, tax, temporaryFolder } from "../support/enclave.ts";
import { eventually } from "../support/process.ts";
import { Hub } from "../support/live-service.ts";

const plan = planOf({ kind: "watch", purpose: "post-loan-monitoring", hosts: [tax], params: { triggers: { tax: [arrears()] } } });
const box = new SecretBox(systemRng(32), systemRng);
const ended = (n: number): News => ({ id: `end_${String(n).padStart(32, "0")}`, watch: `watch_${String(n).padStart(32, "0")}`, ended: "CONSENT_EXPIRED" });

describe("the bank's end of a monitoring service", () => {
  let channels: Channels;
  let open: DisposableStack;
  let faults: unknown[];
  before(async () => {
    using folder = temporaryFolder();
    const ca = await Ca.create();
    const identities = new Map<PartyId, Identity>();
    for (const party of [bank, tax]) identities.set(party, await ca.enrol(`${folder.path}/${party}`, party));
    channels = await Channels.open(plan, identities);
  });
  afterEach(() => open.dispose());

  /** A bank with such a list, and a provider that tells it this; gives what it acknowledges. */
  const start = (prepare: (list: BankWatches) => void, news: readonly News[]): { readonly acknowledged: readonly string[]; readonly asked: readonly string[] } => {
    open = new DisposableStack();
    faults = [];
    const hub = new Hub();
    const [acknowledged, asked]: [string[], string[]] = [[], []];
    const standing = (self: PartyId): Standing => {
      const db = open.use(new StateDatabase(":memory:"));
      const journal = new Journal(db);
      const ledger = new ServiceLedger(db, plan, self);
      const budgets = new Budgets(db, Date.now, systemRng(32));
      if (self === bank) prepare(new BankWatches({ db, box, plan, recordOf: (company) => budgets.hashId(bank, company) }));
      return {
        plan, self, tools: { db, budgets, now: Date.now, rng: systemRng } as never, live: hub.transport(self), ledger, uses: { lastN: -1, write: () => undefined } as never,
        sessionOf: (peer) => channels.session(self, peer), settled: () => journal.add(() => ledger.write()), fail: (error) => faults.push(error), dropped: (_party, code) => faults.push(code),
      };
    };
    const provider = open.use(new HostLink(standing(tax), {
      answer: (type, body) => {
        if (type === "watch/acknowledge") acknowledged.push(...(body as TypedBody<"watch/acknowledge">).ids);
        if (type !== "watch/ask") return undefined;
        const { n, ask } = body as TypedBody<"watch/ask">;
        asked.push(ask.what);
        void provider.send({ type: "watch/news", body: { news: [...news] } });
        return { type: "watch/answer", body: { n, answer: { what: "list", ...listDigest([]) } } };
      },
      busy: () => undefined, write: () => undefined,
    }));
    const desk = { collect: () => Promise.resolve(), store: { of: () => [] } } as unknown as ConsentDesk;
    open.use(new GuestWatch(standing(bank), { seed: systemRng(32), desk, box, signal: new AbortController().signal }));
    return { acknowledged, asked };
  };

  it("acknowledges what is told of a company that it has taken off its list: it would be told for ever, and hold up the rest", async () => {
    const { acknowledged } = start(() => undefined, [ended(1)]);
    await eventually("the acknowledgement", () => acknowledged.length > 0);
    assert.deepEqual(acknowledged, [ended(1).id]);
    assert.deepEqual(faults, []);
  });
  it("does not acknowledge what may be told of one whose registration is still to be answered", async () => {
    const { acknowledged, asked } = start((list) => {
      list.add(usccOf(1));
      list.set(tax, usccOf(1), { state: "wanted", code: "CONSENT_LIST_STALE", retryAt: Date.now() + 60_000 });
    }, [ended(1)]);
    await eventually("the question", () => asked.includes("list"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual([acknowledged, faults], [[], []]);
  });
});

describe("a provider's end of a monitoring service", () => {
  it("ends watches whose consents, or the keys under them, are withdrawn as soon as a list says so, and watches the others on", async () => {
    using held = new DisposableStack();
    const faults: unknown[] = [];
    const db = held.use(new StateDatabase(":memory:"));
    const budgets = new Budgets(db, () => now, systemRng(32));
    const store = new ProviderWatches({ db, box, plan, budgets });
    const withdrawn = new Map<string, number>();
    const lists = { state: "1", basis: { revocations: { current: () => ({ entries: withdrawn }) } }, lists: { relied: () => undefined } };
    const set = declared(arrears());
    const [first, second, third] = [consentOf(1), consentOf(2, { key: "e".repeat(64) }), consentOf(3)];
    new WatchList({ store, now: () => now, rng: systemRng, isWithdrawn: () => false }).register(bank, [first, second, third], set);
    const idOf = (n: number): string => store.find(bank, usccOf(n))?.id ?? "";
    const [ofFirst, ofSecond] = [idOf(1), idOf(2)];
    const standing = {
      plan, self: tax, tools: { db, budgets, now: () => now, rng: systemRng, log: { error: (event: string) => faults.push(event), warn: (event: string) => faults.push(event) } }, live: new Hub().transport(tax),
      uses: { note: () => undefined, write: () => undefined }, settled: () => Promise.resolve(), fail: (error: unknown) => faults.push(error), dropped: (_party: PartyId, code: string) => faults.push(code),
    } as unknown as Standing;
    const sources = { now: { snapshotDigest: "a".repeat(64), set, items: { authorised: [], open: [] }, itemsOf: () => [], read: () => ({ values: { tax_arrears_open: 0 } }) } };
    held.use(new HostWatch(standing, { sources, desk: lists as unknown as ConsentDesk, box, guestUscc: undefined, planDigest: "b".repeat(64) }));
    await eventually("everybody was looked at", () => faults.length > 0 || store.due(1, 1).length === 0);
    assert.deepEqual([faults, store.count(bank)], [[], 3]);
    withdrawn.set(first.digest, 0).set(second.key ?? "", 0);
    lists.state = "2";
    await eventually("both are ended", () => faults.length > 0 || store.count(bank) === 1, 5_000);
    assert.deepEqual([...store.ids()], [idOf(3)]);
    assert.sameDeepMembers(store.news(10, { day: "2025-06-01", perDay: 10 }).map((n) => [n.watch, "ended" in n && n.ended]), [[ofFirst, "CONSENT_WITHDRAWN"], [ofSecond, "CONSENT_WITHDRAWN"]]);
    assert.deepEqual(faults, []);
  });
});
