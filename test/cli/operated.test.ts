// An operator's commands beside an enclave: nothing is done when it cannot be written down, a company stands there as in the enclave's own
// entries, and every command that acts is one of those that are written down.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import { auditSettingsSchema } from "../../audit/settings.ts";
import { left, spoolOf } from "../../audit/spool.ts";
import { AuditTrail } from "../../audit/trail.ts";
import { asOperator } from "../../cli/operated.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { silentLog } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { auditPaths } from "../../enclave/audit/open.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { memoryKeyOf } from "../../enclave/data/own.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { signerOf } from "../audit/support.ts";
import { temporaryFolder } from "../support/enclave.ts";

const company = "91350100M000100Y43";

describe("commands of an operator beside an enclave", () => {
  it("are two entries, with the company as the enclave's own log has it", async () => {
    using folder = temporaryFolder();
    SecretBox.open(enclavePaths(folder.path).box, systemRng);
    assert.equal(await asOperator(folder.path, { word: "reveal-use", objects: { job: "job_1" }, company }, () => 7), 7);
    await asOperator(folder.path, { word: "score", facts: { as: "operator/007" } }, () => Promise.reject(new AppError("JOB_ENDED"))).then(() => assert.fail("done"), (e: unknown) => assert.isTrue(isAppError(e) && e.code === "JOB_ENDED"));
    const log = auditPaths(folder.path).folder;
    const files = left(spoolOf(log));
    const text = files.map(({ file }) => readFileSync(file, "utf8")).join("");
    assert.notInclude(text, company);
    const trail = await AuditTrail.open({
      folder: log, domain: "tax", signer: await signerOf("tax"), env: { rng: systemRng, now: Date.now, log: silentLog }, settings: auditSettingsSchema.parse({}), secret: memoryKeyOf(enclavePaths(folder.path).box),
    });
    assert.deepEqual(files.map(({ event }) => [event.facts?.["command"], event.outcome, event.company]), [
      ["reveal-use", "begun", trail.company(company)], ["reveal-use", "ok", trail.company(company)], ["score", "begun", undefined], ["score", "JOB_ENDED", undefined],
    ]);
    assert.isEmpty(readdirSync(spoolOf(log)));
    await trail.close();
  });

  it("do nothing when the entry cannot be written", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "audit"), "in the way");
    let isDone = false;
    const code = await asOperator(folder.path, { word: "approve" }, () => (isDone = true)).then(() => "done", (e: unknown) => (isAppError(e) ? e.code : String(e)));
    assert.deepEqual([code, isDone], ["DISK_FAILED", false]);
  });

  it("are all of those that open an enclave's state or secrets, or change its files", () => {
    const folder = join(import.meta.dirname, "../../cli/commands");
    const acts = /new StateDatabase\(|SecretBox\.open\(|stageBatch\(|stageChallenger\(|storeRenewed\(/;
    const acting = readdirSync(folder).filter((name) => acts.test(readFileSync(join(folder, name), "utf8")));
    assert.isAtLeast(acting.length, 6);
    for (const name of acting) assert.include(readFileSync(join(folder, name), "utf8"), "asOperator(", name);
  });
});
