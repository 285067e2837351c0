// Somebody with the files changes them: altered, removed, swapped, put in, cut off. Each is found, in the folder and in an export, also by
// somebody who repairs the chain after it: then the signed head does not fit.
import { createPublicKey } from "node:crypto";
import { Readable } from "node:stream";
import { assert } from "chai";
import * as fc from "fast-check";
import { before, describe, it } from "mocha";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { isAppError } from "../../core/errors.ts";
import { exportLines } from "../../audit/export.ts";
import { readLine } from "../../audit/entry.ts";
import { signHead } from "../../audit/head.ts";
import { AuditLog } from "../../audit/log.ts";
import { verifyExport, verifyFolder } from "../../audit/verify.ts";
import { eventOf, MemoryFolder, signerOf, type TestSigner } from "./support.ts";

const entries = 40;

describe("a changed audit log", () => {
  let signer: TestSigner;
  let folder: MemoryFolder;
  let text: string;
  before(async () => {
    signer = await signerOf("tax");
    folder = new MemoryFolder();
    let now = 1_780_000_000_000;
    const log = await AuditLog.open({ disk: folder.disk, domain: "tax", signer, now: () => (now += 1000), headEvery: 15 });
    for (let i = 0; i < entries; i++) await log.record(eventOf(i));
    await log.head();
    await log.close();
    const chunks: string[] = [];
    for await (const chunk of exportLines({ disk: folder.disk, domain: "tax", range: {}, until: Infinity, signer, now: Date.now })) chunks.push(chunk);
    text = chunks.join("");
  });
  const key = () => createPublicKey(signer.key.export({ format: "pem", type: "pkcs8" }));
  const lines = (): string[] => folder.text().trim().split("\n");

  async function problemsIn(changed: readonly string[]): Promise<string[]> {
    const copy = new MemoryFolder();
    for (const [name, bytes] of folder.files) copy.files.set(name, bytes);
    copy.files.set(folder.segments()[0] ?? "", Buffer.from(`${changed.join("\n")}\n`));
    return (await verifyFolder(copy.disk, "tax", { key: key() })).problems.map((p) => `${p.kind} ${p.seq}`);
  }
  const exported = async (changed: string, options: Parameters<typeof verifyExport>[1] = {}): Promise<string[]> =>
    (await verifyExport(Readable.from([Buffer.from(changed)]), { ca: signer.ca, ...options })).problems.map((p) => `${p.kind} ${p.seq}`);
  const parts = (): { header: string; body: string[]; end: string } => {
    const all = text.trim().split("\n");
    return { header: all[0] ?? "", body: all.slice(1, -1), end: all.at(-1) ?? "" };
  };

  it("is right before it is changed", async () => {
    assert.deepEqual(await problemsIn(lines()), []);
    assert.deepEqual(await exported(text), []);
    assert.equal((await verifyExport(Readable.from([Buffer.from(text)]), { ca: signer.ca })).isSignerKnown, true);
  });

  it("shows an altered entry, wherever it is, and whatever is altered", async () => {
    await fc.assert(fc.asyncProperty(fc.nat(lines().length - 1), fc.nat(500), fc.integer({ min: 1, max: 94 }), async (at, place, shift) => {
      const all = lines();
      const line = all[at] ?? "";
      const i = place % line.length;
      all[at] = `${line.slice(0, i)}${String.fromCharCode(32 + ((line.charCodeAt(i) - 32 + shift) % 95))}${line.slice(i + 1)}`;
      if (all[at] === line) return;
      assert.isNotEmpty(await problemsIn(all));
    }), { numRuns: 150 });
    const all = lines();
    all[10] = (all[10] ?? "").replace(`"n":10`, `"n":11`);
    assert.deepEqual(await problemsIn(all), ["altered 10"]);
  });

  it("shows a removed, a swapped, a repeated and a made-up entry", async () => {
    const all = lines();
    assert.deepEqual((await problemsIn(all.toSpliced(10, 1)))[0], "missing 10");
    const swapped = [...all];
    [swapped[10], swapped[11]] = [all[11] ?? "", all[10] ?? ""];
    assert.isNotEmpty(await problemsIn(swapped));
    assert.include(await problemsIn(all.toSpliced(10, 0, all[10] ?? "")), "order 10");
    const forged = readLine(all[10] ?? "");
    assert.isDefined(forged);
    const made = canonicalJson({ ...forged, facts: { n: 777 } });
    assert.isNotEmpty(await problemsIn(all.toSpliced(11, 0, made)));
  });

  it("shows that its end was cut off, by the head that was signed", async () => {
    assert.deepEqual(await problemsIn(lines().slice(0, -5)), [`truncated ${lines().length - 5}`]);
    const { header, body, end } = parts();
    assert.deepEqual(await exported([header, ...body.slice(0, -1), end, ""].join("\n")), [`truncated ${body.length - 1}`]);
    assert.deepEqual(await exported([header, ...body, ""].join("\n")), [`truncated ${body.length}`]);
  });

  it("shows a history that was written anew with a right chain: no head of the owner fits it", async () => {
    const all = lines().map((line) => readLine(line)).filter((e) => e !== undefined);
    let previous = all[0]?.previous ?? "";
    const anew = all.map((entry, i) => {
      const line = canonicalJson({ ...entry, previous, ...(i === 10 ? { facts: { n: 777 } } : {}) });
      previous = sha256Hex(line);
      return line;
    });
    const found = await problemsIn(anew);
    assert.isNotEmpty(found);
    assert.isTrue(found.every((p) => p.startsWith("signature") || p.startsWith("head")), found.join());
    // The same with heads of another key, and a kept head of before.
    const other = await signerOf("tax");
    const { header } = parts();
    const end = JSON.stringify({ head: signHead({ domain: "tax", size: anew.length, digest: previous, at: new Date().toISOString() }, other) });
    const forged = [header, ...anew, end, ""].join("\n");
    assert.include(await exported(forged), `signature ${anew.length}`);
    const { head } = await verifyExport(Readable.from([Buffer.from(text)]));
    assert.include((await exported(forged, { ca: other.ca, earlier: head })).join(), "head");
  });

  it("is no export when its header is none, or when it is of another domain", async () => {
    assert.equal(await exported("nothing\n").catch((e: unknown) => (isAppError(e) ? e.code : "")), "AUDIT_FORMAT");
    assert.isNotEmpty(await exported(text.replace(`"domain":"tax"`, `"domain":"power"`)));
  });

  it("may be exported in parts: each verifies, and what lies between does not disappear", async () => {
    const times = lines().map((line) => Date.parse(readLine(line)?.at ?? ""));
    const part = async (range: { from?: number; to?: number }): Promise<string> => {
      let out = "";
      for await (const chunk of exportLines({ disk: folder.disk, domain: "tax", range, until: Infinity, signer, now: Date.now })) out += chunk;
      return out;
    };
    const middle = await part({ from: times[10] ?? 0, to: times[20] ?? 0 });
    assert.deepEqual(await exported(middle), []);
    const found = await verifyExport(Readable.from([Buffer.from(middle)]));
    assert.deepInclude(found, { first: 10, entries: 10, size: 20, to: new Date(times[20] ?? 0).toISOString() });
    assert.isUndefined((await verifyExport(Readable.from([Buffer.from(text)]))).to, "to the end");
    assert.deepEqual(await exported(text, { earlier: found.head }), []);
    assert.equal(await part({ from: Date.parse("2035-01-01T00:00:00Z") }).catch((e: unknown) => (isAppError(e) ? e.code : "")), "AUDIT_EMPTY");
  });
});
