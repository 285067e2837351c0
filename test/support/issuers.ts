// Receipts of enrolled parties without an enclave: each has its identity key, its chain and a witness, and speaks to a real platform.
import { generateKeyPairSync, KeyObject } from "node:crypto";
import { assert } from "chai";
import { witnessStatementType } from "../../api/contract/receipts.ts";
import { signJws } from "../../receipts/jws.ts";
import { fromBase64, noteKey, parseVerifierKey, verifierKey, type NoteSigner } from "../../receipts/note.ts";
import { following, receiptDigest, signReceipt, type ChainHead, type ReceiptStatement } from "../../receipts/receipt.ts";
import { UseCommitments } from "../../receipts/uses.ts";
import { Witness, type WitnessStore } from "../../receipts/witness.ts";
import type { Reply } from "./clients.ts";
import type { Enclave } from "./platform.ts";

export type Place = { index: number; path: string[]; checkpoint: string };

export class Issuer {
  readonly enclave: Enclave;
  readonly key: KeyObject;
  head: ChainHead | undefined;

  constructor(enclave: Enclave) {
    this.enclave = enclave;
    this.key = KeyObject.from(enclave.identity.identityKey);
  }

  /** The next receipt of the chain; the chain goes on with it. */
  next(job: string, change: Partial<ReceiptStatement> = {}): string {
    const jws = this.sign(job, { ...following(this.head), ...change });
    this.head = { sequence: this.head === undefined ? 0 : this.head.sequence + 1, digest: receiptDigest(jws) };
    return jws;
  }

  sign(job: string, change: Partial<ReceiptStatement> = {}): string {
    return signReceipt({
      version: 2, id: job, kind: "scorecard", party: this.enclave.identity.party, purpose: "model-development", planDigest: "a".repeat(64), modelDigest: "b".repeat(64),
      snapshotDigest: null, outputDigest: null, ledgerDigest: "c".repeat(64), seedsDigest: null, uses: new UseCommitments([], []).digest, at: "2026-01-05T00:00:00.000Z",
      ...following(this.head), ...change,
    }, this.key);
  }

  put(jws: string): Promise<Reply> {
    return this.enclave.client.post("/enclave/v1/receipts", { receipt: jws });
  }

  async putGood(jws: string): Promise<Place> {
    const reply = await this.put(jws);
    assert.equal(reply.status, 200, reply.bytes.toString("utf8"));
    return reply.json() as Place;
  }
}

/** What a witness has seen, in memory. */
export class SeenStore implements WitnessStore {
  seen: string | undefined;
  readonly evidence: string[] = [];

  load = async (): Promise<string | undefined> => this.seen;
  save = async (_: string, checkpoint: string): Promise<void> => void (this.seen = checkpoint);
  keepEvidence = async (_: string, __: string, offered: string): Promise<void> => void this.evidence.push(offered);
}

export class TestWitness {
  readonly signer: NoteSigner;
  readonly store = new SeenStore();
  readonly issuer: Issuer;
  readonly now: () => number;

  constructor(issuer: Issuer, now: () => number = Date.now) {
    this.issuer = issuer;
    this.now = now;
    this.signer = { name: `yunei-witness/${issuer.enclave.identity.party}`, key: generateKeyPairSync("ed25519").privateKey };
  }

  get key() {
    return noteKey(this.signer.name, 4, this.signer.key);
  }

  publish(key: KeyObject = this.issuer.key): Promise<Reply> {
    const { party } = this.issuer.enclave.identity;
    const statement = signJws({ version: 1, party, key: verifierKey(this.key), at: "2026-01-05T00:00:00Z" }, witnessStatementType, key);
    return this.issuer.enclave.client.put("/enclave/v1/witness", { statement });
  }

  async offer(old: number): Promise<{ key: string; offer: { checkpoint: string; path: string[] } | null }> {
    return (await this.issuer.enclave.client.get(`/enclave/v1/log?old=${old}`)).json() as Awaited<ReturnType<TestWitness["offer"]>>;
  }

  /** Asks, examines and brings the signature; the reply of the platform. */
  async cosign(): Promise<Reply | undefined> {
    const old = this.store.seen === undefined ? 0 : Number(this.store.seen.split("\n")[1]);
    const { key, offer } = await this.offer(old);
    if (offer === null) return undefined;
    const witness = new Witness({ signer: this.signer, logs: [parseVerifierKey(key)], store: this.store, now: this.now });
    const line = await witness.add({ old, proof: offer.path.map(fromBase64), checkpoint: offer.checkpoint });
    return this.issuer.enclave.client.post("/enclave/v1/log/cosignatures", { checkpoint: offer.checkpoint, line });
  }
}
