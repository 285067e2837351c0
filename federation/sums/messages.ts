// The three messages of one use of the encrypted-sums kernel. Each protocol that uses it makes its own types from these,
// so that the plan and the ledger can tell a query with labels from a query with WOE columns.
import { z } from "zod";
import { bytes, count, maxFrameBytes, type Bilingual, type RoleOrAny } from "../../core/message.ts";
import { hasCanonicalResidues } from "../../kernels/residues.ts";
import { hintBytesPerCell, queryBytesPerCoefficient } from "../../kernels/params.ts";

/** Bytes of one chunk at most; the frame around it stays below `maxFrameBytes`. */
export const maxChunkBytes = 4 * 1024 * 1024;
const nothing: Bilingual = { en: "", zh: "" };
const chunk = { index: count(1_000_000), last: z.boolean() };
const upTo = (item: number) => z.instanceof(Uint8Array).refine((b) => b.length > 0 && b.length <= maxChunkBytes && b.length % item === 0);

/** `hint` (answerer to querier: pseudorandom), `query` (querier to answerer: pseudorandom), `answer` (answerer to querier). */
export function sumsMessages<P extends string>(prefix: P, querier: RoleOrAny, answerer: RoleOrAny, answerReveals: Bilingual) {
  return {
    [`${prefix}/hint`]: {
      from: answerer, to: querier, maxBytes: maxFrameBytes, reveals: nothing,
      body: z.strictObject({ ...chunk, firstCell: count(10_000_000), bytes: upTo(hintBytesPerCell) }),
    },
    [`${prefix}/query`]: {
      from: querier, to: answerer, maxBytes: maxFrameBytes, reveals: nothing,
      // `commitment`: SHA-256 of the seed of this query's secrets, for a later audit.
      body: z.strictObject({ ...chunk, query: count(10_000), commitment: bytes(32), bytes: upTo(queryBytesPerCoefficient).refine(hasCanonicalResidues) }),
    },
    [`${prefix}/answer`]: {
      from: answerer, to: querier, maxBytes: maxFrameBytes, reveals: answerReveals,
      body: z.strictObject({ query: count(10_000), bytes: z.instanceof(Uint8Array).refine((b) => b.length > 0 && b.length <= maxChunkBytes) }),
    },
  } as SumsMessages<P>;
}

type Spec<B extends z.ZodType> = { from: RoleOrAny; to: RoleOrAny; maxBytes: number; reveals: Bilingual; body: B };
type Bytes = Uint8Array;
type SumsMessages<P extends string> = {
  [K in `${P}/hint`]: Spec<z.ZodType<{ index: number; last: boolean; firstCell: number; bytes: Bytes }>>;
} & {
  [K in `${P}/query`]: Spec<z.ZodType<{ index: number; last: boolean; query: number; commitment: Bytes; bytes: Bytes }>>;
} & {
  [K in `${P}/answer`]: Spec<z.ZodType<{ query: number; bytes: Bytes }>>;
};
