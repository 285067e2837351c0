// What the messages of oblivious transfer hold at most, from numbers that all parties know: for the leakage statement.
import { codeColumns, codeOf, type CodeName } from "../../kernels/oblivious/code.ts";
import { extendedBytes } from "../../kernels/oblivious/extension.ts";
import { transferRows } from "../../kernels/oblivious/transfer.ts";
import { chunkRange } from "./chunks.ts";
import { baseTransfers, pointBytes } from "./messages.ts";

/** `asker`: the side that sends first; it receives the transfers of the session (`OtReceiver`, the guest of an intersection). bytes: payload of
 *  all messages of that type together. */
export type Traffic = { readonly from: "asker" | "answerer"; readonly type: "ot/base-ask" | "ot/base-answer" | "ot/extend"; readonly messages: number; readonly bytes: number };

/** The beginning of a session whose extension has the columns of `code`. */
export function openingTraffic(code: CodeName = "walshHadamard"): Traffic[] {
  const seeds = extendedBytes(codeOf("repetition"), codeColumns[code]);
  return [
    { from: "asker", type: "ot/base-ask", messages: 1, bytes: 2 * pointBytes * baseTransfers },
    { from: "answerer", type: "ot/base-answer", messages: 1, bytes: pointBytes * baseTransfers },
    { from: "answerer", type: "ot/extend", messages: 1, bytes: seeds.columns + seeds.check },
  ];
}

/** One call of `pads(count, choices, bytes)`. */
export function transferTraffic(count: number, choices: number, bytes: number): Traffic {
  return extensionTraffic("walshHadamard", count, transferRows(choices, bytes));
}

/** `count` rows in chunks of `rows`. */
export function extensionTraffic(code: CodeName, count: number, rows: number): Traffic {
  const messages = Math.ceil(count / rows);
  const linear = codeOf(code);
  let total = 0;
  for (let i = 0; i < messages; i++) {
    const [from, to] = chunkRange(count, rows, i);
    const { columns, check } = extendedBytes(linear, to - from);
    total += columns + check;
  }
  return { from: "asker", type: "ot/extend", messages, bytes: total };
}
