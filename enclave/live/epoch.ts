// Live frames between two enclaves of a service: AES-256-GCM under keys of one epoch. An epoch begins with a fresh 16-byte nonce of each side,
// so its keys are fresh whenever one side is honest, and a frame of an earlier epoch opens in none. Its keys come from the channel of the
// approved plan. The counter of a frame is its nonce and rises strictly: what is replayed is refused. No signature: the receipt is the evidence.
// Layout: epoch 8 | counter 8 | ciphertext | tag 16.
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { AppError } from "../../core/errors.ts";
import type { Session } from "../channel/session.ts";

export const nonceBytes = 16;
const idBytes = 8;
const headBytes = idBytes + 8;
const tagBytes = 16;

export class LiveEpoch {
  /** Names the epoch on the wire. */
  readonly id: string;
  readonly #session: Session;
  readonly #out: Uint8Array;
  readonly #in: Uint8Array;
  readonly #head: Buffer;
  #sent = 0;
  #seen = -1;

  constructor(session: Session, guestNonce: Uint8Array, hostNonce: Uint8Array) {
    if (guestNonce.length !== nonceBytes || hostNonce.length !== nonceBytes) throw new AppError("PROTOCOL_MALFORMED", { party: session.peer });
    const label = `live|${Buffer.from(guestNonce).toString("hex")}|${Buffer.from(hostNonce).toString("hex")}`;
    const keys = session.sharedRng(label)(64);
    const isFirst = session.self < session.peer;
    this.#session = session;
    this.#out = keys.subarray(isFirst ? 0 : 32, isFirst ? 32 : 64);
    this.#in = keys.subarray(isFirst ? 32 : 0, isFirst ? 64 : 32);
    this.#head = createHash("sha256").update("yunei/live/v1\0").update(session.transcript).update(label).digest().subarray(0, idBytes);
    this.id = this.#head.toString("hex");
  }

  seal(frame: Uint8Array): Uint8Array {
    const head = Buffer.alloc(headBytes);
    this.#head.copy(head);
    head.writeBigUInt64BE(BigInt(this.#sent++), idBytes);
    const cipher = createCipheriv("aes-256-gcm", this.#out, nonceOf(head));
    cipher.setAAD(Buffer.concat([this.#session.transcript, head]));
    return new Uint8Array(Buffer.concat([head, cipher.update(frame), cipher.final(), cipher.getAuthTag()]));
  }

  /** Throws PROTOCOL_BAD_SEAL, PROTOCOL_REPLAYED; a frame that is refused changes nothing. */
  open(sealed: Uint8Array): Uint8Array {
    const { peer, transcript } = this.#session;
    if (sealed.length < headBytes + tagBytes || epochOf(sealed) !== this.id) throw new AppError("PROTOCOL_BAD_SEAL", { party: peer });
    const all = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
    const head = all.subarray(0, headBytes);
    const counter = Number(head.readBigUInt64BE(idBytes));
    const decipher = createDecipheriv("aes-256-gcm", this.#in, nonceOf(head));
    decipher.setAAD(Buffer.concat([transcript, head]));
    decipher.setAuthTag(all.subarray(all.length - tagBytes));
    let frame: Buffer;
    try {
      frame = Buffer.concat([decipher.update(all.subarray(headBytes, all.length - tagBytes)), decipher.final()]);
    } catch (cause) {
      throw new AppError("PROTOCOL_BAD_SEAL", { party: peer }, { cause });
    }
    if (counter <= this.#seen) throw new AppError("PROTOCOL_REPLAYED", { party: peer, seq: counter, expected: this.#seen + 1 });
    this.#seen = counter;
    return new Uint8Array(frame);
  }
}

/** Which epoch a sealed frame says that it is of. */
export function epochOf(sealed: Uint8Array): string {
  return Buffer.from(sealed.subarray(0, idBytes)).toString("hex");
}

function nonceOf(head: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(4), head.subarray(idBytes, headBytes)]);
}
