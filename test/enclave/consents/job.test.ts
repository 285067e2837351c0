// Whole jobs of three enclaves on companies with credit codes: who consented is scored, who did not is told apart with the code, a restart in the
// middle changes nothing, and a withdrawal in the middle stops the provider's part.
import { createHmac } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, afterEach, before, beforeEach, describe, it } from "mocha";
import type { EntityId, JobId, PartyId } from "../../../core/brand.ts";
import { silentLog } from "../../../core/env.ts";
import { isoSeconds } from "../../../consent/book.ts";
import { rawKey } from "../../../consent/keys.ts";
import { consentDigest, type RevokedEntry } from "../../../consent/revocation.ts";
import { signConsent, type Consent } from "../../../consent/statement.ts";
import type { FeatureTableDefinition } from "../../../enclave/data/definition.ts";
import { BankConsents } from "../../../enclave/consents/guest.ts";
import { stageBatch } from "../../../enclave/batch/stage.ts";
import { enclavePaths } from "../../../enclave/config.ts";
import { modelIdOf } from "../../../federation/finish/end.ts";
import { scorable } from "../../../cli/scorable.ts";
import { consentOf, headerOf, keys, listOf, rawJws, registrar, usccOf } from "../../consent/support.ts";
import { FakePlatform } from "../../support/desk.ts";
import { bank, power, sealTo, tax } from "../../support/enclave.ts";
import { liftFloors, treeParamsSchema } from "../../../models/trees/params.ts";
import { eventually } from "../../support/process.ts";
import { smallTables } from "../../support/tables.ts";
import { parties, Stock, Workers } from "../../support/workers.ts";

const train = "job_000000000000000a" as JobId;
const jobs = ["b", "c", "d"].map((c) => `job_000000000000000${c}` as JobId);
const dayMs = 86_400_000;
const started = Date.now();
const at = (ms: number): string => isoSeconds(Math.floor((started + ms) / 1000));
const table = (columns: Record<string, string[]>): FeatureTableDefinition["catalogue"] => ({
  version: 1, catalogue: "2024-15",
  tables: { features: { subject: "ent_id", columns: Object.fromEntries(Object.entries(columns).map(([name, items]) => [name, { items, grade: undefined }])) } },
});
const declared = {
  tax: table({ turnover: ["tax.financial-filings"], arrears: ["tax.arrears"], sector: ["registry.industry"] }),
  power: table({ usage: ["utilities.electricity"], late_bills: ["utilities.electricity"] }),
};
const allItems = ["registry.industry", "tax.arrears", "tax.financial-filings", "utilities.electricity"];
const idOf = (n: number): string => `consent_${String(n).padStart(24, "0")}`;
const granted = (n: number, changes: Partial<Consent> = {}, key = keys.registrar): string => signConsent(consentOf({
  id: idOf(n), subject: usccOf(n), items: allItems, issuedAt: at(-dayMs), notBefore: at(-dayMs), notAfter: at(dayMs), use: { kind: "repeated" },
  evidence: { kind: "online", realName: { provider: "identity-service" as PartyId, at: at(-2 * dayMs), assurance: "high" } }, ...changes,
}), key);
const list = (sequence: number, ms = 0, entries: readonly RevokedEntry[] = []): string => listOf(sequence, { issuedAt: started + ms, lifetime: 3600, entries });
const withdrawn = (n: number, ms = 0): RevokedEntry => [consentDigest(idOf(n)), Math.floor((started + ms) / 1000), Math.floor((started + 2 * dayMs) / 1000)];

/** Companies 1 to `count` of the bank's table, without outcomes. */
async function staged(workers: Workers, stock: Stock, count: number): Promise<{ batch: string; rows: number }> {
  const [head = "", ...lines] = smallTables({ id: usccOf }).bank.trim().split("\n");
  const rows = [head, ...lines.slice(1, count + 1)].map((line) => line.split(",").filter((_, i) => i !== 1).join(","));
  const file = join(workers.folder(bank), "batch.csv");
  writeFileSync(file, `${rows.join("\n")}\n`);
  return stageBatch(file, { folder: workers.folder(bank), dataFolder: workers.folder(bank), definition: stock.definitions.get(bank) ?? assert.fail(), log: silentLog, now: Date.now });
}

describe("scoring companies with credit codes", function () {
  this.timeout(30_000);
  let stock: Stock;
  let workers: Workers;
  let platform: FakePlatform;
  let offset = 0;
  before(async () => {
    stock = await Stock.make({ id: usccOf, declared });
  });
  after(() => stock[Symbol.asyncDispose]());
  beforeEach(async () => {
    workers = await Workers.make(stock);
    platform = new FakePlatform();
    platform.lists = [list(1)];
    offset = 0;
    workers.consents = () => platform;
    const registrars = { keys: [{ name: registrar, key: rawKey(keys.registrar), from: at(-30 * dayMs), to: at(30 * dayMs) }] };
    for (const party of parties) {
      workers.setPolicy(party, { registrars, allow: [{ guest: "bank", kinds: ["scorecard", "score"], purposes: ["model-development", "loan-approval"], approve: "auto", sealTo: sealTo.x }] });
    }
  });
  afterEach(() => workers[Symbol.asyncDispose]());

  const startAll = (): void => parties.forEach((p) => workers.start(p, () => Date.now() + offset));
  const stage = (count: number): Promise<{ batch: string; rows: number }> => staged(workers, stock, count);
  async function trained(): Promise<void> {
    workers.exchange.submit(workers.plan(train));
    startAll();
    await workers.until(train, "done");
    for (const party of parties) await workers.untilAt(party, train, "done");
  }
  const score = async (job: JobId, batch: { batch: string; rows: number }): Promise<void> => {
    workers.exchange.submit(workers.plan(job, { kind: "score", purpose: "loan-approval", model: modelIdOf(train), params: batch }, { expiresAt: at(dayMs) }));
  };
  const scores = (job: JobId): Map<string, { points: string; refused: string }> => {
    const text = readFileSync(join(enclavePaths(workers.folder(bank)).results, job, "scores.csv"), "utf8").trim().split("\n").map((l) => l.split(","));
    assert.deepEqual(text[0], ["id", "points", "probability", "partial", "refused"]);
    return new Map(text.slice(1).map(([id = "", points = "", , , refused = ""]) => [id, { points, refused }]));
  };
  const holds = (party: PartyId): ReadonlySet<EntityId> => new Set(stock.datasets.get(party)?.ids);
  const known = (n: number): boolean => [tax, power].some((p) => holds(p).has(usccOf(n) as EntityId));

  it("names the refused with the code and scores all others; providers keep what they used of whom", async () => {
    const batch = await stage(40);
    const held = Array.from({ length: 40 }, (_, i) => i + 1).filter((n) => [tax, power].every((p) => holds(p).has(usccOf(n) as EntityId)));
    const [missing = 0, gone = 0, late = 0, forged = 0, narrow = 0, other = 0, abroad = 0] = held;
    const bad = new Map<number, [string, string]>([
      [missing, ["", "CONSENT_MISSING"]], [gone, [granted(gone), "CONSENT_WITHDRAWN"]], [late, [granted(late, { notAfter: at(-1000) }), "CONSENT_MISSING"]],
      [forged, [granted(forged, {}, keys.stranger), "CONSENT_ISSUER"]], [narrow, [granted(narrow, { items: ["utilities.electricity"] }), "CONSENT_ITEM"]],
      [other, [granted(other, { purpose: "credit-line-review" }), "CONSENT_MISSING"]], [abroad, [granted(abroad, { grantee: { party: "elsewhere" as PartyId, uscc: usccOf(9001) } }), "CONSENT_MISSING"]],
    ]);
    platform.lists = [list(1, 0, [withdrawn(gone, -500)])];
    platform.granted = Array.from({ length: 40 }, (_, i) => i + 1).flatMap((n) => (bad.has(n) ? bad.get(n)?.[0] ?? "" : granted(n)) || []);
    await trained();
    const [first = train] = jobs;
    await score(first, batch);
    await workers.until(first, "done");
    const found = scores(first);
    assert.equal(found.size, 40);
    for (let n = 1; n <= 40; n++) {
      const one = found.get(usccOf(n)) ?? assert.fail(String(n));
      assert.equal(one.refused, bad.get(n)?.[1] ?? "", String(n));
      if (bad.has(n)) assert.equal(one.points, "");
      else assert.isTrue(Number.isFinite(Number.parseFloat(one.points)));
    }
    const summary = JSON.parse(readFileSync(join(enclavePaths(workers.folder(bank)).results, first, "score.json"), "utf8")) as { refused: { companies: number; codes: Record<string, number>; hosts: Record<string, number> } };
    assert.deepEqual(summary.refused.codes, { CONSENT_MISSING: 4, CONSENT_WITHDRAWN: 1, CONSENT_ISSUER: 1, CONSENT_ITEM: 1 });
    assert.deepEqual(summary.refused.hosts, { tax: 7, power: 6 }, "the narrow one covers what the power company needs");
    // One use of each company that the provider holds and that was scored; none of the others; none of the training.
    for (const party of [tax, power]) {
      const used = workers.rows(party, "select job, count(*) as n from consent_uses group by job").map((r) => [r["job"], r["n"]]);
      const own = Array.from({ length: 40 }, (_, i) => i + 1).filter((n) => !bad.has(n) && holds(party).has(usccOf(n) as EntityId));
      assert.deepEqual(used, [[first, own.length]], party);
    }
    const files = ["state.db", "state.db-wal"].map((f) => join(workers.folder(tax), "state", f)).filter(existsSync).map((f) => readFileSync(f, "latin1")).join("");
    assert.notInclude(workers.logs.join("\n"), usccOf(gone));
    assert.include(files, first);
    assert.isTrue(workers.rows(tax, "select 1 as x from receipt_uses where job = ?", first).length > 0);
  });

  it("goes on over a restart of every party as if nothing had been", async () => {
    const batch = await stage(12);
    platform.granted = Array.from({ length: 12 }, (_, i) => granted(i + 1, { use: { kind: "single" } }));
    await trained();
    const [first = train, second = train] = jobs;
    const stopped = new Set<PartyId>();
    workers.exchange.stored = ({ job, from, to, seq }) => {
      // Each party dies once, in the middle of the check or right behind it.
      if (job !== first || stopped.has(from) || to === power || seq < 2) return;
      stopped.add(from);
      void workers.stop(from).then(() => workers.start(from, () => Date.now() + offset));
    };
    await score(first, batch);
    await workers.until(first, "done");
    assert.isAbove(stopped.size, 0);
    workers.exchange.stored = () => {};
    assert.isTrue([...scores(first).values()].every(({ refused }) => refused === ""));
    for (const party of parties) await workers.untilAt(party, first, "done");
    await score(second, batch);
    await workers.until(second, known(1) ? "failed" : "done").catch(() => undefined);
    const { state, failure } = workers.exchange.notice(second);
    const used = Array.from({ length: 12 }, (_, i) => i + 1).filter(known);
    if (used.length === 12) assert.deepEqual([state, failure?.code], ["failed", "CONSENT_USED"], "every single use is used up, nobody is left");
    else assert.deepEqual([...scores(second)].filter(([, s]) => s.refused === "CONSENT_USED").map(([id]) => id).sort(), used.map(usccOf).sort());
  });

  it("stops the provider's part when a company withdraws in the middle; the next job leaves that company out", async () => {
    const batch = await stage(20);
    const [gone = 0] = Array.from({ length: 20 }, (_, i) => i + 1).filter((n) => holds(tax).has(usccOf(n) as EntityId));
    platform.granted = Array.from({ length: 20 }, (_, i) => granted(i + 1));
    await trained();
    const [first = train, second = train] = jobs;
    workers.exchange.stored = ({ job, from, to }) => {
      // The rows are confirmed; the totals are what comes next.
      if (job !== first || from !== power || to !== tax) return;
      offset += 3_000;
      platform.lists = [list(2, offset, [withdrawn(gone, offset)])];
    };
    await score(first, batch);
    await workers.until(first, "failed");
    const { failure } = workers.exchange.notice(first);
    assert.deepEqual([failure?.code, failure?.party], ["CONSENT_WITHDRAWN", tax]);
    assert.isEmpty(workers.rows(tax, "select type from ledger where job = ? and type = 'totals/masked'", first));
    assert.isEmpty(workers.rows(tax, "select 1 as x from consent_uses"), "nothing left, nothing was used");
    await score(second, batch);
    await workers.until(second, "done");
    const refused = [...scores(second)].filter(([, s]) => s.refused !== "");
    assert.deepEqual(refused.map(([id, s]) => [id, s.refused]), [[usccOf(gone), "CONSENT_WITHDRAWN"]]);
    const others = [...scores(second)].filter(([id]) => id !== usccOf(gone));
    assert.lengthOf(others, 19);
    assert.isTrue(others.every(([, { points }]) => Number.isFinite(Number.parseFloat(points))), "all others are scored");
  });

  describe("for a bank that shows consents which do not hold", () => {
    const honest = Object.getOwnPropertyDescriptor(BankConsents.prototype, "choose") ?? assert.fail();
    let shown: (company: number) => string;
    beforeEach(() => {
      // The companies of the batch are those from 1 on, in the order of its file.
      BankConsents.prototype.choose = async (_host, _chunk, records) => Array.from(records, (record) => shown(record + 1));
    });
    afterEach(() => {
      Object.defineProperty(BankConsents.prototype, "choose", honest);
    });

    it("is refused by the providers themselves, each company with its code; the others are scored", async () => {
      const batch = await stage(60);
      const both = Array.from({ length: 60 }, (_, i) => i + 1).filter((n) => [tax, power].every((p) => holds(p).has(usccOf(n) as EntityId)));
      const single = both.at(-1) ?? 0;
      const unsigned = (n: number, header: object): string => rawJws({ ...headerOf(keys.registrar), ...header }, JSON.parse(Buffer.from(granted(n).split(".")[1] ?? "", "base64url").toString()) as never, keys.registrar);
      const hs256 = (n: number): string => {
        const [head = "", payload = ""] = unsigned(n, { alg: "HS256" }).split(".");
        return `${head}.${payload}.${createHmac("sha256", Buffer.from(rawKey(keys.registrar), "base64url")).update(`${head}.${payload}`).digest("base64url")}`;
      };
      const forged = (n: number): string => {
        const [head = "", payload = "", signature = ""] = granted(n).split(".");
        return `${head}.${payload}.${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
      };
      const minute = 60_000;
      const bad: readonly [string, (n: number) => string][] = [
        ["CONSENT_SIGNATURE", forged], ["CONSENT_ALGORITHM", (n) => unsigned(n, { alg: "none" })], ["CONSENT_ALGORITHM", hs256], ["CONSENT_ISSUER", (n) => granted(n, {}, keys.stranger)],
        ["CONSENT_EXPIRED", (n) => granted(n, { notAfter: at(-1000) })], ["CONSENT_NOT_YET", (n) => granted(n, { notBefore: at(60 * minute) })], ["CONSENT_WITHDRAWN", (n) => granted(n)],
        ["CONSENT_SUBJECT", (n) => granted(n, { subject: usccOf(n + 1) })], ["CONSENT_GRANTEE", (n) => granted(n, { grantee: { party: "elsewhere" as PartyId, uscc: usccOf(9001) } })],
        ["CONSENT_PURPOSE", (n) => granted(n, { purpose: "credit-line-review" })], ["CONSENT_KIND", (n) => granted(n, { kinds: ["train", "verify"] })], ["CONSENT_ITEM", (n) => granted(n, { items: ["tax.arrears"] })],
        ["CONSENT_NOTICE", (n) => granted(n, { notice: { version: "2026-1", digest: "b".repeat(64) } })], ["CONSENT_MISSING", () => ""], ["CONSENT_ENCODING", () => "nonsense"],
      ];
      const made = new Map(bad.map(([code, make], i) => [both[i] ?? assert.fail(), { code, text: make(both[i] ?? 0) }]));
      // Its issuer's clock is one minute ahead of the providers'.
      const [ahead = 0] = both.slice(bad.length);
      platform.lists = [list(1, 0, [...made].flatMap(([n, { code }]) => (code === "CONSENT_WITHDRAWN" ? [withdrawn(n, -500)] : [])))];
      shown = (n) => (n === single ? granted(n, { use: { kind: "single" } }) : n === ahead ? granted(n, { issuedAt: at(minute), notBefore: at(minute) }) : granted(n));
      await trained();
      const [first = train, second = train, third = train] = jobs;
      await score(first, batch);
      await workers.until(first, "done");
      assert.isTrue([...scores(first)].every(([id, { refused }]) => refused === (made.get(both.find((n) => usccOf(n) === id) ?? 0)?.code === "CONSENT_WITHDRAWN" ? "CONSENT_WITHDRAWN" : "")));
      const good = shown;
      shown = (n) => made.get(n)?.text ?? good(n);
      for (const party of parties) await workers.untilAt(party, first, "done");
      await score(second, batch);
      await workers.until(second, "done");
      const found = scores(second);
      for (let n = 1; n <= 60; n++) {
        const { refused, points } = found.get(usccOf(n)) ?? assert.fail(String(n));
        assert.equal(refused, n === single ? "CONSENT_USED" : made.get(n)?.code ?? "", String(n));
        assert.equal(points === "", refused !== "");
      }
      const hour = 3_600_000;
      offset += hour;
      shown = good;
      for (const party of parties) await workers.untilAt(party, second, "done");
      await score(third, batch);
      await workers.until(third, "failed");
      assert.equal(workers.exchange.notice(third).failure?.code, "CONSENT_LIST_STALE", "no list came for an hour");
    });
  });
});

describe("a model of consented companies alone", function () {
  this.timeout(60_000);
  let stock: Stock;
  let workers: Workers;
  let platform: FakePlatform;
  let offset = 0;
  const [gone, silent] = [[3, 5, 8], [13, 21]];
  before(async () => {
    stock = await Stock.make({ id: usccOf, declared });
  });
  after(() => stock[Symbol.asyncDispose]());
  beforeEach(async () => {
    workers = await Workers.make(stock);
    platform = new FakePlatform();
    offset = 0;
    workers.consents = () => platform;
    platform.lists = [list(1, 0, gone.map((n) => withdrawn(n, -500)))];
    const all = Array.from({ length: 3000 }, (_, n) => n).filter((n) => !silent.includes(n));
    platform.granted = all.map((n) => granted(n, { purpose: "model-development", kinds: ["train"] }));
    const registrars = { keys: [{ name: registrar, key: rawKey(keys.registrar), from: at(-30 * dayMs), to: at(30 * dayMs) }] };
    for (const party of parties) {
      workers.setPolicy(party, { registrars, allow: [{ guest: "bank", kinds: ["scorecard"], purposes: ["model-development"], approve: "auto", sealTo: sealTo.x, consentedOnly: party === tax }] });
    }
    parties.forEach((p) => workers.start(p, () => Date.now() + offset));
  });
  afterEach(() => workers[Symbol.asyncDispose]());
  const submit = (job: JobId, params: object): void => workers.exchange.submit(workers.plan(job, { params: { scorecard: { fit: { refinementRounds: 0 } }, ...params } }));
  const knownTo = (party: PartyId, n: number): boolean => stock.datasets.get(party)?.ids.includes(usccOf(n) as EntityId) === true;
  const known = (n: number): boolean => knownTo(tax, n) || knownTo(power, n);

  it("has no row of a company that did not agree or has withdrawn, and a provider can insist on it", async () => {
    submit(train, {});
    await workers.until(train, "failed");
    assert.equal(workers.stateAt(tax, train), "refused");
    assert.equal(workers.rows(tax, "select code from jobs where job = ?", train)[0]?.["code"], "POLICY_CONSENTS");
    const [job = train] = jobs;
    submit(job, { consentedOnly: true });
    await workers.until(job, "done");
    const folder = join(enclavePaths(workers.folder(bank)).results, job);
    const lines = readFileSync(join(folder, "refused.csv"), "utf8").trim().split("\n").slice(1);
    const out = new Map(lines.map((line) => line.split(",")).map(([id = "", code = ""]) => [id, code]));
    const expected = [...gone.map((n) => [n, "CONSENT_WITHDRAWN"] as const), ...silent.map((n) => [n, "CONSENT_MISSING"] as const)].filter(([n]) => known(n));
    assert.isAbove(expected.length, 2);
    assert.sameDeepMembers([...out], expected.map(([n, code]) => [usccOf(n), code]));
    const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as { rows: { total: number }; leakage: { insidePlan: boolean } };
    assert.equal(report.rows.total, 3000 - expected.length);
    assert.isTrue(report.leakage.insidePlan);
    const scored = readFileSync(join(folder, "scores.csv"), "utf8");
    for (const [n] of expected) assert.notInclude(scored, usccOf(n));
    assert.equal(workers.rows(tax, "select count(*) as n from consent_uses where job = ?", job)[0]?.["n"], Array.from({ length: 3000 }, (_, n) => n).filter((n) => knownTo(tax, n) && !out.has(usccOf(n))).length);
  });

  const otherKinds = [
    ["crossboost", { crossboost: { steps: 4, bags: 1 } }],
    // Its floors want more companies than these tables have.
    ["gbdt", { trees: { ...liftFloors(treeParamsSchema.parse({})), trees: 4, depth: 2 }, liftFloors: true }],
  ] as const;
  for (const [kind, model] of otherKinds) it(`is checked the same in a model of the kind ${kind}, and in a score by it`, async () => {
    workers.experiments = true;
    for (const party of parties) {
      await workers.stop(party);
      const { registrars } = JSON.parse(readFileSync(enclavePaths(workers.folder(party)).policy, "utf8")) as { registrars: object };
      workers.setPolicy(party, { registrars, allow: [{ guest: "bank", kinds: [kind, "score"], purposes: ["model-development", "loan-approval"], approve: "auto", sealTo: sealTo.x }] });
      workers.start(party, () => Date.now() + offset);
    }
    workers.exchange.submit(workers.plan(train, { kind, params: { ...model, consentedOnly: true } }));
    await workers.until(train, "done");
    const results = enclavePaths(workers.folder(bank)).results;
    const trained = readFileSync(join(results, train, "scores.csv"), "utf8");
    for (const n of [...gone, ...silent].filter(known)) assert.notInclude(trained, usccOf(n));
    platform.granted.push(...Array.from({ length: 12 }, (_, i) => i + 1).filter((n) => !gone.includes(n)).map((n) => granted(500_000 + n, { subject: usccOf(n), kinds: ["score"] })));
    const [job = train] = jobs;
    const { shape } = scorable(workers.folder(bank), modelIdOf(train));
    workers.exchange.submit(workers.plan(job, { kind: "score", purpose: "loan-approval", model: modelIdOf(train), params: { ...(await staged(workers, stock, 12)), shape } }));
    await workers.until(job, "done");
    const lines = readFileSync(join(results, job, "scores.csv"), "utf8").trim().split("\n").slice(1).map((line) => line.split(","));
    assert.deepEqual(lines.map((cells) => cells[4]), Array.from({ length: 12 }, (_, i) => (gone.includes(i + 1) && known(i + 1) ? "CONSENT_MISSING" : "")));
    assert.isTrue(lines.every((cells) => (cells[1] === "") === (cells[4] !== "")));
    assert.equal(workers.rows(tax, "select count(*) as n from consent_uses where job = ?", job)[0]?.["n"], Array.from({ length: 12 }, (_, i) => i + 1).filter((n) => knownTo(tax, n) && !gone.includes(n)).length);
  });

  it("is not trained further when a company withdraws in the middle; what was used until then has its receipt", async () => {
    const leaver = Array.from({ length: 3000 }, (_, n) => n).find((n) => n > 30 && knownTo(tax, n) && !knownTo(power, n)) ?? 0;
    let isWithdrawn = false;
    workers.exchange.stored = ({ from, to }) => {
      // Sums over the rows have left already.
      if (isWithdrawn || from !== tax || to !== bank || workers.rows(tax, "select 1 from ledger where job = ? and type = 'binning/offer'", train).length === 0) return;
      isWithdrawn = true;
      offset += 3_000;
      platform.lists = [list(2, offset, [...gone.map((n) => withdrawn(n, -500)), withdrawn(leaver, offset)])];
    };
    submit(train, { consentedOnly: true });
    await workers.until(train, "failed");
    const { failure } = workers.exchange.notice(train);
    assert.deepEqual([failure?.code, failure?.party], ["CONSENT_WITHDRAWN", tax]);
    assert.isTrue(isWithdrawn);
    assert.isEmpty(workers.rows(tax, "select 1 from ledger where job = ? and type in ('moments/answer', 'totals/masked', 'finish/receipt')", train));
    await workers.untilAt(tax, train, "failed");
    assert.isAbove(Number(workers.rows(tax, "select count(*) as n from consent_uses where job = ?", train)[0]?.["n"]), 2000);
    await eventually("a receipt of the uses", () => workers.rows(tax, "select 1 from receipts where job = ?", train).length === 1);
    for (const party of parties) await workers.untilAt(party, train, "failed");
    // One company fewer would show what it added: another split leaves it out without that.
    const [same = train, other = train] = jobs;
    submit(same, { consentedOnly: true });
    await workers.until(same, "failed");
    assert.equal(workers.exchange.notice(same).failure?.code, "BUDGET_DIFFERENCING");
    for (const party of parties) await workers.untilAt(party, same, "failed");
    submit(other, { consentedOnly: true, split: { kind: "stratified", testShare: 0.3, seed: 7 } });
    await workers.until(other, "done");
    assert.include(readFileSync(join(enclavePaths(workers.folder(bank)).results, other, "refused.csv"), "utf8"), `${usccOf(leaver)},CONSENT_WITHDRAWN,tax`);
  });
});
