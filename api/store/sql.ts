// Plain statements for what is done with every relayed frame: through Prisma's client such a query costs some twenty times the
// work of the database. The same text for SQLite and PostgreSQL, values only as parameters.
import type { ArgType, SqlQueryable } from "@prisma/driver-adapter-utils";

export type SqlValue = string | number | Uint8Array | null;
export type Sql = {
  /** The rows of a query. Parameters are written `?`, in order. */
  rows(statement: string, ...values: readonly SqlValue[]): Promise<readonly (readonly unknown[])[]>;
  /** How many rows a statement changed. */
  run(statement: string, ...values: readonly SqlValue[]): Promise<number>;
};

/** Statements over one connection (or pool) of a driver. */
export function sqlOver(driver: SqlQueryable): Sql {
  const texts = new Map<string, string>();
  const textOf = (statement: string): string => {
    if (driver.provider === "sqlite") return statement;
    const known = texts.get(statement);
    if (known !== undefined) return known;
    let n = 0;
    const text = statement.replaceAll("?", () => `$${(n += 1)}`);
    texts.set(statement, text);
    return text;
  };
  const query = (statement: string, values: readonly SqlValue[]) => ({ sql: textOf(statement), args: [...values], argTypes: values.map(typeOf) });
  return {
    rows: async (statement, ...values) => (await driver.queryRaw(query(statement, values))).rows,
    run: (statement, ...values) => driver.executeRaw(query(statement, values)),
  };
}

function typeOf(value: SqlValue): ArgType {
  return { scalarType: typeof value === "number" ? "int" : typeof value === "string" ? "string" : "bytes", arity: "scalar" };
}
