// The platform's transparency log: takes receipts of the parties in the order of their chains, proves where they are. An entry is
// acknowledged when log and index have it; the log is the truth, and the index catches up with it at the start.
import { createHash, createPublicKey, X509Certificate, type KeyObject } from "node:crypto";
import type { PartyId } from "../../core/brand.ts";
import type { Env } from "../../core/env.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { lockFolder } from "../../core/lock.ts";
import { openCheckpoint } from "../../receipts/checkpoint.ts";
import { folderDisk } from "../../receipts/disk.ts";
import { ReceiptLog, type Appended, type LogOptions } from "../../receipts/log.ts";
import { toBase64 } from "../../receipts/note.ts";
import { checkNext, readReceipt, receiptDigest, verifyReceipt, type ChainHead, type ReceiptStatement } from "../../receipts/receipt.ts";
import { fingerprintOf, type Authority } from "../pki/authority.ts";
import type { Database } from "../store/database.ts";
import { findCertificates } from "../store/parties.ts";
import { addReceipts, findInChain, findReceipt, indexedEntries, issuersOf, keepIssuer, type IssuerRow, type LogRow } from "../store/receipts.ts";
import { loadLogSigner, logPaths } from "./key.ts";
import { WitnessDesk } from "./witnesses.ts";

export type Place = { readonly index: number; readonly path: string[]; readonly checkpoint: string };
type Chain = { head: ChainHead | undefined; turn: Promise<unknown> };
type Issuer = IssuerRow & { readonly key: KeyObject };
const indexBatch = 500;
const maxChains = 10_000;

export class TransparencyLog implements AsyncDisposable {
  readonly witnesses: WitnessDesk;
  readonly #options: LogOptions;
  readonly #db: Database;
  readonly #lock: Disposable;
  readonly #chains = new Map<string, Chain>();
  readonly #issuers = new Map<string, Issuer>();
  #log: ReceiptLog;
  /** A write has failed: only opening anew tells what is on the disk. */
  #isBroken = false;
  #reopening: Promise<void> | undefined;
  /** Rows that the index does not have yet, in the order of the log: it has no gaps. */
  #rows: LogRow[] = [];
  #indexing: Promise<void> | undefined;

  private constructor(log: ReceiptLog, options: LogOptions, parts: { db: Database; lock: Disposable; wake: () => void; env: Env }) {
    this.#log = log;
    this.#options = options;
    this.#db = parts.db;
    this.#lock = parts.lock;
    this.witnesses = new WitnessDesk({ log: () => this.#log, db: parts.db, env: parts.env, wake: parts.wake });
  }

  get log(): ReceiptLog {
    return this.#log;
  }

  /** Opens the log of a data folder and brings the index up to it. wake: called when there is a new checkpoint. Throws
   *  PLATFORM_NOT_INITIALISED, LOG_LOCKED, LOG_MISSING, LOG_KEY, LOG_DAMAGED (also when the index knows of entries that the log has lost). */
  static async open(options: { data: string; authority: Authority; db: Database; env: Env; wake: () => void }): Promise<TransparencyLog> {
    const { data, authority, db, env } = options;
    const paths = logPaths(data);
    const signer = loadLogSigner(data, authority.certificatePem);
    const lock = lockFolder(paths.lock, "LOG_LOCKED");
    try {
      const logOptions = { disk: folderDisk(paths.folder), signer };
      const opened = new TransparencyLog(await ReceiptLog.open(logOptions), logOptions, { db, lock, wake: options.wake, env });
      await opened.#catchUp();
      await opened.witnesses.begin();
      return opened;
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Appends the next receipt of a party, once. It is durable, and can be found, on return. Throws RECEIPT_FORMAT, RECEIPT_VERSION, RECEIPT_ISSUER
   *  (another party's, or not enrolled), RECEIPT_SIGNATURE, RECEIPT_CHAIN, LOG_BUSY, LOG_STOPPED, DISK_FAILED. */
  async take(party: PartyId, jws: string): Promise<Place> {
    await this.#heal();
    const claimed = readReceipt(jws);
    if (claimed.party !== party) throw new AppError("RECEIPT_ISSUER", { party: claimed.party });
    const present = await this.#issuerOf(party);
    const statement = verifyReceipt(jws, present.key);
    const issuer = await this.#issuerAt(present, Date.parse(statement.at));
    const chain = this.#chain(issuer.issuer);
    const work = async (): Promise<Place> => this.#takeInTurn(chain, jws, statement, issuer);
    const turn = chain.turn.then(work, work);
    chain.turn = turn.catch(() => undefined);
    return turn;
  }

  async #takeInTurn(chain: Chain, jws: string, statement: ReceiptStatement, issuer: Issuer): Promise<Place> {
    const digest = receiptDigest(jws);
    const known = await findReceipt(this.#db.read, digest);
    if (known !== undefined) return this.place(known.entry, this.log.checkpoint);
    chain.head ??= headOf(await findInChain(this.#db.read, issuer.issuer));
    if (checkNext(chain.head, jws, statement) === "same") {
      // It is in the log; its row could not be written before.
      await this.#flush();
      const row = await findReceipt(this.#db.read, digest);
      if (row === undefined) throw new AppError("LOG_STOPPED");
      return this.place(row.entry, this.log.checkpoint);
    }
    const { index, checkpoint } = await this.#append(jws);
    chain.head = { sequence: statement.sequence, digest };
    this.#rows.push(rowOf(index, digest, statement, issuer));
    this.witnesses.grown();
    while ((this.#rows[0]?.entry ?? Infinity) <= index) await this.#flush();
    return this.place(index, checkpoint);
  }

  async #append(jws: string): Promise<Appended> {
    const log = this.#log;
    try {
      return await log.append(Buffer.from(jws));
    } catch (error) {
      const isWrite = isAppError(error) && (error.code === "DISK_FAILED" || error.code === "LOG_STOPPED");
      if (isWrite && log === this.#log) this.#isBroken = true;
      throw error;
    }
  }

  /** Opens the log anew after a failed write, as a new process would. */
  async #heal(): Promise<void> {
    if (!this.#isBroken) return;
    this.#reopening ??= (async () => {
      await this.#log.close();
      this.#log = await ReceiptLog.open(this.#options);
      this.#rows = [];
      for (const chain of this.#chains.values()) chain.head = undefined;
      await this.#catchUp();
      this.#isBroken = false;
    })().finally(() => {
      this.#reopening = undefined;
    });
    await this.#reopening;
  }

  /** Where an entry is under a checkpoint of this log that has it. Throws LOG_RANGE. */
  async place(index: number, checkpoint: string): Promise<Place> {
    const { size } = openCheckpoint(checkpoint, this.log.key);
    return { index, path: (await this.log.inclusion(index, size)).map(toBase64), checkpoint };
  }

  /** The newest checkpoint that has the entry: a co-signed one if there is one. */
  checkpointFor(index: number): string {
    const { witnessed, checkpoint } = this.log;
    return witnessed !== undefined && openCheckpoint(witnessed, this.log.key).size > index ? witnessed : checkpoint;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.log.close();
    await this.#indexing?.catch(() => undefined);
    this.#lock[Symbol.dispose]();
  }

  #chain(issuer: string): Chain {
    const known = this.#chains.get(issuer) ?? { head: undefined, turn: Promise.resolve() };
    // As many as identity keys have written since the start.
    if (this.#chains.size > maxChains) throw new AppError("LOG_BUSY");
    this.#chains.set(issuer, known);
    return known;
  }

  /** The party's identity key of today. Its certificate is kept before anything is taken under it: a bundle needs it later. */
  async #issuerOf(party: PartyId): Promise<Issuer> {
    const pem = (await findCertificates(this.#db.read, party))?.identityCertificate;
    if (pem === undefined) throw new AppError("RECEIPT_ISSUER", { party });
    const known = this.#issuers.get(party);
    if (known?.pem === pem) return known;
    const row = { certificate: fingerprintOf(pem), partyId: party, issuer: keyPrint(pem), pem };
    await this.#db.write((tx) => keepIssuer(tx, row));
    const issuer = { ...row, key: keyOf(pem) };
    this.#issuers.set(party, issuer);
    return issuer;
  }

  /** The certificate of the same key that was valid when the receipt was made: one that came after a renewal names the earlier one, if any was kept. */
  async #issuerAt(present: Issuer, at: number): Promise<Issuer> {
    if (isValidAt(present.pem, at)) return present;
    const earlier = (await issuersOf(this.#db.read, present.partyId)).find((row) => row.issuer === present.issuer && isValidAt(row.pem, at));
    return earlier === undefined ? present : { ...earlier, key: present.key };
  }

  /** Writes what waits for the index, what comes together in one transaction. What fails waits on. */
  #flush(): Promise<void> {
    this.#indexing ??= (async () => {
      await Promise.resolve();
      while (this.#rows.length > 0) {
        const batch = this.#rows.slice(0, indexBatch);
        await this.#db.write(async (tx) => {
          // A commit whose answer was lost has written some of them.
          const from = await indexedEntries(tx);
          await addReceipts(tx, batch.filter(({ entry }) => entry >= from));
        });
        this.#rows = this.#rows.filter(({ entry }) => entry > (batch.at(-1)?.entry ?? -1));
      }
    })().finally(() => {
      this.#indexing = undefined;
    });
    return this.#indexing;
  }

  /** Index rows of entries that a crash cut off from their log. */
  async #catchUp(): Promise<void> {
    const from = await indexedEntries(this.#db.read);
    if (from > this.log.size) throw new AppError("LOG_DAMAGED", { size: this.log.size, indexed: from });
    let rows: LogRow[] = [];
    const flush = async (): Promise<void> => {
      const batch = rows;
      rows = [];
      if (batch.length > 0) await this.#db.write((tx) => addReceipts(tx, batch));
    };
    for await (const { index, entry } of this.log.entries(from)) {
      const jws = Buffer.from(entry).toString("utf8");
      const { party } = readReceipt(jws);
      const issuer = (await issuersOf(this.#db.read, party)).find((row) => isOf(jws, keyOf(row.pem)));
      if (issuer === undefined) throw new AppError("LOG_DAMAGED", { index });
      rows.push(rowOf(index, receiptDigest(jws), verifyReceipt(jws, keyOf(issuer.pem)), issuer));
      if (rows.length >= indexBatch) await flush();
    }
    await flush();
  }
}

function isOf(jws: string, key: KeyObject): boolean {
  try {
    verifyReceipt(jws, key);
    return true;
  } catch (error) {
    if (isAppError(error)) return false;
    throw error;
  }
}

function isValidAt(pem: string, at: number): boolean {
  const { validFromDate, validToDate } = new X509Certificate(pem);
  return at >= validFromDate.getTime() && at <= validToDate.getTime();
}

function headOf(row: LogRow | undefined): ChainHead | undefined {
  return row === undefined ? undefined : { sequence: row.sequence, digest: row.digest };
}

function rowOf(entry: number, digest: string, statement: ReceiptStatement, { issuer, certificate }: IssuerRow): LogRow {
  const { id: jobId, party: partyId, kind, purpose, sequence } = statement;
  return { entry, digest, jobId, partyId, kind, purpose, at: new Date(statement.at), issuer, sequence, certificate };
}

function keyOf(pem: string): KeyObject {
  return createPublicKey(new X509Certificate(pem).publicKey.export({ format: "pem", type: "spki" }));
}

function keyPrint(pem: string): string {
  return createHash("sha256").update(keyOf(pem).export({ format: "der", type: "spki" })).digest("hex");
}
