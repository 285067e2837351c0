// Schema, generated clients and migrations belong together: whoever changes one and not the others is told here.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";

const root = join(import.meta.dirname, "..", "..");
const advice = "run `npm --prefix prisma/tools ci && npm --prefix prisma/tools run generate -- <name>`";
type Digests = Record<string, { schema: string; generated: string }>;

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

function digestOfFolder(folder: string): string {
  const hash = createHash("sha256");
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.sort()) hash.update(`${file.slice(folder.length + 1)}\0`).update(sha256(readFileSync(file)));
  return hash.digest("hex");
}

for (const db of ["sqlite", "postgresql"]) {
  describe(`prisma for ${db}`, () => {
    const digests = JSON.parse(readFileSync(join(root, "gen", "digests.json"), "utf8")) as Digests;
    const migrations = join(root, "prisma", db, "migrations");
    const files = [join(db, "schema.prisma"), "models.prisma"].map((path) => ({
      path: path.split("/").at(-1),
      content: readFileSync(join(root, "prisma", path), "utf8"),
    }));

    it("has clients generated from the schema of today", () => {
      assert.equal(sha256(JSON.stringify(files)), digests[db]?.schema, advice);
      assert.equal(digestOfFolder(join(root, "gen", db)), digests[db]?.generated, advice);
    });

    it("has migrations that lead to the schema of today", () => {
      assert.deepEqual(JSON.parse(readFileSync(join(migrations, "snapshot.json"), "utf8")), files, advice);
      const sql = readdirSync(migrations)
        .filter((name) => /^\d{4}_/.test(name))
        .map((name) => readFileSync(join(migrations, name, "migration.sql"), "utf8"))
        .join("\n");
      const models = [...(files[1]?.content ?? "").matchAll(/^model (\w+) \{/gm)].map((match) => match[1]);
      for (const model of models) assert.include(sql, `CREATE TABLE "${model}"`);
      assert.isAbove(models.length, 8);
    });
  });
}
