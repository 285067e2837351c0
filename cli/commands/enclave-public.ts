// `yunei enclave publish-items`: public records of one item, from a file of the provider's to the platform.
import { resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { BatchOutcome } from "../../api/contract/public-credit.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { loadIdentity } from "../../enclave/keys/identity.ts";
import { checkFile, publishFile, type PublishOptions } from "../../enclave/public/publish.ts";
import { HttpPlatform } from "../../enclave/transport/http.ts";
import { reach } from "../../enclave/transport/reach.ts";
import { dayAt } from "../../public-credit/places.ts";
import { existingFolder, explained, languageOption, wholeNumber } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { languageOf, printJson, printLines, remark, type Language } from "../terminal.ts";

type Options = { item: string; file: string; asOf?: string; column?: ReadonlyMap<string, string>; key?: string[]; wait: number; check?: boolean; json?: boolean; lang?: string };

export function addPublishItems(enclave: Command): void {
  enclave.command("publish-items").argument("<folder>", "folder of this enclave", existingFolder)
    .description("publish public records of one item; the whole file is checked here before anything is sent / 提交公开信息，先在本域内全部校验")
    .requiredOption("--item <item>", "item of the sharing catalogue, e.g. administrative.penalties (`yunei catalogue search`)")
    .requiredOption("--file <file>", "CSV, Parquet or NDJSON within the enclave's data folder")
    .option("--as-of <day>", "day that the data stand for, e.g. 2026-01-31; today by default", day)
    .option("--column <names...>", "take these columns and no others; name=field where the names differ", columns)
    .option("--key <column...>", "columns that together tell a company's records apart")
    .option("--wait <seconds>", "how long to wait for a platform that is away", wholeNumber(0, 86_400), 120)
    .option("--check", "check the file and send nothing").option("--json", "print JSON").addOption(languageOption())
    .action(publish);
}

function day(text: string): string {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) || Number.isNaN(Date.parse(text))) throw new InvalidArgumentError("It looks like 2026-01-31.");
  return text;
}

function columns(text: string, before: ReadonlyMap<string, string> | undefined): ReadonlyMap<string, string> {
  const [name = "", field = name] = text.split("=", 2);
  return new Map([...(before ?? []), [name, field]]);
}

async function publish(folder: string, o: Options): Promise<void> {
  const language = languageOf(o.lang);
  const config = readConfig(resolve(folder));
  const options: PublishOptions = {
    party: config.party, item: o.item, asOf: o.asOf ?? dayAt(Date.now()), folder: config.dataFolder, file: o.file, columns: o.column, keys: o.key,
  };
  const checked = await checkFile(options);
  if (o.check === true) {
    if (o.json === true) printJson({ item: o.item, ...checked, sent: false });
    else printLines([`${o.item}  ${checked.rows}  ✓`]);
    return;
  }
  const sums = { batches: 0, added: 0, corrected: 0, withdrawn: 0, repeated: 0 };
  await asOperator(resolve(folder), { word: "publish-items" }, () => send(resolve(folder), options, { waitMs: o.wait * 1000, language }, (outcome) => {
    sums.batches += 1;
    for (const name of ["added", "corrected", "withdrawn", "repeated"] as const) sums[name] += outcome[name];
    const done = sums.added + sums.corrected + sums.withdrawn + sums.repeated;
    remark(language, { en: `  batch ${sums.batches}: ${done} of ${checked.rows}`, zh: `  批次 ${sums.batches}：${done}/${checked.rows}` });
  }));
  if (o.json === true) printJson({ item: o.item, asOf: options.asOf, rows: checked.rows, ...sums });
  else printLines([language === "zh"
    ? `${o.item}：新增 ${sums.added}，更正 ${sums.corrected}，撤回 ${sums.withdrawn}，未变 ${sums.repeated}`
    : `${o.item}: ${sums.added} added, ${sums.corrected} corrected, ${sums.withdrawn} withdrawn, ${sums.repeated} unchanged`]);
}

type Waiting = { readonly waitMs: number; readonly language: Language };

async function send(folder: string, options: PublishOptions, waiting: Waiting, say: (outcome: BatchOutcome) => void): Promise<void> {
  const config = readConfig(folder);
  const { signKey, tlsKey, tlsCertificate, ca } = loadIdentity(enclavePaths(folder).keys, config.party);
  await using platform = new HttpPlatform({ url: config.platform, key: tlsKey, certificate: tlsCertificate, ca });
  for await (const outcome of publishFile(options, signKey, (batch) => patiently(() => platform.putPublicBatch(batch), waiting))) say(outcome);
}

/** A batch that was sent twice is taken once, so it may be sent again. Throws CLI_UNREACHABLE when the platform stays away. */
async function patiently<T>(call: () => Promise<T>, { waitMs, language }: Waiting): Promise<T> {
  const signal = AbortSignal.timeout(waitMs);
  const log = { ...silentLog, warn: () => remark(language, { en: "  the platform does not answer; trying again", zh: "  平台无应答，正在重试" }) };
  try {
    return await reach(call, { signal, log });
  } catch (error) {
    if (signal.aborted && !(error instanceof AppError)) throw explained("CLI_UNREACHABLE", "the address is in enclave.json");
    throw error;
  }
}
