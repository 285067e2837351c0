// A verification service of two ends in one process, over lines in memory: what a provider that lies, and what a bank that deviates, come to.
import { assert } from "chai";
import { CompactEncrypt, compactDecrypt, importJWK } from "jose";
import { afterEach, before, describe, it } from "mocha";
import { verifyAnswerSchema, type ClaimInput, type ClaimResult } from "../../api/contract/verification.ts";
import type { ItemId, PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { Budgets } from "../../enclave/budgets.ts";
import { budgetsPolicySchema } from "../../enclave/charges/policy.ts";
import type { Verifiable } from "../../enclave/data/verifiable.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { GuestLink } from "../../enclave/live/guest-link.ts";
import { HostLink, type Reply } from "../../enclave/live/host-link.ts";
import { Journal } from "../../enclave/live/journal.ts";
import { serviceKeyOf } from "../../enclave/live/request.ts";
import { ServiceLedger } from "../../enclave/live/service-ledger.ts";
import type { Standing } from "../../enclave/live/standing.ts";
import { VerifyGuestService } from "../../enclave/live/verify-guest.ts";
import { VerifyHostService } from "../../enclave/live/verify-host.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { GuestTransfers } from "../../federation/garbled/guest.ts";
import { HostTransfers } from "../../federation/garbled/host.ts";
import type { MessageType, TypedBody } from "../../federation/messages.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import { questionParams, verifyJobSchema } from "../../federation/verify/params.ts";
import type { Held } from "../../federation/verify/predicates.ts";
import { bank, Ca, Channels, planOf, summaryOf, tax, temporaryFolder } from "../support/enclave.ts";
import { eventually } from "../support/process.ts";
import { Hub } from "../support/live-service.ts";
import { inlineKernels } from "../support/transfers.ts";

const field = { name: "capital", type: "money" as const, items: [], authorised: [], single: true as const };
const datasets = { bank: summaryOf("loans", true), tax: { ...summaryOf("filings", false), verification: { fields: [field] } } };
const params = { fields: [{ party: "tax", field: "capital", clear: ["equals", "exists"], blind: ["equals", "within"] }], timeoutMs: 20_000, perCompanyPerDay: 100 };
const plan = planOf({ kind: "verify", purpose: "loan-approval", hosts: [tax], params }, { datasets });
type Link = GuestLink<"verify/ask-equal", "verify/equal", "verify/refused">;
const held = (_field: string, company: string): Held => (company === "c" ? { known: true, entries: ["100"] } : { known: false });

describe("a verification service in one process", () => {
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

  /** answer: of a provider that is not ours; ours answers otherwise. */
  const start = async (answer?: (type: MessageType, body: { n: number }) => Reply | undefined | Promise<Reply>, more: { readonly timeoutMs?: number; readonly link?: { made?: Link }; readonly kind?: (body: object) => string; readonly items?: readonly ItemId[]; readonly quotas?: object } = {}) => {
    open = new DisposableStack();
    faults = [];
    const hub = new Hub();
    const seed = systemRng(32);
    const budgetsPolicy = budgetsPolicySchema.parse({ quotas: { limits: more.quotas ?? {} } });
    const standing = (self: PartyId): Standing => {
      const db = open.use(new StateDatabase(":memory:"));
      const journal = new Journal(db);
      const ledger = new ServiceLedger(db, plan, self);
      const tools = { db, budgets: new Budgets(db, Date.now, systemRng(32), undefined, { policy: () => budgetsPolicy }), now: Date.now, rng: systemRng, curve: { workers: 1 }, marks: () => new Map() };
      const uses = { lastN: -1, note: () => undefined, write: () => undefined, noteOutput: () => ({ batch: plan.job, use: 0, salt: "c2FsdA==" }) };
      return {
        plan, self, tools: tools as never, live: hub.transport(self), ledger, uses: uses as never, sessionOf: (peer) => channels.session(self, peer),
        settled: (write) => journal.add(() => {
          write?.();
          ledger.write();
        }),
        fail: (error) => faults.push(error), dropped: (_party, code: AppError["code"]) => faults.push(code),
      };
    };
    const parsed = { ...verifyJobSchema.parse(plan.params), ...(more.timeoutMs !== undefined && { timeoutMs: more.timeoutMs }) };
    if (answer === undefined) open.use(new VerifyHostService(standing(tax), { params: parsed, published: [{ ...field, items: [...more.items ?? []] }], verifiable: { now: { held } as unknown as Verifiable }, consents: undefined, needsConsents: false }));
    else open.use(new HostLink(standing(tax), { answer: (type, body) => answer(type, body as { n: number }), busy: () => undefined, write: () => undefined }));
    if (more.link !== undefined) {
      more.link.made = open.use(new GuestLink(standing(bank), { types: { ask: (more.kind ?? (() => "verify/ask-equal")) as never, answers: ["verify/equal", "verify/within", "garbled/base", "garbled/extended"] as never, refused: "verify/refused" }, params: questionParams(parsed), serve: () => Promise.reject(new AppError("SERVICE_REQUEST")) }));
    } else open.use(new VerifyGuestService(standing(bank), { params: parsed, seed, consents: undefined, signal: new AbortController().signal }));
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));
    const asking = async (...claims: readonly Omit<ClaimInput, "provider" | "field">[]): Promise<readonly string[]> => {
      const answerKey = systemRng(32);
      const request = { version: 1, id: Buffer.from(systemRng(9)).toString("hex"), service: plan.job, at: new Date().toISOString(), answerKey: Buffer.from(answerKey).toString("base64url"), claims: claims.map((claim) => ({ ...claim, provider: tax, field: "capital" })) };
      const key = await importJWK({ kty: "OKP", crv: "X25519", x: serviceKeyOf(seed).x }, "ECDH-ES");
      const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(request))).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" }).encrypt(key);
      const { plaintext } = await compactDecrypt(await hub.ask(plan.job, jwe), answerKey);
      const opened = verifyAnswerSchema.parse(JSON.parse(new TextDecoder().decode(plaintext)));
      return opened.status === "verified" ? opened.results.map((result: ClaimResult) => ("answer" in result ? result.answer : result.code)) : [opened.code];
    };
    return Object.assign(asking, { reconnect: (party: PartyId) => hub.reconnect(party) });
  };
  const equals = (value: string, blind = false, company = "c") => ({ company, blind, predicate: { kind: "equals", value } as const });
  const within = (from: string, to: string) => ({ company: "c", blind: true, predicate: { kind: "within", from, to } as const });

  it("answers every claim of a request in its place", async () => {
    const ask = await start();
    assert.deepEqual(await ask(equals("100"), equals("100.00", true), equals("1", true), within("99", "101"), within("101", "200"), equals("100", true, "nobody"), equals("100", false, "nobody"), equals("x")), [
      "match", "match", "no-match", "match", "no-match", "not-available", "not-available", "VERIFY_VALUE",
    ]);
    assert.deepEqual(faults, []);
  });
  it("takes nothing for an answer that is none: another kind, another length, other points, tags of nothing", async () => {
    const lies: ((type: MessageType, n: number) => Reply | undefined)[] = [
      (_type, n) => ({ type: "verify/answer", body: { n, answers: Uint8Array.of(1, 1) } }),
      (_type, n) => ({ type: "verify/answer", body: { n, answers: Uint8Array.of(4) } }),
      (type, n) => (type === "verify/ask-equal" ? { type: "verify/within", body: { n, held: true, tables: new Uint8Array(81 * 48), results: new Uint8Array(32) } } : { type: "verify/equal", body: { n, held: true, point: new Uint8Array(32), tag: new Uint8Array(16) } }),
      (type, n) => (type === "verify/ask-equal" ? { type: "verify/equal", body: { n, held: true, point: new Uint8Array(32).fill(255), tag: new Uint8Array(16) } } : { type: "garbled/base", body: { n, points: new Uint8Array(8192).fill(255) } }),
    ];
    for (const [i, lie] of lies.entries()) {
      const ask = await start((type, { n }) => lie(type, n));
      assert.deepEqual(await ask(equals("100"), equals("100", true), within("1", "5")), ["VERIFY_REPLY", "VERIFY_REPLY", "VERIFY_REPLY"], String(i));
      open.dispose();
    }
    open = new DisposableStack();
  });
  it("makes more transfers as they are used up, while questions of both blind kinds are on their way", async () => {
    const ask = await start();
    const claims = Array.from({ length: 250 }, (_, i) => (i % 50 === 7 ? within("99", String(100 + i)) : i % 5 === 0 ? equals("1", true, `e${i}`) : { ...within("0", "1"), company: `w${i}` }));
    assert.deepEqual(await ask(...claims), claims.map(({ company }) => (company === "c" ? "match" : "not-available")));
    assert.deepEqual(faults, []);
  });
  it("makes new transfers with a new channel, whichever side has it", async () => {
    const ask = await start();
    assert.deepEqual(await ask(within("99", "101")), ["match"]);
    for (const party of [tax, bank]) {
      ask.reconnect(party);
      // Those that were on their way, or came before the channel, fail as all do.
      await eventually("the channel", async () => (await ask(within("0", "1")))[0] === "no-match");
      assert.deepEqual(await ask(within("99", "101")), ["match"]);
    }
    assert.deepEqual(faults, []);
  });
  it("does not show a provider that tampers with blind ranges that they failed: it asks no less, no more and nothing anew", async () => {
    const transfers = new HostTransfers({ ends: { service: plan.job, host: tax, guest: bank }, kernels: inlineKernels, rng: systemRng, now: () => performance.now() });
    const seen: string[] = [];
    const lie = async (type: MessageType, body: { n: number }): Promise<Reply> => {
      const { n } = body;
      seen.push(type);
      if (type === "garbled/open") return { type: "garbled/base", body: { n, points: await transfers.open((body as TypedBody<"garbled/open">).session) } };
      if (type === "garbled/extend") return { type: "garbled/extended", body: { n, made: await transfers.extend(body as TypedBody<"garbled/extend">) } };
      // Rows of one gate, of all, results of none, another kind of circuit, another kind of answer.
      const [tables, results] = [systemRng(81 * 48), systemRng(32)];
      return [
        { type: "verify/within" as const, body: { n, held: true, tables, results } }, { type: "verify/within" as const, body: { n, held: true, tables: tables.subarray(0, 48), results } },
        { type: "verify/within" as const, body: { n, held: false, tables: new Uint8Array(81 * 48), results: new Uint8Array(32) } }, { type: "verify/answer" as const, body: { n, answers: Uint8Array.of(1) } },
      ][n % 4] as Reply;
    };
    const ask = await start(lie);
    for (let i = 0; i < 3; i++) assert.deepEqual(await ask(...Array.from({ length: 8 }, (_, k) => within(String(k), "200"))), Array.from({ length: 8 }, () => "VERIFY_REPLY"));
    assert.deepEqual(seen, ["garbled/open", "garbled/extend", ...Array.from({ length: 24 }, () => "verify/ask-within")]);
    assert.deepEqual(faults, []);
  });
  it("takes from a bank no transfers that are not there, were used, or do not fit, and does not charge for those", async () => {
    type RangeLink = GuestLink<"verify/ask-within" | "garbled/open" | "garbled/extend", "verify/within" | "garbled/base" | "garbled/extended", "verify/refused">;
    const link: { made?: Link } = {};
    await start(undefined, { link, kind: (body) => ("flips" in body ? "verify/ask-within" : "columns" in body ? "garbled/extend" : "garbled/open") });
    await eventually("a channel", () => link.made?.isUp(tax));
    const send = async (body: object): Promise<unknown> => {
      const outcome = await (link.made as unknown as RangeLink).ask((_host, n) => ({ n, ...body }) as never, [tax]);
      if (!outcome.ok) throw new AppError(outcome.code);
      return outcome.answers.get(tax);
    };
    const guest = new GuestTransfers({ ends: { service: plan.job, host: tax, guest: bank }, kernels: inlineKernels, rng: systemRng, now: () => performance.now(), port: { open: (session) => send({ session }) as never, extend: (body) => send(body) as never } });
    const asked = (more: object, at = guest.take(80)): Promise<string> => send({ company: "c", consent: "", field: "capital", session: at?.session ?? "", first: at?.first ?? 0, flips: new Uint8Array(10), ...more })
      .then((body) => Object.keys(body as object).join(), (error: unknown) => (error instanceof AppError ? error.code : String(error)));
    assert.equal(await asked({ session: "0123456789abcdef" }), "VERIFY_TRANSFERS", "none at all");
    await guest.more();
    const first = guest.take(80);
    assert.equal(await asked({}, first), "n,held,tables,results");
    assert.equal(await asked({}, first), "VERIFY_TRANSFERS", "used");
    assert.equal(await asked({ first: 6321 }), "VERIFY_TRANSFERS", "beyond");
    assert.equal(await asked({ session: "0123456789abcdef" }), "VERIFY_TRANSFERS", "of another session");
    assert.equal(await asked({ flips: new Uint8Array(5) }), "VERIFY_QUESTION");
    assert.equal(await asked({ company: "nobody" }), "n,held,tables,results");
    const late = guest.take(80);
    assert.equal(await asked({}, guest.take(80)), "n,held,tables,results");
    assert.equal(await asked({}, late), "VERIFY_TRANSFERS", "numbers of transfers rise");
    assert.deepEqual(faults, []);
    // Three of the ten answers that a value has are used up, and no refusal counted.
    const said: string[] = [];
    for (let i = 0; i < 12; i++) said.push(await asked({}));
    assert.isAtLeast(said.filter((word) => word === "n,held,tables,results").length, 4);
  });
  it("ends with a code in bounded time when the provider says nothing, or what is no message", async () => {
    const ask = await start(() => undefined, { timeoutMs: 50 });
    assert.deepEqual(await ask(equals("100"), equals("100", true), within("1", "5")), ["SERVICE_PROVIDER_AWAY", "SERVICE_PROVIDER_AWAY", "SERVICE_PROVIDER_AWAY"]);
  });
  it("refuses a bank's points that are none with a code, and answers its next question", async () => {
    const link: { made?: Link } = {};
    await start(undefined, { link });
    await eventually("a channel", () => link.made?.isUp(tax));
    const asked = async (blinded: Uint8Array): Promise<string> => {
      const outcome = await link.made?.ask((_host, n) => ({ n, company: "c", consent: "", field: "capital", nonce: "0".repeat(16), blinded }), [tax]);
      return outcome?.ok === true ? "answered" : (outcome?.code ?? "");
    };
    const point = await (await inlineCurve()).blind(["x"], "d", systemRng(64));
    assert.deepEqual([await asked(new Uint8Array(32).fill(255)), await asked(new Uint8Array(32)), await asked(point)], ["VERIFY_QUESTION", "VERIFY_QUESTION", "answered"]);
    assert.deepEqual(faults, []);
  });
  it("ends what waits when a service ends, and asks nobody afterwards", async () => {
    const link: { made?: Link } = {};
    const asked: MessageType[] = [];
    await start((type) => {
      asked.push(type);
      return undefined;
    }, { link });
    await eventually("a channel", () => link.made?.isUp(tax));
    const question = (): ReturnType<Link["ask"]> | undefined => link.made?.ask((_host, n) => ({ n, company: "c", consent: "", field: "capital", nonce: "0".repeat(16), blinded: new Uint8Array(32) }), [tax]);
    const waiting = question();
    await eventually("the question", () => asked.length > 0);
    open.dispose();
    assert.deepInclude(await waiting, { ok: false, code: "SERVICE_AWAY" });
    assert.deepInclude(await question(), { ok: false, code: "SERVICE_AWAY" });
    assert.lengthOf(asked, 1);
    open = new DisposableStack();
  });
  it("locks a value within one question, too: a bank has no more guesses by asking them together", async () => {
    const ask = await start();
    assert.deepEqual(await ask(...["1", "2", "3", "4", "5", "100"].map((value) => equals(value)), equals("7", false, "other")), ["no-match", "no-match", "no-match", "no-match", "no-match", "VERIFY_LOCKED", "not-available"]);
    assert.deepEqual(await ask(equals("100"), equals("100", true)), ["VERIFY_LOCKED", "VERIFY_LOCKED"]);
  });
  it("counts under the items of the catalogue that a field is of, in the clear and blindly", async () => {
    const quotas = { "per-item": { counts: "requests", per: ["institution", "company", "item"], window: { rollingSeconds: 3600 }, limit: 2 } };
    const ask = await start(undefined, { items: ["tax.payment" as ItemId, "tax.arrears" as ItemId], quotas });
    assert.deepEqual(await ask(equals("100"), equals("99"), equals("100", true)), ["match", "no-match", "match"], "two questions");
    assert.deepEqual(await ask(equals("100"), equals("100", true), equals("1", false, "other")), ["BUDGET_REQUESTS", "BUDGET_REQUESTS", "not-available"]);
  });
  it("slows a bank down that guesses blindly, by what its questions could tell", async () => {
    const ask = await start();
    const said = await ask(...Array.from({ length: 20 }, (_, i) => equals(String(i), true)));
    assert.isAtMost(said.filter((word) => word === "no-match").length, 10);
    assert.isAtLeast(said.filter((word) => word.startsWith("BUDGET_")).length, 10);
    const ranges = await (async () => {
      open.dispose();
      return (await start())(...Array.from({ length: 20 }, (_, i) => within("0", String(i))));
    })();
    assert.isAtMost(ranges.filter((word) => word === "no-match").length, 10);
    assert.isAtLeast(ranges.filter((word) => word.startsWith("BUDGET_")).length, 10);
  });
});
