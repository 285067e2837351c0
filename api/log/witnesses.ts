// The platform's side of witnessing: it offers one checkpoint to all witnesses at a time, so that their co-signatures meet on it, and
// publishes it with those that came. Enclaves only connect outwards: they ask for the offer and bring the signature.
import { createPublicKey, X509Certificate } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import type { Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { isSignedBy, readJws } from "../../receipts/jws.ts";
import type { ReceiptLog } from "../../receipts/log.ts";
import { parseNote, parseVerifierKey, signatureOf, toBase64, verifierKey, withSignatures, type NoteKey } from "../../receipts/note.ts";
import { witnessStatementSchema, witnessStatementType, type WitnessRefusal, type WitnessView } from "../contract/receipts.ts";
import type { Database } from "../store/database.ts";
import { findCertificates, listIdentities } from "../store/parties.ts";
import { listWitnesses, noteCosigned, noteRefused, putWitness, type WitnessRow } from "../store/receipts.ts";

/** A checkpoint is offered at least this long before a newer one takes its place, unless all have signed it. */
const collectMs = 5_000;
/** A signed note has at most 64 signatures, the log's own among them. */
const maxLines = 60;

type Target = { readonly note: string; readonly size: number; readonly since: number; readonly lines: Map<PartyId, string>; readonly refusedBy: Set<PartyId> };
export type Offer = { readonly checkpoint: string; readonly path: string[] };
type Parts = { readonly log: () => ReceiptLog; readonly db: Database; readonly env: Env; readonly wake: () => void };

export class WitnessDesk {
  readonly #p: Parts;
  #target: Target | undefined;
  #known: readonly PartyId[] = [];
  #saving: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#p = parts;
  }

  /** The log has a newer checkpoint. */
  grown(): void {
    this.#advance();
  }

  /** Keeps a party's witness key. Throws WITNESS_KEY unless its identity key has signed the statement. */
  async publish(party: PartyId, statement: string): Promise<void> {
    const identity = (await findCertificates(this.#p.db.read, party))?.identityCertificate;
    if (identity === undefined || witnessKey({ party, statement }, identity) === undefined) throw new AppError("WITNESS_KEY");
    await this.#p.db.write((tx) => putWitness(tx, party, statement, new Date(this.#p.env.now())));
    this.#known = (await listWitnesses(this.#p.db.read)).map((row) => row.party);
    this.#advance();
  }

  /** What a witness that has seen a tree of `old` entries is to co-sign; undefined while there is nothing new for it. */
  async offer(party: PartyId, old: number): Promise<Offer | undefined> {
    this.#advance();
    const target = this.#target;
    if (target === undefined || target.lines.has(party) || target.refusedBy.has(party)) return undefined;
    // To a witness that has seen more, the log has gone back: it is shown what there is, and will say so.
    const path = old > target.size ? [] : await this.#p.log().consistency(old, target.size);
    return { checkpoint: target.note, path: path.map(toBase64) };
  }

  /** Takes a co-signature; false when another checkpoint is on offer by now. Throws WITNESS_KEY, CHECKPOINT_FORMAT, CHECKPOINT_SIGNATURE. */
  async take(party: PartyId, checkpoint: string, line: string): Promise<boolean> {
    const { db, env } = this.#p;
    const key = await this.#keyOf(party);
    const target = this.#target;
    if (target === undefined || target.note !== checkpoint || target.lines.size >= maxLines) return false;
    if (!line.endsWith("\n") || line.indexOf("\n") !== line.length - 1) throw new AppError("CHECKPOINT_FORMAT");
    if (signatureOf(parseNote(withSignatures(target.note, [line])), key) === undefined) throw new AppError("CHECKPOINT_SIGNATURE");
    target.lines.set(party, line);
    const save = (): Promise<void> => this.#p.log().saveWitnessed(withSignatures(target.note, [...target.lines.values()]));
    this.#saving = this.#saving.then(save, save);
    await this.#saving;
    await db.write((tx) => noteCosigned(tx, party, target.size, new Date(env.now())));
    this.#advance();
    return true;
  }

  /** A witness does not believe the log: everybody is shown that. */
  async refuse(party: PartyId, refusal: WitnessRefusal): Promise<void> {
    const { db, env } = this.#p;
    await this.#keyOf(party);
    this.#target?.refusedBy.add(party);
    env.log.error("log.refused-by-witness", { party, code: refusal.code, size: refusal.size, offered: refusal.offered });
    await db.write((tx) => noteRefused(tx, party, refusal, new Date(env.now())));
    this.#advance();
  }

  /** The witnesses with their keys; those whose statement does not fit the party's present identity are left out. */
  async list(): Promise<WitnessView[]> {
    const { db } = this.#p;
    const identities = new Map((await listIdentities(db.read)).map((row) => [row.party, row]));
    return (await listWitnesses(db.read)).flatMap((row) => {
      const identity = identities.get(row.party);
      const key = identity?.state === "active" ? witnessKey(row, identity.identityCertificate) : undefined;
      if (identity === undefined || key === undefined) return [];
      return [{
        party: row.party, key: verifierKey(key), statement: row.statement, identityCertificate: identity.identityCertificate,
        cosigned: row.cosigned === undefined ? null : { size: row.cosigned.size, at: row.cosigned.at.toISOString() },
        refused: row.refused === undefined ? null : { ...row.refused, code: row.refused.code as WitnessRefusal["code"], at: row.refused.at.toISOString() },
      }];
    });
  }

  async #keyOf(party: PartyId): Promise<NoteKey> {
    const row = (await listWitnesses(this.#p.db.read)).find((witness) => witness.party === party);
    const identity = (await findCertificates(this.#p.db.read, party))?.identityCertificate;
    const key = row === undefined || identity === undefined ? undefined : witnessKey(row, identity);
    if (key === undefined) throw new AppError("WITNESS_KEY");
    return key;
  }

  /** Puts the newest checkpoint on offer when the present one has been signed by all, or has had its time. */
  #advance(): void {
    const { env, wake } = this.#p;
    const log = this.#p.log();
    const { size } = log;
    const target = this.#target;
    if (size === 0 || target?.size === size) return;
    const isComplete = target === undefined || this.#known.every((party) => target.lines.has(party) || target.refusedBy.has(party));
    if (!isComplete && env.now() - target.since < collectMs) return;
    this.#target = { note: log.checkpoint, size, since: env.now(), lines: new Map(), refusedBy: new Set() };
    wake();
  }

  /** Reads who is a witness, and offers the newest checkpoint: at the start. */
  async begin(): Promise<void> {
    this.#known = (await listWitnesses(this.#p.db.read)).map((row) => row.party);
    this.#advance();
  }
}

/** The witness key that a statement names, if the identity has signed it for this party. */
function witnessKey({ party, statement }: Pick<WitnessRow, "party" | "statement">, identityPem: string): NoteKey | undefined {
  const identity = createPublicKey(new X509Certificate(identityPem).publicKey.export({ format: "pem", type: "spki" }));
  const parsed = witnessStatementSchema.safeParse(readJws(statement, witnessStatementType));
  if (!parsed.success || parsed.data.party !== party || !isSignedBy(statement, identity)) return undefined;
  try {
    const key = parseVerifierKey(parsed.data.key);
    return key.type === 4 ? key : undefined;
  } catch {
    return undefined;
  }
}
