// `yunei receipts`: the receipts of a bank's jobs.
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { JobId } from "../../core/brand.ts";
import { writeDurably } from "../../core/files.ts";
import { jobName } from "../arguments.ts";
import { refuseExisting } from "../profile.ts";
import { receiptTable } from "../show-receipts.ts";
import { printJson, printLines } from "../terminal.ts";
import { common, run, type Common } from "./job.ts";

export function addReceipts(program: Command): void {
  const receipts = program.command("receipts").description("receipts of your jobs in the transparency log / 本机构任务的回执");
  common(receipts.command("list").description("newest first: place, time, party, kind, purpose, job, id / 列出回执").option("--job <job>", "of one job", jobName))
    .action((o: Common & { job?: JobId }) => run(o, async ({ api, json, language }) => {
      const items = await api.receipts(o.job);
      if (json) printJson({ items });
      else printLines(receiptTable(items, language));
    }));
  common(receipts.command("get").argument("<id>", "id of the receipt", receiptId)
    .description("write the bundle of one receipt: one file that `yunei verify` checks offline / 下载回执包").option("--out <file>", "file to write"))
    .action((id: string, o: Common & { out?: string }) => run(o, async ({ api, json }) => {
      const out = o.out ?? `receipt-${id.slice(0, 16)}.json`;
      refuseExisting(out);
      const bundle = await api.receipt(id);
      writeDurably(out, `${JSON.stringify(bundle)}\n`);
      if (json) printJson({ id, bundle: out });
      else printLines([out]);
    }));
}

function receiptId(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw new InvalidArgumentError("It is the 64 characters at the end of a line of `yunei receipts list`.");
  return text;
}
