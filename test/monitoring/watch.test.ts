// The watch list: who is watched, on whose consent, until when.
import { assert } from "chai";
import { describe, it } from "mocha";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError, type Code } from "../../core/errors.ts";
import { seededRng } from "../../core/rng.ts";
import { WatchList, type VerifiedConsent, type WatchLimits } from "../../monitoring/watch/list.ts";
import { arrears, codeOf, consentOf, declared, MemoryWatchStore, now, snapshot, usccOf } from "./support.ts";

const set = declared(arrears({ atStart: "alert" }));
const digest = (n: number): string => consentOf(n).digest;

function listOf(limits?: WatchLimits): { list: WatchList; store: MemoryWatchStore; clock: { ms: number }; withdrawn: Set<string> } {
  const store = new MemoryWatchStore();
  const clock = { ms: now };
  const withdrawn = new Set<string>();
  const env = { store, now: () => clock.ms, rng: seededRng(new Uint8Array(32), "watch"), isWithdrawn: (consent: { digest: string }) => withdrawn.has(consent.digest) };
  return { list: new WatchList({ ...env, ...(limits === undefined ? {} : { limits }) }), store, clock, withdrawn };
}
const idOf = (store: MemoryWatchStore, n: number): string => store.find("bank", usccOf(n))?.id ?? assert.fail("not watched");

describe("the watch list", () => {
  it("registers companies on consents to be monitored, under ids that tell nothing", () => {
    const { list, store } = listOf();
    assert.deepEqual(list.register("bank", [consentOf(1), consentOf(2)], set), ["added", "added"]);
    assert.equal(store.count("bank"), 2);
    const id = idOf(store, 1);
    assert.match(id, /^watch_[0-9a-f]{32}$/);
    assert.notInclude(id, usccOf(1));
  });

  const refusals: readonly [string, Partial<VerifiedConsent>, Code][] = [
    ["another institution's", { grantee: "other" }, "CONSENT_GRANTEE"],
    ["one to be scored alone", { kinds: ["score"] }, "CONSENT_KIND"],
    ["for another purpose", { purpose: "loan-approval" }, "CONSENT_PURPOSE"],
    ["without an item that is read", { items: ["tax.payment"] }, "CONSENT_ITEM"],
    ["not yet in force", { notBefore: now / 1000 + 1 }, "CONSENT_NOT_YET"],
    ["that has ended", { notAfter: now / 1000 }, "CONSENT_EXPIRED"],
  ];
  for (const [name, more, code] of refusals) {
    it(`refuses a consent: ${name}; the others of the request are registered`, () => {
      const { list, store } = listOf();
      assert.deepEqual(list.register("bank", [consentOf(1), consentOf(2, more), consentOf(3)], set), ["added", code, "added"]);
      assert.isUndefined(store.find("bank", usccOf(2)));
    });
  }

  it("refuses what was withdrawn, and everything while withdrawals cannot be known", () => {
    const { list, withdrawn } = listOf();
    withdrawn.add(digest(1));
    assert.deepEqual(list.register("bank", [consentOf(1)], set), ["CONSENT_WITHDRAWN"]);
    const store = new MemoryWatchStore();
    const blind = new WatchList({ store, now: () => now, rng: seededRng(new Uint8Array(32), "w"), isWithdrawn: () => { throw new AppError("CONSENT_LIST_STALE"); } });
    assert.equal(codeOf(() => blind.register("bank", [consentOf(1)], set)), "CONSENT_LIST_STALE");
    assert.equal(store.watches.size, 0);
  });

  it("is bounded: a request that does not fit registers nobody", () => {
    const { list, store } = listOf({ perInstitution: 2, perRequest: 3 });
    assert.equal(codeOf(() => list.register("bank", [1, 2, 3].map((n) => consentOf(n)), set)), "WATCH_FULL");
    assert.equal(store.watches.size, 0);
    assert.equal(codeOf(() => list.register("bank", [1, 1, 1, 1].map((n) => consentOf(n)), set)), "WATCH_REQUEST");
    assert.deepEqual(list.register("bank", [1, 1, 2].map((n) => consentOf(n)), set), ["added", "already", "added"]);
    const other = [3, 4].map((n) => consentOf(n, { grantee: "other" }));
    assert.deepEqual(list.register("other", other, set), ["added", "added"], "each institution has its own bound");
  });

  it("refuses malformed companies and times", () => {
    const { list } = listOf();
    for (const more of [{ subject: "91310000000000001X" }, { digest: "x" }, { notAfter: Number.NaN }, { notBefore: now, notAfter: now / 1000 }]) {
      assert.equal(codeOf(() => list.register("bank", [consentOf(1, more)], set)), "WATCH_REQUEST", JSON.stringify(more));
    }
  });

  it("takes a company once; a later consent renews the watch and keeps its state, an earlier end changes nothing", () => {
    const { list, store, clock } = listOf();
    list.register("bank", [consentOf(1)], set);
    const id = idOf(store, 1);
    list.observe(id, set, snapshot(1, { tax_arrears_open: 0 }));
    const later = { digest: sha256Hex("later"), notAfter: now / 1000 + 5000 };
    assert.deepEqual(list.register("bank", [consentOf(1), consentOf(1, later), consentOf(1, { digest: sha256Hex("short"), notAfter: now / 1000 + 10 })], set), ["already", "renewed", "already"]);
    assert.equal(idOf(store, 1), id);
    assert.isDefined(store.state(id));
    assert.equal(list.withdraw([digest(1)]), 0, "the watch is under the later consent");
    clock.ms = now + 2_000_000;
    assert.deepEqual(list.observe(id, set, snapshot(2, { tax_arrears_open: 5 })).map((a) => a.trigger), ["arrears"]);
  });
});

describe("the end of a watch", () => {
  const watching = (): ReturnType<typeof listOf> & { id: string } => {
    const made = listOf();
    made.list.register("bank", [consentOf(1), consentOf(2)], set);
    const id = idOf(made.store, 1);
    made.list.observe(id, set, snapshot(1, { tax_arrears_open: 7 }));
    assert.equal(made.store.alerts.size, 1);
    return { ...made, id };
  };
  const isGone = ({ store, id, list }: { store: MemoryWatchStore; id: string; list: WatchList }): void => {
    assert.deepEqual([store.get(id), store.state(id), store.alerts.size], [undefined, undefined, 0]);
    assert.equal(codeOf(() => list.observe(id, set, snapshot(9, { tax_arrears_open: 9 }))), "WATCH_UNKNOWN");
    assert.equal(store.count("bank"), 1, "the other company is watched on");
  };

  it("by removal erases state and waiting alerts", () => {
    const made = watching();
    made.list.remove("bank", usccOf(1));
    isGone(made);
    assert.equal(codeOf(() => made.list.remove("bank", usccOf(1))), "WATCH_UNKNOWN");
    assert.equal(codeOf(() => made.list.remove("other", usccOf(2))), "WATCH_UNKNOWN", "another institution's");
  });
  it("by withdrawal erases them at once", () => {
    const made = watching();
    assert.equal(made.list.withdraw([digest(1), digest(77)]), 1);
    isGone(made);
  });
  it("comes with the next look when the withdrawal was not passed on", () => {
    const made = watching();
    made.withdrawn.add(digest(1));
    assert.equal(codeOf(() => made.list.observe(made.id, set, snapshot(2, { tax_arrears_open: 9 }))), "WATCH_UNKNOWN");
    isGone(made);
  });
  it("comes with the consent's last second", () => {
    const made = watching();
    made.list.register("bank", [consentOf(2, { digest: sha256Hex("longer"), notAfter: now / 1000 + 9999 })], set);
    made.clock.ms = now + 999_999;
    assert.equal(made.list.expire(), 0);
    made.clock.ms = now + 1_000_000;
    assert.equal(codeOf(() => made.list.observe(made.id, set, snapshot(2, { tax_arrears_open: 9 }))), "WATCH_UNKNOWN", "before the sweep, too");
    assert.isUndefined(made.store.get(made.id));
    assert.deepEqual(made.list.register("bank", [consentOf(1, { notAfter: now / 1000 + 1001 })], set), ["added"]);
    made.clock.ms += 1000;
    assert.equal(made.list.expire(), 1);
    isGone(made);
  });
  it("is final: a new consent begins a new watch, without the old state", () => {
    const made = watching();
    made.withdrawn.add(digest(1));
    assert.deepEqual(made.list.register("bank", [consentOf(1, { digest: sha256Hex("anew") })], set), ["added"]);
    assert.notEqual(idOf(made.store, 1), made.id);
    assert.isUndefined(made.store.state(idOf(made.store, 1)));
    assert.equal(made.store.alerts.size, 0);
  });
});

describe("an observation", () => {
  it("stores state and alerts together or not at all, and the same alerts when it is made again", () => {
    const { list, store } = listOf();
    list.register("bank", [consentOf(1)], set);
    const id = idOf(store, 1);
    store.failAt = 3; // the registration was one write; the state the second, the alert the third
    assert.equal(codeOf(() => list.observe(id, set, snapshot(1, { tax_arrears_open: 7 }))), "MONITOR_STATE");
    assert.deepEqual([store.state(id), store.alerts.size], [undefined, 0]);
    store.failAt = Number.POSITIVE_INFINITY;
    const alerts = list.observe(id, set, snapshot(1, { tax_arrears_open: 7 }));
    assert.lengthOf(alerts, 1);
    assert.deepEqual(list.observe(id, set, snapshot(1, { tax_arrears_open: 7 })), []);
    assert.deepEqual([...store.alerts.keys()], alerts.map((a) => a.id));
    const [stored] = [...store.alerts.values()];
    assert.notInclude(stored?.text ?? "", usccOf(1));
  });
  it("of a damaged state is refused and changes nothing", () => {
    const { list, store } = listOf();
    list.register("bank", [consentOf(1)], set);
    store.putState(idOf(store, 1), "{}");
    assert.equal(codeOf(() => list.observe(idOf(store, 1), set, snapshot(1, {}))), "MONITOR_STATE");
    assert.equal(store.state(idOf(store, 1)), "{}");
  });
});
