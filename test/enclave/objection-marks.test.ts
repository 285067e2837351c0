// A real scoring by real enclave workers: a company whose item is under objection is marked in the result, nobody else is; the scores that
// rest on the item are found, with what makes them again.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { ObjectionNotice } from "../../api/contract/subject.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import { silentLog } from "../../core/env.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { systemRng } from "../../core/rng.ts";
import { loadBatch } from "../../enclave/batch/load.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { affectedScores } from "../../enclave/subject/affected.ts";
import { marksFile, marksOf, markScores } from "../../enclave/subject/marks.ts";
import { ObjectionBook } from "../../enclave/subject/objections.ts";
import { bank, power, tax } from "../support/enclave.ts";
import { usccOf } from "../support/subjects.ts";
import { smallTables } from "../support/tables.ts";
import { Stock, Workers } from "../support/workers.ts";

const [training, scoring] = ["job_000000000000000a", "job_000000000000000b"] as [JobId, JobId];
const rows = 3000;
const [marked, other, elsewhere] = [usccOf(0), usccOf(1), usccOf(2)];

describe("scores of what is under objection", () => {
  let stock: Stock;
  let workers: Workers;
  let batch: string;
  const options = { rows, id: usccOf };

  before(async function () {
    this.timeout(240_000);
    stock = await Stock.make(options);
    workers = await Workers.make(stock);
    workers.exchange.submit(workers.plan(training));
    workers.startAll();
    await workers.until(training, "done");
    for (const party of [bank, tax, power]) await workers.untilAt(party, training, "done");
    keep([notice("a", { subject: marked }), notice("b", { subject: elsewhere, party: "customs" as PartyId }), notice("c", { subject: other, state: "corrected" })]);
    const lines = smallTables(options).bank.split("\n").slice(1, 301).map((line) => line.split(",")).map(([id, , amount, term]) => `${id},${amount},${term}`);
    const text = `ent_id,amount,term\n${lines.join("\n")}\n`;
    batch = sha256Hex(text);
    const folder = workers.folder(bank);
    mkdirSync(join(folder, "batches"), { recursive: true });
    writeFileSync(join(folder, "batches", `${batch}.csv`), text);
    const model = String(workers.rows(bank, "select model from models")[0]?.["model"]);
    workers.exchange.submit(workers.plan(scoring, { kind: "score", model, params: { batch, rows: lines.length, shape: { kind: "scorecard" } } }));
    await workers.until(scoring, "done");
    await workers.untilAt(bank, scoring, "done");
  });
  after(async () => {
    await workers[Symbol.asyncDispose]();
    await stock[Symbol.asyncDispose]();
  });

  function notice(letter: string, change: Partial<ObjectionNotice>): ObjectionNotice {
    return {
      id: `objection_${letter.repeat(24)}`, role: "mark", change: letter.charCodeAt(0), kind: "objection", target: "item", subject: marked, party: tax, item: "tax.payment", ground: "inaccurate",
      evidence: null, state: "examining", reason: null, lodgedAt: "2026-01-05T00:00:00.000Z", dueAt: "2026-01-25T16:00:00.000Z", ...change,
    };
  }
  function keep(notices: readonly ObjectionNotice[]): void {
    using db = new StateDatabase(enclavePaths(workers.folder(bank)).state);
    new ObjectionBook({ db, box: SecretBox.open(enclavePaths(workers.folder(bank)).box, systemRng) }).keep(notices);
  }

  it("marks the company and the item, and nobody else", () => {
    const [header, ...lines] = readFileSync(join(workers.folder(bank), "results", scoring, "scores.csv"), "utf8").trim().split("\n");
    assert.equal(header, "id,points,probability,partial,objection");
    assert.equal(lines.length, 300);
    assert.deepEqual(lines.filter((line) => !line.endsWith(",")).map((line) => [line.split(",")[0], line.split(",").at(-1)]), [[marked, "tax.payment"]]);
    assert.include(readFileSync(join(workers.folder(bank), "results", scoring, "score.json"), "utf8"), '"objections": 1');
  });

  it("marks scores that were made before: where the objection stands, durably, and not those that were made after its end", async () => {
    using db = new StateDatabase(enclavePaths(workers.folder(bank)).state);
    const folder = workers.folder(bank);
    const { results } = enclavePaths(folder);
    const parts = { db, folder, results, idColumn: "ent_id" };
    const late = notice("d", { subject: other });
    assert.isEmpty(marksOf(results, scoring));
    await markScores(parts, late);
    await markScores(parts, late);
    const mark = { objection: late.id, id: other, party: tax, item: "tax.payment", state: "examining" };
    assert.deepEqual(marksOf(results, scoring) as unknown[], [mark]);
    await markScores(parts, { ...late, state: "corrected" });
    await markScores(parts, notice("e", { subject: other, target: "score", party: bank, item: null, state: "accepted" }));
    await markScores(parts, notice("f", { subject: usccOf(2500) }));
    await markScores(parts, notice("g", { subject: marked, party: "customs" as PartyId }));
    await markScores(parts, notice("h", { subject: marked, state: "rejected" }));
    assert.deepEqual(marksOf(results, scoring).map((m) => [m.objection.at(-1), m.state]), [["d", "corrected"], ["e", "accepted"]], "nothing of others, nor of what was rejected before it was heard of");
    await markScores(parts, { ...late, state: "rejected" });
    assert.equal(marksOf(results, scoring).find((m) => m.objection === late.id)?.state, "rejected");
    assert.isEmpty(marksOf(results, training));
    writeFileSync(join(results, scoring, marksFile), "{ damaged");
    assert.isEmpty(marksOf(results, scoring));
    await markScores(parts, late);
    assert.lengthOf(marksOf(results, scoring), 1);
  });

  it("finds the batches in which the company was scored with that provider, and what scores it again", async () => {
    using db = new StateDatabase(enclavePaths(workers.folder(bank)).state);
    const folder = workers.folder(bank);
    const parts = { db, folder, results: enclavePaths(folder).results, idColumn: "ent_id" };
    const [found, ...more] = await affectedScores(parts, marked, tax);
    assert.isEmpty(more);
    assert.deepInclude(found, { job: scoring, hosts: [tax, power] });
    assert.deepInclude(found?.again?.request, { kind: "score", guest: bank, hosts: [tax, power], purpose: "model-development" });
    const again = found?.again?.batch ?? "";
    const digest = sha256Hex(again);
    writeFileSync(join(folder, "batches", `${digest}.csv`), again);
    const definition = { name: "bank", idColumn: "ent_id", idKind: "opaque" as const, features: { file: "bank.csv" }, columns: {}, missingTokens: [""], labelColumn: "y" };
    assert.deepEqual([...(await loadBatch(folder, digest, definition, silentLog)).ids] as string[], [marked]);
    assert.isEmpty(await affectedScores(parts, usccOf(2500), tax), "not in the batch");
    assert.isEmpty(await affectedScores(parts, marked, "customs" as PartyId), "no provider of it");
    assert.lengthOf(await affectedScores(parts, marked, undefined), 1);
  });
});
