// `yunei platform source`: which party may publish which public items.
import { InvalidArgumentError, type Command } from "commander";
import { openSources } from "../../api/public-sources.ts";
import type { PartyId } from "../../core/brand.ts";
import { silentLog, type Env } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { publicItem } from "../../public-credit/publishable.ts";
import { languageOption, partyName } from "../arguments.ts";
import { printJson, printLines } from "../terminal.ts";

const env: Env = { rng: systemRng, now: Date.now, log: silentLog };
type Options = { data: string; item?: string[]; none?: boolean; json?: boolean; lang?: string };

export function addSource(platform: Command): void {
  platform.command("source").argument("<party>", "name of the party", partyName)
    .description("show which public items a party may publish, or set them / 查看或设定参与方可提交的公开信息项")
    .option("--item <item...>", "the items that it may publish, in place of those before", itemNames).option("--none", "it may publish nothing any more")
    .option("--data <dir>", "data folder", "platform-data").option("--json", "print JSON").addOption(languageOption())
    .action(source);
}

function itemNames(text: string, before: readonly string[] | undefined): readonly string[] {
  try {
    return [...(before ?? []), publicItem(text).item.id];
  } catch (error) {
    const clause = error instanceof AppError ? error.facts["clause"] : undefined;
    throw new InvalidArgumentError(clause === undefined ? "There is no such item; see `yunei catalogue --use report`." : `It is not a public item: clause ${String(clause)}.`);
  }
}

async function source(party: PartyId, o: Options): Promise<void> {
  await using sources = await openSources({ data: o.data, env, database: process.env["YUNEI_DATABASE"] });
  if (o.item !== undefined || o.none === true) await sources.set(party, o.none === true ? [] : (o.item ?? []));
  const items = (await sources.list(party)).map((s) => s.item);
  if (o.json === true) printJson({ party, items });
  else printLines(items.length === 0 ? [`${party}  –`] : items.map((item) => `${party}  ${item}`));
}
