// `yunei evaluation scorecard`: a province's own scorecard over the indicator system, checked, published, and named by its digest in runs and schedules.
import type { Command } from "commander";
import { scorecardEndpoints as e } from "../../api/contract/scorecards.ts";
import { baselineScorecard, parseLocalScorecard, scorecardDigest } from "../../evaluation/load.ts";
import { scorecardSchema } from "../../evaluation/schema.ts";
import { digestText, explained, problemsOf, readJson } from "../arguments.ts";
import { scorecardLines } from "../show-evaluation.ts";
import { printJson, printLines } from "../terminal.ts";
import { common, run, type Common } from "./job.ts";

export function addScorecards(evaluation: Command): void {
  const scorecard = evaluation.command("scorecard").description("scorecards over the indicator system, beside the built-in one / 自有评分卡");
  scorecard.command("check").argument("<file>", "JSON, as the built-in one is").option("--json", "print JSON on stdout").description("check a scorecard here, without a platform / 本地校验评分卡")
    .action((file: string, o: { json?: boolean }) => {
      const { id, version, entries } = read(file);
      const digest = scorecardDigest(read(file));
      if (o.json === true) printJson({ digest, id, version, indicators: entries.length });
      else printLines([`${digest}  ${id} ${version}  ${entries.length}`]);
    });
  common(scorecard.command("publish").argument("<file>", "JSON, as the built-in one is").description("publish it; it cannot be changed or removed / 发布评分卡（不可更改）"))
    .action((file: string, o: Common) => run(o, async ({ api, json, language }) => {
      const made = await api.call(e.publishScorecard, { body: { scorecard: read(file) } });
      if (json) printJson(made);
      else printLines(scorecardLines([made], language));
    }));
  common(scorecard.command("list").description("published scorecards, newest first / 列出已发布的评分卡")).action((o: Common) => run(o, async ({ api, json, language }) => {
    const { items } = await api.call(e.listScorecards);
    if (json) printJson({ items });
    else printLines(scorecardLines(items, language));
  }));
  common(scorecard.command("show").argument("[digest]", "of a published one; the built-in one without it", digestText).description("a scorecard as JSON, a start for one of your own / 查看评分卡全文"))
    .action((digest: string | undefined, o: Common) => (digest === undefined ? printJson(baselineScorecard) : run(o, async ({ api }) => {
      const { scorecard: found } = await api.call(e.getScorecard, { params: { digest } });
      // The platform hands it on: its digest is what runs name.
      if (scorecardDigest(found) !== digest) throw explained("CLI_ARGUMENT", "the platform gave another scorecard than the digest names");
      printJson(found);
    })));
}

/** Says what does not fit before anything is sent. */
function read(file: string) {
  const given = readJson(file);
  const parsed = scorecardSchema.safeParse(given);
  if (!parsed.success) throw explained("EVALUATION_SCORECARD", problemsOf(parsed.error));
  return parseLocalScorecard(given);
}
