// Writes the generated part of evaluation/README.md: `node scripts/evaluation-table.ts` after the scorecard has changed.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { baselineScorecard } from "../evaluation/load.ts";
import { scorecardMarkdown, tableMarks } from "../evaluation/table.ts";
import { withTable } from "../indicators/table.ts";

const file = join(import.meta.dirname, "..", "evaluation", "README.md");
writeFileSync(file, withTable(readFileSync(file, "utf8"), scorecardMarkdown(baselineScorecard), tableMarks));
