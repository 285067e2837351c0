// The bank's side of a verification service: which questions the claims of one request become, and what the answers say of each claim. Pure.
import type { ItemId, PartyId } from "../../core/brand.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import type { TypedBody } from "../messages.ts";
import { blindDepth, blindOrdinal, boundsOf, canonicalValue } from "./claims.ts";
import { publishedField, type AskedField, type PublishedVerification, type VerifiableField } from "./fields.ts";
import { claimsPerQuestion, questionText } from "./params.ts";
import { answers, lockedByte, requirePredicate, textOf, type Answer, type Predicate } from "./predicates.ts";
import type { Interval } from "./range.ts";

export type Claim = { readonly company: string; readonly party: PartyId; readonly field: string; readonly predicate: Predicate; readonly blind: boolean };
/** Of one claim: its answer, or why there is none. */
export type Result = { readonly answer: Answer } | { readonly code: Code; readonly party?: PartyId; readonly retryAfter?: number };

type About = { readonly company: string; readonly party: PartyId; readonly consent: string };
/** at: places of the claims in the request. */
export type ClearQuestion = About & { readonly kind: "clear"; readonly at: readonly number[]; readonly claims: TypedBody<"verify/ask">["claims"] };
export type EqualQuestion = About & { readonly kind: "equal"; readonly at: readonly [number]; readonly field: string; readonly claim: string };
export type WithinQuestion = About & { readonly kind: "within"; readonly at: readonly [number]; readonly field: string; readonly interval: Interval; readonly depth: number };
export type VerifyQuestion = ClearQuestion | EqualQuestion | WithinQuestion;
export type Sorted = { readonly questions: readonly VerifyQuestion[]; readonly refused: ReadonlyMap<number, Result> };

export type VerifyGuestOptions = {
  readonly datasets: Readonly<Record<string, { readonly verification?: PublishedVerification | undefined }>>;
  readonly fields: readonly AskedField[];
  /** The consent to show for these items of a provider; empty for none. */
  readonly consent: (claim: Pick<Claim, "company" | "party">, items: readonly ItemId[]) => string;
};

/** Claims in the clear about one company go together where they rest on one consent; each blind claim is a question of its own. */
export function questionsOf(claims: readonly Claim[], options: VerifyGuestOptions): Sorted {
  const questions: VerifyQuestion[] = [];
  const refused = new Map<number, Result>();
  const open = new Map<string, { about: About; at: number[]; claims: TypedBody<"verify/ask">["claims"]; text: number }>();
  const close = (key: string): void => {
    const group = open.get(key);
    open.delete(key);
    if (group !== undefined) questions.push({ kind: "clear", ...group.about, at: group.at, claims: group.claims });
  };
  for (const [at, claim] of claims.entries()) {
    try {
      const field = checkedField(claim, options);
      const { company, party, predicate } = claim;
      const about = { company, party, consent: consentFor(claim, field, options) };
      if (claim.blind) {
        questions.push(blindQuestion(about, at, field, predicate));
        continue;
      }
      const text = textOf(predicate);
      if (text > questionText) throw new AppError("VERIFY_VALUE");
      const key = JSON.stringify([company, party, about.consent]);
      const known = open.get(key);
      if (known !== undefined && (known.claims.length >= claimsPerQuestion || known.text + text > questionText)) close(key);
      const group = open.get(key) ?? { about, at: [], claims: [], text: 0 };
      open.set(key, group);
      group.at.push(at);
      group.claims.push({ field: claim.field, predicate });
      group.text += text;
    } catch (error) {
      if (!isAppError(error)) throw error;
      refused.set(at, { code: error.code });
    }
  }
  for (const key of open.keys()) close(key);
  return { questions, refused };
}

/** The field of a claim that the plan allows. Throws VERIFY_FIELD, VERIFY_BLIND, VERIFY_PREDICATE, VERIFY_VALUE. */
function checkedField({ party, field, predicate, blind }: Claim, { datasets, fields }: VerifyGuestOptions): VerifiableField {
  const asked = fields.find((f) => f.party === party && f.field === field);
  if (asked === undefined) throw new AppError("VERIFY_FIELD");
  const published = publishedField({ datasets }, asked);
  const [here, other]: readonly (readonly string[])[] = blind ? [asked.blind, asked.clear] : [asked.clear, asked.blind];
  if (here?.includes(predicate.kind) !== true) throw new AppError(other?.includes(predicate.kind) === true ? "VERIFY_BLIND" : "VERIFY_PREDICATE");
  requirePredicate(published.type, predicate);
  return published;
}

function consentFor(claim: Claim, { authorised }: VerifiableField, { datasets, consent }: VerifyGuestOptions): string {
  return datasets[claim.party]?.verification?.consents === true && authorised.length > 0 ? consent(claim, authorised) : "";
}

function blindQuestion(about: About, at: number, { name, type }: VerifiableField, predicate: Predicate): EqualQuestion | WithinQuestion {
  if (predicate.kind === "equals") return { kind: "equal", ...about, at: [at], field: name, claim: canonicalValue(type, predicate.value) };
  if (predicate.kind !== "within") throw new AppError("VERIFY_PREDICATE");
  const depth = blindDepth(type);
  const { least, greatest } = boundsOf(depth);
  const [from, to] = [predicate.from === undefined ? least : blindOrdinal(type, predicate.from), predicate.to === undefined ? greatest : blindOrdinal(type, predicate.to)];
  if (from > to || from < least || to > greatest) throw new AppError("VERIFY_RANGE");
  return { kind: "within", ...about, at: [at], field: name, interval: { from, to }, depth };
}

/** What the answer to a question in the clear says of its claims. Throws VERIFY_REPLY for one of another length or with another word in it. */
export function resultsOf({ claims, party }: ClearQuestion, { answers: said, retryAfter }: TypedBody<"verify/answer">): readonly Result[] {
  if (said.length !== claims.length) throw new AppError("VERIFY_REPLY");
  return Array.from(said, (byte): Result => {
    if (byte === lockedByte) return { code: "VERIFY_LOCKED", party, ...(retryAfter !== undefined && { retryAfter }) };
    const answer = answers[byte];
    if (answer === undefined) throw new AppError("VERIFY_REPLY");
    return { answer };
  });
}
