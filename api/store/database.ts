// The door to the database: SQLite (one file) or PostgreSQL (a URL), with the same models. Only files of api/store import
// the generated clients.
import { chmodSync, closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaPg } from "@prisma/adapter-pg";
import { PrismaClient as PostgresClient } from "../../gen/postgresql/client.ts";
import { PrismaClient, type Prisma } from "../../gen/sqlite/client.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { codeOf, retried } from "./retry.ts";
import { sqlOver, type Sql } from "./sql.ts";

export type Tx = Prisma.TransactionClient;
export type Database = {
  readonly kind: "sqlite" | "postgresql";
  /** Migrations that opening has applied. */
  readonly migrated: number;
  /** Sees committed states only; for queries outside of transactions. */
  readonly read: Tx;
  /** Runs `work` as one durable transaction. May run it again after a lock conflict, so `work` only touches the database. */
  write<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Plain queries; like `read`, they see committed states only. */
  readonly sql: Pick<Sql, "rows">;
  /** `write` with plain statements. */
  writeSql<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
};

const migrationsFolder = join(import.meta.dirname, "..", "..", "prisma");
// A slow disk or a stopped process must not abort a transaction half-way; deadlocks are ended by the database itself.
const transactionOptions = { maxWait: 30_000, timeout: 60_000 };

/** Opens the database and brings it to the current schema. url: "file:<path>" or "postgresql://...". */
export async function openDatabase(url: string): Promise<Database> {
  return /^postgres(ql)?:/.test(url) ? openPostgres(url) : openSqlite(url.replace(/^file:/, ""));
}

async function openSqlite(path: string): Promise<Database> {
  closeSync(openSync(path, "a", 0o600)); // made with its mode, not with the driver's
  chmodSync(path, 0o600);
  // The driver waits for a lock by blocking the whole thread: so briefly, and again later.
  const factory = new PrismaBetterSqlite3({ url: path, timeout: 20 });
  const session = await factory.connect();
  await retried(() => session.executeScript("PRAGMA journal_mode = WAL")); // kept in the file
  await session.dispose();
  const migrated = await migrate(factory, readMigrations(join(migrationsFolder, "sqlite", "migrations")));
  const connect = async (): Promise<PrismaClient> => {
    const client = new PrismaClient({ adapter: factory });
    // Said by each connection: a build of SQLite may default to NORMAL for WAL, which can lose acknowledged commits.
    await client.$queryRawUnsafe("PRAGMA synchronous = FULL");
    return client;
  };
  // Two connections and a queue: the adapter runs a query outside of a transaction inside whatever transaction its one
  // connection has open, where it would see, and lose, what is not committed.
  const reader = await connect();
  const writer = await connect();
  await createCounter(writer);
  // The same for plain statements.
  const [plainReader, plainWriter] = [await factory.connect(), await factory.connect()];
  await plainWriter.executeScript("PRAGMA synchronous = FULL");
  const plainSql = sqlOver(plainWriter);
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = queue.then(() => retried(work));
    queue = result.catch(() => {});
    return result;
  };
  return {
    kind: "sqlite",
    migrated: migrated.length,
    read: reader,
    write: (work) => inTurn(() => writer.$transaction(work, transactionOptions)),
    sql: sqlOver(plainReader),
    writeSql: (work) =>
      inTurn(async () => {
        await plainWriter.executeScript("BEGIN IMMEDIATE");
        return ended(() => work(plainSql), (word) => plainWriter.executeScript(word));
      }),
    close: async () => {
      await queue;
      await reader.$disconnect();
      await writer.$disconnect();
      await plainReader.dispose();
      await plainWriter.dispose();
    },
  };
}

/** Commits what `work` did, or rolls it back. */
async function ended<T>(work: () => Promise<T>, say: (word: "COMMIT" | "ROLLBACK") => Promise<unknown>): Promise<T> {
  try {
    const result = await work();
    await say("COMMIT");
    return result;
  } catch (error) {
    await say("ROLLBACK").catch(() => {}); // a commit that failed may have ended it
    throw error;
  }
}

async function openPostgres(url: string): Promise<Database> {
  const migrated = await migrate(new PrismaPg({ connectionString: url }), readMigrations(join(migrationsFolder, "postgresql", "migrations")));
  // Both clients come from the same models; their types differ in name only.
  const client = new PostgresClient({ adapter: new PrismaPg({ connectionString: url, max: 10 }) }) as unknown as PrismaClient;
  await createCounter(client);
  const plain = await new PrismaPg({ connectionString: url, max: 10 }).connect();
  return {
    kind: "postgresql",
    migrated: migrated.length,
    read: client,
    write: (work) => retried(() => client.$transaction(work, transactionOptions)),
    sql: sqlOver(plain),
    writeSql: (work) =>
      retried(async () => {
        const tx = await plain.startTransaction();
        try {
          const sql = sqlOver(tx);
          return await ended(() => work(sql), (word) => sql.run(word));
        } finally {
          await tx.commit(); // only hands the connection back
        }
      }),
    close: async () => {
      await client.$disconnect();
      await plain.dispose();
    },
  };
}

/** There from the start, so that nobody has to create it in the middle of a race. */
async function createCounter(client: PrismaClient): Promise<void> {
  try {
    const where = { name: "change" };
    await retried(() => client.counter.upsert({ where, create: { ...where, value: 0 }, update: {}, select: { name: true } }));
  } catch (error) {
    if (!isTaken(error)) throw error; // another starter was faster
  }
}

/** Whether an insert failed because its key is taken. */
export function isTaken(error: unknown): boolean {
  return codeOf(error) === "P2002";
}

/**
 * The next value of the change counter. Call it first in a transaction that changes a job: it takes the one lock under
 * which jobs change, so that values become visible in their order and two changes never work from the same old state.
 */
export async function nextChange(tx: Tx): Promise<number> {
  const row = await tx.counter.update({ where: { name: "change" }, data: { value: { increment: 1 } }, select: { value: true } });
  return row.value;
}
