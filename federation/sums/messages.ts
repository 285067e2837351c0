// The three messages of one use of the encrypted-sums kernel. Each protocol that uses it makes its own types from these,
// so that the plan and the ledger can tell a query with labels from a query with WOE columns.
import { z } from "zod";
import { count, maxFrameBytes, type Bilingual, type RoleOrAny } from "../../core/message.ts";
import { hasCanonicalResidues } from "../../kernels/residues.ts";
import { hintBytesPerCell, queryBytesPerCoefficient } from "../../kernels/params.ts";

/** Bytes of one chunk at most; the frame around it stays below `maxFrameBytes`. */
export const maxChunkBytes = 4 * 1024 * 1024;
const nothing: Bilingual = { en: "", zh: "" };
const maxQueries = 1_000_000;
const chunk = { index: count(1_000_000), last: z.boolean() };
const upTo = (item: number) => z.instanceof(Uint8Array).refine((b) => b.length > 0 && b.length <= maxChunkBytes && b.length % item === 0);
const digestBytes = 32;
/** Commitments of one message: as many vectors as fit into it, and none in a later piece of a long one. */
const commitments = z.instanceof(Uint8Array).refine((b) => b.length % digestBytes === 0 && b.length <= maxChunkBytes / queryBytesPerCoefficient);

/** `hint` (answerer to querier: pseudorandom), `query` (querier to answerer: pseudorandom), `answer` (answerer to querier). Queries and
 *  answers of a batch are one flow of messages: `index` counts them, `query` is the number of the first query in the message. */
export function sumsMessages<P extends string>(prefix: P, querier: RoleOrAny, answerer: RoleOrAny, answerReveals: Bilingual) {
  return {
    [`${prefix}/hint`]: {
      from: answerer, to: querier, maxBytes: maxFrameBytes, reveals: nothing,
      body: z.strictObject({ ...chunk, firstCell: count(10_000_000), bytes: upTo(hintBytesPerCell) }),
    },
    [`${prefix}/query`]: {
      from: querier, to: answerer, maxBytes: maxFrameBytes, reveals: nothing,
      // `commitments`: SHA-256 of the seed of each query's secrets, for a later audit.
      body: z.strictObject({ ...chunk, query: count(maxQueries), commitments, bytes: upTo(queryBytesPerCoefficient).refine(hasCanonicalResidues) }),
    },
    [`${prefix}/answer`]: {
      from: answerer, to: querier, maxBytes: maxFrameBytes, reveals: answerReveals,
      body: z.strictObject({ ...chunk, query: count(maxQueries), bytes: upTo(1) }),
    },
  } as SumsMessages<P>;
}

type Spec<B extends z.ZodType> = { from: RoleOrAny; to: RoleOrAny; maxBytes: number; reveals: Bilingual; body: B };
type Bytes = Uint8Array;
type SumsMessages<P extends string> = {
  [K in `${P}/hint`]: Spec<z.ZodType<{ index: number; last: boolean; firstCell: number; bytes: Bytes }>>;
} & {
  [K in `${P}/query`]: Spec<z.ZodType<{ index: number; last: boolean; query: number; commitments: Bytes; bytes: Bytes }>>;
} & {
  [K in `${P}/answer`]: Spec<z.ZodType<{ index: number; last: boolean; query: number; bytes: Bytes }>>;
};
