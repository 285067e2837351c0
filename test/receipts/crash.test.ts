// A crash at every file system call: the process killed, the power cut, a write cut short, a call that fails once. Afterwards
// the log opens, fsck is clean, every acknowledged entry is there, and a batch is there as a whole or not at all.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { folderDisk } from "../../receipts/disk.ts";
import { fsck } from "../../receipts/fsck.ts";
import { createLog, logKey, ReceiptLog } from "../../receipts/log.ts";
import { isAppError } from "../../core/errors.ts";
import { seededDraw, type Draw } from "../support/draw.ts";
import { testSigner } from "./keys.ts";
import { killedBatches, killedSigner } from "./killed-log.ts";
import { MemoryDisk, type Fault } from "./memory-disk.ts";

const signer = testSigner("log.test/crash");
const key = logKey(signer);
const batches = [3, 250, 5, 1, 300, 2];
const ends = batches.map((_, i) => batches.slice(0, i + 1).reduce((a, b) => a + b, 0));
const entryOf = (i: number): Uint8Array => Buffer.from(`entry ${i}`);

/** Creates a log and appends the batches until something fails. Returns how many entries were acknowledged. */
async function work(memory: MemoryDisk): Promise<{ acknowledged: number; log: ReceiptLog | undefined }> {
  let acknowledged = 0;
  let log: ReceiptLog | undefined;
  try {
    await createLog({ disk: memory.disk, signer });
    log = await ReceiptLog.open({ disk: memory.disk, signer });
    for (const count of batches) {
      const from = acknowledged;
      const done = await Promise.all(Array.from({ length: count }, (_, i) => (log as ReceiptLog).append(entryOf(from + i))));
      acknowledged += done.length;
    }
    await log.saveWitnessed(log.checkpoint);
    await log.close();
  } catch (error) {
    if (!isAppError(error)) throw error;
    assert.equal(error.code, "DISK_FAILED");
  }
  return { acknowledged, log };
}

/** Opens what is left and holds it to the promise; then goes on with it. */
async function checkAfter(memory: MemoryDisk, acknowledged: number, name: string): Promise<void> {
  const opened = await reopen(memory, acknowledged, name);
  const report = await fsck(memory.disk, key);
  assert.deepEqual({ problems: report.problems, stray: report.stray }, { problems: [], stray: [] }, name);
  assert.isAtLeast(opened.size, acknowledged, `${name}: nothing acknowledged is lost`);
  assert.include([0, ...ends], opened.size, `${name}: no part of a batch`);
  let next = 0;
  for await (const { index, entry } of opened.entries()) {
    assert.equal(Buffer.from(entry).toString(), `entry ${index}`, name);
    assert.equal(index, next++);
  }
  assert.equal(next, opened.size, name);
  await Promise.all(Array.from({ length: 7 }, () => opened.append(Buffer.from("after"))));
  assert.isTrue((await fsck(memory.disk, key)).ok, `${name}: it goes on`);
}

async function reopen(memory: MemoryDisk, acknowledged: number, name: string): Promise<ReceiptLog> {
  try {
    return await ReceiptLog.open({ disk: memory.disk, signer });
  } catch (error) {
    // Only a log that had not been made yet may be missing.
    assert.isTrue(isAppError(error) && error.code === "LOG_MISSING" && acknowledged === 0, `${name}: ${String(error)}`);
    await createLog({ disk: memory.disk, signer });
    return ReceiptLog.open({ disk: memory.disk, signer });
  }
}

const aftermaths: readonly { readonly name: string; readonly apply: (memory: MemoryDisk, d: Draw) => void }[] = [
  { name: "killed", apply: (memory) => memory.repair() },
  { name: "power cut, nothing unsynchronised kept", apply: (memory) => memory.loseUnsynced() },
  { name: "power cut, some of it kept", apply: (memory, d) => memory.loseUnsynced(d) },
];

/** Lets a process append to a log in a new folder until it kills itself at this call (0: never). */
function killedAt<T>(call: number, look: (folder: string, said: (word: string) => number) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "yunei-killed-"));
  try {
    const { stdout, stderr, status, signal } = spawnSync(process.execPath, [join(import.meta.dirname, "killed-log.ts"), folder, String(call)], { encoding: "utf8" });
    assert.isTrue(call === 0 ? status === 0 : signal === "SIGKILL", stderr);
    return look(folder, (word) => Number(stdout.split("\n").findLast((line) => line.startsWith(`${word} `))?.split(" ")[1] ?? 0));
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

describe("a crash of the log", () => {
  it("is survived by what a process on a real disk has acknowledged, whichever call it is killed at", async () => {
    const calls = killedAt(0, (folder, said) => {
      rmSync(folder, { recursive: true });
      return said("calls");
    });
    assert.isAbove(calls, 50);
    const whole = killedBatches.map((_, i) => killedBatches.slice(0, i + 1).reduce((a, b) => a + b, 0));
    for (let call = 1; call <= calls; call++) {
      const [folder, acknowledged] = killedAt(call, (at, said) => [at, said("acknowledged")] as const);
      const disk = folderDisk(folder);
      try {
        const log = await ReceiptLog.open({ disk, signer: killedSigner });
        const report = await fsck(disk, logKey(killedSigner));
        assert.deepEqual({ problems: report.problems, stray: report.stray }, { problems: [], stray: [] }, `call ${call}`);
        assert.isAtLeast(log.size, acknowledged, `call ${call}: nothing acknowledged is lost`);
        assert.include([0, ...whole], log.size, `call ${call}: no part of a batch`);
        for await (const { index, entry } of log.entries()) assert.equal(Buffer.from(entry).toString(), `entry ${index}`);
      } catch (error) {
        assert.isTrue(isAppError(error) && error.code === "LOG_MISSING" && acknowledged === 0, `call ${call}: ${String(error)}`);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
  }).timeout(120_000);

  it("is survived at every call of the file system, whatever of the unsynchronised is kept", async () => {
    const whole = new MemoryDisk();
    assert.equal((await work(whole)).acknowledged, ends.at(-1));
    const calls = whole.calls;
    assert.isAbove(calls, 200);
    const d = seededDraw(4);
    for (let call = 1; call <= calls + 1; call++) {
      for (const { name, apply } of aftermaths) {
        const fault: Fault = { call, kind: call % 2 === 0 ? "torn" : "dead" };
        const memory = new MemoryDisk();
        memory.fault = fault;
        const { acknowledged } = await work(memory);
        apply(memory, d);
        await checkAfter(memory, acknowledged, `call ${call}, ${fault.kind}, ${name}`);
      }
    }
  });

  it("tears every write that can be torn", async () => {
    const whole = new MemoryDisk();
    await work(whole);
    for (let call = 1; call <= whole.calls; call += 2) {
      const memory = new MemoryDisk();
      memory.fault = { call, kind: "torn" };
      const { acknowledged } = await work(memory);
      memory.loseUnsynced(seededDraw(call));
      await checkAfter(memory, acknowledged, `call ${call} torn`);
    }
  });

  it("is not needed for a stop: after one failed call nothing more is acknowledged until the log is opened again", async () => {
    const whole = new MemoryDisk();
    await work(whole);
    for (let call = 1; call <= whole.calls; call++) {
      const memory = new MemoryDisk();
      memory.fault = { call, kind: "once" };
      const { acknowledged, log } = await work(memory);
      if (log !== undefined && acknowledged < (ends.at(-1) ?? 0)) {
        await log.append(Buffer.from("more")).then(() => assert.fail(`call ${call}: it took more`), (error: unknown) => assert.isTrue(isAppError(error) && error.code === "LOG_STOPPED"));
      }
      memory.repair();
      await checkAfter(memory, acknowledged, `call ${call} failed once`);
    }
  });

  it("may come again while the log is opened after a crash", async () => {
    const whole = new MemoryDisk();
    await work(whole);
    const d = seededDraw(9);
    for (let call = 20; call <= whole.calls; call += 13) {
      for (let second = 1; second <= 60; second += 5) {
        const memory = new MemoryDisk();
        memory.fault = { call, kind: "torn" };
        const { acknowledged } = await work(memory);
        memory.loseUnsynced(d);
        memory.fault = { call: second, kind: "dead" };
        await ReceiptLog.open({ disk: memory.disk, signer }).catch((error: unknown) => assert.isTrue(isAppError(error)));
        memory.loseUnsynced(d);
        await checkAfter(memory, acknowledged, `call ${call}, then ${second}`);
      }
    }
  });

  it("would lose entries without the synchronisation of files and folders, so the model sees it", async () => {
    for (const lazy of ["files", "folders"] as const) {
      const memory = new MemoryDisk();
      const { disk } = memory;
      const forgetful = {
        ...disk,
        ...(lazy === "folders" ? { syncFolder: () => Promise.resolve() } : {
          create: async (path: string) => ({ ...(await disk.create(path)), sync: () => Promise.resolve() }),
        }),
      };
      await createLog({ disk: forgetful, signer });
      const log = await ReceiptLog.open({ disk: forgetful, signer });
      await log.append(entryOf(0));
      memory.loseUnsynced();
      const error: unknown = await ReceiptLog.open({ disk, signer }).then(() => undefined, (e: unknown) => e);
      assert.isTrue(isAppError(error), `without syncing ${lazy} the log is lost`);
    }
  });
});
