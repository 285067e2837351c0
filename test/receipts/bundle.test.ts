// The bundle: every committed vector, right and wrong, gives the finding that it states.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { consentVerifier } from "../../cli/consent-check.ts";
import { verifyBundle, type ConsentVerifier } from "../../receipts/bundle.ts";
import { exitStatus, reportLines } from "../../receipts/explain.ts";
import { noteKey } from "../../receipts/note.ts";
import { formatTrust, parseTrust, type Trust } from "../../receipts/trust.ts";
import { fileWitnessStore, parseAddCheckpoint, Witness } from "../../receipts/witness.ts";
import { codeOf } from "./codes.ts";
import { publicOf, testSigner } from "./keys.ts";
import { makeVectors, vectorLog, witnessNames, type Vector, type WitnessVector } from "./make-vectors.ts";
import { MemoryDisk } from "./memory-disk.ts";
import { vectorFiles, vectorFolder } from "./write-vectors.ts";

const read = (name: string): string => readFileSync(join(vectorFolder, name), "utf8");
const trust = parseTrust(read("trust.json"));
const vectors = readdirSync(vectorFolder).filter((name) => !["trust.json", "witness.json"].includes(name)).map((name) => JSON.parse(read(name)) as Vector);
const vector = (name: string): Vector => vectors.find((v) => v.name === name) as Vector;

/** That of `yunei verify`. */
const consents: ConsentVerifier = consentVerifier(trust) ?? assert.fail("the trust file names a registrar");
const verify = (v: Vector, t: Trust = trust): ReturnType<typeof verifyBundle> =>
  verifyBundle(JSON.stringify(v.bundle), t, { consents, ...(v.subject === undefined ? {} : { subject: v.subject }) });

describe("a receipt bundle", () => {
  it("has committed vectors that are what their generator makes", async () => {
    const files = vectorFiles(await makeVectors());
    assert.sameMembers(readdirSync(vectorFolder), [...files.keys()]);
    for (const [name, text] of files) assert.equal(read(name), text, name);
    assert.isAbove(vectors.filter((v) => v.result === "failed").length, 35);
  });

  for (const v of vectors) {
    it(`vector ${v.name} is ${v.result}`, async () => {
      const report = await verify(v);
      const failed = report.checks.filter((c) => c.status === "failed").map((c) => [c.name, c.code ?? ""]);
      assert.deepEqual([report.result, failed], [v.result, v.failed]);
      assert.equal(exitStatus(report), v.result === "ok" ? 0 : v.result === "failed" ? 1 : 2);
      for (const check of report.checks) {
        assert.match(check.zh, /[\u4e00-\u9fff]/u);
        assert.match(check.en, /^[\x20-\x7e]+$/);
      }
    });
  }

  it("says what it found, once for each check", async () => {
    const report = await verify(vector("good-use"));
    assert.deepEqual(report.checks.map((c) => [c.name, c.status]), [["format", "ok"], ["issuer", "ok"], ["receipt", "ok"], ["checkpoint", "ok"], ["inclusion", "ok"],
      ["witnesses", "ok"], ["time", "ok"], ["chain", "not-present"], ["use", "ok"], ["consent", "ok"], ["revocation", "ok"]]);
    assert.equal(report.receipt?.party, "tax");
    assert.equal(report.use?.grantee, "bank-a");
    assert.deepEqual(report.cosignatures?.map(({ name }) => name), witnessNames.slice(0, 2));
    assert.match(reportLines(report, "zh")[0] ?? "", /^有效/u);
    assert.match(reportLines(await verify(vector("wrong-root")), "en").join("\n"), /✗ .*RECEIPT_INCLUSION/u);
  });

  it("holds the names of no other company, in a bundle of a receipt that used two", () => {
    const text = JSON.stringify(vector("good-use").bundle);
    assert.include(text, "91330100MA0000001F");
    assert.notInclude(text, "91330100MA0000002J");
  });

  it("is incomplete, not valid, where nobody can check consents", async () => {
    const good = vector("good-use");
    const report = await verifyBundle(JSON.stringify(good.bundle), trust, { subject: good.subject ?? "" });
    assert.equal(report.result, "incomplete");
  });

  it("fails with a pinned key that is another, and holds with the right one", async () => {
    const print = "0".repeat(64);
    const pinned: Trust = { ...trust, pinned: new Map([["tax", print]]) as never };
    const report = await verify(vector("good-use"), pinned);
    assert.deepEqual(report.checks.filter((c) => c.status === "failed").map((c) => c.code), ["RECEIPT_ISSUER", "RECEIPT_ISSUER"]);
    assert.equal((await verify(vector("good-use"), { ...trust, pinned: new Map([["customs", print]]) as never })).result, "ok");
  });

  it("is read whatever the file is, and never throws", async () => {
    for (const text of ["", "{}", "[]", "null", "{", "\u0000", JSON.stringify({ format: "yunei-receipt-bundle" }), "x".repeat(34_000_000)]) {
      assert.equal((await verifyBundle(text, trust)).result, "failed");
    }
    const good = JSON.parse(JSON.stringify(vector("good-use").bundle)) as Record<string, unknown>;
    const breakAll = async (value: unknown, rebuild: (changed: unknown) => unknown): Promise<void> => {
      if (typeof value === "string") {
        for (const changed of ["", `${value}x`, value.slice(1)])
          assert.notEqual((await verify({ ...vector("good-use"), bundle: rebuild(changed) })).result, "ok", value.slice(0, 40));
      } else if (typeof value === "object" && value !== null) {
        for (const [name, inner] of Object.entries(value)) await breakAll(inner, (changed) =>
          rebuild(Array.isArray(value) ? value.map((x: unknown, i) => (String(i) === name ? changed : x)) : { ...value, [name]: changed }));
      }
    };
    await breakAll(good, (changed) => changed);
  });
});

describe("a trust file", () => {
  it("is read back as it was written, and refused when it is anything else", async () => {
    const text = read("trust.json");
    const again = formatTrust({ log: trust.log, witnesses: trust.witnesses, authorities: (JSON.parse(text) as { authorities: string[] }).authorities, consent: trust.consent ?? null });
    assert.equal(`${again}\n`, text);
    const file = JSON.parse(text) as Record<string, unknown>;
    const wrong = ["", "{}", JSON.stringify({ ...file, version: 2 }), JSON.stringify({ ...file, log: "x" }), JSON.stringify({ ...file, extra: 1 }), JSON.stringify({ ...file, authorities: ["no certificate"] }),
      JSON.stringify({ ...file, witnesses: { threshold: 4, keys: (file["witnesses"] as { keys: string[] }).keys } })];
    for (const each of wrong) assert.equal(await codeOf(() => parseTrust(each)), "BUNDLE_TRUST", each.slice(0, 40));
  });
});

describe("the witness vectors", () => {
  it("are answered as they state, in their order", async () => {
    const witness = new Witness({ signer: testSigner(witnessNames[0]), logs: [noteKey(vectorLog.name, 1, publicOf(vectorLog.key))],
      store: fileWitnessStore(new MemoryDisk().disk), now: () => 1_800_000_000_000 });
    for (const { request, answer } of JSON.parse(read("witness.json")) as WitnessVector[]) {
      const code = await codeOf(() => witness.add(parseAddCheckpoint(request)));
      assert.equal(code === "none" ? "ok" : code, answer);
    }
  });
});
