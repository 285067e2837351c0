// Writes the generated part of api/README.md: `node scripts/access-table.ts` after the contract has changed.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withAccessTable } from "../api/contract/access.ts";

const file = join(import.meta.dirname, "..", "api", "README.md");
writeFileSync(file, withAccessTable(readFileSync(file, "utf8")));
