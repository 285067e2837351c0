// Everything that oblivious transfer may put on the wire. All of it is uniform or pseudorandom to its receiver.
import { z } from "zod";
import { bytes, count, type Messages } from "../../core/message.ts";
import { codeColumns } from "../../kernels/oblivious/code.ts";
import { checkRows, maxChunkRows } from "../../kernels/oblivious/extension.ts";

/** Base transfers of one session. */
export const baseTransfers = codeColumns.repetition;
export const pointBytes = 32;
const nothing = { en: "", zh: "" };

export const maxColumnBytes = codeColumns.bch * ((maxChunkRows + checkRows) / 8);
export const maxCheckBytes = checkRows * (10 + codeColumns.bch / 8);
const upTo = (limit: number) => z.instanceof(Uint8Array).refine((b) => b.length > 0 && b.length <= limit);

export const otMessages = {
  "ot/base-ask": {
    from: "any", to: "any", maxBytes: 2 * pointBytes * baseTransfers + 128, reveals: nothing,
    // Two points for each transfer: uniform, whatever is chosen.
    body: z.strictObject({ points: bytes(2 * pointBytes * baseTransfers) }),
  },
  "ot/base-answer": {
    from: "any", to: "any", maxBytes: pointBytes * baseTransfers + 128, reveals: nothing,
    body: z.strictObject({ points: bytes(pointBytes * baseTransfers) }),
  },
  "ot/extend": {
    from: "any", to: "any", maxBytes: maxColumnBytes + maxCheckBytes + 256, reveals: nothing,
    // `columns`: masked columns of a matrix of code words; `check`: random sums of its rows, each hidden by a random row.
    body: z.strictObject({ index: count(2 ** 32), columns: upTo(maxColumnBytes), check: upTo(maxCheckBytes) }),
  },
} as const satisfies Messages;
