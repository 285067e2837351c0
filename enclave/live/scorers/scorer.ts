// What stands between a service for scores and the way in which model and data are protected: one pair of scorers per protection. The guest's
// turns the providers' answers and the bank's own columns into a score; a provider's turns a question into its answer.
import type { PartyId } from "../../../core/brand.ts";
import type { TypedBody } from "../../../federation/messages.ts";
import type { OpenedRequest } from "../request.ts";
import type { Reply } from "../host-link.ts";

/** Bodies with which a provider may answer a question, by protection. */
export type ServeAnswer = TypedBody<"serve/part">;
export type ServeAsk = TypedBody<"serve/ask">;

export type Scored = {
  readonly score: number; readonly probability: number;
  /** Providers of the model that were away: their features scored as missing. */
  readonly away: readonly PartyId[];
};
/** The bank's own columns about one company, at hand. isKnown: the bank knows the company. */
export type Prepared = { readonly isKnown: boolean; score(answers: ReadonlyMap<PartyId, ServeAnswer>, present: readonly PartyId[]): Scored };

export interface GuestScorer {
  readonly model: string;
  readonly modelDigest: string;
  /** undefined for a request whose columns do not fit the model. */
  prepare(request: Pick<OpenedRequest, "company" | "columns">): Prepared | undefined;
}

export interface HostScorer {
  readonly model: string;
  readonly modelDigest: string;
  /** Providers with a part in the total. */
  readonly sharing: readonly PartyId[];
  /** Own features that the model reads. */
  readonly features: readonly string[];
  /** Its part for this question, which the caller found to be in order; a promise is for work off the event loop. */
  answer(ask: ServeAsk): { readonly reply: Reply; readonly held: boolean } | Promise<{ readonly reply: Reply; readonly held: boolean }>;
}
