// `yunei company public`: what the platform publishes of a company, for that company: its records, a report on itself, and who was given what.
import { Option, type Command } from "commander";
import { publicCreditEndpoints as e } from "../../api/contract/public-credit.ts";
import { writeDurably } from "../../core/files.ts";
import type { ApiClient } from "../api-client.ts";
import { refuseExisting } from "../profile.ts";
import { deliveryLines, recordLines, reportLines, type OwnRecord } from "../show-public.ts";
import { printJson, printLines, remark, type Language } from "../terminal.ts";

const formats = ["json", "html", "pdf"] as const;
type Tools = { readonly api: ApiClient; readonly json: boolean; readonly language: Language };
/** How a command of a company is made and run: with its session's file. */
export type CompanyCommands<O> = { readonly common: (command: Command) => Command; readonly run: (options: O, work: (tools: Tools) => Promise<void>) => Promise<void> };

export function addCompanyPublic<O>(company: Command, { common, run }: CompanyCommands<O>): void {
  const open = company.command("public").description("public records on the company, reports on it, and who was given them / 本企业公开信息、信用报告及其提供记录");
  common(open.command("records").description("every public record that the platform holds on the company / 平台持有的本企业公开记录"))
    .action((o: O) => run(o, async ({ api, json, language }) => {
      const items: OwnRecord[] = [];
      for (let after: number | null = 0; after !== null; ) {
        const page: { items: OwnRecord[]; next: number | null } = await api.call(e.listOwnItems, { query: { after: String(after) } });
        items.push(...page.items);
        after = page.next;
      }
      if (json) printJson({ items });
      else printLines(recordLines(items, language));
    }));
  common(open.command("report").description("the company's credit report on itself, free of charge / 免费查询本企业信用报告"))
    .addOption(new Option("--format <format>", "of the file").choices(formats).default("pdf")).option("--out <file>", "file to write; the report's number and the format by default")
    .action((o: O & { format: (typeof formats)[number]; out?: string }) => run(o, (tools) => report(tools, o)));
  common(open.command("reports").description("who has asked for a report on the company, and what for / 查询过本企业信用报告的机构与用途"))
    .action((o: O) => run(o, async ({ api, json, language }) => {
      const items = await all((query) => api.call(e.listReportsOnSelf, { query }));
      if (json) printJson({ items });
      else printLines(reportLines(items, language));
    }));
  common(open.command("deliveries").description("which institutions were given the company's public records by subscription / 批量订阅的提供记录"))
    .action((o: O) => run(o, async ({ api, json, language }) => {
      const items = await all((query) => api.call(e.listOwnDeliveries, { query }));
      if (json) printJson({ items });
      else printLines(deliveryLines(items, language));
    }));
}

async function report({ api, json, language }: Tools, o: { format: (typeof formats)[number]; out?: string }): Promise<void> {
  if (o.out !== undefined) refuseExisting(o.out);
  const made = await api.call(e.createOwnReport, { body: {} });
  const out = o.out ?? `${made.number}.${o.format}`;
  const endpoint = o.format === "html" ? e.getReportOnSelfPage : e.getReportOnSelfPdf;
  writeDurably(out, o.format === "json" ? `${JSON.stringify(made, undefined, 2)}\n` : await api.bytes(endpoint, { params: { number: made.number } }));
  if (json) printJson({ out, number: made.number, digest: made.digest, records: made.report.counts.records });
  else {
    remark(language, { en: `${made.report.counts.records} record(s). Written: ${out}`, zh: `${made.report.counts.records} 条记录。已写入 ${out}` });
    printLines([`${made.number}  sha256 ${made.digest}`]);
  }
}

async function all<T>(page: (query: Record<string, string>) => Promise<{ items: T[]; next: string | null }>): Promise<T[]> {
  const found: T[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const { items, next }: { items: T[]; next: string | null } = await page({ limit: "100", ...(cursor === "" ? {} : { cursor }) });
    found.push(...items);
    cursor = next;
  }
  return found;
}
