// Random one-of-N transfers on the extension, as objects that live in a worker thread (kernels/pool.ts opens them by name).
import { blake2sState, useSession } from "./blake2s.ts";
import { codeOf, rowBytes, type CodeName } from "./code.ts";
import { ExtensionReceiver, ExtensionSender, maxChunkRows, type Extended } from "./extension.ts";
import { ObliviousWasm } from "./wasm.ts";

/** Bytes of pads that the sender makes for one chunk, about. */
const padMemory = 8 * 1024 * 1024;
const minChunkRows = 1024;
/** Bytes of all pads of one transfer, at most. */
export const maxRowPads = 65536;

/** Rows of the chunks of a call, the same at both ends. Throws RangeError for more than 256 choices or 64 KiB of pads a transfer. */
export function transferRows(choices: number, bytes: number): number {
  const fits = choices >= 2 && choices <= 256 && bytes >= 1 && choices * bytes <= maxRowPads;
  if (!fits || !Number.isInteger(choices) || !Number.isInteger(bytes)) throw new RangeError("2 to 256 choices, at most 64 KiB of pads a transfer");
  return Math.min(maxChunkRows, Math.max(minChunkRows, Math.floor(padMemory / (choices * bytes))));
}

/** Addresses that every object here needs, and the memory that its pads are made in. */
class Pads {
  readonly wasm: ObliviousWasm;
  readonly #state: Uint8Array;
  readonly #stateAt: number;
  #out: { readonly at: number; readonly bytes: number } = { at: 0, bytes: 0 };

  constructor(wasm: ObliviousWasm, session: Uint8Array) {
    this.wasm = wasm;
    this.#state = blake2sState(session);
    this.#stateAt = wasm.allocate(32);
  }
  make(rows: number, first: number, count: number, words: number, choices: number, bytes: number): Uint8Array<ArrayBuffer> {
    const length = count * choices * bytes;
    if (this.#out.bytes < length) this.#out = { at: this.wasm.allocate(length), bytes: length };
    useSession(this.wasm, this.#stateAt, this.#state);
    this.wasm.fn.padRows(rows, first, count, words, choices, bytes, this.#out.at);
    return this.wasm.bytes.slice(this.#out.at, this.#out.at + length);
  }
}

type TransferOptions = {
  readonly session: Uint8Array;
  readonly seeds: Uint8Array;
  /** "repetition" for one of 2 choices, "walshHadamard" for one of up to 256. */
  readonly code: CodeName;
  /** Rows of a chunk at most. */
  readonly maxRows: number;
};
export type TransferReceiverOptions = TransferOptions & { readonly maskSeed: Uint8Array };

export class TransferReceiver {
  readonly #wasm = new ObliviousWasm();
  readonly #extension: ExtensionReceiver;
  readonly #pads: Pads;
  readonly #zeroWord: number;

  constructor(options: TransferReceiverOptions) {
    this.#extension = new ExtensionReceiver(this.#wasm, codeOf(options.code), options);
    this.#pads = new Pads(this.#wasm, options.session);
    this.#zeroWord = this.#wasm.allocate(rowBytes);
  }
  /** One chunk: picked choices (a byte each) of the transfers from number `first` on; their pads of `bytes` bytes. */
  extend(picked: Uint8Array, first: number, bytes: number): Extended & { readonly pads: Uint8Array } {
    const wasm = this.#wasm;
    const words = this.#extension.words;
    wasm.bytes.fill(0, words, words + 16 * picked.length);
    for (const [i, choice] of picked.entries()) wasm.bytes[words + 16 * i] = choice;
    const extended = this.#extension.extend(picked.length);
    return { ...extended, pads: this.#pads.make(this.#extension.rows, first, picked.length, this.#zeroWord, 1, bytes) };
  }
}

export type TransferSenderOptions = TransferOptions & { readonly choices: Uint8Array };

export class TransferSender {
  readonly #wasm = new ObliviousWasm();
  readonly #extension: ExtensionSender;
  readonly #pads: Pads;

  constructor(options: TransferSenderOptions) {
    this.#extension = new ExtensionSender(this.#wasm, codeOf(options.code), options);
    this.#pads = new Pads(this.#wasm, options.session);
  }
  /** The pads of one chunk of `count` transfers for all choices. Throws as `ExtensionSender.take`. */
  pads(chunk: { readonly columns: Uint8Array; readonly check: Uint8Array }, first: number, count: number, choices: number, bytes: number): Uint8Array {
    this.#extension.take(count, chunk);
    return this.#pads.make(this.#extension.rows, first, count, this.#extension.tables, choices, bytes);
  }
  wipe(): void {
    this.#extension.wipe();
  }
}

/** For `Kernels.open`. */
export function openTransferReceiver(options: TransferReceiverOptions): TransferReceiver {
  return new TransferReceiver(options);
}
/** For `Kernels.open`. */
export function openTransferSender(options: TransferSenderOptions): TransferSender {
  return new TransferSender(options);
}
