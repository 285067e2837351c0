// `yunei quality` and `yunei usage`: data quality of providers and the use of their items, as the platform shows them to a person in a role.
import { InvalidArgumentError, Option, type Command } from "commander";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { qualityEndpoints as q } from "../../api/contract/quality.ts";
import { usageEndpoints as u } from "../../api/contract/usage.ts";
import { dimensions, dueDays, publishedRules } from "../../quality/rules.ts";
import { issueStates } from "../../quality/states.ts";
import { languageOption, partyName, timeText } from "../arguments.ts";
import { asRole, withRole, type RoleOptions } from "../role-client.ts";
import { issueLines, rateLines, ruleLines, usageLines } from "../show-quality.ts";
import { languageOf, printJson, printLines } from "../terminal.ts";

type RateOptions = RoleOptions & { party?: string; item?: string; dimension?: string };
type IssueOptions = RoleOptions & { party?: string; state?: string; overdue?: boolean };

export function addQuality(program: Command): void {
  const quality = program.command("quality").description("data quality of providers: rules, rates, issues until they are closed / 数据质量：规则、比率、问题跟踪");
  quality.command("rules").description("the published rules of this version, their limits and days; no connection is made / 已公布的质量规则")
    .option("--json", "print JSON").addOption(languageOption()).action((o: { json?: boolean; lang?: string }) => {
      const rules = publishedRules.map((rule) => ({ ...rule, dueDays: dueDays[rule.severity] }));
      if (o.json === true) printJson({ rules });
      else printLines(ruleLines(rules, languageOf(o.lang)));
    });
  asRole(quality.command("rates").description("rates by provider, item and rule; a provider's roles see their own party (institutions, providers, supervisor, platform-operator) / 质量比率"))
    .option("--party <party>", "of this provider alone", partyName).option("--item <item>", "of this item of the sharing catalogue alone", itemOf)
    .addOption(new Option("--dimension <dimension>", "of this dimension alone").choices([...dimensions]))
    .action((o: RateOptions) => withRole(o, async ({ api, json, language }) => {
      const found = await api.call(q.listQuality, { query: given({ party: o.party, item: o.item, dimension: o.dimension }) });
      if (json) printJson(found);
      else printLines(rateLines(found.rates, language));
    }));
  asRole(quality.command("issues").description("issues with their states and due days (providers, supervisor, platform-operator) / 质量问题与期限"))
    .option("--party <party>", "of this provider alone", partyName)
    .addOption(new Option("--state <state>", "only those that stand here").choices([...issueStates]))
    .addOption(new Option("--overdue", "only those past their day").conflicts("state"))
    .action((o: IssueOptions) => withRole(o, async ({ api, json, language }) => {
      const found = await api.call(q.listQualityIssues, { query: given({ party: o.party, state: o.overdue === true ? "overdue" : o.state }) });
      if (json) printJson(found);
      else printLines(issueLines(found.issues, language));
    }));
}

export function addUsage(program: Command): void {
  asRole(program.command("usage").description("how items were used: jobs, institutions, purposes, counts, classes of information value, gains; a provider's roles see their own jobs (providers, supervisor, platform-operator) / 目录项使用情况"))
    .option("--since <time>", "jobs that ended since then, e.g. 2026-01-31T00:00:00Z; default: 90 days", timeText)
    .action((o: RoleOptions & { since?: string }) => withRole(o, async ({ api, json, language }) => {
      const found = await api.call(u.getUsage, { query: given({ since: o.since }) });
      if (json) printJson(found);
      else printLines(usageLines(found, language));
    }));
}

function given(query: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

function itemOf(text: string): string {
  if (!itemIdSchema.safeParse(text).success) throw new InvalidArgumentError("An item looks like tax.payment; `yunei catalogue` lists them.");
  return text;
}
