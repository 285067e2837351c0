// Maintainers only: after a change of prisma/models.prisma, `npm --prefix prisma/tools ci` once, then
//   npm --prefix prisma/tools run generate -- <name of the migration>
// writes gen/<db>, the migration SQL of both databases and the digests that test/api/prisma.test.ts checks.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import { SchemaEngine } from "@prisma/schema-engine-wasm";

const here = import.meta.dirname;
const prismaDir = join(here, "..");
const genDir = join(prismaDir, "..", "gen");
const databases = ["sqlite", "postgresql"];
const name = process.argv[2] ?? "change";
if (!/^[a-z][a-z0-9_]{0,40}$/.test(name)) throw new Error("name a migration with lower-case letters, digits and _");

/** SHA-256 over the names and contents of all files below a folder. Keep equal to digestOfFolder in test/api/prisma.test.ts. */
function digestOfFolder(folder) {
  const hash = createHash("sha256");
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name))
    .sort()) {
    hash.update(`${entry.slice(folder.length + 1)}\0`).update(createHash("sha256").update(readFileSync(entry)).digest("hex"));
  }
  return hash.digest("hex");
}

function schemaFiles(db) {
  return [
    { path: "schema.prisma", content: readFileSync(join(prismaDir, db, "schema.prisma"), "utf8") },
    { path: "models.prisma", content: readFileSync(join(prismaDir, "models.prisma"), "utf8") },
  ];
}

// A diff of two schemas needs no server, but the engine asks the adapter once for the server's version.
const versionProbe = {
  columnNames: ["exists", "version", "numeric_version"], columnTypes: [5, 7, 0], rows: [[true, "PostgreSQL 15.0", 150000]],
};
const noServer = {
  provider: "postgres",
  adapterName: "none",
  queryRaw: async () => versionProbe,
  executeRaw: async () => 0,
  executeScript: async () => {},
  dispose: async () => {},
  getConnectionInfo: () => ({ schemaName: "public", supportsRelationJoins: false }),
};
const factories = {
  sqlite: new PrismaBetterSqlite3({ url: ":memory:" }),
  postgresql: { provider: "postgres", adapterName: "none", connect: async () => noServer, connectToShadowDb: async () => noServer },
};

/** The SQL that leads from the last snapshot to the schema of today; undefined if they are equal. */
async function difference(db, files) {
  const snapshotPath = join(prismaDir, db, "migrations", "snapshot.json");
  const from = existsSync(snapshotPath) ? { tag: "schemaDatamodel", files: JSON.parse(readFileSync(snapshotPath, "utf8")) } : { tag: "empty" };
  const engine = await SchemaEngine.new({ datamodels: undefined }, () => {}, bindMigrationAwareSqlAdapterFactory(factories[db]));
  const result = await engine.diff({
    from, to: { tag: "schemaDatamodel", files }, script: true, exitCode: null, shadowDatabaseUrl: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  const sql = result.stdout ?? "";
  return /^\s*(--[^\n]*\s*)*$/.test(sql) ? undefined : sql;
}

const digests = {};
for (const db of databases) {
  rmSync(join(genDir, db), { recursive: true, force: true });
  execFileSync(process.execPath, [join(here, "node_modules", "prisma", "build", "index.js"), "generate", "--config", "prisma.config.mjs"], {
    cwd: here, stdio: "inherit", env: { ...process.env, YUNEI_DB: db, CHECKPOINT_DISABLE: "1" },
  });
  const files = schemaFiles(db);
  const migrations = join(prismaDir, db, "migrations");
  mkdirSync(migrations, { recursive: true });
  const sql = await difference(db, files);
  if (sql !== undefined) {
    const count = readdirSync(migrations).filter((entry) => /^\d{4}_/.test(entry)).length;
    const folder = join(migrations, `${String(count + 1).padStart(4, "0")}_${name}`);
    mkdirSync(folder);
    writeFileSync(join(folder, "migration.sql"), sql.endsWith("\n") ? sql : `${sql}\n`);
    process.stdout.write(`wrote ${folder}\n`);
  }
  writeFileSync(join(migrations, "snapshot.json"), `${JSON.stringify(files, null, 2)}\n`);
  digests[db] = {
    schema: createHash("sha256").update(JSON.stringify(files)).digest("hex"),
    generated: digestOfFolder(join(genDir, db)),
  };
}
writeFileSync(join(genDir, "digests.json"), `${JSON.stringify(digests, null, 2)}\n`);
