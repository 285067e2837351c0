// Applies the SQL migrations of prisma/<db>/migrations at start: one transaction each, checksums kept, doing nothing when
// all are there. The table is Prisma's own, so that Prisma's tools understand the database.
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SqlDriverAdapter, SqlDriverAdapterFactory, SqlQueryable } from "@prisma/driver-adapter-utils";
import { sha256Hex } from "../../core/canonical.ts";
import { AppError } from "../../core/errors.ts";
import { retried } from "./retry.ts";

export type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };
type Session = { readonly db: SqlQueryable; run(sql: string): Promise<unknown>; end(word: "COMMIT" | "ROLLBACK"): Promise<void> };

const table = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMP, "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT, "rolled_back_at" TIMESTAMP, "started_at" TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  "applied_steps_count" INTEGER NOT NULL DEFAULT 0)`;
// Any number will do, as long as every starter of this program takes the same.
const lockNumber = 7_392_116_045;

/** The migrations of a folder in order of their names. */
export function readMigrations(folder: string): Migration[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .map((name) => {
      const sql = readFileSync(join(folder, name, "migration.sql"), "utf8");
      return { name, sql, checksum: sha256Hex(sql) };
    });
}

/** Applies what is missing; returns the names applied. Throws PLATFORM_MIGRATION if an applied one differs or is unknown here. */
export async function migrate(factory: SqlDriverAdapterFactory, migrations: readonly Migration[]): Promise<string[]> {
  const db = await factory.connect();
  const applied: string[] = [];
  try {
    for (;;) {
      const name = await applyNext(db, migrations);
      if (name === undefined) return applied;
      applied.push(name);
    }
  } finally {
    await db.dispose();
  }
}

// The lock is taken before the list is read: of two starters on an empty database the second waits and then finds it done.
async function begin(db: SqlDriverAdapter): Promise<Session> {
  if (db.provider === "sqlite") {
    await retried(() => db.executeScript("BEGIN IMMEDIATE"));
    return { db, run: (sql) => db.executeScript(sql), end: (word) => db.executeScript(word) };
  }
  const tx = await db.startTransaction();
  const run = (sql: string): Promise<unknown> => tx.executeRaw({ sql, args: [], argTypes: [] });
  await run(`SELECT pg_advisory_xact_lock(${lockNumber})`);
  return {
    db: tx,
    run,
    end: async (word) => {
      try {
        await run(word);
      } finally {
        await tx.commit(); // only hands the connection back
      }
    },
  };
}

async function applyNext(db: SqlDriverAdapter, migrations: readonly Migration[]): Promise<string | undefined> {
  const session = await begin(db);
  try {
    await session.run(table);
    const { rows } = await session.db.queryRaw({
      sql: `SELECT "migration_name", "checksum" FROM "_prisma_migrations" WHERE "rolled_back_at" IS NULL ORDER BY "migration_name"`,
      args: [],
      argTypes: [],
    });
    for (const [i, row] of rows.entries()) {
      const own = migrations[i];
      if (own === undefined || row[0] !== own.name || row[1] !== own.checksum)
        throw new AppError("PLATFORM_MIGRATION", { migration: i + 1 });
    }
    const next = migrations[rows.length];
    if (next !== undefined) {
      await session.run(next.sql);
      // Names and checksums are our own files' (no quotes in them); the two drivers write parameters differently.
      await session.run(`INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "finished_at", "applied_steps_count")
        VALUES ('${randomUUID()}', '${next.checksum}', '${next.name}', CURRENT_TIMESTAMP, 1)`);
    }
    await session.end("COMMIT");
    return next?.name;
  } catch (error) {
    await session.end("ROLLBACK");
    throw error;
  }
}
