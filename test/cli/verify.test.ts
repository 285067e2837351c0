// `yunei verify` and `yunei log fsck`: every committed vector, a use with a real consent and list of withdrawals, and the commands as processes.
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { Authority } from "../../api/pki/authority.ts";
import { verifyFile } from "../../cli/commands/verify.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { systemRng } from "../../core/rng.ts";
import { consentDigest } from "../../consent/revocation.ts";
import { makeBundle, type BundleReport } from "../../receipts/bundle.ts";
import { witnessPolicy } from "../../receipts/checkpoint.ts";
import { folderDisk } from "../../receipts/disk.ts";
import { createLog, ReceiptLog } from "../../receipts/log.ts";
import { cosign, noteKey, parseNote, verifierKey, withSignatures } from "../../receipts/note.ts";
import { noPrevious, signReceipt, type ReceiptStatement } from "../../receipts/receipt.ts";
import { formatTrust } from "../../receipts/trust.ts";
import { UseCommitments, type Use } from "../../receipts/uses.ts";
import { company, consentOf, granted, keys, listOf, now, registrarStatement } from "../consent/support.ts";
import { codeOf } from "../receipts/codes.ts";
import type { Vector } from "../receipts/make-vectors.ts";
import { vectorFolder } from "../receipts/write-vectors.ts";
import { Ca, tax, temporaryFolder } from "../support/enclave.ts";
import { yunei } from "./support.ts";

const failedCodes = (report: BundleReport): string[] => report.checks.filter(({ status }) => status === "failed").map(({ name, code }) => `${name} ${code ?? ""}`);

describe("yunei verify", () => {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder.path, name);
  const write = (name: string, value: unknown): string => {
    writeFileSync(at(name), typeof value === "string" ? value : JSON.stringify(value));
    return at(name);
  };
  after(() => folder[Symbol.dispose]());

  it("finds in every committed vector what that states", async () => {
    const trust = join(vectorFolder, "trust.json");
    const names = readdirSync(vectorFolder).filter((name) => !["trust.json", "witness.json"].includes(name));
    assert.isAbove(names.length, 40);
    for (const name of names) {
      const vector = JSON.parse(readFileSync(join(vectorFolder, name), "utf8")) as Vector;
      const report = await verifyFile(write(name, vector.bundle), { trust, ...(vector.subject === undefined ? {} : { company: vector.subject }) });
      assert.deepEqual(failedCodes(report).sort(), vector.failed.map(([check, code]) => `${check} ${code}`).sort(), name);
      assert.equal(report.result, vector.result, name);
    }
  });

  describe("of a use with a consent", () => {
    let trust: string;
    let bundle: (change?: { use?: Partial<Use>; statement?: Partial<ReceiptStatement>; consent?: string; list?: string; seen?: number }) => Promise<string>;
    let count = 0;
    before(async () => {
      const start = (): number => Date.parse("2026-01-01T00:00:00Z");
      const ca = await Ca.open(await Authority.create("test CA", { rng: systemRng, now: start }), start);
      mkdirSync(at("keys"));
      const identity = await ca.enrol(at("keys"), tax, 600);
      const signer = { name: "a-log", key: generateKeyPairSync("ed25519").privateKey };
      const witness = { name: "yunei-witness/tax", key: generateKeyPairSync("ed25519").privateKey };
      mkdirSync(at("log"));
      const disk = folderDisk(at("log"));
      await createLog({ disk, signer });
      const log = await ReceiptLog.open({ disk, signer });
      writeFileSync(at("log.pub"), verifierKey(log.key));
      trust = write("trust.json", formatTrust({
        log: log.key, witnesses: witnessPolicy(1, [noteKey(witness.name, 4, witness.key)]), authorities: [identity.ca],
        consent: { registrars: [{ statement: registrarStatement, root: createPublicKey(keys.root).export({ format: "pem", type: "spki" }) }] },
      }));
      bundle = async ({ use = {}, statement = {}, consent = granted(), list = listOf(1), seen = now } = {}) => {
        const made: Use = {
          subject: company, grantee: "bank", items: ["tax.payment"], consent: { id: consentOf().id, digest: sha256Hex(consent) }, revocations: sha256Hex(list), output: null, at: new Date(now).toISOString(), ...use,
        };
        const uses = new UseCommitments([made], UseCommitments.draw(1, systemRng));
        const receipt = signReceipt({
          version: 2, id: `job_${String(count++).padStart(16, "0")}`, kind: "score", party: tax, purpose: "loan-approval", planDigest: "a".repeat(64), modelDigest: null, snapshotDigest: null,
          outputDigest: null, ledgerDigest: "b".repeat(64), seedsDigest: null, uses: uses.digest, at: new Date(now).toISOString(), sequence: 0, previous: noPrevious, ...statement,
        }, identity.signKey);
        const { index } = await log.append(Buffer.from(receipt));
        const checkpoint = withSignatures(log.checkpoint, [cosign(parseNote(log.checkpoint).text, witness, Math.floor(seen / 1000) + 60)]);
        return write("bundle.json", await makeBundle(log, { index, certificate: identity.identityCertificate, checkpoint, reveal: uses.reveal(0), consent, revocations: list }));
      };
    });
    const verdict = async (change?: Parameters<typeof bundle>[0], subject = company): Promise<string> => {
      const report = await verifyFile(await bundle(change), { trust, company: subject });
      return report.result === "failed" ? failedCodes(report).join(", ") : report.result;
    };

    it("holds when all is right: scope, time and list are those of the enclave's own check", async () => assert.equal(await verdict(), "ok"));

    it("fails, with the code of the enclave's own check, when the consent does not cover the use", async () => {
      const late = new Date(Date.parse("2026-12-02T00:00:00Z")).toISOString();
      const cases: [Parameters<typeof bundle>[0], string][] = [
        [{ consent: granted({ purpose: "customer-screening" }) }, "consent CONSENT_PURPOSE"],
        [{ use: { items: ["utilities.electricity"] } }, "consent CONSENT_ITEM"],
        [{ use: { grantee: "otherbank" } }, "consent CONSENT_GRANTEE"],
        [{ use: { grantee: "Not-A-Party" } }, "consent CONSENT_GRANTEE"],
        [{ statement: { kind: "scorecard" } }, "consent CONSENT_KIND"],
        [{ statement: { purpose: "marketing" } }, "consent CONSENT_PURPOSE"],
        [{ use: { at: "2026-04-30T00:00:00.000Z" }, list: listOf(1, { issuedAt: Date.parse("2026-04-30T00:00:00Z") }) }, "consent CONSENT_NOT_YET"],
        [{ use: { at: late }, statement: { at: late }, list: listOf(1, { issuedAt: Date.parse(late) }) }, "time , consent CONSENT_EXPIRED, revocation CONSENT_EXPIRED"],
        [{ use: { at: late } }, "use RECEIPT_USE_TIME"],
        [{ use: { consent: { id: consentOf().id, digest: "0".repeat(64) } } }, "consent RECEIPT_REVEAL"],
        [{ consent: granted({ issuer: { kind: "registrar", registrar: tax } }) }, "consent CONSENT_ISSUER, revocation CONSENT_ISSUER"],
      ];
      for (const [change, expected] of cases) assert.equal(await verdict(change), expected);
    });

    it("fails when the consent was withdrawn at that time, or the list is of another time, forged or another one", async () => {
      const withdrawn = [consentDigest(consentOf().id), Math.floor(now / 1000) - 60, Math.floor(now / 1000) + 3600] as const;
      const cases: [Parameters<typeof bundle>[0], string][] = [
        [{ list: listOf(2, { entries: [withdrawn] }) }, "revocation CONSENT_WITHDRAWN"],
        [{ list: listOf(1, { issuedAt: now - 3_600_000 }) }, "revocation CONSENT_LIST_STALE"],
        [{ list: listOf(1, { issuedAt: now + 3_600_000 }) }, "revocation CONSENT_CLOCK"],
        [{ list: listOf(1, { key: keys.stranger }) }, "revocation CONSENT_LIST_FORGED"],
        [{ use: { revocations: "0".repeat(64) } }, "revocation RECEIPT_REVEAL"],
      ];
      for (const [change, expected] of cases) assert.equal(await verdict(change), expected);
      // Asked at the time of the use: a job may end, or be stopped, long after the list that it relied on is over, or the consent itself.
      assert.equal(await verdict({ statement: { at: new Date(now + 2_000_000).toISOString() }, seen: now + 3_000_000 }), "ok");
      assert.equal(await verdict({ use: { at: new Date(now + 600_000).toISOString() } }), "ok", "the list still counts then");
      assert.equal(await verdict({ use: { at: new Date(now + 960_000).toISOString() }, statement: { at: new Date(now + 960_000).toISOString() }, seen: now + 960_000 }), "revocation CONSENT_LIST_STALE");
    });

    it("is no whole proof without a consent, unless the lists let all of its items be used without one", async () => {
      const none = { consent: null, revocations: null };
      assert.equal(await verdict({ use: none }), "incomplete");
      assert.equal(await verdict({ use: { ...none, items: ["registry.basic"] } }), "ok", "published by law");
      assert.equal(await verdict({ use: { ...none, items: ["registry.basic", "tax.payment"] } }), "incomplete");
      assert.equal(await verdict({ use: { ...none, items: ["tax.credit-grade"] } }), "ok", "open for some taxpayers");
      assert.equal(await verdict({ use: { ...none, items: ["tax.unheard-of"] } }), "incomplete");
      assert.equal(await verdict({ use: none, statement: { kind: "scorecard" } }), "ok", "joint modelling opens no company");
      assert.equal(await verdict({ use: none, statement: { kind: "verify" } }), "incomplete");
    });

    it("is not another company's", async () => assert.include(await verdict({}, "91330100MA0000001F"), "use RECEIPT_REVEAL"));

    it("as a command: exit status, both languages, JSON; a wrong trust file or path is an error of its own", async () => {
      const file = await bundle();
      const zh = await yunei(["verify", file, "--trust", trust, "--company", company, "--lang", "zh"], folder.path);
      assert.equal(zh.status, 0, zh.err);
      assert.match(zh.out, /^有效/);
      assert.include(zh.out, company);
      const json = await yunei(["verify", file, "--trust", trust, "--json"], folder.path);
      assert.deepInclude(JSON.parse(json.out) as object, { result: "ok", status: 0 });
      const broken = write("broken.json", readFileSync(file, "utf8").replace('"index":', '"index":1'));
      const failed = await yunei(["verify", broken, "--trust", trust, "--lang", "en"], folder.path);
      assert.equal(failed.status, 1);
      assert.match(failed.out, /^NOT valid/);
      const without = write("without.json", { ...(JSON.parse(readFileSync(file, "utf8")) as object), consent: undefined });
      assert.equal((await yunei(["verify", without, "--trust", trust, "--lang", "en"], folder.path)).status, 2);
      const noTrust = await yunei(["verify", file, "--trust", file, "--lang", "en"], folder.path);
      assert.equal(noTrust.status, 1);
      assert.match(noTrust.err, /^BUNDLE_TRUST: /m);
      assert.match((await yunei(["verify", at("nowhere"), "--trust", trust, "--lang", "en"], folder.path)).err, /^CLI_FILE: /m);
      assert.equal(await codeOf(() => verifyFile(file, { trust: write("t2.json", { ...(JSON.parse(readFileSync(trust, "utf8")) as object), consent: { registrars: 1 } }) })), "BUNDLE_TRUST");
    }).timeout(60_000);

    it("and the log is checked from the ground by `yunei log fsck`", async () => {
      await bundle();
      const good = await yunei(["log", "fsck", at("log"), "--json"], folder.path);
      assert.equal(good.status, 0, good.err);
      assert.deepInclude(JSON.parse(good.out) as object, { ok: true, problems: [] });
      cpSync(at("log"), at("bad"), { recursive: true });
      const [entries] = readdirSync(join(at("bad"), "tile", "entries"), { recursive: true }).map(String).filter((name) => /\.p\/\d+$/.test(name));
      const path = join(at("bad"), "tile", "entries", entries ?? "");
      const bytes = readFileSync(path);
      bytes[40] = (bytes[40] ?? 0) ^ 1;
      writeFileSync(path, bytes);
      const bad = await yunei(["log", "fsck", at("bad"), "--key", at("log.pub"), "--lang", "en"], folder.path);
      assert.equal(bad.status, 1, bad.out);
      assert.match(bad.out, /DAMAGED/);
      assert.match((await yunei(["log", "fsck", at("bad"), "--lang", "en"], folder.path)).err, /^CLI_FILE: /m);
    }).timeout(60_000);
  });
});
