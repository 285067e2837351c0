// An enclave's own receipts (chain, uses, replays) and those of peers: what the guest's enclave accepts as a host's signature under a job.
import { generateKeyPairSync } from "node:crypto";
import { CompactSign } from "jose";
import { assert } from "chai";
import { describe, it } from "mocha";
import { canonicalJson, sha256Hex, type Json } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { systemRng } from "../../core/rng.ts";
import { checkPeerReceipt, JobReceipt, type ReceiptParts } from "../../enclave/job/receipt.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { ReceiptBook } from "../../enclave/receipts/book.ts";
import { Ledger } from "../../enclave/ledger.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { planDigest, type JobPlan } from "../../federation/plan-schema.ts";
import { openCheckpoint } from "../../receipts/checkpoint.ts";
import { createLog, ReceiptLog } from "../../receipts/log.ts";
import { toBase64 } from "../../receipts/note.ts";
import { noPrevious, readReceipt, receiptDigest, verifyReceipt } from "../../receipts/receipt.ts";
import { checkReveal, UseCommitments, type Use } from "../../receipts/uses.ts";
import { codeOf } from "../receipts/codes.ts";
import { MemoryDisk } from "../receipts/memory-disk.ts";
import { planOf, power, tax } from "../support/enclave.ts";

const plan = planOf();
const model = { id: "model_0123456789abcdef", digest: "b".repeat(64) };
const uscc = (body: string): string => body + String(usccCheckCharacter(body));
const usccs = [uscc("91330100MA0000001"), uscc("91330100MA0000002")] as const;

function useOf(subject: string, change: Partial<Use> = {}): Use {
  return { subject, grantee: "bank", items: ["tax.payment"], consent: null, revocations: null, output: null, at: "2026-01-05T00:00:00.000Z", ...change };
}

class Enclave implements Disposable {
  readonly db = new StateDatabase(":memory:");
  readonly keys = generateKeyPairSync("ed25519");
  readonly box = new SecretBox(systemRng(32), systemRng);
  book = this.restarted();

  restarted(): ReceiptBook {
    return new ReceiptBook({ db: this.db, box: this.box, rng: systemRng, key: this.keys.privateKey });
  }
  receipt(of: JobPlan = plan, change: Partial<ReceiptParts> = {}): JobReceipt {
    const uses = this.book.uses(of.job);
    const made = new JobReceipt(this.book, {
      plan: of, planDigest: planDigest(of), self: tax, ledger: new Ledger(this.db, of, tax), uses, seeds: () => ({}), now: () => Date.parse("2026-03-01T00:00:00Z"), ...change,
    });
    made.names(model);
    return made;
  }
  [Symbol.dispose](): void {
    this.db[Symbol.dispose]();
  }
}

const otherPlan = (job: string): JobPlan => planOf({}, { job });

describe("a host's receipt", () => {
  using enclave = new Enclave();
  const { privateKey: key, publicKey } = enclave.keys;
  const expected = { plan, planDigest: planDigest(plan), party: tax, model, key: publicKey };
  const jws = enclave.receipt().make();
  const verdict = (text: string, change: Partial<typeof expected> = {}): string => {
    try {
      checkPeerReceipt(text, { ...expected, ...change });
      return "accepted";
    } catch (error) {
      if (error instanceof AppError) return `${error.code} ${String(error.facts["party"])}`;
      throw error;
    }
  };
  const signed = async (payload: Json, typ = "yunei-receipt+jws"): Promise<string> =>
    new CompactSign(Buffer.from(canonicalJson(payload))).setProtectedHeader({ alg: "EdDSA", typ }).sign(key);

  it("is accepted for the plan, data and model that it was signed for", () => assert.equal(verdict(jws), "accepted"));

  it("is refused, naming the party, for anything else", () => {
    const changes: readonly Partial<typeof expected>[] = [
      { planDigest: "c".repeat(64) }, { model: { ...model, digest: "c".repeat(64) } }, { plan: otherPlan("job_fedcba9876543210") },
      { plan: { ...plan, purpose: "loan-approval" } }, { plan: { ...plan, kind: "score" } },
      { plan: { ...plan, datasets: { ...plan.datasets, tax: { name: "filings", rows: 3000, features: 3, labelled: false, snapshotDigest: "d".repeat(64) } } } },
      { key: generateKeyPairSync("ed25519").publicKey },
    ];
    for (const change of changes) assert.equal(verdict(jws, change), "RECEIPT_INVALID tax");
    assert.equal(verdict(jws, { party: power }), "RECEIPT_INVALID power");
  });

  it("is refused with another type, another algorithm, a changed or an unreadable text", async () => {
    const statement = readReceipt(jws);
    assert.equal(verdict(await signed(statement, "yunei-approval+jws")), "RECEIPT_INVALID tax");
    assert.equal(verdict(await signed(statement)), "accepted");
    const [head = "", payload = "", signature = ""] = jws.split(".");
    const secret = Buffer.from(publicKey.export({ format: "der", type: "spki" }));
    const confused = await new CompactSign(Buffer.from(payload, "base64url")).setProtectedHeader({ alg: "HS256", typ: "yunei-receipt+jws" }).sign(secret);
    const unsigned = `${Buffer.from(JSON.stringify({ alg: "none", typ: "yunei-receipt+jws" })).toString("base64url")}.${payload}.`;
    const changed = [head, Buffer.from(Buffer.from(payload, "base64url").toString("utf8").replace('"party":"tax"', '"party":"pow"')).toString("base64url"), signature].join(".");
    for (const bad of [confused, unsigned, changed, "", "a.b.c"]) assert.equal(verdict(bad), "RECEIPT_INVALID tax");
  });

  it("is refused as such when a later program wrote it", async () => {
    assert.equal(verdict(await signed({ ...readReceipt(jws), version: 3 })), "RECEIPT_VERSION tax");
    assert.equal(verdict(await signed({ ...readReceipt(jws), version: 1 })), "RECEIPT_VERSION tax");
  });
});

describe("the receipts of an enclave", () => {
  it("form one chain, and a job has one, whatever is said again after a restart", () => {
    using enclave = new Enclave();
    const first = enclave.receipt().make("e".repeat(64));
    const second = enclave.receipt(otherPlan("job_fedcba9876543210")).make();
    enclave.book = enclave.restarted();
    assert.equal(enclave.receipt(plan, { now: () => 0 }).make("f".repeat(64)), first);
    const third = enclave.receipt(otherPlan("job_aaaaaaaaaaaaaaaa")).make();
    const chain = [first, second, third].map((jws) => verifyReceipt(jws, enclave.keys.publicKey));
    assert.deepEqual(chain.map(({ sequence }) => sequence), [0, 1, 2]);
    assert.deepEqual(chain.map(({ previous }) => previous), [noPrevious, receiptDigest(first), receiptDigest(second)]);
    assert.deepInclude(chain[0], { version: 2, modelDigest: model.digest, outputDigest: "e".repeat(64), seedsDigest: null });
    assert.equal(enclave.book.pending()?.jws, first);
  });

  it("bind the seeds of its commitments without showing them", () => {
    using enclave = new Enclave();
    const seeds = { "sums/query/0": "ab".repeat(32) };
    const { seedsDigest } = readReceipt(enclave.receipt(plan, { seeds: () => seeds }).make());
    assert.equal(seedsDigest, sha256Hex(`[["sums/query/0","${sha256Hex(Buffer.from("ab".repeat(32), "hex"))}"]]`));
  });

  it("are made again in one piece when the database refuses", () => {
    using enclave = new Enclave();
    assert.throws(() => enclave.book.issue(plan.job, () => {
      throw new AppError("JOB_INTERNAL");
    }));
    assert.isUndefined(enclave.book.of(plan.job));
    assert.equal(readReceipt(enclave.receipt().make()).sequence, 0);
  });

  it("begin a new chain under a new identity key", () => {
    using enclave = new Enclave();
    enclave.receipt().make();
    const renewed = new ReceiptBook({ db: enclave.db, box: enclave.box, rng: systemRng, key: generateKeyPairSync("ed25519").privateKey });
    enclave.book = renewed;
    assert.equal(readReceipt(enclave.receipt(otherPlan("job_fedcba9876543210")).make()).sequence, 0);
    assert.lengthOf(renewed.list(), 2);
  });

  it("count as logged only with a proof under the log's key", async () => {
    using enclave = new Enclave();
    enclave.receipt().make();
    const kept = enclave.book.pending() ?? assert.fail();
    const signer = { name: "a-log", key: generateKeyPairSync("ed25519").privateKey };
    const disk = new MemoryDisk().disk;
    await createLog({ disk, signer });
    const log = await ReceiptLog.open({ disk, signer });
    const { index, checkpoint } = await log.append(Buffer.from(kept.jws));
    await log.append(Buffer.from("another"));
    const place = { index, path: (await log.inclusion(index)).map(toBase64), checkpoint: log.checkpoint };
    assert.equal(openCheckpoint(log.checkpoint, log.key).size, 2);
    const bad = [{ ...place, index: 1 }, { ...place, path: [] }, { ...place, checkpoint }, { ...place, checkpoint: checkpoint.replace("a-log\n1", "a-log\n2") }];
    for (const wrong of bad) assert.match(await codeOf(() => enclave.book.acknowledge(kept, wrong, log.key)), /^(RECEIPT_INCLUSION|CHECKPOINT_SIGNATURE)$/);
    assert.isDefined(enclave.book.pending());
    enclave.book.acknowledge(kept, place, log.key);
    assert.isUndefined(enclave.book.pending());
    assert.deepEqual(enclave.book.of(plan.job)?.place, place);
  });
});

describe("uses in a job", () => {
  it("are committed to once, whatever a replay says again, and can be opened one by one later", () => {
    using enclave = new Enclave();
    enclave.book.uses(plan.job).record(usccs.map((subject) => useOf(subject)), ["a consent"]);
    // After a restart the role says all of it again, with another salted output.
    enclave.book = enclave.restarted();
    const uses = enclave.book.uses(plan.job);
    uses.record([useOf(usccs[0], { output: "c".repeat(64) }), useOf(usccs[1])]);
    const statement = readReceipt(enclave.receipt().make());
    assert.equal(statement.uses.count, 2);
    const [i] = enclave.book.uses(plan.job).of(usccs[1]);
    const reveal = enclave.book.uses(plan.job).commitments().reveal(i ?? -1);
    assert.equal(checkReveal(statement.uses, reveal).subject, usccs[1]);
    assert.notInclude(JSON.stringify(reveal), usccs[0]);
    assert.equal(uses.text(sha256Hex("a consent")), "a consent");
    assert.isUndefined(uses.text(sha256Hex("another")));
    assert.deepEqual(uses.of(uscc("91330100MA0000003")), []);
  });

  it("are new with other items or another consent, and none comes after the receipt", async () => {
    using enclave = new Enclave();
    const uses = enclave.book.uses(plan.job);
    const consent = { id: "consent_0", digest: "a".repeat(64) };
    uses.record([useOf(usccs[0]), useOf(usccs[0], { items: ["tax.credit-grade"] }), useOf(usccs[0], { consent, revocations: "b".repeat(64) })]);
    assert.equal(uses.commitments().digest.count, 3);
    enclave.receipt().make();
    uses.record([useOf(usccs[0])]);
    assert.equal(await codeOf(() => uses.record([useOf(usccs[1])])), "RECEIPT_USE");
    assert.equal(await codeOf(() => uses.record([useOf("91330100MA0000001?")])), "RECEIPT_USE");
  });

  it("stand in the state database for nobody to read", () => {
    using enclave = new Enclave();
    enclave.book.uses(plan.job).record([useOf(usccs[0])], [`consent of ${usccs[0]}`]);
    const rows = [...enclave.db.all("select sealed from receipt_uses"), ...enclave.db.all("select sealed from receipt_texts")];
    assert.lengthOf(rows, 2);
    for (const row of rows) assert.notInclude(Buffer.from(row["sealed"] as Uint8Array).toString("latin1"), usccs[0]);
  });

  it("of nobody give the root of an empty tree", () => {
    using enclave = new Enclave();
    assert.deepEqual(readReceipt(enclave.receipt().make()).uses, new UseCommitments([], []).digest);
  });
});
