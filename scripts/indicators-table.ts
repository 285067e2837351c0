// Writes the generated part of indicators/README.md: `node scripts/indicators-table.ts` after the areas have changed.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemMarkdown, withTable } from "../indicators/table.ts";

const file = join(import.meta.dirname, "..", "indicators", "README.md");
writeFileSync(file, withTable(readFileSync(file, "utf8"), systemMarkdown()));
