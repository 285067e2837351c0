// `yunei objections`: what the platform's operator accepts, and supervisors watch. No company is shown here.
import { Option, type Command } from "commander";
import type { z } from "zod";
import { objectionStates, refusalReasons, subjectEndpoints as s } from "../../api/contract/subject.ts";
import { asRole, withRole, type RoleOptions } from "../role-client.ts";
import { objectionLines } from "../show-company.ts";
import { printJson, printLines } from "../terminal.ts";

type Page = z.output<typeof s.objectionInbox.reply>;

export function addObjections(program: Command): void {
  const objections = program.command("objections").description("accept and supervise objections of companies / 异议受理与监督");
  asRole(objections.command("list").description("newest first (platform-operator, supervisor) / 列出"))
    .addOption(new Option("--state <state>", "only those that stand here").choices([...objectionStates])).option("--overdue", "only late ones")
    .action((o: RoleOptions & { state?: string; overdue?: boolean }) => withRole(o, async ({ api, json, language }) => {
      const items: Page["items"] = [];
      for (let cursor: string | undefined; ; ) {
        const query = { limit: "100", ...(o.state && { state: o.state }), ...(o.overdue === true && { overdue: "true" }), ...(cursor === undefined ? {} : { cursor }) };
        const page: Page = await api.call(s.objectionInbox, { query });
        items.push(...page.items);
        if (page.next === null) break;
        cursor = page.next;
      }
      if (json) printJson({ items });
      else printLines(objectionLines(items, language));
    }));
  asRole(objections.command("accept <id>").description("accept one; it goes to the party that decides (platform-operator) / 受理"))
    .action((id: string, o: RoleOptions) => decide(o, id, { decision: "accept" }));
  asRole(objections.command("refuse <id>").description("do not accept it (platform-operator) / 不予受理"))
    .addOption(new Option("--reason <reason>", "why").choices([...refusalReasons]).makeOptionMandatory())
    .action((id: string, o: RoleOptions & { reason: string }) => decide(o, id, { decision: "refuse", reason: o.reason }));
}

function decide(o: RoleOptions, id: string, body: object): Promise<void> {
  return withRole(o, async ({ api, json, language }) => {
    const view = await api.call(s.decideObjection, { params: { id }, body });
    if (json) printJson(view);
    else printLines(objectionLines([view], language));
  });
}
