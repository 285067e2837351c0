// An enclave and the platform's log: receipts are brought there until they are proved to be there, across restarts; as a witness it
// refuses a log that forks, goes back or has another key, and says so.
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import type { WitnessRefusal } from "../../api/contract/receipts.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import type { Identity } from "../../enclave/keys/identity.ts";
import { ReceiptBook } from "../../enclave/receipts/book.ts";
import { deliverReceipts } from "../../enclave/receipts/courier.ts";
import { openWitnessKey, witnessLog } from "../../enclave/receipts/witnessing.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import type { LogPlatform } from "../../enclave/transport/log.ts";
import { isSignedBy } from "../../receipts/jws.ts";
import { createLog, ReceiptLog } from "../../receipts/log.ts";
import { noteKey, parseNote, signatureOf, toBase64, verifierKey, withSignatures, type NoteSigner } from "../../receipts/note.ts";
import { UseCommitments } from "../../receipts/uses.ts";
import { MemoryDisk } from "../receipts/memory-disk.ts";
import { tax, temporaryFolder } from "../support/enclave.ts";
import { keptLog } from "../support/platform.ts";
import { eventually } from "../support/process.ts";

const unreachable = (): never => {
  throw new AppError("JOB_PLATFORM_UNREACHABLE");
};

/** A log in memory as an enclave reaches it; a test says what it answers. */
class FakeLog implements LogPlatform {
  readonly texts: string[] = [];
  readonly lines: string[] = [];
  readonly refusals: WitnessRefusal[] = [];
  statement = "";
  before: () => void = () => {};
  /** What is on offer: `shown` to the witness, which has seen `old`. */
  shown: ReceiptLog;
  log: ReceiptLog;

  private constructor(log: ReceiptLog) {
    this.log = log;
    this.shown = log;
  }
  static async make(key: KeyObject = generateKeyPairSync("ed25519").privateKey): Promise<FakeLog> {
    return new FakeLog(await emptyLog({ name: "a-log", key }));
  }

  putReceipt = async (jws: string) => {
    this.before();
    const known = this.texts.indexOf(jws);
    const index = known >= 0 ? known : (await this.log.append(Buffer.from(jws))).index;
    if (known < 0) this.texts.push(jws);
    return { index, path: (await this.log.inclusion(index)).map(toBase64), checkpoint: this.log.checkpoint };
  };
  placeOf = async (): Promise<never> => unreachable();
  putWitness = async (statement: string): Promise<void> => void (this.statement = statement);
  offer = async (old: number, wait: number, signal: AbortSignal) => {
    const { shown } = this;
    const key = verifierKey(shown.key);
    const seen = this.lines.length > 0 && shown.checkpoint === this.#last;
    if (wait > 0 && (shown.size === 0 || seen)) await new Promise((resolve) => setTimeout(resolve, 20));
    signal.throwIfAborted();
    if (shown.size === 0 || seen) return { key, offer: null };
    const path = old > shown.size ? [] : await shown.consistency(old, shown.size);
    return { key, offer: { checkpoint: shown.checkpoint, path: path.map(toBase64) } };
  };
  #last = "";
  cosign = async (checkpoint: string, line: string): Promise<boolean> => {
    this.lines.push(line);
    this.#last = checkpoint;
    return true;
  };
  refuseCheckpoint = async (refusal: WitnessRefusal): Promise<void> => void this.refusals.push(refusal);
}

async function emptyLog(signer: NoteSigner): Promise<ReceiptLog> {
  const { disk } = new MemoryDisk();
  await createLog({ disk, signer });
  return ReceiptLog.open({ disk, signer });
}

describe("an enclave at the platform's log", () => {
  const { privateKey: signKey } = generateKeyPairSync("ed25519");
  const identity = { party: tax, signKey } as unknown as Identity;
  const box = new SecretBox(systemRng(32), systemRng);
  let db: StateDatabase;
  let logs: string[];
  let stop: AbortController;
  let running: Promise<void>[];
  let platform: FakeLog;
  let key: KeyObject;

  beforeEach(async () => {
    db = new StateDatabase(":memory:");
    logs = [];
    running = [];
    stop = new AbortController();
    ({ privateKey: key } = generateKeyPairSync("ed25519"));
    platform = await FakeLog.make(key);
  });
  afterEach(async () => {
    await halt();
    db[Symbol.dispose]();
  });
  const book = (): ReceiptBook => new ReceiptBook({ db, box, rng: systemRng, key: signKey });
  const issue = (to: ReceiptBook, n: number): string => to.issue(`job_${String(n).padStart(16, "0")}` as never, () => ({
    version: 2, id: `job_${String(n).padStart(16, "0")}`, kind: "score", party: tax, purpose: "loan-approval", planDigest: "a".repeat(64), modelDigest: null,
    snapshotDigest: null, outputDigest: null, ledgerDigest: "a".repeat(64), seedsDigest: null, uses: new UseCommitments([], []).digest, at: "2026-01-05T00:00:00.000Z",
  }));
  const deliver = (from: ReceiptBook): void => void running.push(deliverReceipts({ db, book: from, platform, log: keptLog(logs), signal: stop.signal }));
  const witness = { name: "yunei-witness/tax", key: generateKeyPairSync("ed25519").privateKey };
  const watch = (): void => void running.push(witnessLog({ db, identity, signer: witness, platform, env: { rng: systemRng, now: Date.now, log: keptLog(logs) }, signal: stop.signal }));
  async function halt(): Promise<void> {
    stop.abort(new AppError("JOB_CANCELLED"));
    await Promise.allSettled(running);
    stop = new AbortController();
    running = [];
  }

  it("brings receipts in their order, those of before a restart and those that come later", async () => {
    const texts = [issue(book(), 1), issue(book(), 2)];
    const restarted = book();
    deliver(restarted);
    await eventually("two receipts", () => restarted.pending() === undefined || undefined);
    texts.push(issue(restarted, 3));
    await eventually("three receipts", () => restarted.pending() === undefined || undefined);
    assert.deepEqual(platform.texts, texts);
    assert.deepEqual(restarted.list().map(({ place }) => place?.index), [2, 1, 0]);
  });

  it("waits for a log that is down, and repeats what was not answered", async () => {
    let calls = 0;
    platform.before = () => {
      calls += 1;
      if (calls < 3) unreachable();
    };
    const own = book();
    issue(own, 1);
    deliver(own);
    await eventually("the receipt", () => own.pending() === undefined || undefined);
    assert.equal(calls, 3);
    // The answer was lost with the process: the same text again is one entry.
    await halt();
    db.run("update receipts set place = null");
    deliver(own);
    await eventually("the receipt again", () => own.pending() === undefined || undefined);
    assert.lengthOf(platform.texts, 1);
  });

  it("keeps why the log refused a receipt, and does not go on to the next", async () => {
    platform.before = () => {
      throw new AppError("RECEIPT_CHAIN");
    };
    const own = book();
    issue(own, 1);
    issue(own, 2);
    deliver(own);
    await eventually("a refusal", () => own.list().at(-1)?.refused);
    assert.deepEqual(own.list().map(({ refused }) => refused), [undefined, "RECEIPT_CHAIN"]);
    assert.isTrue(logs.some((line) => line.includes("receipt-refused") && line.includes("RECEIPT_CHAIN")));
  });

  it("believes no proof under another key than the log's first one", async () => {
    const own = book();
    issue(own, 1);
    deliver(own);
    await eventually("the receipt", () => own.pending() === undefined || undefined);
    platform.log = await emptyLog({ name: "a-log", key: generateKeyPairSync("ed25519").privateKey });
    platform.texts.length = 0;
    issue(own, 2);
    await eventually("a refusal", () => own.list()[0]?.refused);
    assert.equal(own.list()[0]?.refused, "CHECKPOINT_SIGNATURE");
  });

  it("co-signs what continues, by a key that its identity vouches for", async () => {
    await platform.log.append(Buffer.from("one"));
    watch();
    await eventually("a co-signature", () => platform.lines.length > 0 || undefined);
    await platform.log.append(Buffer.from("two"));
    await eventually("another", () => platform.lines.length > 1 || undefined);
    assert.isTrue(isSignedBy(platform.statement, createPublicKey(signKey)));
    const note = parseNote(withSignatures(platform.log.checkpoint, [platform.lines.at(-1) ?? ""]));
    assert.isDefined(signatureOf(note, noteKey(witness.name, 4, witness.key)));
    assert.isEmpty(platform.refusals);
  });

  for (const [name, code, change] of [
    ["forked at the same size", "WITNESS_FORKED", ["one", "other"]],
    ["went on from another past", "WITNESS_INCONSISTENT", ["one", "other", "three"]],
    ["went back", "WITNESS_REWOUND", ["one"]],
  ] as const) {
    it(`refuses a log that ${name}, also after a restart, keeps the evidence, and tells the platform`, async () => {
      for (const text of ["one", "two"]) await platform.log.append(Buffer.from(text));
      watch();
      await eventually("a co-signature", () => platform.lines.length > 0 || undefined);
      await halt();
      platform.shown = await emptyLog({ name: "a-log", key });
      for (const text of change) await platform.shown.append(Buffer.from(text));
      watch();
      await eventually("a refusal", () => platform.refusals.length > 0 || undefined);
      assert.deepEqual(platform.refusals, [{ code, size: 2, offered: change.length }]);
      assert.lengthOf(platform.lines, 1);
      assert.isTrue(logs.some((line) => line.includes("log-not-cosigned") && line.includes(code)));
      const [kept] = db.all("select seen, offered from witness_evidence");
      assert.deepEqual([kept?.["seen"], kept?.["offered"]], [platform.log.checkpoint, platform.shown.checkpoint]);
    });
  }

  it("is no witness of a log with another key", async () => {
    await platform.log.append(Buffer.from("one"));
    watch();
    await eventually("a co-signature", () => platform.lines.length > 0 || undefined);
    await halt();
    platform.shown = await emptyLog({ name: "a-log", key: generateKeyPairSync("ed25519").privateKey });
    await platform.shown.append(Buffer.from("one"));
    watch();
    await eventually("a refusal", () => logs.some((line) => line.includes("LOG_KEY")) || undefined);
    assert.lengthOf(platform.lines, 1);
  });

  it("makes its witness key once", () => {
    using folder = temporaryFolder();
    const first = openWitnessKey(`${folder.path}/witness.key`, tax);
    const again = openWitnessKey(`${folder.path}/witness.key`, tax);
    assert.equal(verifierKey(noteKey(first.name, 4, first.key)), verifierKey(noteKey(again.name, 4, again.key)));
    assert.equal(first.name, "yunei-witness/tax");
  });
});
