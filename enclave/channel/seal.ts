// Sealed frames: the frame and its sender's signature under AES-256-GCM, with the channel's direction key and the message number as
// nonce (each number is used once: the ledger refuses a second content). The Ed25519 signature is over context, transcript (plan and
// approvals), header and SHA-256 of the frame, so it says who sent which content to whom, under which number of which job; the same digest
// stands in the ledgers of both ends. It lies inside the seal: outside, the relay could test guesses of a short frame with it.
// Layout: "YN02" | u8 length, from | u8 length, to | u64 seq | u32 frame length | seal of (frame | signature 64) | tag 16.
import { createCipheriv, createDecipheriv, createHash, hash, sign, verify, type KeyObject } from "node:crypto";
import { BufferPool } from "../../core/buffer-pool.ts";
import { AppError } from "../../core/errors.ts";
import { maxFrameBytes } from "../../core/message.ts";
import type { Session } from "./session.ts";

const magic = Buffer.from("YN02", "ascii");
const context = Buffer.from("yunei/frame/v2\0", "ascii");
const tagBytes = 16;
const signatureBytes = 64;
/** Frames of megabytes are worked through in pieces that stay in the processor's cache. */
const pieceBytes = 64 * 1024;
/** Upper bound of a sealed frame on the wire. */
export const maxSealedBytes = maxFrameBytes + 512;

export type Opened = { readonly frame: Uint8Array; /** SHA-256 of the frame, hex. */ readonly digest: string };
type Header = { from: string; to: string; seq: number };

/** SHA-256, hex: what ledger, inbox and signature say of a frame. */
export function frameDigest(frame: Uint8Array): string {
  return hash("sha256", frame, "hex");
}

function encodeHeader(header: Header, length: number): Buffer {
  const from = Buffer.from(header.from, "ascii");
  const to = Buffer.from(header.to, "ascii");
  const tail = Buffer.alloc(12);
  tail.writeBigUInt64BE(BigInt(header.seq), 0);
  tail.writeUInt32BE(length, 8);
  return Buffer.concat([magic, Buffer.from([from.length]), from, Buffer.from([to.length]), to, tail]);
}

function nonce(seq: bigint): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(seq, 4);
  return bytes;
}

/** The same bytes, not copied. */
function plain(buffer: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer.buffer as ArrayBuffer, buffer.byteOffset, buffer.length);
}

function signed(session: Session, header: Uint8Array, digest: string): Buffer {
  return Buffer.concat([context, session.transcript, header, Buffer.from(digest, "hex")]);
}

/** digest: the frame's, when it is known. pool: where the result's memory comes from. */
type SealOptions = { readonly digest?: string; readonly pool?: BufferPool };

/** Seals one frame. Deterministic: the same frame under the same number gives the same bytes. */
export function sealFrame(frame: Uint8Array, seq: number, session: Session, identity: KeyObject, options: SealOptions = {}): Uint8Array {
  const { digest = frameDigest(frame), pool = new BufferPool() } = options;
  const header = encodeHeader({ from: session.self, to: session.peer, seq }, frame.length);
  const cipher = createCipheriv("aes-256-gcm", session.key(session.self, session.peer), nonce(BigInt(seq)));
  cipher.setAAD(Buffer.concat([session.transcript, header]));
  const sealed = pool.take(header.length + frame.length + signatureBytes + tagBytes);
  let at = header.copy(sealed);
  for (let from = 0; from < frame.length; from += pieceBytes) at += cipher.update(frame.subarray(from, from + pieceBytes)).copy(sealed, at);
  at += cipher.update(sign(null, signed(session, header, digest), identity)).copy(sealed, at);
  at += cipher.final().copy(sealed, at);
  cipher.getAuthTag().copy(sealed, at);
  return plain(sealed);
}

function parse(sealed: Uint8Array): { header: Header; seq: bigint; headerBytes: Buffer; ciphertext: Buffer; tag: Buffer } {
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
  const seq = all.readBigUInt64BE(tailAt);
  const tagAt = bodyAt + all.readUInt32BE(tailAt + 8) + signatureBytes;
  if (all.length !== tagAt + tagBytes) throw bad();
  return {
    header: { from: all.toString("latin1", 5, toAt), to: all.toString("latin1", toAt + 1, tailAt), seq: Number(seq) },
    seq, headerBytes: all.subarray(0, bodyAt), ciphertext: all.subarray(bodyAt, tagAt), tag: all.subarray(tagAt),
  };
}

/** Opens a sealed frame that must be number `seq` from `session.peer`. Every refusal has its code; nothing is changed. pool: where the
 *  frame's memory comes from. */
export function openFrame(sealed: Uint8Array, seq: number, session: Session, peerIdentity: KeyObject, pool = new BufferPool()): Opened {
  const { header, headerBytes, ciphertext, tag, seq: number } = parse(sealed);
  if (header.from !== session.peer || header.to !== session.self) throw new AppError("PROTOCOL_WRONG_PARTY", { party: session.peer });
  const { frame, digest, signature } = decrypt(session, headerBytes, ciphertext, tag, number, pool);
  const isSigned = verify(null, signed(session, headerBytes, digest), peerIdentity, signature);
  if (!isSigned) throw new AppError("PROTOCOL_BAD_SIGNATURE", { party: session.peer });
  if (header.seq < seq) throw new AppError("PROTOCOL_REPLAYED", { party: session.peer, seq: header.seq, expected: seq });
  if (header.seq > seq) throw new AppError("PROTOCOL_OUT_OF_ORDER", { party: session.peer, seq: header.seq, expected: seq });
  return { frame, digest };
}

type Decrypted = Opened & { readonly signature: Buffer };

function decrypt(session: Session, header: Uint8Array, ciphertext: Buffer, tag: Buffer, seq: bigint, pool: BufferPool): Decrypted {
  const decipher = createDecipheriv("aes-256-gcm", session.key(session.peer, session.self), nonce(seq));
  decipher.setAAD(Buffer.concat([session.transcript, header]));
  decipher.setAuthTag(tag);
  const opened = pool.take(ciphertext.length);
  const frameBytes = ciphertext.length - signatureBytes;
  const digest = createHash("sha256");
  for (let at = 0; at < ciphertext.length; at += pieceBytes) {
    const end = at + decipher.update(ciphertext.subarray(at, at + pieceBytes)).copy(opened, at);
    if (at < frameBytes) digest.update(opened.subarray(at, Math.min(end, frameBytes)));
  }
  try {
    decipher.final();
  } catch (cause) {
    throw new AppError("PROTOCOL_BAD_SEAL", { party: session.peer }, { cause });
  }
  return { frame: plain(opened.subarray(0, frameBytes)), signature: opened.subarray(frameBytes), digest: digest.digest("hex") };
}
