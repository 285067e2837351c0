// The extension itself, both sides side by side: what the receiver gets, what it must not get, and what the sender refuses.
import { assert } from "chai";
import { describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { bch, repetition, rowBytes, walshHadamard, type LinearCode } from "../../kernels/oblivious/code.ts";
import { extendedBytes, ExtensionReceiver, ExtensionSender, type Extended } from "../../kernels/oblivious/extension.ts";
import { TransferReceiver, transferRows, TransferSender } from "../../kernels/oblivious/transfer.ts";
import { ObliviousWasm } from "../../kernels/oblivious/wasm.ts";
import { bitDeviation, byteDeviation } from "../support/uniform.ts";
import { rngOf } from "./support.ts";

const session = new Uint8Array(16).fill(9);
const shape = { code: "walshHadamard", maxRows: 4000 } as const;

/** Base transfers as a trusted third party would deal them. */
function dealt(columns: number, label: string): { seeds: Uint8Array; choices: Uint8Array; chosen: Uint8Array } {
  const rng = rngOf(label);
  const seeds = rng(32 * columns);
  const choices = rng(columns).map((x) => x & 1);
  const chosen = new Uint8Array(16 * columns);
  for (const [i, choice] of choices.entries()) chosen.set(seeds.subarray(16 * (2 * i + choice), 16 * (2 * i + choice + 1)), 16 * i);
  return { seeds, choices, chosen };
}
function pair(label: string): { receiver: TransferReceiver; sender: TransferSender } {
  const { seeds, choices, chosen } = dealt(256, label);
  return {
    receiver: new TransferReceiver({ session, seeds, maskSeed: rngOf(label)(16), ...shape }),
    sender: new TransferSender({ session, seeds: chosen, choices, ...shape }),
  };
}
const codeOfThrown = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
  return "nothing was refused";
};

describe("oblivious transfer: the extension", () => {
  it("gives the receiver the pad of its choice for every number of choices up to 256, over several chunks", () => {
    const { receiver, sender } = pair("all N");
    const rng = rngOf("choices");
    let first = 0;
    for (let choices = 2; choices <= 256; choices++) {
      const count = choices % 7 === 0 ? 300 : 3;
      const bytes = 1 + (choices % 40);
      const picked = rng(count).map((x) => x % choices);
      const { pads, ...chunk } = receiver.extend(picked, first, bytes);
      const all = sender.pads(chunk, first, count, choices, bytes);
      for (const [k, choice] of picked.entries()) {
        const at = (k * choices + choice) * bytes;
        assert.deepEqual(pads.subarray(k * bytes, (k + 1) * bytes), all.subarray(at, at + bytes), `${choices} choices, transfer ${k}`);
      }
      first += count;
    }
  });

  it("leaves the pads that were not chosen uniform and different, also when every transfer chooses the same", () => {
    const { receiver, sender } = pair("uniform");
    const { pads, ...chunk } = receiver.extend(new Uint8Array(2000).fill(5), 0, 8);
    const all = sender.pads(chunk, 0, 2000, 16, 8);
    const items = Array.from({ length: 2000 * 16 }, (_, i) => Buffer.from(all.subarray(8 * i, 8 * i + 8)).toString("hex"));
    assert.equal(new Set(items).size, items.length);
    assert.isBelow(Math.abs(byteDeviation(all)), 8);
    assert.isBelow(Math.abs(bitDeviation(all)), 7.5);
    // Against what the receiver holds: the other pads of the same row are no function of its own pad that a difference would show.
    const differences = Uint8Array.from(all, (x, i) => x ^ (pads[Math.floor(i / 128) * 8 + (i & 7)] ?? 0)).filter((_, i) => (i >> 3) % 16 !== 5);
    assert.isBelow(Math.abs(byteDeviation(differences)), 8);
  });

  it("makes other pads from the same base transfers under another session name or another number", () => {
    const { seeds } = dealt(256, "sessions");
    const padsOf = (name: Uint8Array, first: number): string =>
      Buffer.from(new TransferReceiver({ session: name, seeds, maskSeed: new Uint8Array(16), ...shape }).extend(Uint8Array.of(1, 2), first, 16).pads).toString("hex");
    const other = session.with(0, 1);
    assert.equal(new Set([padsOf(session, 0), padsOf(session, 1), padsOf(other, 0)]).size, 3);
  });

  it("gives both seeds to one side and one to the other with the repetition code", () => {
    const { seeds, choices, chosen } = dealt(128, "seeds");
    const options = { session, code: "repetition", maxRows: 480 } as const;
    const receiver = new TransferReceiver({ ...options, seeds, maskSeed: new Uint8Array(16) });
    const sender = new TransferSender({ ...options, seeds: chosen, choices });
    const picked = rngOf("bits")(480).map((x) => x & 1);
    const { pads, ...chunk } = receiver.extend(picked, 0, 16);
    const all = sender.pads(chunk, 0, 480, 2, 16);
    for (const [k, choice] of picked.entries()) {
      const at = (2 * k + choice) * 16;
      assert.deepEqual(pads.subarray(16 * k, 16 * k + 16), all.subarray(at, at + 16));
      assert.notDeepEqual(pads.subarray(16 * k, 16 * k + 16), all.subarray(at ^ 16, (at ^ 16) + 16));
    }
  });

  it("sends columns and check sums that look the same whatever is chosen", () => {
    const looks = [0, 255].map((choice) => {
      const { receiver } = pair(`views ${choice}`);
      return receiver.extend(new Uint8Array(4000).fill(choice), 0, 1);
    });
    for (const { columns, check } of looks) {
      assert.isBelow(Math.abs(byteDeviation(columns)), 8);
      assert.isBelow(Math.abs(bitDeviation(check)), 7.5);
    }
    assert.deepEqual(looks.map((look) => [look.columns.length, look.check.length]), [looks[0], looks[0]].map((look) => [look?.columns.length, look?.check.length]));
  });

  it("sends a matrix none of whose places depends on the words, over many sessions of the same words", () => {
    const places = new Float64Array(400);
    const sessions = 200;
    const code = bch();
    for (let i = 0; i < sessions; i++) {
      const wasm = new ObliviousWasm();
      const { seeds } = dealt(480, `places ${i}`);
      const receiver = new ExtensionReceiver(wasm, code, { session, seeds, maskSeed: rngOf(`masks ${i}`)(16), maxRows: 2 });
      wasm.bytes.set([255, 1, 2, 3, 4, 5, 6, 7, 8, 9], receiver.words);
      const { columns } = receiver.extend(2);
      // Row 0 is the message above, row 1 is the zero message of an empty bin.
      for (const at of places.keys()) places[at] = (places[at] ?? 0) + (((columns[(at >> 1) * 32] ?? 0) >> (at & 1)) & 1);
    }
    // Mean 100, standard deviation 7.1, 400 places.
    for (const [at, ones] of places.entries()) assert.isBelow(Math.abs(ones - sessions / 2), 60, `place ${at}`);
  });

  it("cuts calls into chunks by the memory of their pads, and refuses more than 256 choices or 64 KiB", () => {
    assert.equal(transferRows(2, 16), 65408);
    assert.equal(transferRows(256, 256), 1024);
    for (const [choices, bytes] of [[1, 16], [257, 1], [256, 257], [2, 0], [2.5, 1]] as const) assert.throws(() => transferRows(choices, bytes), RangeError);
  });
});

describe("oblivious transfer: the consistency check", () => {
  const count = 700;
  type Sides = { readonly sender: ExtensionSender; readonly extend: () => Extended; readonly choices: Uint8Array };

  /** Both sides, the receiver with a code of its own: its rows are words of `cheat`. */
  function sides(code: LinearCode, cheat: LinearCode, label: string): Sides {
    const { seeds, choices, chosen } = dealt(code.columns, label);
    const wasm = new ObliviousWasm();
    const receiver = new ExtensionReceiver(wasm, cheat, { session, seeds, maskSeed: new Uint8Array(16), maxRows: count });
    const sender = new ExtensionSender(new ObliviousWasm(), code, { session, seeds: chosen, choices, maxRows: count });
    const words = rngOf(label)(count);
    return {
      sender, choices,
      extend: () => {
        for (const [i, byte] of words.entries()) wasm.bytes[receiver.words + 16 * i] = byte;
        return receiver.extend(count);
      },
    };
  }
  const flipped = (code: LinearCode, place: number): LinearCode => {
    const rows = code.rows.slice();
    rows[place >> 3] = (rows[place >> 3] ?? 0) ^ (1 << (place & 7));
    return { ...code, rows };
  };

  it("passes an honest receiver, chunk after chunk", () => {
    for (const code of [repetition(), walshHadamard(), bch()]) {
      const { sender, extend } = sides(code, code, "honest");
      for (let i = 0; i < 3; i++) sender.take(count, extend());
    }
  });
  it("catches a receiver whose words are wrong in one place exactly when the sender's secret has a 1 there: one bit at the price of a coin", () => {
    for (const code of [repetition(), bch()]) {
      for (let place = 0; place < 24; place++) {
        const { sender, extend, choices } = sides(code, flipped(code, place), `place ${place}`);
        const outcome = codeOfThrown(() => sender.take(count, extend()));
        assert.equal(outcome, choices[place] === 1 ? "PROTOCOL_OT_CHECK" : "nothing was refused");
      }
    }
  });
  it("catches a receiver whose words are not of the code at all", () => {
    for (const code of [repetition(), walshHadamard(), bch()]) {
      const rows = Uint8Array.from(rngOf("no code")(code.rows.length), (x, i) => (i % rowBytes < code.columns / 8 ? x : 0));
      const { sender, extend } = sides(code, { ...code, rows }, "wild");
      assert.equal(codeOfThrown(() => sender.take(count, extend())), "PROTOCOL_OT_CHECK");
    }
  });
  it("refuses a chunk with one changed bit anywhere, one that was sent before, and other lengths", () => {
    const code = walshHadamard();
    const lengths = extendedBytes(code, count);
    for (const at of [0, 5000, lengths.columns - 1]) {
      const { sender, extend } = sides(code, code, `bit ${at}`);
      const chunk = extend();
      chunk.columns[at] = (chunk.columns[at] ?? 0) ^ 4;
      assert.equal(codeOfThrown(() => sender.take(count, chunk)), "PROTOCOL_OT_CHECK");
    }
    const { sender, extend } = sides(code, code, "check");
    const chunk = extend();
    assert.equal(codeOfThrown(() => sender.take(count, { ...chunk, check: chunk.check.with(7, (chunk.check[7] ?? 0) ^ 1) })), "PROTOCOL_OT_CHECK");
    const again = sides(code, code, "replay");
    const once = again.extend();
    again.sender.take(count, once);
    assert.equal(codeOfThrown(() => again.sender.take(count, once)), "PROTOCOL_OT_CHECK");
    for (const wrong of [{ ...once, columns: once.columns.subarray(1) }, { ...once, check: once.check.subarray(1) }]) {
      assert.equal(codeOfThrown(() => again.sender.take(count, wrong)), "PROTOCOL_WRONG_SHAPE");
    }
  });
});
