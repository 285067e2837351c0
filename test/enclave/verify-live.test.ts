// A verification service of two ends in one process, over lines in memory: what a provider that lies, and what a bank that deviates, come to.
import { assert } from "chai";
import { CompactEncrypt, compactDecrypt, importJWK } from "jose";
import { afterEach, before, describe, it } from "mocha";
import { verifyAnswerSchema, type ClaimInput, type ClaimResult } from "../../api/contract/verification.ts";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { Budgets } from "../../enclave/budgets.ts";
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
import type { MessageType } from "../../federation/messages.ts";
import { inlineCurve } from "../../federation/psi/curve-pool.ts";
import { questionParams, verifyJobSchema } from "../../federation/verify/params.ts";
import type { Held } from "../../federation/verify/predicates.ts";
import { bank, Ca, Channels, planOf, summaryOf, tax, temporaryFolder } from "../support/enclave.ts";
import { eventually } from "../support/process.ts";
import { Hub } from "../support/live-service.ts";

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
  const start = async (answer?: (type: MessageType, body: { n: number }) => Reply | undefined, more: { readonly timeoutMs?: number; readonly link?: { made?: Link } } = {}) => {
    open = new DisposableStack();
    faults = [];
    const hub = new Hub();
    const seed = systemRng(32);
    const standing = (self: PartyId): Standing => {
      const db = open.use(new StateDatabase(":memory:"));
      const journal = new Journal(db);
      const ledger = new ServiceLedger(db, plan, self);
      const tools = { db, budgets: new Budgets(db, Date.now, systemRng(32)), now: Date.now, rng: systemRng, curve: { workers: 1 }, marks: () => new Map() };
      const uses = { lastN: -1, note: () => undefined, write: () => undefined, noteOutput: () => ({ batch: plan.job, use: 0, salt: "c2FsdA==" }) };
      return {
        plan, self, dataset: {} as never, tools: tools as never, live: hub.transport(self), ledger, uses: uses as never, sessionOf: (peer) => channels.session(self, peer),
        settled: (write) => journal.add(() => {
          write?.();
          ledger.write();
        }),
        fail: (error) => faults.push(error), dropped: (_party, code: AppError["code"]) => faults.push(code),
      };
    };
    const parsed = { ...verifyJobSchema.parse(plan.params), ...(more.timeoutMs !== undefined && { timeoutMs: more.timeoutMs }) };
    if (answer === undefined) open.use(new VerifyHostService(standing(tax), { params: parsed, published: [field], verifiable: { held } as unknown as Verifiable, consents: undefined, needsConsents: false }));
    else open.use(new HostLink(standing(tax), { answer: (type, body) => answer(type, body as { n: number }), busy: () => undefined, write: () => undefined }));
    if (more.link !== undefined) {
      more.link.made = open.use(new GuestLink(standing(bank), { types: { ask: "verify/ask-equal", answers: ["verify/equal"], refused: "verify/refused" }, params: questionParams(parsed), serve: () => Promise.reject(new AppError("SERVICE_REQUEST")) }));
    } else open.use(new VerifyGuestService(standing(bank), { params: parsed, seed, consents: undefined, signal: new AbortController().signal }));
    await new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));
    return async (...claims: readonly Omit<ClaimInput, "provider" | "field">[]): Promise<readonly string[]> => {
      const answerKey = systemRng(32);
      const request = { version: 1, id: Buffer.from(systemRng(9)).toString("hex"), service: plan.job, at: new Date().toISOString(), answerKey: Buffer.from(answerKey).toString("base64url"), claims: claims.map((claim) => ({ ...claim, provider: tax, field: "capital" })) };
      const key = await importJWK({ kty: "OKP", crv: "X25519", x: serviceKeyOf(seed).x }, "ECDH-ES");
      const jwe = await new CompactEncrypt(Buffer.from(JSON.stringify(request))).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" }).encrypt(key);
      const { plaintext } = await compactDecrypt(await hub.ask(plan.job, jwe), answerKey);
      const opened = verifyAnswerSchema.parse(JSON.parse(new TextDecoder().decode(plaintext)));
      return opened.status === "verified" ? opened.results.map((result: ClaimResult) => ("answer" in result ? result.answer : result.code)) : [opened.code];
    };
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
      (_type, n) => ({ type: "verify/answer", body: { n, answers: Uint8Array.of(3) } }),
      (type, n) => (type === "verify/ask-equal" ? { type: "verify/within", body: { n, held: true, points: new Uint8Array(32), tags: new Uint8Array(16) } } : { type: "verify/equal", body: { n, held: true, point: new Uint8Array(32), tag: new Uint8Array(16) } }),
      (type, n) => (type === "verify/ask-equal" ? { type: "verify/equal", body: { n, held: true, point: new Uint8Array(32).fill(255), tag: new Uint8Array(16) } } : { type: "verify/within", body: { n, held: true, points: new Uint8Array(78 * 32), tags: new Uint8Array(41 * 16) } }),
    ];
    for (const [i, lie] of lies.entries()) {
      const ask = await start((type, { n }) => lie(type, n));
      assert.deepEqual(await ask(equals("100"), equals("100", true), within("1", "5")), ["VERIFY_REPLY", "VERIFY_REPLY", "VERIFY_REPLY"], String(i));
      open.dispose();
    }
    open = new DisposableStack();
  });
  it("ends with a code in bounded time when the provider says nothing, or what is no message", async () => {
    const ask = await start(() => undefined, { timeoutMs: 50 });
    assert.deepEqual(await ask(equals("100"), equals("100", true)), ["SERVICE_PROVIDER_AWAY", "SERVICE_PROVIDER_AWAY"]);
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
  it("slows a bank down that guesses blindly, by what its questions could tell", async () => {
    const ask = await start();
    const said = await ask(...Array.from({ length: 20 }, (_, i) => equals(String(i), true)));
    assert.isAtMost(said.filter((word) => word === "no-match").length, 10);
    assert.isAtLeast(said.filter((word) => word.startsWith("BUDGET_")).length, 10);
    const ranges = await (async () => {
      open.dispose();
      return (await start())(...Array.from({ length: 10 }, (_, i) => within("0", String(i))));
    })();
    assert.isAtMost(ranges.filter((word) => word === "no-match").length, 6);
  });
});
