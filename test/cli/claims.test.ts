// Files of claims: how they are read, and a batch that is stopped, told to come again, or given lines that are no claims.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import type { VerifyAnswer } from "../../api/contract/verification.ts";
import { verifyBatch, type BatchOptions } from "../../cli/claims/batch.ts";
import { csvFields, csvLine, linesOf } from "../../cli/claims/lines.ts";
import { readClaims, type ReadClaim } from "../../cli/claims/read.ts";
import { askedFields, fieldLines } from "../../cli/claims/show.ts";
import type { SealedRequest } from "../../cli/service-client.ts";
import { AppError } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { askedFieldSchema } from "../../federation/verify/fields.ts";
import { job, temporaryFolder } from "../support/enclave.ts";

const fields = [
  askedFieldSchema.parse({ party: "tax", field: "turnover", clear: ["within", "equals", "exists", "count"], blind: ["equals", "within"] }),
  askedFieldSchema.parse({ party: "tax", field: "sector", clear: ["one-of"] }), askedFieldSchema.parse({ party: "power", field: "sector", clear: ["one-of"] }),
];
async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "ok";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}
const all = async (path: string) => Array.fromAsync(readClaims(path, fields));

describe("lines of a file of claims", () => {
  it("are those of the file, whatever their lengths and line ends, and can be gone on with at any of them", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "lines");
    await fc.assert(fc.asyncProperty(fc.array(fc.string({ unit: "grapheme", maxLength: 40 }).filter((s) => !/[\n\r\uFEFF]/.test(s)), { maxLength: 30 }), fc.boolean(), fc.nat(40), async (texts, endsWithLine, at) => {
      writeFileSync(path, texts.join("\n") + (endsWithLine && texts.length > 0 ? "\r\n" : ""));
      const found = await Array.fromAsync(linesOf(path, { mostBytes: 200 }));
      const expected = texts.at(-1) === "" && !endsWithLine ? texts.slice(0, -1) : texts;
      assert.deepEqual(found.map(({ text }) => text), expected);
      assert.deepEqual(found.map(({ number }) => number), expected.map((_, i) => i + 1));
      const from = found.slice(0, at);
      const rest = await Array.fromAsync(linesOf(path, { mostBytes: 200, from: from.reduce((sum, { bytes }) => sum + bytes, 0), firstNumber: from.length + 1 }));
      assert.deepEqual(rest, found.slice(at));
    }), { numRuns: 60 });
  });
  it("that are too long, or no UTF-8, are there without a text", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "lines");
    writeFileSync(path, Buffer.concat([Buffer.from(`a\n${"b".repeat(300_000)}\n`), Buffer.of(0xff, 10), Buffer.from("c")]));
    assert.deepEqual((await Array.fromAsync(linesOf(path, { mostBytes: 1000 }))).map(({ number, text }) => [number, text]), [[1, "a"], [2, undefined], [3, undefined], [4, "c"]]);
  });
  it("of CSV come back as they were written, and wrong quotes are found", () => {
    fc.assert(fc.property(fc.array(fc.string({ maxLength: 12 }).filter((s) => !/[\r\n]/.test(s)), { minLength: 1, maxLength: 6 }), (cells) => {
      assert.deepEqual(csvFields(csvLine(cells)), cells);
    }));
    for (const bad of ['a,"b', 'a"b', '"a"b,c']) assert.isUndefined(csvFields(bad), bad);
  });
});

describe("claims of a file", () => {
  it("are the same in CSV and in NDJSON", async () => {
    using folder = temporaryFolder();
    const [csv, ndjson] = [join(folder.path, "claims.csv"), join(folder.path, "claims.ndjson")];
    writeFileSync(csv, '\uFEFFcompany,Provider,field,predicate,value,from,to,blind\r\nc1,,turnover,within,,"1,000",2000.5,yes\r\nc2,tax,sector,one-of,food|trade,,,\r\nc3,,turnover,count,,2,,false\r\n\r\nc4,,turnover,exists,,,,\r\n');
    writeFileSync(ndjson, [
      { company: "c1", field: "turnover", predicate: { kind: "within", from: "1,000", to: "2000.5" }, blind: true }, { company: "c2", provider: "tax", field: "sector", predicate: { kind: "one-of", values: ["food", "trade"] } },
      { company: "c3", field: "turnover", predicate: { kind: "count", from: 2 } }, { company: "c4", field: "turnover", predicate: { kind: "exists" } },
    ].map((claim) => JSON.stringify(claim)).join("\n"));
    const [a, b] = [await all(csv), await all(ndjson)];
    assert.deepEqual(a.map(({ claim }) => claim), b.map(({ claim }) => claim));
    assert.deepEqual(a.map(({ number }) => number), [2, 3, 4, 6]);
    assert.deepInclude(a[0]?.claim, { provider: partyId("tax"), blind: true });
  });
  it("that are none are told by their lines", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "claims.csv");
    writeFileSync(path, "company,field,predicate,value,blind\nc1,turnover,like,1,\nc1,sector,one-of,food,\nc1,turnover,equals,,\n,turnover,equals,1,\nc1,turnover,equals,1,perhaps\nc1,turnover,equals,1\nc1,turnover,equals,1,\n");
    assert.deepEqual((await all(path)).map(({ claim }) => claim !== undefined), [false, false, false, false, false, false, true], "two providers have a sector");
    for (const head of ["company,field,predicate,more\n", "company,field\n", "company,company,field,predicate\n", ""]) {
      writeFileSync(path, head);
      assert.equal(await codeOf(all(path)), "CLI_ARGUMENT");
    }
  });
});

describe("a batch of claims", () => {
  const lines = 700;
  /** Answers by the company's number; counts what it is asked, and fails where it is told to. */
  class Service {
    readonly view = { id: job } as BatchOptions["client"]["view"];
    readonly asked: string[] = [];
    readonly fails = new Map<number, string>();
    readonly #answers = new Map<string, VerifyAnswer>();
    readonly #claims = new Map<string, ReadClaim[]>();
    made = 0;

    async sealAs(content: object, _now: number): Promise<SealedRequest> {
      const id = `request-${this.#claims.size}`;
      this.#claims.set(id, (content as { claims: ReadClaim[] }).claims);
      return { id, jwe: `jwe-${id}`, answerKey: Uint8Array.of(1) };
    }
    async sendAs<T>({ id }: SealedRequest): Promise<T> {
      this.asked.push(id);
      const answer = this.#answers.get(id) ?? this.#make(id);
      const code = this.fails.get(this.asked.length);
      // Also an answer that is lost was made.
      if (code !== undefined) throw new AppError(code as "SERVICE_BUSY");
      return answer as T;
    }
    #make(id: string): VerifyAnswer {
      this.made += 1;
      const results = (this.#claims.get(id) ?? []).map(({ company }) => (Number(company.slice(1)) % 5 === 0 ? { code: "CONSENT_MISSING" } : { answer: Number(company.slice(1)) % 2 === 0 ? "match" as const : "no-match" as const }));
      const answer: VerifyAnswer = { version: 1, id, service: job, at: "2026-01-01T00:00:00Z", status: "verified", paramsDigest: "0".repeat(64), results, receipt: { batch: job, use: 0, salt: "" } };
      this.#answers.set(id, answer);
      return answer;
    }
  }
  const write = (folder: string): { file: string; out: string } => {
    const file = join(folder, "claims.csv");
    writeFileSync(file, `company,field,predicate,value,from,blind\n${Array.from({ length: lines }, (_, i) => (i === 41 ? "c41,turnover,like,1,," : i % 7 === 0 ? `c${i},turnover,within,,1,yes` : `c${i},turnover,equals,${i},,`)).join("\n")}\n`);
    return { file, out: join(folder, "results.csv") };
  };
  const run = (service: Service, { file, out }: { file: string; out: string }, more: Partial<BatchOptions> = {}) =>
    verifyBatch({ client: service, file, out, fields, now: () => 1e12, progress: () => undefined, wait: async () => undefined, ...more });

  it("gives a line for each line, in order, in requests of bounded size", async () => {
    using folder = temporaryFolder();
    const paths = write(folder.path);
    const service = new Service();
    const { claims, counts, badLines } = await run(service, paths);
    assert.equal(claims, lines);
    assert.deepEqual(badLines, [43]);
    assert.deepInclude(counts, { VERIFY_CLAIM: 1, CONSENT_MISSING: 140 });
    const rows = readFileSync(paths.out, "utf8").trim().split("\n");
    assert.equal(rows[0], "line,company,provider,field,answer,code,objected");
    assert.equal(rows[1 + 2], "4,c2,tax,turnover,match,,");
    assert.equal(rows[1 + 41], "43,,,,,VERIFY_CLAIM,");
    assert.lengthOf(rows, lines + 1);
    assert.isAtLeast(service.asked.length, Math.ceil(lines / 256));
    assert.isFalse(existsSync(`${paths.out}.progress`));
    assert.equal(await codeOf(run(service, paths)), "CLI_EXISTS", "a whole result is not written over");
  });
  it("goes on where it was stopped, sends a request that was on its way again as it was, and ends with the same result", async () => {
    using folder = temporaryFolder();
    const paths = write(folder.path);
    await run(new Service(), paths);
    const whole = readFileSync(paths.out, "utf8");
    const again = { ...paths, out: join(folder.path, "again.csv") };
    const service = new Service();
    service.fails.set(3, "SERVICE_NOT_RUNNING");
    assert.equal(await codeOf(run(service, again)), "SERVICE_NOT_RUNNING");
    // Half a line from a killed process: what was not noted is written again.
    writeFileSync(again.out, `${readFileSync(again.out, "utf8")}17,c`);
    const { claims } = await run(service, again);
    assert.equal(claims, lines);
    assert.equal(readFileSync(again.out, "utf8"), whole);
    assert.equal(service.asked[3], service.asked[2]);
    assert.equal(service.made, new Set(service.asked).size);
  });
  it("seals a request anew that is too old to be taken for the same", async () => {
    using folder = temporaryFolder();
    const paths = write(folder.path);
    const service = new Service();
    service.fails.set(1, "SERVICE_NOT_RUNNING");
    assert.equal(await codeOf(run(service, paths)), "SERVICE_NOT_RUNNING");
    await run(service, paths, { now: () => 1e12 + 300_000 });
    assert.notEqual(service.asked[1], service.asked[0]);
  });
  it("sends the same request again while it may still be answered, and gives up after a while", async () => {
    using folder = temporaryFolder();
    const paths = write(folder.path);
    const service = new Service();
    for (const [at, code] of [[2, "SERVICE_TIMEOUT"], [3, "SERVICE_BUSY"]] as const) service.fails.set(at, code);
    await run(service, paths);
    assert.deepEqual(service.asked.slice(1, 4), ["request-1", "request-1", "request-1"]);
    const dead = new Service();
    for (let at = 1; at < 20; at++) dead.fails.set(at, "SERVICE_AWAY");
    assert.equal(await codeOf(run(dead, { ...paths, out: join(folder.path, "dead.csv") })), "SERVICE_AWAY");
    assert.lengthOf(dead.asked, 7);
  });
  it("refuses to go on with another file or service", async () => {
    using folder = temporaryFolder();
    const paths = write(folder.path);
    const service = new Service();
    service.fails.set(2, "SERVICE_NOT_RUNNING");
    await codeOf(run(service, paths));
    writeFileSync(paths.file, `${readFileSync(paths.file, "utf8")}c9999,turnover,exists,,,\n`);
    assert.equal(await codeOf(run(service, paths)), "CLI_ARGUMENT");
  });
});

describe("the fields of a verification's plan", () => {
  it("are shown to who approves it, with the way in which each is asked about", () => {
    const params = { fields: [...fields, { party: "power", field: "usage", blind: ["equals"] }] };
    assert.deepEqual(fieldLines(askedFields({ kind: "verify", params }, "tax"), "en"), ["tax.turnover  clear: within equals exists count  blind: equals within", "tax.sector  clear: one-of"]);
    assert.deepEqual(fieldLines(askedFields({ kind: "verify", params }), "zh").at(-1), "power.usage  盲核验: equals");
    assert.deepEqual(askedFields({ kind: "serve", params }), []);
    assert.deepEqual(askedFields({ kind: "verify", params: {} }), []);
  });
});
