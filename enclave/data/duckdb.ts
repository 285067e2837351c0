// The one way to DuckDB: an in-memory session that can read the named files and nothing else, for its whole life.
// Node's permission model does not bind native addons, so this lock-down (and the process sandbox) is what holds.
import type { DuckDBConnection, DuckDBDataChunk, DuckDBValue } from "@duckdb/node-api";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Code, Facts } from "../../core/errors.ts";
import { AppError } from "../../core/errors.ts";

export type SessionOptions = {
  /** Absolute real paths, without glob characters. Nothing else on the machine can be opened. */
  readonly files: readonly string[];
  /** DuckDB's own memory, without the arrays that leave it. Default 1,024. */
  readonly memoryMb?: number;
  /** Default 2. One thread makes sums of doubles repeatable bit for bit. */
  readonly threads?: number;
  /** Interrupts what runs; every later statement throws its reason. A thread must not be ended while a statement of it runs. */
  readonly signal?: AbortSignal | undefined;
};
/** The error to throw if a statement fails. userSql: the statement itself is not ours, so it may be what is wrong. */
export type Fault = { readonly code: Code; readonly facts?: Facts; readonly userSql?: boolean };

const engineFault: Fault = { code: "DATA_ENGINE" };

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export class DataSession implements AsyncDisposable {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #signal: AbortSignal | undefined;
  readonly #interrupt = (): void => this.#connection.interrupt();

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection, signal: AbortSignal | undefined) {
    this.#instance = instance;
    this.#connection = connection;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#interrupt, { once: true });
  }

  /** Opens and locks a session. Nothing of the data is spilled to disk. Throws DATA_ENGINE. */
  static async open(options: SessionOptions): Promise<DataSession> {
    const config = {
      memory_limit: `${options.memoryMb ?? 1024}MB`,
      threads: String(options.threads ?? 2),
      temp_directory: "",
      autoinstall_known_extensions: "false",
      autoload_known_extensions: "false",
      allow_community_extensions: "false",
    };
    const instance = await guarded(engineFault, () => DuckDBInstance.create(":memory:", config));
    const session = new DataSession(instance, await guarded(engineFault, () => instance.connect()), options.signal);
    try {
      await session.run("SET TimeZone='UTC'");
      // Exact files, not their folder: SQL that slipped through every check could still reach only what was declared.
      await session.run(`SET allowed_paths=[${options.files.map(quoteText).join(", ")}]`);
      await session.run("SET enable_external_access=false");
      await session.run("SET lock_configuration=true");
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
    return session;
  }

  async run(sql: string, fault: Fault = engineFault): Promise<void> {
    this.#signal?.throwIfAborted();
    await guarded(fault, () => this.#connection.run(sql));
  }

  /** All rows of a small result. `values` binds $1, $2, ... */
  async rows(sql: string, fault: Fault = engineFault, values: DuckDBValue[] = []): Promise<DuckDBValue[][]> {
    this.#signal?.throwIfAborted();
    return guarded(fault, async () => (await this.#connection.runAndReadAll(sql, values)).getRows());
  }

  /** A result of any size, chunk by chunk (2,048 rows), in the order of the source. */
  async *chunks(sql: string, fault: Fault = engineFault): AsyncGenerator<DuckDBDataChunk, void, undefined> {
    this.#signal?.throwIfAborted();
    const result = await guarded(fault, () => this.#connection.stream(sql));
    for (;;) {
      this.#signal?.throwIfAborted();
      const chunk = await guarded(fault, () => result.fetchChunk());
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk;
    }
  }

  /** Type names of the columns that a statement would give, without running it. */
  async columnTypes(sql: string, fault: Fault = engineFault): Promise<readonly string[]> {
    return guarded(fault, async () => {
      const statement = await this.#connection.prepare(sql);
      try {
        return Array.from({ length: statement.columnCount }, (_, i) => statement.columnType(i).toString());
      } finally {
        statement.destroySync();
      }
    });
  }

  /** Appends rows of texts to a table. */
  async append(table: string, rows: Iterable<readonly string[]>): Promise<void> {
    await guarded(engineFault, async () => {
      const appender = await this.#connection.createAppender(table);
      for (const row of rows) {
        for (const text of row) appender.appendVarchar(text);
        appender.endRow();
      }
      appender.closeSync();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#signal?.removeEventListener("abort", this.#interrupt);
    this.#connection.closeSync();
    this.#instance.closeSync();
    return Promise.resolve();
  }
}

/** DuckDB's messages quote values of the data: only their class is read here, and nothing of them is kept as a cause. */
async function guarded<T>(fault: Fault, work: () => Promise<T>): Promise<T> {
  let message = "";
  try {
    return await work();
  } catch (error) {
    message = error instanceof Error ? error.message : "";
  }
  const facts = fault.facts ?? {};
  if (message.startsWith("Out of Memory Error")) throw new AppError("DATA_MEMORY", facts);
  const statementIsWrong = /^(Parser|Binder|Catalog|Permission|INTERNAL) Error/.test(message);
  throw new AppError(statementIsWrong && fault.userSql !== true ? "DATA_ENGINE" : fault.code, facts);
}
