// Runs in an enclave's confinement in place of the enclave and tries to get out. A test copies it into the enclave's folder,
// the only place beside the program that it can be started from. Arguments: JSON with paths to try.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

type Tries = { readonly root: string; readonly own: string; readonly ownData: string; readonly secrets: readonly string[]; readonly folders: readonly string[]; readonly writes: readonly string[] };
const tries = JSON.parse(process.argv[2] ?? "{}") as Tries;

/** "denied" or what was got. */
async function attempt(work: () => unknown): Promise<string> {
  try {
    const got: unknown = await work();
    return typeof got === "string" ? got : "done";
  } catch {
    return "denied";
  }
}

const results: Record<string, string> = {};
for (const path of tries.secrets) {
  results[`read ${path}`] = await attempt(() => readFileSync(path, "utf8").slice(0, 40));
  results[`sqlite ${path}`] = await attempt(() => {
    new DatabaseSync(path, { readOnly: true }).prepare("select count(*) from sqlite_master").get();
  });
}
for (const path of tries.folders) results[`list ${path}`] = await attempt(() => readdirSync(path).slice(0, 3).join(" "));
for (const path of tries.writes) {
  results[`write ${path}`] = await attempt(() => writeFileSync(join(path, "left-by-probe"), "x"));
  results[`mkdir ${path}`] = await attempt(() => mkdirSync(join(path, "made-by-probe")));
}
results["spawn"] = await attempt(() => {
  const { error } = spawnSync(process.execPath, ["--version"]);
  if (error !== undefined) throw error;
});
results["write own"] = await attempt(() => writeFileSync(join(tries.own, "own-file"), "x"));
results["read own data"] = await attempt(() => readFileSync(tries.ownData, "utf8").slice(0, 6));

// DuckDB is a native library: Node's permission model does not bind it. The enclave's session of it is locked to named files.
const { DataSession } = (await import(join(tries.root, "enclave", "data", "duckdb.ts"))) as typeof import("../../enclave/data/duckdb.ts");
await using session = await DataSession.open({ files: [tries.ownData] });
const quoted = (path: string): string => `'${path.replaceAll("'", "''")}'`;
results["duckdb own data"] = await attempt(async () => String((await session.rows(`select count(*) from read_csv(${quoted(tries.ownData)})`))[0]?.[0]));
for (const path of tries.secrets) {
  results[`duckdb ${path}`] = await attempt(async () => String((await session.rows(`select content from read_text(${quoted(path)})`))[0]?.[0]).slice(0, 40));
}
for (const path of tries.writes) results[`duckdb write ${path}`] = await attempt(() => session.run(`copy (select 1) to ${quoted(join(path, "by-duckdb.csv"))}`));
results["duckdb unlock"] = await attempt(() => session.run("SET enable_external_access=true"));

const { DuckDBInstance } = await import(join(tries.root, "node_modules", "@duckdb", "node-api", "lib", "index.js")) as typeof import("@duckdb/node-api");
const raw = await (await DuckDBInstance.create(":memory:")).connect();
for (const path of tries.secrets) {
  results[`unlocked duckdb ${path}`] = await attempt(async () => {
    const [row] = (await raw.runAndReadAll(`select content from read_text(${quoted(path)})`)).getRows();
    if (row === undefined) throw new Error("no such file");
    return String(row[0]).slice(0, 40);
  });
}
const { activeLayers } = (await import(join(tries.root, "enclave", "confinement.ts"))) as typeof import("../../enclave/confinement.ts");
process.stdout.write(JSON.stringify({ results, layers: Object.fromEntries(activeLayers().map((l) => [l.name, l.active])) }), () => process.exit());
