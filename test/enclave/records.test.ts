// What an enclave remembers of its jobs: plans, approvals, secrets sealed at rest and erased at the end, values made once;
// and the files that hold all of it.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { once } from "node:events";
import { assert } from "chai";
import { afterEach, beforeEach, describe, it } from "mocha";
import { canonicalJson, type Json } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { createEphemeralKey } from "../../enclave/channel/session.ts";
import { JobRecords } from "../../enclave/job/records.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { readBytes, writeDurably } from "../../core/files.ts";
import { lockFolder } from "../../core/lock.ts";
import { planDigest, type JobPlan } from "../../federation/plan-schema.ts";
import { job, planOf, temporaryFolder } from "../support/enclave.ts";
import { killHard } from "../support/process.ts";

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return assert.fail("nothing was refused");
};
const textOf = (plan: JobPlan): string => canonicalJson(plan as unknown as Json);

describe("the records of jobs", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let file: string;
  const plan = planOf();
  const box = new SecretBox(new Uint8Array(32).fill(9), systemRng);
  const open = (): JobRecords & Disposable => {
    const db = new StateDatabase(file);
    return Object.assign(new JobRecords({ db, box, rng: systemRng, now: Date.now }), { [Symbol.dispose]: () => db[Symbol.dispose]() });
  };
  beforeEach(() => {
    folder = temporaryFolder();
    file = join(folder.path, "state", "state.db");
  });
  afterEach(() => folder[Symbol.dispose]());

  it("keep the first plan of a job, and refuse another one under its name", () => {
    using records = open();
    assert.deepEqual(records.see(textOf(plan), planDigest(plan)), plan);
    assert.equal(records.state(job), "seen");
    const other = { ...plan, purpose: "loan-approval" } as const;
    assert.equal(codeOf(() => records.see(textOf(other), planDigest(other))), "APPROVAL_INVALID");
    assert.doesNotThrow(() => records.see(textOf(plan), planDigest(plan)));
  });

  it("refuse a plan that is not what its digest says, or not a plan", () => {
    using records = open();
    const wrong: [string, string][] = [
      [textOf(plan), "0".repeat(64)], ["no JSON", planDigest(plan)], ["{}", planDigest(plan)], [textOf({ ...plan, extra: 1 } as never), planDigest(plan)],
      [textOf({ ...plan, leakage: [] }), planDigest(plan)],
    ];
    for (const [text, digest] of wrong) assert.equal(codeOf(() => records.see(text, digest)), "PROTOCOL_MALFORMED");
    assert.isUndefined(records.state(job));
  });

  it("make a job's secrets once and find them after a restart", () => {
    const key = createEphemeralKey();
    let first;
    {
      using records = open();
      records.see(textOf(plan), planDigest(plan));
      records.prepare(job, key);
      first = records.secrets(job);
    }
    using records = open();
    records.prepare(job, createEphemeralKey());
    assert.deepEqual(records.secrets(job), first);
    assert.equal(first?.ephemeral.publicX, key.publicX);
    assert.lengthOf(first?.seed ?? [], 32);
  });

  it("seal the secrets at rest and leave nothing of them in the files once the job has ended", () => {
    for (const state of ["done", "failed", "cancelled", "refused"] as const) {
      const other = planOf({}, { job: `job_${state.padEnd(16, "0")}` });
      using records = open();
      records.see(textOf(other), planDigest(other));
      const key = createEphemeralKey();
      records.prepare(other.job, key);
      const bytes = (): Buffer => Buffer.concat([file, `${file}-wal`].filter((f) => existsSync(f)).map((f) => readFileSync(f)));
      using raw = new StateDatabase(file);
      const sealed = Buffer.from(raw.get("select secrets from jobs where job = ?", other.job)?.["secrets"] as Uint8Array);
      assert.isTrue(bytes().includes(sealed));
      const { seed } = records.secrets(other.job) ?? assert.fail();
      for (const secret of [Buffer.from(seed), Buffer.from(key.privatePkcs8).subarray(-32)]) {
        assert.isFalse(bytes().includes(secret));
        assert.isFalse(bytes().includes(secret.toString("base64").slice(0, 24)));
      }
      records.end(other.job, state, "JOB_CANCELLED");
      assert.isFalse(bytes().includes(sealed.subarray(0, 32)), state);
      assert.isFalse(bytes().includes(sealed.subarray(100, 132)), state);
      assert.isUndefined(records.secrets(other.job));
      assert.deepEqual([records.state(other.job), records.code(other.job)], [state, "JOB_CANCELLED"]);
    }
  });

  it("make a value once per job, whatever comes later", async () => {
    using records = open();
    let made = 0;
    const make = (): { at: number } => ({ at: ++made });
    assert.deepEqual(await records.once(job, "receipt", make), { at: 1 });
    assert.deepEqual(await records.once(job, "receipt", make), { at: 1 });
    assert.deepEqual(await records.once(job, "created-at", make), { at: 2 });
  });

  it("keep the operator's answer, which may come from another process", () => {
    using records = open();
    using beside = open();
    records.see(textOf(plan), planDigest(plan));
    assert.isUndefined(records.decision(job));
    beside.decide(job, "approve");
    assert.equal(records.decision(job), "approve");
    beside.decide(job, "refuse");
    assert.equal(records.decision(job), "refuse");
  });
});

describe("an enclave's files", () => {
  it("are for their owner only", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "a", "b", "state.db");
    using db = new StateDatabase(file);
    db.run("insert into meta values ('a', 'b')");
    for (const path of [file, `${file}-wal`, `${file}-shm`]) assert.equal(statSync(path).mode & 0o777, 0o600, path);
    writeDurably(join(folder.path, "c", "d"), "text");
    assert.equal(statSync(join(folder.path, "c", "d")).mode & 0o777, 0o600);
    for (const path of ["a", "a/b", "c"]) assert.equal(statSync(join(folder.path, path)).mode & 0o777, 0o700, path);
  });

  it("are written whole or not at all", () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "file");
    writeDurably(path, "first");
    mkdirSync(`${path}.tmp`);
    assert.equal(codeOf(() => writeDurably(path, "second")), "DISK_FAILED");
    assert.equal(readFileSync(path, "utf8"), "first");
    assert.equal(codeOf(() => readBytes(join(folder.path, "none"))), "DISK_FAILED");
  });

  it("are refused when the state file is no database", () => {
    using folder = temporaryFolder();
    const file = join(folder.path, "state.db");
    writeFileSync(file, "this is not a database, but it is long enough to look like one ".repeat(20));
    assert.equal(codeOf(() => new StateDatabase(file)), "ENCLAVE_STATE");
  });

  it("undo a transaction that fails", () => {
    using db = new StateDatabase(":memory:");
    assert.throws(() => db.transaction(() => {
      db.run("insert into meta values ('a', 'b')");
      throw new Error("stop");
    }), "stop");
    assert.isUndefined(db.get("select * from meta"));
    assert.equal(codeOf(() => db.run("insert into nowhere values (1)")), "ENCLAVE_STATE");
  });

  it("belong to one process at a time, and to the next as soon as that one is killed", async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, "lock.db");
    // It keeps the lock in hand, and ends by itself should this test not end it.
    const program = `import { lockFolder } from ${JSON.stringify(join(import.meta.dirname, "..", "..", "core", "lock.ts"))};
      globalThis.lock = lockFolder(${JSON.stringify(path)}, "ENCLAVE_STATE"); process.stdout.write("held"); setTimeout(() => {}, 60_000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await once(child.stdout, "data");
      assert.equal(codeOf(() => lockFolder(path, "ENCLAVE_STATE", 50)), "ENCLAVE_STATE");
    } finally {
      await killHard(child);
    }
    using lock = lockFolder(path, "ENCLAVE_STATE");
    assert.isDefined(lock);
  });
});
