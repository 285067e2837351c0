// Batch scoring as a bank runs it: CSV and NDJSON give the same scores, from a file and from standard input, waited for or fetched later; what is wrong
// with a file is said by lines before anything is asked of anybody.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { jobIdSchema } from "../../core/names.ts";
import { smallTables } from "../support/tables.ts";
import { plainParams, Topology } from "../support/topology.ts";

const companies = 50;

describe("a batch", () => {
  const tables = smallTables();
  const rows = tables.bank.trim().split("\n").slice(0, companies + 1).map((line) => line.split(","));
  const csv = rows.map((row) => `${row.toSpliced(1, 1).join(",")}\n`).join("");
  const ndjson = rows.slice(1).map(([id, , amount, term]) => `${JSON.stringify({ ent_id: id, amount: Number(amount), term: Number(term) })}\n`).join("");
  let topology: Topology;
  let model = "";
  before(async () => {
    topology = await Topology.start({ tables });
    topology.writeProfile(path("profile.json"));
    const job = await topology.submit(plainParams);
    await topology.until(job, "done");
    ({ id: model } = (await topology.report(job)).model);
    writeFileSync(path("batch.csv"), csv);
    writeFileSync(path("batch.ndjson"), ndjson);
  });
  after(() => topology[Symbol.asyncDispose]());

  const path = (name: string): string => join(topology.work, name);
  const flags = (out: string, ...more: string[]): string[] => ["--profile", path("profile.json"), "--out", path(out), ...more];
  const score = (file: string, out: string, ...more: string[]): string[] => ["score", "--model", model, "--file", file, "--dir", topology.folder("bank"), ...flags(out, ...more)];
  const lines = (out: string, name: string): string[] => readFileSync(join(path(out), name), "utf8").trim().split("\n");

  it("is scored from CSV and, later, from NDJSON on standard input: the same scores, with model, time and receipts beside them", async () => {
    topology.cli(score(path("batch.csv"), "first"));
    const first = lines("first", "scores.csv").map((line) => line.split(","));
    assert.deepEqual(first[0], ["id", "points", "probability", "partial"]);
    assert.deepEqual(first.slice(1).map(([id]) => id), rows.slice(1).map(([id]) => id));
    const submitted = spawnSync(process.execPath, [join(import.meta.dirname, "..", "..", "cli", "main.ts"), ...score("-", "later", "--no-wait", "--json").filter((word) => word !== "--out" && word !== path("later"))], { encoding: "utf8", input: ndjson });
    assert.equal(submitted.status, 0, submitted.stderr);
    const { job, rows: count } = JSON.parse(submitted.stdout) as { job: string; rows: number };
    assert.equal(count, companies);
    await topology.until(jobIdSchema.parse(job), "done");
    topology.cli(["scores", "get", job, ...flags("later", "--format", "ndjson")]);
    const later = lines("later", "scores.ndjson").map((line) => JSON.parse(line) as { id: string; points: number; probability: number; partial: boolean });
    assert.deepEqual(later.map(({ id, points, probability, partial }) => [id, points.toFixed(2), probability.toFixed(6), partial ? "1" : "0"]), first.slice(1));
    const summary = JSON.parse(readFileSync(join(path("later"), "score.json"), "utf8")) as Record<string, unknown> & { receipts: object };
    assert.deepInclude(summary, { job, model, rows: companies, partial: false, away: [], format: "ndjson" });
    assert.match(String(summary["modelDigest"]), /^[0-9a-f]{64}$/);
    assert.hasAllKeys(summary.receipts, ["tax", "power"]);
  });

  it("is refused by its lines, and nobody hears of it", async () => {
    const known = (await topology.api.jobs()).items.length;
    const kept = readdirSync(join(topology.folder("bank"), "batches"));
    writeFileSync(path("wrong.ndjson"), `${ndjson}{"ent_id":"${rows[1]?.[0]}","amount":"a lot"}\n{"ent_id":"N1","phone":1}\n`);
    const { status, output } = topology.cliFailing(score(path("wrong.ndjson"), "wrong"));
    assert.equal(status, 1);
    assert.include(output, "BATCH_LINES (lines=2 first=51)");
    for (const said of ["column: 1 line(s): 52", "duplicate: 1 line(s): 51"]) assert.include(output, said);
    assert.notInclude(output, "a lot");
    assert.include(topology.cliFailing(["scores", "get", "job_000000000000000000000000", ...flags("none")]).output, "JOB_NOT_FOUND");
    assert.lengthOf((await topology.api.jobs()).items, known);
    assert.deepEqual(readdirSync(join(topology.folder("bank"), "batches")), kept);
  });
});
