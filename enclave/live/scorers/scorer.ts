// What stands between a service for scores and the way in which model and data are protected: one pair of scorers per protection. The guest's
// turns the providers' answers and the bank's own columns into a score; a provider's turns a question into its answer.
import type { ServiceReason } from "../../../api/contract/services.ts";
import type { PartyId } from "../../../core/brand.ts";
import type { TypedBody } from "../../../federation/messages.ts";
import type { Feature } from "../../../models/features.ts";
import type { OpenedRequest } from "../request.ts";
import type { Reply } from "../host-link.ts";

/** By protection: what a provider is asked, and with what it answers. */
export type AskType = "serve/ask" | "serve/ask-columns";
export type AnswerType = "serve/part" | "serve/part-explained" | "serve/encrypted-part" | "serve/odds" | "serve/places";
/** What follows where one question has two parts, and what the answer to that is. */
export type SecondType = "serve/tables";
export type SecondAnswerType = "serve/tree-part";
export type ServeAnswer = TypedBody<AnswerType | SecondAnswerType>;
export type ServeAsk = TypedBody<"serve/ask"> & { readonly columns?: TypedBody<"serve/ask-columns">["columns"] };

export type Scored = {
  readonly score: number; readonly probability: number;
  /** Providers of the model that were away: their features scored as missing. */
  readonly away: readonly PartyId[];
  /** What speaks most against the company, where the plan has `explain`. */
  readonly reasons?: readonly ServiceReason[];
};
/** The bank's own columns about one company, at hand. isKnown: the bank knows the company. columns: what goes along with the question, where the
 *  plan says so. `score` throws AppError for answers that cannot be right. */
export type Prepared = {
  readonly isKnown: boolean; readonly columns?: TypedBody<"serve/ask-columns">["columns"];
  /** Where a question has two parts: what each provider is sent once all have answered the first. `score` has the answers to this one. */
  second?(answers: ReadonlyMap<PartyId, ServeAnswer>, present: readonly PartyId[]): Promise<(host: PartyId, n: number) => TypedBody<SecondType>>;
  score(answers: ReadonlyMap<PartyId, ServeAnswer>, present: readonly PartyId[]): Scored | Promise<Scored>;
};

export interface GuestScorer {
  readonly model: string;
  readonly modelDigest: string;
  readonly ask: AskType;
  readonly answer: AnswerType;
  /** Other answers that some providers give. */
  readonly otherAnswers?: readonly AnswerType[];
  readonly second?: { readonly ask: SecondType; readonly answer: SecondAnswerType };
  /** The bank's own columns in the model, and the free numbers of its part over them: what a request may vary to find it out. */
  readonly own?: { readonly names: readonly string[]; readonly degreesOfFreedom: number };
  /** The bank's own columns about one company, by name, for counting what was scored. */
  read?(request: Pick<OpenedRequest, "company" | "columns">): ((name: string) => Feature | undefined) | undefined;
  /** undefined for a request whose columns do not fit the model. */
  prepare(request: Pick<OpenedRequest, "company" | "columns">): Prepared | undefined;
}

export interface HostScorer {
  /** What budgets count as one model: whatever gives other answers is another one. */
  readonly model: string;
  readonly modelDigest: string;
  /** Providers with a part in the total. */
  readonly sharing: readonly PartyId[];
  /** Own features that the model reads. */
  readonly features: readonly string[];
  readonly ask: AskType;
  /** Own features of one company, by name, for counting what was scored; undefined for one that is not held. */
  read?(company: string): ((name: string) => Feature | undefined) | undefined;
  /** More questions wait than are answered in time: the next is refused, and nothing charged. */
  readonly isBusy?: boolean;
  /** What of the question beside company and providers the answer depends on, as a short text: each is a set of its own. */
  variantOf?(ask: ServeAsk): string;
  /** The second part of a question whose first part it answered, once; undefined for any other. Throws KERNEL_TEXT. */
  second?(body: TypedBody<SecondType>): Promise<Reply | undefined>;
  /** Its part for this question, which the caller found to be in order; a promise is for work off the event loop. */
  answer(ask: ServeAsk): { readonly reply: Reply; readonly held: boolean } | Promise<{ readonly reply: Reply; readonly held: boolean }>;
}
