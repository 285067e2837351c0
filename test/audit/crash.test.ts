// A crash at every call of the file system: killed, a write torn, a call that fails once. Afterwards the log opens, verifies, and every
// acknowledged entry is there under its number.
import { assert } from "chai";
import { before, describe, it } from "mocha";
import { readLine } from "../../audit/entry.ts";
import { AuditLog } from "../../audit/log.ts";
import { verifyFolder } from "../../audit/verify.ts";
import { isAppError } from "../../core/errors.ts";
import { eventOf, MemoryFolder, signerOf, type Fault, type TestSigner } from "./support.ts";

describe("a crash of the audit log", () => {
  let signer: TestSigner;
  before(async () => {
    signer = await signerOf("tax");
  });
  const open = (folder: MemoryFolder): Promise<AuditLog> => AuditLog.open({ disk: folder.disk, domain: "tax", signer, now: () => 1_780_000_000_000, segmentBytes: 2500, headEvery: 9 });

  /** Batches, heads, a rotation or two, a removal. Returns the numbers that were acknowledged. */
  async function work(folder: MemoryFolder): Promise<{ acknowledged: number[]; log: AuditLog | undefined }> {
    const acknowledged: number[] = [];
    let log: AuditLog | undefined;
    try {
      log = await open(folder);
      for (const [round, count] of [3, 5, 1, 8, 4].entries()) {
        const done = await Promise.all(Array.from({ length: count }, (_, i) => (log as AuditLog).record(eventOf(round * 100 + i))));
        acknowledged.push(...done.map(({ seq }) => seq));
      }
      await log.head();
      await log.removeBefore(1_780_000_000_001);
      await log.close();
    } catch (error) {
      if (!isAppError(error)) throw error;
      assert.include(["DISK_FAILED", "AUDIT_STOPPED"], error.code);
    }
    return { acknowledged, log };
  }

  async function checkAfter(folder: MemoryFolder, acknowledged: readonly number[], name: string): Promise<void> {
    const log = await open(folder);
    const seqs = new Set(folder.text().trim().split("\n").map((line) => readLine(line)?.seq));
    const first = Math.min(...[...seqs].filter((s): s is number => s !== undefined), Infinity);
    for (const seq of acknowledged) assert.isTrue(seqs.has(seq) || seq < first, `${name}: ${seq} is lost`);
    await log.record(eventOf(999));
    await log.close();
    assert.deepEqual((await verifyFolder(folder.disk, "tax")).problems, [], name);
  }

  it("is survived at every call, and by a write that is torn", async () => {
    const whole = new MemoryFolder();
    const { acknowledged } = await work(whole);
    assert.lengthOf(acknowledged, 21);
    assert.isAbove(whole.calls, 30);
    for (let call = 1; call <= whole.calls; call++) {
      for (const kind of ["dead", "torn", "once"] as const) {
        const folder = new MemoryFolder();
        folder.fault = { call, kind } satisfies Fault;
        const done = await work(folder);
        folder.repair();
        await checkAfter(folder, done.acknowledged, `call ${call}, ${kind}`);
      }
    }
  });

  it("may leave zeros or half a line, which are cut off and noted", async () => {
    for (const remains of [Buffer.alloc(700), Buffer.from(`{"action":"req`), Buffer.concat([Buffer.from("{}"), Buffer.alloc(3), Buffer.from("\n{"), Buffer.alloc(9000)])]) {
      const folder = new MemoryFolder();
      const log = await open(folder);
      const { seq } = await log.record(eventOf(1));
      const [name = ""] = folder.segments();
      folder.files.set(name, Buffer.concat([folder.bytes(name), remains]));
      await checkAfter(folder, [seq], "remains");
      const recovered = folder.text().trim().split("\n").map((line) => readLine(line)).find((e) => e?.action === "log.recovered");
      assert.equal(recovered?.facts?.["bytes"], remains.length);
    }
  });

  it("may come again while the log is opened", async () => {
    const whole = new MemoryFolder();
    await work(whole);
    for (let call = 5; call <= whole.calls; call += 3) {
      for (let second = 1; second <= 12; second++) {
        const folder = new MemoryFolder();
        folder.fault = { call, kind: "torn" };
        const { acknowledged } = await work(folder);
        folder.repair();
        folder.fault = { call: second, kind: "dead" };
        await open(folder).then((log) => log.settled()).catch((error: unknown) => assert.isTrue(isAppError(error)));
        folder.repair();
        await checkAfter(folder, acknowledged, `call ${call}, then ${second}`);
      }
    }
  });
});
