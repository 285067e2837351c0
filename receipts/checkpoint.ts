// Checkpoints of the log (C2SP tlog-checkpoint): a signed note of origin, size and root; and the policy "k of n witnesses".
import { AppError } from "../core/errors.ts";
import { hashBytes, type Hash } from "./merkle.ts";
import { fromBase64, parseNote, signatureOf, signNote, toBase64, type NoteKey, type NoteSigner, type ParsedNote } from "./note.ts";

export type TreeHead = { readonly size: number; readonly root: Hash };
export type Checkpoint = TreeHead & { readonly origin: string };
/** Keys of type 4, all different; threshold: how many of them must have co-signed. */
export type WitnessPolicy = { readonly threshold: number; readonly witnesses: readonly NoteKey[] };
export type Cosignature = { readonly name: string; readonly seconds: number };

/** The signed checkpoint of a tree. The origin is the signer's name. */
export function signCheckpoint(head: TreeHead, signer: NoteSigner): string {
  return signNote(`${signer.name}\n${head.size}\n${toBase64(head.root)}\n`, signer);
}

/** Reads the three lines. Extension lines are refused: nobody audits them (the specification advises against them). */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, size, root, ...rest] = text.split("\n");
  if (origin === undefined || origin === "" || size === undefined || root === undefined || rest.length !== 1 || rest[0] !== "") throw new AppError("CHECKPOINT_FORMAT");
  const bytes = fromBase64(root);
  const isNumber = /^(0|[1-9]\d{0,15})$/.test(size) && Number.isSafeInteger(Number(size));
  if (!isNumber || bytes.length !== hashBytes) throw new AppError("CHECKPOINT_FORMAT");
  return { origin, size: Number(size), root: bytes };
}

/** A checkpoint that the log's key has signed for the origin of its name. Throws CHECKPOINT_FORMAT or CHECKPOINT_SIGNATURE. */
export function openCheckpoint(note: string, log: NoteKey): Checkpoint & { readonly note: ParsedNote } {
  const parsed = parseNote(note);
  if (log.type !== 1 || signatureOf(parsed, log) === undefined) throw new AppError("CHECKPOINT_SIGNATURE");
  const checkpoint = parseCheckpoint(parsed.text);
  if (checkpoint.origin !== log.name) throw new AppError("CHECKPOINT_SIGNATURE");
  return { ...checkpoint, note: parsed };
}

/** A policy whose witnesses are different keys with different names. Throws WITNESS_POLICY. */
export function witnessPolicy(threshold: number, witnesses: readonly NoteKey[]): WitnessPolicy {
  const keys = new Set(witnesses.map((w) => w.key.export({ format: "der", type: "spki" }).toString("hex")));
  const names = new Set(witnesses.map((w) => w.name));
  const fits = Number.isSafeInteger(threshold) && threshold >= 0 && threshold <= witnesses.length;
  if (!fits || keys.size !== witnesses.length || names.size !== witnesses.length || witnesses.some((w) => w.type !== 4)) throw new AppError("WITNESS_POLICY");
  return { threshold, witnesses };
}

/** Who of the policy has co-signed, and when. Throws CHECKPOINT_SIGNATURE for a forged one. */
export function cosignaturesOf(note: ParsedNote, policy: WitnessPolicy): Cosignature[] {
  return policy.witnesses.flatMap((key) => {
    const found = signatureOf(note, key);
    return found === undefined ? [] : [{ name: key.name, seconds: found.seconds }];
  });
}

/** The co-signatures, enough of them. Throws CHECKPOINT_WITNESSES or CHECKPOINT_SIGNATURE. */
export function checkWitnesses(note: ParsedNote, policy: WitnessPolicy): Cosignature[] {
  const found = cosignaturesOf(note, policy);
  if (found.length < policy.threshold) throw new AppError("CHECKPOINT_WITNESSES", { found: found.length, needed: policy.threshold });
  return found;
}
