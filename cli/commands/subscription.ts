// `yunei subscription`: public items of the companies of some regions and sections, taken regularly.
import { existsSync, readFileSync, statSync } from "node:fs";
import { InvalidArgumentError, Option, type Command } from "commander";
import { z } from "zod";
import { subscriptionIdSchema, type SubscriptionView } from "../../api/contract/public-credit.ts";
import { appendDurably } from "../append.ts";
import { writeDurably } from "../../core/files.ts";
import { financingPurposes, type FinancingPurpose } from "../../core/purposes.ts";
import { regionPrefixForm, sectionCodes, type Section } from "../../public-credit/places.ts";
import { explained, languageOption, parseJson, problemsOf } from "../arguments.ts";
import { defaultProfile, openProfile } from "../profile.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Common = { profile: string; json?: boolean; lang?: string };
type NewOptions = Common & { purpose: FinancingPurpose; item: string[]; region?: string[]; section?: Section[] };

function common(command: Command): Command {
  return command.option("--profile <file>", "the institution's profile", defaultProfile).option("--json", "print JSON").addOption(languageOption());
}

export function addSubscription(program: Command): void {
  const subscription = program.command("subscription").description("public items by region and section, regularly / 按区域与行业批量订阅公开信息");
  common(subscription.command("create").description("subscribe / 新建订阅"))
    .addOption(new Option("--purpose <purpose>", "what it is for").choices(financingPurposes).makeOptionMandatory())
    .requiredOption("--item <item...>", "items of the sharing catalogue (`yunei catalogue --use report`)")
    .option("--region <prefix...>", "GB/T 2260 prefixes of 2, 4 or 6 digits; all regions by default", region)
    .addOption(new Option("--section <letter...>", "sections of GB/T 4754; all by default").choices(sectionCodes))
    .action(create);
  common(subscription.command("list").description("list subscriptions / 列出订阅")).action(list);
  common(subscription.command("end").argument("<subscription>", "its id", idOf).description("end a subscription / 终止订阅")).action(end);
  common(subscription.command("pull").argument("<subscription>", "its id", idOf).description("append what is new since the last pull to a file / 拉取增量"))
    .requiredOption("--out <file>", "NDJSON file; the place reached stands in FILE.cursor").action(pull);
}

function region(text: string, before: readonly string[] | undefined): readonly string[] {
  if (!regionPrefixForm.test(text)) throw new InvalidArgumentError("A prefix has 2, 4 or 6 digits.");
  return [...(before ?? []), text];
}

function idOf(text: string): string {
  if (!subscriptionIdSchema.safeParse(text).success) throw new InvalidArgumentError("A subscription's id looks like sub_0123456789abcdef01234567.");
  return text;
}

function lineOf(s: SubscriptionView): string {
  return `${s.id}  ${s.state}  ${s.purpose}  ${s.regions.join(",") || "*"}  ${s.sectors.join(",") || "*"}  ${s.items.join(",")}`;
}

async function create(o: NewOptions): Promise<void> {
  await using api = openProfile(o.profile).api;
  const made = await api.subscribe({ purpose: o.purpose, items: o.item, regions: o.region ?? [], sectors: o.section ?? [] });
  if (o.json === true) printJson(made);
  else printLines([lineOf(made)]);
}

async function list(o: Common): Promise<void> {
  await using api = openProfile(o.profile).api;
  const items = await api.subscriptions();
  if (o.json === true) printJson(items);
  else printLines(items.length === 0 ? [languageOf(o.lang) === "zh" ? "没有订阅" : "no subscriptions"] : items.map(lineOf));
}

async function end(id: string, o: Common): Promise<void> {
  await using api = openProfile(o.profile).api;
  const ended = await api.endSubscription(id);
  if (o.json === true) printJson(ended);
  else printLines([lineOf(ended)]);
}

const placeSchema = z.strictObject({ subscription: subscriptionIdSchema, cursor: z.int().min(0), bytes: z.int().min(0) });

type Place = z.output<typeof placeSchema>;

/** Where the last pull came to. Throws rather than touch a file that is not its own: CLI_EXISTS, SUBSCRIPTION_CURSOR, CLI_JSON, CLI_ARGUMENT. */
function placeOf(id: string, out: string, placeFile: string): Place {
  const size = existsSync(out) ? statSync(out).size : 0;
  if (!existsSync(placeFile)) {
    if (size > 0) throw explained("CLI_EXISTS", `there is already a file, and no ${placeFile} that says how far it goes: ${out}`);
    const place = { subscription: id, cursor: 0, bytes: 0 };
    writeDurably(placeFile, `${JSON.stringify(place)}\n`);
    return place;
  }
  const read = placeSchema.safeParse(parseJson(readFileSync(placeFile, "utf8"), placeFile));
  if (!read.success) throw explained("CLI_ARGUMENT", `not a place that a pull wrote: ${placeFile}\n${problemsOf(read.error)}`);
  if (read.data.subscription !== id) throw explained("SUBSCRIPTION_CURSOR", `of another subscription: ${placeFile}`);
  if (size < read.data.bytes) throw explained("SUBSCRIPTION_CURSOR", `${out} is shorter than ${placeFile} says; remove both to take everything again`);
  return read.data;
}

/** The file grows first, then the place: a pull that was cut off in between cuts the file back and takes the same records again. */
async function pull(id: string, o: Common & { out: string }): Promise<void> {
  await using api = openProfile(o.profile).api;
  const placeFile = `${o.out}.cursor`;
  let place = placeOf(id, o.out, placeFile);
  let records = 0;
  for (let more = true; more; ) {
    const delivery = await api.pull(id, place.cursor);
    place = { subscription: id, cursor: delivery.next, bytes: appendDurably(o.out, place.bytes, delivery.body) };
    writeDurably(placeFile, `${JSON.stringify(place)}\n`);
    records += delivery.records;
    ({ more } = delivery);
    remark(languageOf(o.lang), { en: `  ${records} record(s)`, zh: `  ${records} 条` });
  }
  if (o.json === true) printJson({ subscription: id, records, cursor: place.cursor });
  else printLines([`${o.out}  +${records}`]);
}
