// Signed notes (C2SP signed-note, the format of golang.org/x/mod/sumdb/note) with Ed25519 keys, and timestamped witness
// co-signatures (C2SP tlog-cosignature, cosignature/v1). A note's text means nothing before a trusted key has verified it.
import { createHash, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { AppError } from "../core/errors.ts";

/** 1: Ed25519 over the text, a log. 4: cosignature/v1, a witness. */
export type KeyType = 1 | 4;
/** A trusted public key. `id`: 8 hex digits; it only selects the key, a collision makes a verification fail. */
export type NoteKey = { readonly name: string; readonly type: KeyType; readonly id: string; readonly key: KeyObject };
export type NoteSigner = { readonly name: string; readonly key: KeyObject };
export type SignatureLine = { readonly name: string; readonly id: string; readonly bytes: Uint8Array };
export type ParsedNote = { readonly text: string; readonly signatures: readonly SignatureLine[] };

const maxSignatures = 64;
const maxNoteBytes = 65_536;
const spkiPrefix = Buffer.from("302a300506032b6570032100", "hex");

const bad = (cause?: unknown): AppError => new AppError("CHECKPOINT_FORMAT", {}, cause === undefined ? {} : { cause });

/** Standard base64 in its one spelling, or CHECKPOINT_FORMAT. */
export function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw bad();
  return new Uint8Array(bytes);
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** The 32 bytes of an Ed25519 public key; of a private key, those of its public half. */
function rawKey(key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType !== "ed25519") throw bad();
  return new Uint8Array((key.type === "private" ? createPublicKey(key.export({ format: "pem", type: "pkcs8" })) : key).export({ format: "der", type: "spki" }).subarray(-32));
}

function keyId(name: string, type: KeyType, raw: Uint8Array): string {
  return createHash("sha256").update(`${name}\n`).update(new Uint8Array([type])).update(raw).digest("hex").slice(0, 8);
}

function checkName(name: string): string {
  if (name === "" || name.length > 256 || /[\s+\p{Cc}\p{Z}]/u.test(name)) throw bad();
  return name;
}

/** The trusted form of an Ed25519 key. Throws CHECKPOINT_FORMAT for another kind of key or a name with spaces or `+`. */
export function noteKey(name: string, type: KeyType, key: KeyObject): NoteKey {
  const raw = rawKey(key);
  const publicKey = createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: "der", type: "spki" });
  return { name: checkName(name), type, id: keyId(name, type, raw), key: publicKey };
}

/** `name+id+base64(type || key)`: how keys are written down ("vkey"). */
export function verifierKey(key: NoteKey): string {
  return `${key.name}+${key.id}+${toBase64(Buffer.concat([new Uint8Array([key.type]), rawKey(key.key)]))}`;
}

/** Reads a vkey; its id must be right. Throws CHECKPOINT_FORMAT. */
export function parseVerifierKey(text: string): NoteKey {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
  if (match === null) throw bad();
  const bytes = fromBase64(match[3] ?? "");
  const type = bytes[0];
  if (bytes.length !== 33 || (type !== 1 && type !== 4)) throw bad();
  const key = createPublicKey({ key: Buffer.concat([spkiPrefix, bytes.subarray(1)]), format: "der", type: "spki" });
  const made = noteKey(match[1] ?? "", type, key);
  if (made.id !== match[2]) throw bad();
  return made;
}

/** Text and signature lines of a note, nothing verified. Throws CHECKPOINT_FORMAT. */
export function parseNote(note: string): ParsedNote {
  // oxlint-disable-next-line no-control-regex -- the format forbids them
  if (Buffer.byteLength(note) > maxNoteBytes || /[\u0000-\u0009\u000b-\u001f]/.test(note) || !note.isWellFormed()) throw bad();
  const border = note.lastIndexOf("\n\n");
  if (border < 0 || !note.endsWith("\n")) throw bad();
  const lines = note.slice(border + 2).split("\n").slice(0, -1);
  if (lines.length === 0 || lines.length > maxSignatures) throw bad();
  return { text: note.slice(0, border + 1), signatures: lines.map(parseLine) };
}

function parseLine(text: string): SignatureLine {
  const match = /^\u2014 ([^ +]+) ([A-Za-z0-9+/=]+)$/u.exec(text);
  if (match === null) throw bad();
  const bytes = fromBase64(match[2] ?? "");
  if (bytes.length < 5) throw bad();
  return { name: checkName(match[1] ?? ""), id: Buffer.from(bytes.subarray(0, 4)).toString("hex"), bytes: bytes.subarray(4) };
}

function line(name: string, type: KeyType, key: KeyObject, signature: Uint8Array): string {
  return `\u2014 ${name} ${toBase64(Buffer.concat([Buffer.from(keyId(name, type, rawKey(key)), "hex"), signature]))}\n`;
}

/** A note with one signature. text: ends with a newline. */
export function signNote(text: string, signer: NoteSigner): string {
  if (!text.endsWith("\n")) throw bad();
  return `${text}\n${line(checkName(signer.name), 1, signer.key, sign(null, Buffer.from(text), signer.key))}`;
}

function cosigned(text: string, time: bigint | number): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
}

/** The signature line of a witness. seconds: POSIX time. */
export function cosign(text: string, signer: NoteSigner, seconds: number): string {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(seconds));
  return line(checkName(signer.name), 4, signer.key, Buffer.concat([time, sign(null, cosigned(text, seconds), signer.key)]));
}

/** Whether the key has signed, and for a witness when (POSIX seconds). undefined: no signature of this key. Throws
 *  CHECKPOINT_SIGNATURE when there is one that does not verify: such a note is refused as a whole. */
export function signatureOf(note: ParsedNote, key: NoteKey): { readonly seconds: number } | undefined {
  let found: { readonly seconds: number } | undefined;
  for (const { name, id, bytes } of note.signatures) {
    if (name !== key.name || id !== key.id) continue;
    const isTimed = key.type === 4;
    if (bytes.length !== (isTimed ? 72 : 64)) throw new AppError("CHECKPOINT_SIGNATURE");
    const time = isTimed ? Buffer.from(bytes).readBigUInt64BE() : 0n;
    const message = isTimed ? cosigned(note.text, time) : Buffer.from(note.text);
    if (time > BigInt(Number.MAX_SAFE_INTEGER) || !verify(null, message, key.key, isTimed ? bytes.subarray(8) : bytes)) throw new AppError("CHECKPOINT_SIGNATURE");
    // Of several the last: each says that this was the largest tree that the witness had seen at its time.
    if (found === undefined || Number(time) > found.seconds) found = { seconds: Number(time) };
  }
  return found;
}

/** The same note with more signature lines; lines that it has are not repeated. */
export function withSignatures(note: string, lines: readonly string[]): string {
  const { text, signatures } = parseNote(note);
  const seen = new Set(note.slice(text.length + 1).split(/(?<=\n)/));
  const fresh = lines.filter((l) => !seen.has(l));
  const made = `${note}${[...new Set(fresh)].join("")}`;
  if (parseNote(made).signatures.length < signatures.length) throw bad();
  return made;
}
