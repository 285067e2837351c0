// A provider's side of a verification service: whether a question may be answered, and the answers in the clear. A synchronous machine over its
// ports; what it decided is to be made durable by the caller before the answer leaves. Blind answers are curve work of the caller's.
import type { PartyId } from "../../core/brand.ts";
import { isAppError } from "../../core/errors.ts";
import type { TypedBody } from "../messages.ts";
import { blindDepth, blindOrdinal, boundsOf, canonicalValue } from "./claims.ts";
import type { AskedField, BlindKind, VerifiableField } from "./fields.ts";
import { rangeBytes, type RangeAsk } from "./range.ts";
import { answers, evaluate, lockedByte, requirePredicate, type Answer, type Held, type Predicate, type PredicateKind } from "./predicates.ts";
import { verifyRefusals, type VerifyRefusal } from "./messages.ts";

/** One claim as budgets see it. claim: canonical text; a blind one is a new one each time. */
export type Charged = { readonly field: string } & ({ readonly kind: "clear"; readonly claim: string } | { readonly kind: BlindKind });
/** retryAfter: seconds until it is answered if nothing else is asked; absent: not by waiting. */
export type Refusal = { readonly code: VerifyRefusal; readonly retryAfter?: number };
export type VerifyHostPorts = {
  held(field: string, company: string): Held;
  /** Whether the consent holds for these fields of the company now and has a use left; undefined when it does, or none is needed. Changes nothing. */
  consent(company: string, jws: string, n: number, fields: readonly string[]): VerifyRefusal | undefined;
  /** Charges all claims of one question, or none and says why; asked after the consent, so that nothing refused is charged. */
  charge(company: string, n: number, claims: readonly Charged[]): Refusal | undefined;
  /** Takes the use of the consent; last of all, so that a question which a budget refuses uses up none. Nothing runs between it and `consent`. */
  claim(company: string, jws: string, n: number, fields: readonly string[]): void;
  /** Seconds for which claims about this value wait after too many wrong ones in a row; 0 for none. */
  waits(company: string, field: string): number;
  /** Whether the transfers of a blind range are there. From now on they are used, also when the question is refused: what it said of them is known. */
  transfers(ask: RangeAsk, depth: number): boolean;
  /** What was answered in the clear. kind: of the predicate. */
  outcome(company: string, field: string, answer: Answer, kind: PredicateKind): void;
};
export type VerifyHostOptions = {
  readonly self: PartyId; readonly fields: readonly AskedField[]; readonly published: readonly VerifiableField[]; readonly ports: VerifyHostPorts;
  /** The last number that was answered, -1 at first. */
  readonly lastN: number;
};
type BlindAsk = TypedBody<"verify/ask-equal"> | TypedBody<"verify/ask-within">;
/** used: fields of which something was answered. retryAfter, seconds: where answers stopped within the question. */
export type Answered = { readonly answers: Uint8Array; readonly used: readonly string[]; readonly retryAfter?: number };

export class VerifyHost {
  readonly #ports: VerifyHostPorts;
  readonly #fields: ReadonlyMap<string, { readonly asked: AskedField; readonly type: VerifiableField["type"] }>;
  #lastN: number;

  constructor({ self, fields, published, ports, lastN }: VerifyHostOptions) {
    this.#ports = ports;
    this.#lastN = lastN;
    this.#fields = new Map(fields.filter(({ party }) => party === self).flatMap((asked) => {
      const own = published.find(({ name }) => name === asked.field);
      return own === undefined ? [] : [[asked.field, { asked, type: own.type }] as const];
    }));
  }

  /** To be durable before an answer leaves: a number is answered once, also after a restart. */
  get lastN(): number {
    return this.#lastN;
  }

  /** Answers the claims of one question in the clear: all of them, or none; but after too many wrong ones in a row about one value no more about it. */
  clear({ n, company, consent, claims }: TypedBody<"verify/ask">): Answered | Refusal {
    if (!this.#takes(n)) return { code: "SERVICE_ASK" };
    const charged: Charged[] = [];
    for (const { field, predicate } of claims) {
      const known = this.#fields.get(field);
      if (known === undefined) return { code: "VERIFY_FIELD" };
      if (!known.asked.clear.includes(predicate.kind)) return { code: "VERIFY_PREDICATE" };
      const code = refusalOf(() => requirePredicate(known.type, predicate));
      if (code !== undefined) return { code };
      charged.push({ field, kind: "clear", claim: claimText(known.type, predicate) });
    }
    const refused = this.#admit([company, consent, n, [...new Set(claims.map(({ field }) => field))]], charged);
    if (refused !== undefined) return refused;
    const used = new Set<string>();
    let retryAfter = 0;
    const said = claims.map(({ field, predicate }) => {
      const { type } = this.#fields.get(field) as { type: VerifiableField["type"] };
      const held = this.#ports.held(field, company);
      // As much work for a company that is not known.
      const compared = evaluate(type, predicate, held.known ? held : nobody);
      const wait = this.#ports.waits(company, field);
      retryAfter = Math.max(retryAfter, wait);
      if (wait > 0) return lockedByte;
      const answer = held.known ? compared : "not-available";
      if (held.known) used.add(field);
      this.#ports.outcome(company, field, answer, predicate.kind);
      return answers.indexOf(answer);
    });
    return { answers: Uint8Array.from(said), used: [...used], ...(retryAfter > 0 && { retryAfter }) };
  }

  /** undefined when a blind question is to be answered: it is then charged. */
  blind(kind: BlindKind, ask: BlindAsk): Refusal | undefined {
    const { n, company, consent, field } = ask;
    if (!this.#takes(n)) return { code: "SERVICE_ASK" };
    const known = this.#fields.get(field);
    if (known === undefined) return { code: "VERIFY_FIELD" };
    if (!known.asked.blind.includes(kind)) return { code: "VERIFY_PREDICATE" };
    if ("flips" in ask) {
      const depth = blindDepth(known.type);
      if (ask.flips.length !== rangeBytes(depth).flips) return { code: "VERIFY_QUESTION" };
      if (!this.#ports.transfers(ask, depth)) return { code: "VERIFY_TRANSFERS" };
    }
    return this.#admit([company, consent, n, [field]], [{ field, kind }]);
  }

  /** undefined when transfers may be prepared under this number: some field here may be asked about by blind ranges. */
  prepares(n: number): Refusal | undefined {
    if (!this.#takes(n)) return { code: "SERVICE_ASK" };
    return [...this.#fields.values()].some(({ asked }) => asked.blind.includes("within")) ? undefined : { code: "VERIFY_PREDICATE" };
  }

  /** The canonical value for a blind comparison; undefined for none that can be compared. */
  text(field: string, company: string): string | undefined {
    const [type, entry] = this.#entry(field, company);
    return entry === undefined ? undefined : readable(() => canonicalValue(type, entry));
  }

  /** The integer for a blind range, with its bits. */
  integer(field: string, company: string): { readonly value: bigint | undefined; readonly depth: number } {
    const [type, entry] = this.#entry(field, company);
    const depth = blindDepth(type);
    const { least, greatest } = boundsOf(depth);
    const value = entry === undefined ? undefined : readable(() => blindOrdinal(type, entry));
    return { depth, value: value !== undefined && value >= least && value <= greatest ? value : undefined };
  }

  /** Consent, charge, and then the use of the consent. */
  #admit(asked: Parameters<VerifyHostPorts["consent"]>, charged: readonly Charged[]): Refusal | undefined {
    const [company, , n] = asked;
    const code = this.#ports.consent(...asked);
    const refused = code === undefined ? this.#ports.charge(company, n, charged) : { code };
    if (refused === undefined) this.#ports.claim(...asked);
    return refused;
  }

  #entry(field: string, company: string): readonly [VerifiableField["type"], string | undefined] {
    const { type } = this.#fields.get(field) as { type: VerifiableField["type"] };
    const held = this.#ports.held(field, company);
    return [type, held.known && held.entries.length === 1 ? held.entries[0] : undefined];
  }

  #takes(n: number): boolean {
    if (n <= this.#lastN) return false;
    this.#lastN = n;
    return true;
  }
}

const nobody: Held = { known: true, entries: ["0"] };

/** One text for each meaning: the same claim again tells nothing new. */
function claimText(type: VerifiableField["type"], predicate: Predicate): string {
  const canonical = (value: string | undefined): string | null => (value === undefined ? null : canonicalValue(type, value));
  switch (predicate.kind) {
    case "equals":
      return JSON.stringify(["one-of", [canonical(predicate.value)]]);
    case "one-of":
      return JSON.stringify(["one-of", [...new Set(predicate.values.map((value) => canonicalValue(type, value)))].sort((a, b) => (a < b ? -1 : 1))]);
    case "within":
      return JSON.stringify(["within", canonical(predicate.from), canonical(predicate.to)]);
    case "dated":
      return JSON.stringify(["dated", predicate.before ?? null, predicate.after ?? null]);
    case "count":
      return JSON.stringify(["count", predicate.from ?? null, predicate.to ?? null]);
    default:
      return JSON.stringify(["exists"]);
  }
}

function refusalOf(check: () => void): VerifyRefusal | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return verifyRefusals.find((known) => known === error.code) ?? "VERIFY_VALUE";
  }
}

/** undefined for an entry that the provider itself has in a wrong form. */
function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isAppError(error) && error.code === "VERIFY_VALUE") return undefined;
    throw error;
  }
}
