// A log whose files were changed while no process ran: whatever was done, the process that opens it says so in an entry, nothing of what is
// left is destroyed, no number that was signed is given twice, and `verify` goes on to find it.
import { createPublicKey } from "node:crypto";
import { assert } from "chai";
import { before, describe, it } from "mocha";
import { readLine, type Entry } from "../../audit/entry.ts";
import { AuditLog } from "../../audit/log.ts";
import { headFile } from "../../audit/opening.ts";
import { verifyFolder } from "../../audit/verify.ts";
import { eventOf, MemoryFolder, signerOf, type TestSigner } from "./support.ts";

describe("an audit log that was changed while nobody wrote", () => {
  let signer: TestSigner;
  before(async () => {
    signer = await signerOf("tax");
  });
  const open = (folder: MemoryFolder): Promise<AuditLog> => AuditLog.open({ disk: folder.disk, domain: "tax", signer, now: () => 1_780_000_000_000, segmentBytes: 4000, headEvery: 15 });
  const linesOf = (text: string): string[] => text.trim().split("\n");
  const entriesOf = (folder: MemoryFolder): Entry[] => linesOf(folder.text()).flatMap((line) => readLine(line) ?? []);
  async function problemsOf(folder: MemoryFolder): Promise<string[]> {
    const key = createPublicKey(signer.key.export({ format: "pem", type: "pkcs8" }));
    return (await verifyFolder(folder.disk, "tax", { key })).problems.map((p) => `${p.kind} ${p.seq}`);
  }
  /** A log of a few segments with a head over all but its last entry. */
  async function written(): Promise<{ folder: MemoryFolder; size: number }> {
    const folder = new MemoryFolder();
    const log = await open(folder);
    for (let i = 0; i < 40; i++) await log.record(eventOf(i));
    await log.head();
    await log.close();
    assert.isAtLeast(folder.segments().length, 3);
    assert.deepEqual(await problemsOf(folder), []);
    return { folder, size: log.durable.size };
  }
  /** What a new process makes of it, with an entry of its own. */
  async function reopened(folder: MemoryFolder): Promise<Entry[]> {
    const known = new Set(linesOf(folder.text()));
    const log = await open(folder);
    await log.record(eventOf(99));
    await log.head();
    await log.close();
    return linesOf(folder.text()).filter((line) => !known.has(line)).flatMap((line) => readLine(line) ?? []);
  }
  const last = (folder: MemoryFolder): string => folder.segments().at(-1) ?? "";

  it("was cut off at a line end: it goes on behind the signed head, and the gap stays", async () => {
    const { folder, size } = await written();
    const left = linesOf(folder.bytes(last(folder)).toString("utf8")).slice(0, -4);
    folder.files.set(last(folder), Buffer.from(`${left.join("\n")}\n`));
    const fresh = await reopened(folder);
    assert.deepInclude(fresh[0], { action: "log.broken", seq: size - 1, facts: { entry: size - 4 } });
    assert.deepEqual(await problemsOf(folder), [`missing ${size - 4}`]);
    // Another restart adds nothing to that, and goes on with the same segment.
    const segments = folder.segments();
    assert.notInclude((await reopened(folder)).map((e) => e.action), "log.broken");
    assert.deepEqual(folder.segments(), segments);
    assert.deepEqual(await problemsOf(folder), [`missing ${size - 4}`]);
  });

  it("lost whole segments, or all of them", async () => {
    for (const count of [1, 2, Infinity]) {
      const { folder, size } = await written();
      for (const name of folder.segments().slice(-count)) folder.files.delete(name);
      const rest = entriesOf(folder).length;
      const fresh = await reopened(folder);
      assert.deepInclude(fresh[0], { action: "log.broken", seq: size - 1, facts: { entry: rest } });
      assert.isNotEmpty(await problemsOf(folder), String(count));
      assert.lengthOf(new Set(entriesOf(folder).map((e) => e.seq)), entriesOf(folder).length, "no number twice");
    }
  });

  it("has zeros where signed entries were: not taken for the remains of a power cut, and kept as it is", async () => {
    const { folder, size } = await written();
    const name = last(folder);
    const bad = Buffer.from(folder.bytes(name));
    bad[10] = 0;
    folder.files.set(name, bad);
    const fresh = await reopened(folder);
    assert.deepInclude(fresh[0], { action: "log.broken", seq: size - 1 });
    assert.notInclude(fresh.map((e) => e.action), "log.recovered");
    assert.isTrue(folder.bytes(name).equals(bad));
    assert.isNotEmpty(await problemsOf(folder));
  });

  it("has nothing but strange lines in its last segment, with a head and without one", async () => {
    for (const isHeadThere of [true, false]) {
      const { folder, size } = await written();
      const name = last(folder);
      const first = folder.bytes(folder.segments()[0] ?? "");
      folder.files.set(name, Buffer.from("{}\n{}\n{}\n"));
      if (!isHeadThere) folder.files.delete(headFile);
      const fresh = await reopened(folder);
      assert.equal(fresh[0]?.action, "log.broken");
      assert.isTrue(folder.bytes(folder.segments()[0] ?? "").equals(first), "the first segment is what it was");
      assert.equal(fresh[0]?.seq, isHeadThere ? size - 1 : Number(name.slice(0, 12)) + 3);
      assert.isNotEmpty(await problemsOf(folder));
    }
  });

  it("was written anew with a right chain: it does not fit the head", async () => {
    const { folder } = await written();
    const other = new MemoryFolder();
    const forger = await AuditLog.open({ disk: other.disk, domain: "tax", signer: await signerOf("tax"), now: () => 1_780_000_000_000 });
    for (let i = 0; i < 60; i++) await forger.record(eventOf(i + 1));
    await forger.close();
    for (const name of folder.segments()) folder.files.delete(name);
    for (const name of other.segments()) folder.files.set(name, other.bytes(name));
    assert.include((await problemsOf(folder)).join(), "head");
    assert.equal((await reopened(folder))[0]?.action, "log.broken");
  });

  it("has no head beside it any more", async () => {
    const { folder, size } = await written();
    folder.files.delete(headFile);
    assert.deepEqual(await problemsOf(folder), [`head ${size}`]);
    // Somebody else's head is none: nobody can make the owner jump over numbers with it.
    const forger = await signerOf("tax");
    const fake = await AuditLog.open({ disk: new MemoryFolder().disk, domain: "tax", signer: forger, now: Date.now });
    for (let i = 0; i < 200; i++) fake.note(eventOf(i));
    folder.files.set(headFile, Buffer.from(JSON.stringify(await fake.head())));
    await reopened(folder);
    assert.deepEqual(entriesOf(folder).map((e) => e.seq), entriesOf(folder).map((_, i) => i));
  });
});
