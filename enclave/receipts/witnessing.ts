// This enclave as a witness of the platform's log: it co-signs a checkpoint only when that continues what it has seen, remembers that first,
// and says so, here and to the platform, when it does not. Its key is another than the identity's, which vouches for it.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { witnessStatementType, type WitnessRefusal, type WitnessStatement } from "../../api/contract/receipts.ts";
import type { PartyId } from "../../core/brand.ts";
import type { Clock, Env } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { openCheckpoint } from "../../receipts/checkpoint.ts";
import { signJws } from "../../receipts/jws.ts";
import { fromBase64, noteKey, verifierKey, type NoteKey, type NoteSigner } from "../../receipts/note.ts";
import { Witness, type WitnessStore } from "../../receipts/witness.ts";
import type { Identity } from "../keys/identity.ts";
import type { StateDatabase } from "../store/database.ts";
import type { LogPlatform, Offer } from "../transport/log.ts";
import { reach } from "../transport/reach.ts";
import { pinLogKey } from "./log-key.ts";

const waitSeconds = 20;
const refusedMs = 60_000;
const maxEvidence = 1_000;

/** The witness key beside the enclave's other keys, made at the first start. */
export function openWitnessKey(path: string, party: PartyId): NoteSigner {
  if (!existsSync(path)) writeDurably(path, generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }));
  try {
    return { name: `yunei-witness/${party}`, key: createPrivateKey(Buffer.from(readBytes(path)).toString("utf8")) };
  } catch (cause) {
    throw new AppError("ENCLAVE_KEYS", {}, { cause });
  }
}

/** What a witness has seen, in the enclave's state database. Evidence is bounded: old checkpoints can be offered by anybody. */
export function stateWitnessStore(db: StateDatabase, now: Clock): WitnessStore {
  return {
    load: async (origin) => {
      const seen = db.get("select checkpoint from witnessed_logs where origin = ?", origin)?.["checkpoint"];
      return typeof seen === "string" ? seen : undefined;
    },
    save: async (origin, checkpoint) => void db.run("insert or replace into witnessed_logs values (?, ?)", origin, checkpoint),
    keepEvidence: async (origin, seen, offered) => {
      const kept = Number(db.get("select count(*) as n from witness_evidence")?.["n"] ?? 0);
      if (kept < maxEvidence) db.run("insert or ignore into witness_evidence (origin, seen, offered, at) values (?, ?, ?, ?)", origin, seen, offered, now());
    },
  };
}

type Parts = {
  readonly db: StateDatabase; readonly identity: Identity; readonly signer: NoteSigner; readonly platform: LogPlatform; readonly env: Env; readonly signal: AbortSignal;
};

/** Publishes the witness key and co-signs what is offered, until the signal aborts. */
export async function witnessLog(parts: Parts): Promise<void> {
  const { identity, signer, platform, env, signal, db } = parts;
  const waiting = { signal, log: env.log };
  const store = stateWitnessStore(db, env.now);
  const statement: WitnessStatement = { version: 1, party: identity.party, key: verifierKey(noteKey(signer.name, 4, signer.key)), at: new Date(env.now()).toISOString() };
  let isPublished = false;
  while (!signal.aborted) {
    try {
      if (!isPublished) await reach(() => platform.putWitness(signJws(statement, witnessStatementType, identity.signKey), signal), waiting);
      isPublished = true;
      await cosignNext(parts, store);
    } catch (error) {
      if (signal.aborted) return;
      if (!isAppError(error)) throw error;
      env.log.error("witness-stopped", { code: error.code });
      await delay(refusedMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function cosignNext(parts: Parts, store: WitnessStore): Promise<void> {
  const { signer, platform, env, signal, db } = parts;
  const waiting = { signal, log: env.log };
  const old = await seenSize(db, store);
  const { key: text, offer } = await reach(() => platform.offer(old, waitSeconds, signal), waiting);
  const key = pinLogKey(db, text);
  if (offer === null) return;
  const witness = new Witness({ signer, logs: [key], store, now: env.now });
  const line = await examine(witness, offer, old);
  if (typeof line === "string") {
    await reach(() => platform.cosign(offer.checkpoint, line, signal), waiting);
    return;
  }
  const refusal: WitnessRefusal = { code: line.code as WitnessRefusal["code"], size: old, offered: sizeOf(offer.checkpoint, key) };
  env.log.error("log-not-cosigned", refusal);
  await reach(() => platform.refuseCheckpoint(refusal, signal), waiting);
  await delay(refusedMs, undefined, { signal }).catch(() => undefined);
}

/** The co-signature, or why there is none. */
async function examine(witness: Witness, { checkpoint, path }: Offer, old: number): Promise<string | AppError> {
  try {
    return await witness.add({ old, proof: path.map(fromBase64), checkpoint });
  } catch (error) {
    if (!isAppError(error)) throw error;
    // Another log than the one whose key is pinned.
    return error.code === "WITNESS_UNKNOWN_LOG" ? new AppError("LOG_KEY") : error;
  }
}

async function seenSize(db: StateDatabase, store: WitnessStore): Promise<number> {
  const origin = db.get("select origin from witnessed_logs limit 1")?.["origin"];
  const seen = typeof origin === "string" ? await store.load(origin) : undefined;
  // Signed when it was stored; the size is asked for again by the witness itself.
  return seen === undefined ? 0 : Number(seen.split("\n")[1]);
}

function sizeOf(checkpoint: string, key: NoteKey): number {
  try {
    return openCheckpoint(checkpoint, key).size;
  } catch {
    return 0;
  }
}
