// Batches of a service's uses: none without a receipt, and none set back by a service that is over.
import { generateKeyPairSync } from "node:crypto";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { usccCheckCharacter } from "../../core/uscc.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { ServiceUses } from "../../enclave/live/service-uses.ts";
import { ReceiptBook } from "../../enclave/receipts/book.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { planDigest } from "../../federation/plan-schema.ts";
import { readReceipt } from "../../receipts/receipt.ts";
import type { Use } from "../../receipts/uses.ts";
import { planOf, tax } from "../support/enclave.ts";

const plan = planOf();
const body = "91330100MA0000001";
const use: Use = { subject: body + String(usccCheckCharacter(body)), grantee: "bank", items: ["tax.payment"], consent: null, revocations: null, output: null, at: "2026-01-05T00:00:00.000Z" };

describe("uses of a service", () => {
  const box = new SecretBox(systemRng(32), systemRng);
  const { privateKey: key } = generateKeyPairSync("ed25519");
  let db: StateDatabase;
  beforeEach(() => { db = new StateDatabase(":memory:"); });
  afterEach(() => db[Symbol.dispose]());
  const open = (): ServiceUses => new ServiceUses({
    db, box, rng: systemRng, now: () => Date.parse("2026-03-01T00:00:00Z"), book: new ReceiptBook({ db, box, rng: systemRng, key }), plan, planDigest: planDigest(plan), self: tax,
    ledger: { digest: () => "a".repeat(64) }, modelDigest: "b".repeat(64), usesPerReceipt: 2,
  });

  it("are in the receipt of their batch, also while their answer is still being worked out", () => {
    const uses = open();
    uses.note([use], []);
    db.transaction(() => uses.write());
    // Noted, and in no group yet: a blind question takes milliseconds.
    uses.note([use], []);
    assert.isTrue(uses.isDue);
    assert.equal(readReceipt(uses.close() ?? "").uses.count, 2);
    assert.isUndefined(uses.close(), "nothing is left over");
  });
  it("are said by the receipt as they are kept, also where a restart or an undone group lies between", () => {
    const book = new ReceiptBook({ db, box, rng: systemRng, key });
    const first = open();
    first.note([use, use], []);
    db.transaction(() => first.write());
    first.note([use], []);
    assert.throws(() => db.transaction(() => {
      first.write();
      throw new RangeError("disk");
    }), RangeError);
    const second = open();
    second.note([use], []);
    db.transaction(() => second.write());
    const { batch } = second;
    assert.deepEqual(readReceipt(second.close() ?? "").uses, book.uses(batch).commitments().digest);
    assert.equal(book.uses(batch).digest().count, 3, "the undone one is not there");
    second.note([use], []);
    const next = second.batch;
    assert.deepEqual(readReceipt(second.close() ?? "").uses, book.uses(next).digest(), "the next batch begins with none");
    assert.equal(book.uses(next).digest().count, 1);
  });
  it("are written by one service at a time: what comes late to one that is over changes nothing", () => {
    const before = open();
    before.lastN = 5;
    db.transaction(() => before.write());
    before.end();
    const after = open();
    after.lastN = 4096;
    db.transaction(() => after.write());
    before.note([use], []);
    try {
      db.transaction(() => before.write());
      assert.fail("written");
    } catch (error) {
      assert.equal((error as AppError).code, "JOB_ENDED");
    }
    assert.deepEqual([open().lastN, Number(db.get("select count(*) as n from receipt_uses")?.["n"])], [4096, 0]);
  });
});
