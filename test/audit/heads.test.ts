// Heads that domains exchange, and requests under one id in two logs: what one side leaves out, cuts off or writes anew shows in the other's.
import { Readable } from "node:stream";
import { assert } from "chai";
import { before, describe, it } from "mocha";
import type { AuditEvent, Entry } from "../../audit/entry.ts";
import { exportLines } from "../../audit/export.ts";
import { isHeadOf, signHead, type SignedHead } from "../../audit/head.ts";
import { HeadClaims } from "../../audit/heads.ts";
import { JobJoin } from "../../audit/join.ts";
import { AuditLog } from "../../audit/log.ts";
import { verifyExport } from "../../audit/verify.ts";
import { eventOf, MemoryFolder, signerOf, type TestSigner } from "./support.ts";

const start = Date.parse("2026-03-02T01:00:00Z");
const headTaken = (party: string, { size, digest }: SignedHead): AuditEvent => ({ actor: { role: "platform" }, action: "head.taken", objects: { party, after: digest }, facts: { size } });

describe("heads that were exchanged", () => {
  let tax: TestSigner;
  let platform: TestSigner;
  before(async () => {
    tax = await signerOf("tax");
    platform = await signerOf("platform");
  });
  let now = start;
  const open = (folder: MemoryFolder, domain: string, signer: TestSigner): Promise<AuditLog> => AuditLog.open({ disk: folder.disk, domain, signer, now: () => (now += 1000) });
  const headOf = (log: AuditLog, domain: string, signer: TestSigner): SignedHead => signHead({ domain, ...log.durable, at: new Date(now).toISOString() }, signer);
  async function exported(folder: MemoryFolder, domain: string, signer: TestSigner, range = {}): Promise<string> {
    let text = "";
    for await (const chunk of exportLines({ disk: folder.disk, domain, range, until: Infinity, signer, now: () => (now += 1000) })) text += chunk;
    return text;
  }
  async function mismatches(texts: readonly string[]): Promise<HeadClaims["found"]> {
    const heads = new HeadClaims();
    const domains: string[] = [];
    for (const text of texts) {
      const { domain, problems } = await verifyExport(Readable.from([Buffer.from(text)]), { onEntry: (entry, of) => heads.take(of, entry) });
      assert.deepEqual(problems, [], "each is right for itself");
      domains.push(domain);
    }
    for (const [i, text] of texts.entries()) {
      const domain = domains[i] ?? "";
      heads.end(domain, await verifyExport(Readable.from([Buffer.from(text)]), { onEntry: (entry) => heads.compare(domain, entry) }));
    }
    return heads.found;
  }

  it("fit two logs that are as they were, in whole and in parts, while more comes", async () => {
    const [a, b] = [new MemoryFolder(), new MemoryFolder()];
    const [mine, theirs] = [await open(a, "tax", tax), await open(b, "platform", platform)];
    for (let i = 0; i < 30; i++) {
      await mine.record(eventOf(i));
      await theirs.record(eventOf(i));
      if (i % 7 !== 0) continue;
      await theirs.record(headTaken("tax", headOf(mine, "tax", tax)));
      await mine.record(headTaken("platform", headOf(theirs, "platform", platform)));
    }
    const early = await exported(a, "tax", tax);
    await mine.record(eventOf(40));
    await theirs.record(headTaken("tax", headOf(mine, "tax", tax)));
    const all = [await exported(a, "tax", tax), await exported(b, "platform", platform)];
    assert.deepEqual(await mismatches(all), []);
    assert.deepEqual(await mismatches([early, all[1] ?? ""]), [], "a head from after an export says nothing against it");
    assert.deepEqual(await mismatches([await exported(a, "tax", tax, { from: start + 30_000, to: start + 60_000 }), all[1] ?? ""]), []);
  });

  it("show a log whose owner cut it off, or wrote it anew, with its own key", async () => {
    const [a, b] = [new MemoryFolder(), new MemoryFolder()];
    const [mine, theirs] = [await open(a, "tax", tax), await open(b, "platform", platform)];
    for (let i = 0; i < 20; i++) await mine.record(eventOf(i));
    await theirs.record(headTaken("tax", headOf(mine, "tax", tax)));
    await mine.record(eventOf(20));
    const kept = await exported(b, "platform", platform);
    assert.deepEqual(await mismatches([await exported(a, "tax", tax), kept]), []);
    // The owner's own program over other files: each verifies, with the right key.
    for (const entries of [12, 35]) {
      const other = new MemoryFolder();
      const anew = await open(other, "tax", tax);
      for (let i = 0; i < entries; i++) await anew.record(eventOf(i + 1));
      assert.deepEqual(await mismatches([await exported(other, "tax", tax), kept]), [{ domain: "tax", by: "platform", size: 20 }], String(entries));
    }
    const same = new MemoryFolder();
    const anew = await open(same, "tax", tax);
    for (let i = 0; i < 20; i++) await anew.record(eventOf(i + 1));
    assert.deepEqual(await mismatches([await exported(same, "tax", tax), kept]), [{ domain: "tax", by: "platform", size: 20 }]);
  });

  it("are taken from their domain alone", async () => {
    const log = await open(new MemoryFolder(), "tax", tax);
    await log.record(eventOf(1));
    const head = headOf(log, "tax", { ...tax });
    // Certificates of the test are valid from now on.
    const good = signHead({ ...pick(head), at: new Date().toISOString() }, tax);
    assert.isTrue(isHeadOf(good, "tax", tax.ca));
    assert.isFalse(isHeadOf(good, "power", tax.ca));
    assert.isFalse(isHeadOf(good, "tax", platform.ca), "another authority");
    assert.isFalse(isHeadOf({ ...good, size: 7 }, "tax", tax.ca));
    assert.isFalse(isHeadOf(signHead({ ...pick(good), domain: "power" }, tax), "power", tax.ca));
    assert.isFalse(isHeadOf(signHead({ ...pick(good), at: "2001-01-01T00:00:00.000Z" }, tax), "tax", tax.ca));
  });
  const pick = ({ domain, size, digest, at }: SignedHead): Pick<SignedHead, "domain" | "size" | "digest" | "at"> => ({ domain, size, digest, at });
});

describe("requests in two logs", () => {
  const job = `job_${"0".repeat(16)}`;
  const id = (n: number): string => String(n).padStart(24, "0");
  let seq = 0;
  const entry = (event: Partial<Entry>): Entry => ({
    v: 1, seq: seq++, at: new Date(start + seq * 1000).toISOString(), previous: "0".repeat(64), actor: { role: "enclave" }, action: "request", outcome: "ok", objects: { job }, ...event,
  });
  const sent = (n: number, outcome = "ok"): Entry => entry({ action: "request.sent", route: "POST /enclave/v1/jobs/:id/approval", request: id(n), outcome });
  const got = (n: number, party = "tax"): Entry => entry({ actor: { role: "party", id: party }, route: "POST /enclave/v1/jobs/:id/approval", request: id(n) });
  const joined = (entries: readonly [string, Entry][]): unknown[] => {
    const join = new JobJoin(job);
    for (const [domain, one] of entries) join.take(domain, one);
    return join.contradictions().map(({ kind, domains, facts }) => [kind, ...domains, facts["request"]]);
  };

  it("agree when each is in both", () => {
    seq = 0;
    const [begun, arrived, ended] = [sent(1, "begun"), got(1), sent(1)];
    assert.deepEqual(joined([["tax", begun], ["platform", arrived], ["tax", ended], ["tax", entry({ action: "job.ended" })], ["platform", entry({})]]), []);
  });

  it("contradict each other when one side leaves it out", () => {
    seq = 0;
    const first = sent(1, "begun");
    assert.deepEqual(joined([["tax", first], ["platform", got(1)], ["tax", sent(1)], ["tax", sent(2, "begun")], ["tax", sent(2)], ["platform", entry({ request: id(9), actor: { role: "institution" } })]]), [["request", "platform", "tax", id(2)]]);
    assert.deepEqual(joined([["tax", first], ["platform", got(1)], ["platform", got(3)], ["tax", entry({ action: "job.ended" })]]), [["request", "tax", "platform", id(3)]], "said to be tax's");
    // Nothing is said about parties and times that are not here, and about requests that were under way when a process was killed.
    assert.deepEqual(joined([["platform", got(4, "power")], ["tax", sent(5, "begun")], ["platform", entry({})]]), []);
    assert.deepEqual(joined([["platform", got(4)], ["tax", entry({})], ["platform", got(6)]]).filter((c) => (c as string[])[3] === id(6)), [], "after the end of that export");
  });
});
