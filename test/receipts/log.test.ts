// The log: its files are those of C2SP tlog-tiles, its proofs those of the tree, and it refuses what does not fit.
import { mkdtempSync, rmSync, readFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { openCheckpoint, signCheckpoint } from "../../receipts/checkpoint.ts";
import { folderDisk } from "../../receipts/disk.ts";
import { fsck } from "../../receipts/fsck.ts";
import { createLog, logKey, maxBatch, ReceiptLog } from "../../receipts/log.ts";
import { leafHash, rootOf, verifyConsistency, verifyInclusion, type Hash } from "../../receipts/merkle.ts";
import { packEntries, parseTilePath, partialTiles, tilePath, unpackEntries } from "../../receipts/tiles.ts";
import { testSigner } from "./keys.ts";
import { MemoryDisk } from "./memory-disk.ts";
import { codeOf } from "./codes.ts";

const signer = testSigner("log.test/receipts");
const entryOf = (i: number): Uint8Array => Buffer.from(`entry ${i} ${"x".repeat(i % 50)}`);

async function newLog(): Promise<{ memory: MemoryDisk; log: ReceiptLog }> {
  const memory = new MemoryDisk();
  await createLog({ disk: memory.disk, signer });
  return { memory, log: await ReceiptLog.open({ disk: memory.disk, signer }) };
}

async function fill(log: ReceiptLog, count: number): Promise<void> {
  const from = log.size;
  await Promise.all(Array.from({ length: count }, (_, i) => log.append(entryOf(from + i))));
}

describe("the transparency log", () => {
  it("names tiles as C2SP tlog-tiles does", () => {
    assert.equal(tilePath({ kind: 0, index: 1_234_067, width: 256 }), "tile/0/x001/x234/067");
    assert.equal(tilePath({ kind: "entries", index: 5, width: 17 }), "tile/entries/005.p/17");
    // The specification's example: a tree of 70,000 entries.
    assert.deepEqual(partialTiles(70_000).map(tilePath), ["tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert.deepEqual(partialTiles(256).map(tilePath), ["tile/1/000.p/1"]);
    const others = ["tile/0/000.p/0", "tile/0/000.p/256", "tile/0/x000/001", "tile/00/001", "tile/0/1", "tile/0/000.p/01", "tile/0/../checkpoint"];
    for (const bad of others) assert.isUndefined(parseTilePath(bad), bad);
  });

  it("finds every tile again by its name", () => {
    const names = fc.record({ kind: fc.oneof(fc.constant("entries" as const), fc.integer({ min: 0, max: 6 })), index: fc.integer({ min: 0, max: 10 ** 9 }),
      width: fc.integer({ min: 1, max: 256 }) });
    fc.assert(fc.property(names, (name) => assert.deepEqual(parseTilePath(tilePath(name)), name)));
  });

  it("packs entries with 16-bit lengths, and takes no bundle that does not end with its last entry", async () => {
    const entries = [Buffer.from("a"), Buffer.alloc(65_535, 7), Buffer.from("bc")];
    const packed = packEntries(entries);
    assert.deepEqual([...packed.subarray(0, 5)], [0, 1, 97, 255, 255]);
    assert.deepEqual(unpackEntries(packed, 3).map((e) => e.length), [1, 65_535, 2]);
    for (const wrong of [packed.subarray(0, -1), Buffer.concat([packed, Buffer.from([0])])]) assert.equal(await codeOf(() => unpackEntries(wrong, 3)), "LOG_DAMAGED");
    assert.equal(await codeOf(() => unpackEntries(packed, 2)), "LOG_DAMAGED");
  });

  it("gives the tree's roots and proofs at every size, also at those before the present one", async () => {
    const { log } = await newLog();
    await fill(log, 700);
    const leaves = Array.from({ length: 700 }, (_, i) => leafHash(entryOf(i)));
    const pairs = fc.tuple(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 700 }));
    await fc.assert(fc.asyncProperty(pairs, async ([a, b]) => {
      const [first, size] = a < b ? [a, b] : [b, a];
      const root = rootOf(leaves.slice(0, size));
      assert.deepEqual(await log.rootAt(size), root);
      const leaf = leaves[first - 1] as Hash;
      assert.isTrue(verifyInclusion({ index: first - 1, size, leaf, path: await log.inclusion(first - 1, size), root }));
      assert.isTrue(verifyConsistency({ first, second: size, firstRoot: rootOf(leaves.slice(0, first)), secondRoot: root, path: await log.consistency(first, size) }));
      assert.deepEqual(Buffer.from(await log.entry(first - 1)), Buffer.from(entryOf(first - 1)));
    }), { numRuns: 80 });
  });

  it("acknowledges each entry with its place and a checkpoint that holds it, in the order of the calls", async () => {
    const { log } = await newLog();
    const done = await Promise.all(Array.from({ length: 5 }, (_, i) => log.append(entryOf(i))));
    assert.deepEqual(done.map(({ index }) => index), [0, 1, 2, 3, 4]);
    for (const { index, checkpoint } of done) {
      const head = openCheckpoint(checkpoint, log.key);
      assert.isTrue(verifyInclusion({ index, size: head.size, leaf: leafHash(entryOf(index)), path: await log.inclusion(index, head.size), root: head.root }));
    }
  });

  it("is the same after it was closed and opened, and goes on", async () => {
    const { memory, log } = await newLog();
    await fill(log, 300);
    await log.close();
    assert.equal(await codeOf(() => log.append(entryOf(1))), "LOG_STOPPED");
    const again = await ReceiptLog.open({ disk: memory.disk, signer });
    assert.equal(again.checkpoint, log.checkpoint);
    await fill(again, 300);
    const seen: string[] = [];
    for await (const { index, entry } of again.entries(250, 520)) seen.push(`${index}:${Buffer.from(entry).toString()}`);
    assert.deepEqual(seen, Array.from({ length: 270 }, (_, i) => `${250 + i}:${Buffer.from(entryOf(250 + i)).toString()}`));
    assert.isTrue((await fsck(memory.disk, log.key)).ok);
  });

  it("keeps only the files of its size, on a real disk, private to its owner", async () => {
    const folder = mkdtempSync(join(tmpdir(), "yunei-log-"));
    try {
      const disk = folderDisk(folder);
      await createLog({ disk, signer });
      const log = await ReceiptLog.open({ disk, signer });
      for (const count of [100, 100, 100, 300]) await fill(log, count);
      await log.close();
      const report = await fsck(disk, log.key);
      assert.deepEqual([report.ok, report.size, report.stray], [true, 600, []]);
      assert.isFalse(existsSync(join(folder, "tile/entries/000.p")));
      assert.equal(readFileSync(join(folder, "tile/0/000")).length, 8192);
      assert.equal(readFileSync(join(folder, "checkpoint"), "utf8"), log.checkpoint);
      assert.equal((await ReceiptLog.open({ disk, signer })).size, 600);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("serves the static API, with the partial tiles of earlier checkpoints", async () => {
    const { log } = await newLog();
    await fill(log, 10);
    const early = await log.resource("tile/0/000.p/10");
    const bundle = await log.resource("tile/entries/000.p/10");
    await fill(log, 300);
    assert.deepEqual(await log.resource("tile/0/000.p/10"), early);
    assert.deepEqual(await log.resource("tile/entries/000.p/10"), bundle);
    assert.equal((await log.resource("tile/0/000"))?.length, 8192);
    assert.equal((await log.resource("tile/1/000.p/1"))?.length, 32);
    for (const none of ["tile/0/001.p/55", "tile/0/002", "tile/1/000", "tile/0/../../checkpoint", "witnessed", ""]) assert.isUndefined(await log.resource(none), none);
    assert.equal(Buffer.from(await log.resource("checkpoint") ?? []).toString(), log.checkpoint);
  });

  it("grows through three levels of tiles", async () => {
    const { memory, log } = await newLog();
    for (let i = 0; i < 66_000; i += maxBatch) await fill(log, Math.min(maxBatch, 66_000 - i));
    const head = openCheckpoint(log.checkpoint, log.key);
    assert.deepEqual(head.root, rootOf(Array.from({ length: 66_000 }, (_, i) => leafHash(entryOf(i)))));
    assert.deepEqual(await log.rootAt(66_000), head.root);
    const again = await ReceiptLog.open({ disk: memory.disk, signer });
    assert.isTrue(verifyInclusion({ index: 65_537, size: 66_000, leaf: leafHash(entryOf(65_537)), path: await again.inclusion(65_537), root: head.root }));
  });

  it("refuses entries without bytes or with too many, and places that it does not have", async () => {
    const { log } = await newLog();
    assert.equal(await codeOf(() => log.append(new Uint8Array(0))), "LOG_ENTRY");
    assert.equal(await codeOf(() => log.append(new Uint8Array(65_536))), "LOG_ENTRY");
    await fill(log, 3);
    for (const wrong of [() => log.inclusion(3), () => log.inclusion(-1), () => log.inclusion(0, 4), () => log.consistency(2, 4),
      () => log.consistency(3, 2), () => log.entry(3), () => log.rootAt(0.5)]) {
      assert.equal(await codeOf(wrong), "LOG_RANGE");
    }
  });

  it("is never made over another log or its remains, and not opened where there is none", async () => {
    const { memory, log } = await newLog();
    await fill(log, 3);
    assert.equal(await codeOf(() => createLog({ disk: memory.disk, signer })), "LOG_EXISTS");
    memory.put("checkpoint", undefined);
    assert.equal(await codeOf(() => createLog({ disk: memory.disk, signer })), "LOG_EXISTS");
    assert.equal(await codeOf(() => ReceiptLog.open({ disk: memory.disk, signer })), "LOG_MISSING");
  });

  it("is not opened with another key, nor with a checkpoint that its files do not give", async () => {
    const { memory, log } = await newLog();
    await fill(log, 3);
    assert.equal(await codeOf(() => ReceiptLog.open({ disk: memory.disk, signer: { ...signer, key: testSigner("other").key } })), "LOG_KEY");
    assert.equal(await codeOf(() => ReceiptLog.open({ disk: memory.disk, signer: testSigner("log.test/other") })), "LOG_KEY");
    memory.put("checkpoint", Buffer.from(signCheckpoint({ size: 3, root: leafHash(entryOf(9)) }, signer)));
    assert.equal(await codeOf(() => ReceiptLog.open({ disk: memory.disk, signer })), "LOG_DAMAGED");
    memory.put("checkpoint", Buffer.from(signCheckpoint({ size: 4, root: leafHash(entryOf(9)) }, signer)));
    assert.equal(await codeOf(() => ReceiptLog.open({ disk: memory.disk, signer })), "LOG_DAMAGED");
  });

  it("stops when another process has written to its folder", async () => {
    const { memory, log } = await newLog();
    const other = await ReceiptLog.open({ disk: memory.disk, signer });
    await fill(log, 3);
    assert.equal(await codeOf(() => other.append(entryOf(0))), "LOG_STOPPED");
    assert.equal((await ReceiptLog.open({ disk: memory.disk, signer })).size, 3);
  });

  it("keeps the latest witnessed checkpoint and takes none of another tree", async () => {
    const { memory, log } = await newLog();
    await fill(log, 3);
    const early = log.checkpoint;
    await log.saveWitnessed(early);
    await fill(log, 3);
    await log.saveWitnessed(log.checkpoint);
    await log.saveWitnessed(early);
    assert.equal(log.witnessed, log.checkpoint);
    assert.equal((await ReceiptLog.open({ disk: memory.disk, signer })).witnessed, log.checkpoint);
    const forked = signCheckpoint({ size: 2, root: leafHash(entryOf(7)) }, signer);
    assert.equal(await codeOf(() => log.saveWitnessed(forked)), "LOG_DAMAGED");
    assert.equal(logKey(signer).name, signer.name);
  });
});

describe("the check of a log", () => {
  it("finds every changed byte, missing file and entry that was put in another's place", async () => {
    const { memory, log } = await newLog();
    await fill(log, 600);
    await log.saveWitnessed(log.checkpoint);
    for (const path of memory.files()) {
      const good = memory.bytes(path);
      for (const at of [0, Math.floor(good.length / 2), good.length - 1]) {
        memory.put(path, good.map((byte, i) => (i === at ? byte ^ 1 : byte)));
        assert.isFalse((await fsck(memory.disk, log.key)).ok, `${path} at ${at}`);
      }
      memory.put(path, undefined);
      if (path !== "witnessed") assert.isFalse((await fsck(memory.disk, log.key)).ok, `${path} missing`);
      memory.put(path, good);
    }
    const bundle = unpackEntries(memory.bytes("tile/entries/000"), 256);
    memory.put("tile/entries/000", packEntries([bundle[1] as Uint8Array, bundle[0] as Uint8Array, ...bundle.slice(2)]));
    assert.deepInclude((await fsck(memory.disk, log.key)).problems, { kind: "wrong-root", path: "checkpoint", size: 600 });
  });

  it("reports what does not belong, bad entries, and a witnessed checkpoint of a tree that the log no longer has", async () => {
    const { memory, log } = await newLog();
    await fill(log, 30);
    memory.put("tile/0/000.p/40", new Uint8Array(1280));
    memory.put("tile/0/000.tmp", new Uint8Array(1));
    memory.put("witnessed", Buffer.from(signCheckpoint({ size: 40, root: leafHash(entryOf(0)) }, signer)));
    const report = await fsck(memory.disk, log.key, (_, index) => index !== 7);
    assert.deepEqual(report.stray, ["tile/0/000.p/40", "tile/0/000.tmp"]);
    assert.deepEqual(report.problems, [{ kind: "bad-entry", index: 7 }, { kind: "wrong-root", path: "witnessed", size: 40 }]);
  });
});
