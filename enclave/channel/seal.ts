// Sealed frames: AES-256-GCM under the channel's direction key with the message number as nonce (each number is used
// once: the ledger refuses a second content), signed with the sender's Ed25519 identity over header and ciphertext.
// Layout: "YN01" | u8 length, from | u8 length, to | u64 seq | u32 ciphertext length | ciphertext | tag 16 | signature 64.
import { createCipheriv, createDecipheriv, createHash, sign, verify, type KeyObject } from "node:crypto";
import { AppError } from "../../core/errors.ts";
import { maxFrameBytes } from "../../core/message.ts";
import type { Session } from "./session.ts";

const magic = Buffer.from("YN01", "ascii");
const tagBytes = 16;
const signatureBytes = 64;
/** Upper bound of a sealed frame on the wire. */
export const maxSealedBytes = maxFrameBytes + 512;

type Header = { from: string; to: string; seq: number };

function encodeHeader(header: Header, length: number): Buffer {
  const from = Buffer.from(header.from, "ascii");
  const to = Buffer.from(header.to, "ascii");
  const tail = Buffer.alloc(12);
  tail.writeBigUInt64BE(BigInt(header.seq), 0);
  tail.writeUInt32BE(length, 8);
  return Buffer.concat([magic, Buffer.from([from.length]), from, Buffer.from([to.length]), to, tail]);
}

function nonce(seq: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(BigInt(seq), 4);
  return bytes;
}

/** The same bytes, not copied. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

function signedDigest(session: Session, header: Uint8Array, ciphertext: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256").update(header);
  for (const part of ciphertext) hash.update(part);
  return Buffer.concat([Buffer.from("yunei/frame/v1\0", "ascii"), session.transcript, hash.digest()]);
}

/** Seals one frame. Deterministic: the same frame under the same number gives the same bytes. */
export function sealFrame(frame: Uint8Array, seq: number, session: Session, identity: KeyObject): Uint8Array {
  const header = encodeHeader({ from: session.self, to: session.peer, seq }, frame.length);
  const cipher = createCipheriv("aes-256-gcm", session.key(session.self, session.peer), nonce(seq));
  cipher.setAAD(Buffer.concat([session.transcript, header]));
  const parts = [cipher.update(frame), cipher.final(), cipher.getAuthTag()];
  const signature = sign(null, signedDigest(session, header, parts), identity);
  // One copy of a frame of megabytes, not one for every step.
  return plain(Buffer.concat([header, ...parts, signature]));
}

function parse(sealed: Uint8Array): { header: Header; headerBytes: Buffer; ciphertext: Buffer; signature: Buffer } {
  const all = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length);
  const bad = (): AppError => new AppError("PROTOCOL_MALFORMED", { bytes: sealed.length });
  if (sealed.length > maxSealedBytes) throw new AppError("PROTOCOL_OVERSIZED", { bytes: sealed.length, limit: maxSealedBytes });
  if (all.length < 18 || !all.subarray(0, 4).equals(magic)) throw bad();
  const fromLength = all.readUInt8(4);
  const toAt = 5 + fromLength;
  if (all.length <= toAt) throw bad();
  const toLength = all.readUInt8(toAt);
  const tailAt = toAt + 1 + toLength;
  const bodyAt = tailAt + 12;
  if (all.length < bodyAt) throw bad();
  const seq = Number(all.readBigUInt64BE(tailAt));
  const length = all.readUInt32BE(tailAt + 8);
  if (all.length !== bodyAt + length + tagBytes + signatureBytes) throw bad();
  return {
    header: { from: all.toString("latin1", 5, toAt), to: all.toString("latin1", toAt + 1, tailAt), seq },
    headerBytes: all.subarray(0, bodyAt),
    ciphertext: all.subarray(bodyAt, bodyAt + length + tagBytes),
    signature: all.subarray(bodyAt + length + tagBytes),
  };
}

/** Opens a sealed frame that must be number `seq` from `session.peer`. Every refusal has its code; nothing is changed. */
export function openFrame(sealed: Uint8Array, seq: number, session: Session, peerIdentity: KeyObject): Uint8Array {
  const { header, headerBytes, ciphertext, signature } = parse(sealed);
  if (header.from !== session.peer || header.to !== session.self) throw new AppError("PROTOCOL_WRONG_PARTY", { party: session.peer });
  if (!verify(null, signedDigest(session, headerBytes, [ciphertext]), peerIdentity, signature)) {
    throw new AppError("PROTOCOL_BAD_SIGNATURE", { party: session.peer });
  }
  if (header.seq < seq) throw new AppError("PROTOCOL_REPLAYED", { party: session.peer, seq: header.seq, expected: seq });
  if (header.seq > seq) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: session.peer, seq: header.seq, expected: seq });
  return decrypt(session, headerBytes, ciphertext, seq);
}

function decrypt(session: Session, header: Uint8Array, ciphertext: Buffer, seq: number): Uint8Array {
  const decipher = createDecipheriv("aes-256-gcm", session.key(session.peer, session.self), nonce(seq));
  decipher.setAAD(Buffer.concat([session.transcript, header]));
  decipher.setAuthTag(ciphertext.subarray(ciphertext.length - tagBytes));
  try {
    const frame = decipher.update(ciphertext.subarray(0, ciphertext.length - tagBytes));
    const rest = decipher.final();
    return plain(rest.length === 0 ? frame : Buffer.concat([frame, rest]));
  } catch (cause) {
    throw new AppError("PROTOCOL_BAD_SEAL", { party: session.peer }, { cause });
  }
}
