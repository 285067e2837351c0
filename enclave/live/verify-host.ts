// A verification service at a provider's enclave: lets the machine decide on each question, does the curve work of blind ones off the event loop, and
// notes the use.
import type { ItemId } from "../../core/brand.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { HostTransfers } from "../../federation/garbled/host.ts";
import { warm } from "../../federation/garbled/session.ts";
import type { MessageType, TypedBody } from "../../federation/messages.ts";
import { CurveBatches } from "./curve-batches.ts";
import { replyEqual } from "../../federation/verify/equality.ts";
import type { VerifiableField } from "../../federation/verify/fields.ts";
import { VerifyHost, type Charged, type Refusal } from "../../federation/verify/host.ts";
import { verifyRefusals, type VerifyRefusal } from "../../federation/verify/messages.ts";
import type { VerifyJobParams } from "../../federation/verify/params.ts";
import { rangeTransfers, replyWithin } from "../../federation/verify/range.ts";
import { createKernels } from "../../kernels/kernels.ts";
import type { Kernels } from "../../kernels/api.ts";
import { GarbledWork } from "../../kernels/oblivious/garbled.ts";
import type { Claim, Refused } from "../charges/desk.ts";
import type { Verifiable } from "../data/verifiable.ts";
import type { View } from "../data/views.ts";
import type { ServiceConsents, UsedItems } from "./consents.ts";
import { HostLink, type Reply } from "./host-link.ts";
import { ServiceBudgets } from "./service-budgets.ts";
import type { Standing } from "./standing.ts";
import { blindQuestion } from "./verify-guest.ts";
import { WrongClaims } from "./wrong-claims.ts";

export type VerifyHostServiceOptions = {
  readonly params: VerifyJobParams; readonly published: readonly VerifiableField[]; readonly verifiable: View<Verifiable>; readonly consents: ServiceConsents | undefined;
  /** Whether the plan has this provider check consents. */
  readonly needsConsents: boolean;
};
type Numbered = { readonly n: number };

export class VerifyHostService implements Disposable {
  readonly #s: Standing;
  readonly #o: VerifyHostServiceOptions;
  readonly #machine: VerifyHost;
  readonly #link: HostLink;
  readonly #curve: CurveBatches;
  /** Of blind ranges: the transfers that were prepared for them, on a thread of its own, and the circuits. */
  readonly #kernels: Kernels = createKernels({ threads: 1 });
  readonly #transfers: HostTransfers;
  readonly #garbled = new GarbledWork();
  /** Both pads of the transfers of the question that is being decided on. */
  #pads: Uint8Array | undefined;
  readonly #fresh: Disposable | undefined;

  constructor(standing: Standing, options: VerifyHostServiceOptions) {
    this.#s = standing;
    this.#o = options;
    const { plan, self, tools, uses } = standing;
    const { params, published, verifiable, consents } = options;
    const dataset = plan.datasets[self]?.name ?? "";
    const shared = { db: tools.db, budgets: tools.budgets, now: tools.now, guest: plan.guest, dataset };
    const budgets = new ServiceBudgets({ ...shared, model: "verify", limits: params, charges: { service: plan.job, kind: "verify", items: [] } });
    const wrong = new WrongClaims({ ...shared, limit: params.wrongInARow });
    this.#curve = new CurveBatches({ workers: tools.curve.workers, staleMs: params.timeoutMs });
    this.#transfers = new HostTransfers({ ends: { service: plan.job, host: self, guest: plan.guest }, kernels: this.#kernels, rng: tools.rng, now: () => performance.now() });
    if (params.fields.some(({ party, blind }) => party === self && blind.includes("within"))) warm(this.#kernels).catch(() => undefined);
    this.#machine = new VerifyHost({
      self, fields: params.fields, published, lastN: uses.lastN,
      ports: {
        held: (field, company) => verifiable.now.held(field, company),
        consent: (company, jws, n, fields) => (options.needsConsents ? consents?.check(company, jws, n, this.#itemsOf(fields)) : undefined),
        claim: (company, jws, n, fields) => (options.needsConsents ? consents?.claim(company, jws, n, this.#itemsOf(fields)) : undefined),
        charge: (company, n, claims) => {
          const retryAfter = Math.max(...claims.map(({ field }) => wrong.waits(company, field)));
          return retryAfter > 0 ? { code: "VERIFY_LOCKED", retryAfter } : refusalOf(budgets.ask(company, "", n, { claims: claims.map((claim) => this.#claimOf(claim)) }));
        },
        waits: (company, field) => wrong.waits(company, field),
        transfers: ({ session, first }, depth) => {
          this.#pads = this.#transfers.take(session, first, rangeTransfers(depth));
          return this.#pads !== undefined;
        },
        outcome: (company, field, answer, kind) => wrong.answered(company, field, answer, kind),
      },
    });
    this.#fresh = options.needsConsents ? consents?.keepFresh() : undefined;
    this.#link = new HostLink(standing, {
      answer: (type, body) => this.#answer(type, body),
      busy: (_type, body) => refused(body as Numbered, { code: "SERVICE_BUSY" }),
      write: () => {
        budgets.write();
        wrong.write();
      },
    });
  }

  #answer(type: MessageType, body: unknown): Reply | Promise<Reply> {
    switch (type) {
      case "verify/ask":
        return this.#clear(body as TypedBody<"verify/ask">);
      case "verify/ask-equal":
        return this.#equal(body as TypedBody<"verify/ask-equal">);
      case "verify/ask-within":
        return this.#within(body as TypedBody<"verify/ask-within">);
      case "garbled/open":
        return this.#opened(body as TypedBody<"garbled/open">);
      case "garbled/extend":
        return this.#extended(body as TypedBody<"garbled/extend">);
      default:
        throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: this.#s.plan.guest });
    }
  }

  #clear(ask: TypedBody<"verify/ask">): Reply {
    const decided = this.#machine.clear(ask);
    this.#s.uses.lastN = this.#machine.lastN;
    if ("code" in decided) return refused(ask, decided);
    this.#note(ask, decided.used);
    const { answers, retryAfter } = decided;
    return { type: "verify/answer", body: { n: ask.n, answers, ...(retryAfter !== undefined && { retryAfter }) } };
  }

  #equal(ask: TypedBody<"verify/ask-equal">): Reply | Promise<Reply> {
    const refusal = this.#blind("equals", ask);
    if (refusal !== undefined) return refused(ask, refusal);
    const value = this.#machine.text(ask.field, ask.company);
    if (value !== undefined) this.#note(ask, [ask.field]);
    return this.#orRefused(ask, async () => {
      const reply = await replyEqual(this.#curve, this.#question(ask), value, ask, this.#s.tools.rng);
      return { type: "verify/equal", body: { n: ask.n, held: value !== undefined, ...reply } };
    });
  }

  #within(ask: TypedBody<"verify/ask-within">): Reply {
    const refusal = this.#blind("within", ask);
    const pads = this.#pads;
    this.#pads = undefined;
    if (refusal !== undefined || pads === undefined) {
      pads?.fill(0);
      return refused(ask, refusal ?? { code: "VERIFY_TRANSFERS" });
    }
    const { value, depth } = this.#machine.integer(ask.field, ask.company);
    if (value !== undefined) this.#note(ask, [ask.field]);
    const { plan, self, tools } = this.#s;
    const reply = replyWithin(this.#garbled, { request: plan.job, party: self, item: ask.field }, value, depth, ask, pads, tools.rng);
    return { type: "verify/within", body: { n: ask.n, held: value !== undefined, ...reply } };
  }

  #opened({ n, session }: TypedBody<"garbled/open">): Reply | Promise<Reply> {
    return this.#prepared(n) ?? this.#orRefused({ n }, async () => ({ type: "garbled/base", body: { n, points: await this.#transfers.open(session) } }));
  }

  #extended({ n, ...chunk }: TypedBody<"garbled/extend">): Reply | Promise<Reply> {
    return this.#prepared(n) ?? this.#orRefused({ n }, async () => {
      const made = await this.#transfers.extend(chunk);
      return { type: "garbled/extended", body: { n, made } };
    });
  }

  #prepared(n: number): Reply | undefined {
    const refusal = this.#machine.prepares(n);
    this.#s.uses.lastN = this.#machine.lastN;
    return refusal && refused({ n }, refusal);
  }

  #blind(kind: "equals" | "within", ask: TypedBody<"verify/ask-equal"> | TypedBody<"verify/ask-within">): Refusal | undefined {
    const refusal = this.#machine.blind(kind, ask);
    this.#s.uses.lastN = this.#machine.lastN;
    return refusal;
  }

  /** Points that are none stay charged: they were a question. */
  async #orRefused(ask: Numbered, work: () => Promise<Reply>): Promise<Reply> {
    try {
      return await work();
    } catch (error) {
      if (!isAppError(error)) throw error;
      // A bank that deviates; its operator and ours may want to know.
      if (error.code === "PROTOCOL_OT_CHECK") this.#s.dropped(this.#s.plan.guest, error.code);
      const { retryAfter } = error.facts;
      return refused(ask, { code: wordOf(error.code), ...(typeof retryAfter === "number" && { retryAfter }) });
    }
  }

  #question({ nonce, field }: { readonly nonce: string; readonly field: string }) {
    return blindQuestion(this.#s.plan.job, { nonce, party: this.#s.self, item: field });
  }

  #note({ company, consent }: { readonly company: string; readonly consent: string }, fields: readonly string[]): void {
    const { consents, needsConsents } = this.#o;
    if (consents === undefined || fields.length === 0) return;
    const { authorised, open } = this.#itemsOf(fields);
    const items = needsConsents ? { authorised, open } : { authorised: [], open: [...authorised, ...open] };
    const { uses, texts } = consents.usesOf(company, consent, this.#s.plan.guest, items);
    if (uses.length > 0) this.#s.uses.note(uses, texts);
  }

  #claimOf(charged: Charged): Claim {
    const { field } = charged;
    return { item: field, items: this.#o.published.find(({ name }) => name === field)?.items ?? [], ...claimOf(charged) };
  }

  #itemsOf(fields: readonly string[]): UsedItems {
    const own = this.#o.published.filter(({ name }) => fields.includes(name));
    const authorised = new Set<ItemId>(own.flatMap((field) => field.authorised));
    return { authorised: [...authorised], open: [...new Set(own.flatMap(({ items }) => items))].filter((item) => !authorised.has(item)) };
  }

  [Symbol.dispose](): void {
    this.#fresh?.[Symbol.dispose]();
    this.#link[Symbol.dispose]();
    void this.#curve[Symbol.asyncDispose]();
    this.#transfers[Symbol.dispose]();
    void this.#kernels[Symbol.asyncDispose]();
  }
}

const blindClaims = { equals: "blind-equality", within: "blind-range" } as const;

function claimOf(charged: Charged): Pick<Claim, "claim"> {
  return { claim: charged.kind === "clear" ? { kind: "clear", text: charged.claim } : { kind: blindClaims[charged.kind] } };
}

function refused({ n }: Numbered, { code, retryAfter }: Refusal): Reply {
  return { type: "verify/refused", body: { n, code, ...(retryAfter !== undefined && { retryAfter }) } };
}

function refusalOf(given: Refused | undefined): Refusal | undefined {
  return given && { ...given, code: wordOf(given.code) };
}

/** A code that the wire has no word for is a refusal all the same. */
function wordOf(code: string): VerifyRefusal {
  return verifyRefusals.find((known) => known === code) ?? (code.startsWith("BUDGET") ? "SERVICE_BUDGET" : "VERIFY_QUESTION");
}
