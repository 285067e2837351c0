// The store on both databases: the same suite on SQLite and, where its binaries are installed, on a private PostgreSQL.
// YUNEI_REQUIRE_POSTGRES=1 (continuous integration) makes their absence a failure.
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaPg } from "@prisma/adapter-pg";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { isTaken, nextChange, openDatabase, type Database } from "../../api/store/database.ts";
import { addEvents, applyChange, createJob, findJob, findJobParties, listEvents, storeApproval } from "../../api/store/jobs.ts";
import { migrate, readMigrations } from "../../api/store/migrate.ts";
import { addFrame, dropBodies, findFrame, listTraffic, readChannel, readFrame } from "../../api/store/relay.ts";
import type { JobId } from "../../core/brand.ts";
import { partyId } from "../../core/names.ts";
import { newWorld, runningJob } from "../support/platform.ts";
import { findPostgres, startPostgres, type Cluster } from "../support/postgres.ts";

const now = new Date("2026-03-01T12:00:00.123Z");
const digest = "d".repeat(64);
const newJobId = (): JobId => `job_${randomUUID().replaceAll("-", "").slice(0, 24)}` as JobId;
const newJob = (id: JobId) => ({
  id,
  institution: "inst_1",
  guest: partyId("bank"),
  hosts: [partyId("tax")],
  kind: "scorecard",
  purpose: "model-development",
  plan: '{"银行":"域内"}',
  planDigest: digest,
  createdAt: now,
  expiresAt: now,
  idempotencyKey: undefined,
  requestDigest: digest,
});

function storeSuite(name: string, newDatabase: () => Promise<string>): void {
  describe(`the store on ${name}`, () => {
    let url: string;
    let db: Database;
    before(async () => {
      url = await newDatabase();
      db = await openDatabase(url);
    });
    after(() => db.close());
    /** Lets a job run. */
    const approveAll = async (id: JobId): Promise<void> => {
      for (const party of ["bank", "tax"]) {
        await db.write(async (tx) => {
          await applyChange(tx, await nextChange(tx), id, { type: "approve", party }, now);
          await storeApproval(tx, id, party, "a.b.c", now);
        });
      }
    };

    it("numbers changes without a gap or a repetition under parallel writers, each seeing what the one before wrote", async () => {
      const other = await openDatabase(url);
      try {
        const numbers = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? db : other).write(nextChange)));
        assert.deepEqual(
          numbers.sort((a, b) => a - b),
          numbers.map((_, i) => i + 1),
        );
      } finally {
        await other.close();
      }
    });

    it("keeps nothing of a transaction that fails, also for a query that runs beside it", async () => {
      const id = newJobId();
      let seen: unknown = "not looked";
      const failed = await db
        .write(async (tx) => {
          await createJob(tx, await nextChange(tx), newJob(id));
          seen = await findJob(db.read, id);
          throw new Error("on purpose");
        })
        .catch((error: Error) => error.message);
      assert.equal(failed, "on purpose");
      assert.isUndefined(seen);
      assert.isUndefined(await findJob(db.read, id));
      assert.isEmpty(await findJobParties(db.read, id));
    });

    it("gives back what was stored: text, times to the millisecond, large numbers", async () => {
      const id = newJobId();
      await db.write(async (tx) => createJob(tx, await nextChange(tx), newJob(id)));
      const job = await findJob(db.read, id);
      assert.deepInclude(job ?? {}, { plan: '{"银行":"域内"}', createdAt: now, state: "awaiting-approval", guest: "bank" });
      const channel = { job: id, from: "bank", to: "tax" };
      await approveAll(id);
      await db.writeSql((sql) => addFrame(sql, channel, 0, { bytes: 2_000_000_000, digest, body: undefined }));
      await db.writeSql((sql) => addFrame(sql, channel, 1, { bytes: 2_000_000_000, digest, body: undefined }));
      await db.writeSql((sql) => addFrame(sql, channel, 2, { bytes: 2_000_000_000, digest, body: undefined }));
      assert.deepEqual(await readChannel(db.sql, "tax", channel), { job: "running", exists: true, next: 3, sent: 6e9 });
      assert.deepEqual(await listTraffic(db.read, id), [{ from: "bank", to: "tax", bytes: 6e9, messages: 3 }]);
    });

    it("says that a key is taken", async () => {
      const id = newJobId();
      await db.write(async (tx) => createJob(tx, await nextChange(tx), newJob(id)));
      const error = await db.write(async (tx) => createJob(tx, await nextChange(tx), newJob(id))).catch((caught: unknown) => caught);
      assert.isTrue(isTaken(error));
    });

    it("lets one of many writers of a frame number win, in a running job only", async () => {
      const channel = { job: newJobId(), from: "bank", to: "tax" };
      await db.write(async (tx) => createJob(tx, await nextChange(tx), newJob(channel.job)));
      const frame = { bytes: 1, digest, body: Buffer.of(1) };
      assert.isFalse(await db.writeSql((sql) => addFrame(sql, channel, 0, frame)));
      await approveAll(channel.job);
      for (const seq of [0, 1]) {
        const won = await Promise.all(
          Array.from({ length: 8 }, (_, i) => db.writeSql((sql) => addFrame(sql, channel, seq, { ...frame, bytes: i, digest: String(i).repeat(64) }))),
        );
        assert.lengthOf(won.filter(Boolean), 1);
        assert.equal((await findFrame(db.sql, channel, seq))?.bytes, won.indexOf(true));
        assert.equal((await readChannel(db.sql, "bank", channel))?.next, seq + 1);
      }
      assert.isFalse(await db.writeSql((sql) => addFrame(sql, channel, 7, frame)));
      await db.write(async (tx) => applyChange(tx, await nextChange(tx), channel.job, { type: "cancel" }, now));
      assert.isFalse(await db.writeSql((sql) => addFrame(sql, channel, 2, frame)));
    });

    it("keeps the bytes of small frames as they are, and forgets those that it is told to", async () => {
      const channel = { job: newJobId(), from: "bank", to: "tax" };
      await db.write(async (tx) => createJob(tx, await nextChange(tx), newJob(channel.job)));
      await approveAll(channel.job);
      const bodies = [Buffer.alloc(0), Buffer.from(Array.from({ length: 256 }, (_, i) => i)), Buffer.from("'\\x00\n?$1"), undefined];
      for (const [seq, body] of bodies.entries()) {
        assert.isTrue(await db.writeSql((sql) => addFrame(sql, channel, seq, { bytes: body?.length ?? 9, digest, body })));
      }
      const read = async (seq: number): Promise<Buffer | undefined> => {
        const body = (await readFrame(db.sql, "tax", channel, seq))?.frame?.body;
        return body === undefined ? undefined : Buffer.from(body);
      };
      for (const [seq, body] of bodies.entries()) assert.deepEqual(await read(seq), body);
      await db.writeSql((sql) => dropBodies(sql, channel, 1, 2));
      assert.deepEqual([await read(0), await read(1), await read(2)], [bodies[0], undefined, bodies[2]]);
      assert.equal((await readFrame(db.sql, "tax", channel, 1))?.frame?.digest, digest);
      assert.isUndefined(await readFrame(db.sql, "power", channel, 0), "no part in the job");
      assert.deepEqual(await readFrame(db.sql, "tax", { ...channel, from: "power" }, 0), { job: "running", exists: false, next: 0, frame: undefined });
    });

    it("keeps nothing of plain statements that fail, and lets nobody see them before they are committed", async () => {
      const channel = { job: newJobId(), from: "bank", to: "tax" };
      await db.write(async (tx) => createJob(tx, await nextChange(tx), newJob(channel.job)));
      await approveAll(channel.job);
      let seen: unknown;
      const failed = await db
        .writeSql(async (sql) => {
          assert.isTrue(await addFrame(sql, channel, 0, { bytes: 1, digest, body: undefined }));
          seen = await findFrame(db.sql, channel, 0);
          throw new Error("on purpose");
        })
        .catch((error: Error) => error.message);
      assert.equal(failed, "on purpose");
      assert.isUndefined(seen);
      assert.isUndefined(await findFrame(db.sql, channel, 0));
      assert.equal((await readChannel(db.sql, "bank", channel))?.next, 0);
      assert.isTrue(await db.writeSql((sql) => addFrame(sql, channel, 0, { bytes: 1, digest, body: undefined })));
    });

    it("starts a job when the last two approvals arrive together", async () => {
      for (let round = 0; round < 5; round += 1) {
        const id = newJobId();
        await db.write(async (tx) => createJob(tx, await nextChange(tx), newJob(id)));
        await Promise.all(
          ["bank", "tax"].map((party) =>
            db.write(async (tx) => {
              await applyChange(tx, await nextChange(tx), id, { type: "approve", party }, now);
              await storeApproval(tx, id, party, "a.b.c", now);
            }),
          ),
        );
        assert.equal((await findJob(db.read, id))?.state, "running");
      }
    });

    it("numbers the events of a job in one row under parallel writers", async () => {
      const id = newJobId();
      await db.write(async (tx) => createJob(tx, await nextChange(tx), newJob(id)));
      await Promise.all(
        Array.from({ length: 10 }, () =>
          db.write(async (tx) => {
            await nextChange(tx);
            await addEvents(tx, id, now, [{ type: "phase-started", party: partyId("tax"), phase: "align" }]);
          }),
        ),
      );
      assert.deepEqual(
        (await listEvents(db.read, id, 0, 100)).map((event) => event.n),
        Array.from({ length: 12 }, (_, i) => i + 1),
      );
    });

    it("applies migrations once, however many start at once, and refuses a database of another version", async () => {
      const fresh = await newDatabase();
      const isSqlite = fresh.startsWith("file:");
      const factory = () =>
        isSqlite ? new PrismaBetterSqlite3({ url: fresh.slice(5), timeout: 20 }) : new PrismaPg({ connectionString: fresh });
      const own = readMigrations(join(import.meta.dirname, "..", "..", "prisma", isSqlite ? "sqlite" : "postgresql", "migrations"));
      const applied = await Promise.all([migrate(factory(), own), migrate(factory(), own), migrate(factory(), own)]);
      assert.deepEqual(
        applied.flat().sort(), // each of them may have done some
        own.map((migration) => migration.name),
      );
      const more = {
        name: "9999_more",
        sql: 'CREATE TABLE "More" ("id" TEXT PRIMARY KEY); INSERT INTO "More" VALUES (\'a;b\');',
        checksum: "1".repeat(64),
      };
      const broken = {
        name: "9999_more",
        sql: 'CREATE TABLE "Half" ("id" TEXT); CREATE TABLE "Half" ("id" TEXT);',
        checksum: "2".repeat(64),
      };
      assert.isTrue(
        await migrate(factory(), [...own, broken]).then(
          () => false,
          () => true,
        ),
      );
      assert.deepEqual(await migrate(factory(), [...own, more]), ["9999_more"]);
      for (const wrong of [own, [...own, { ...more, checksum: "3".repeat(64) }]]) {
        const error = await migrate(factory(), wrong).catch((caught: { code: string }) => caught);
        assert.equal((error as { code?: string }).code, "PLATFORM_MIGRATION");
      }
    });

    it("carries a platform with a job and its relay", async () => {
      const world = await newWorld({ database: await newDatabase() });
      try {
        const job = await runningJob(world);
        const frames = Array.from({ length: 5 }, (_, i) => Buffer.from(`frame ${i}`));
        for (const [seq, frame] of frames.entries()) assert.equal((await world.guest.client.putFrame(job, "tax", seq, frame)).status, 200);
        for (const [seq, frame] of frames.entries()) assert.isTrue((await world.tax.client.getFrame(job, "bank", seq)).bytes.equals(frame));
        for (const enclave of [world.guest, world.tax, world.power])
          await enclave.client.post(`/enclave/v1/jobs/${job}/state`, { state: "done" });
        assert.equal(((await world.bank.client.get(`/v1/jobs/${job}`)).json() as { state: string }).state, "done");
      } finally {
        await world.platform[Symbol.asyncDispose]();
      }
    });
  });
}

describe("one suite", () => {
  const folders: string[] = [];
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });
  storeSuite("SQLite", async () => {
    const folder = mkdtempSync(join(tmpdir(), "yunei-store-"));
    folders.push(folder);
    return `file:${join(folder, "store.db")}`;
  });
});

describe("the same suite", () => {
  const bin = findPostgres();
  if (bin === undefined) {
    it("needs PostgreSQL's binaries, which are not installed here", () => {
      process.stderr.write("\n    store tests: PostgreSQL is not installed, only SQLite was tested (apt-get install postgresql)\n");
      assert.notEqual(process.env["YUNEI_REQUIRE_POSTGRES"], "1");
    });
    return;
  }
  let cluster: Cluster | undefined;
  before(async () => {
    cluster = await startPostgres(bin);
    process.stderr.write("\n    store tests: running on PostgreSQL too\n");
  });
  after(() => cluster?.stop());
  storeSuite("PostgreSQL", async () => {
    const name = `t${randomUUID().replaceAll("-", "")}`;
    cluster?.createDatabase(name);
    return cluster?.url(name) ?? "";
  });
});

describe("the root package", () => {
  it("does without the Prisma command line", () => {
    const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    assert.notProperty(dependencies, "prisma"); // 150 MB that the running product does not need
  });
});
