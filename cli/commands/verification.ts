// `yunei verification`: claims about companies that providers answer with match, no match or not available.
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { resolve } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { claimSchema, verifyAnswerSchema, type ClaimInput, type ClaimResult } from "../../api/contract/verification.ts";
import type { JobId } from "../../core/brand.ts";
import { AppError, describeError, errorTable, type Code } from "../../core/errors.ts";
import { partyId } from "../../core/names.ts";
import { jobRequestSchema } from "../../federation/plan-schema.ts";
import { isOrdered } from "../../federation/verify/claims.ts";
import { fits, type AskedField, type VerifiableField } from "../../federation/verify/fields.ts";
import { verifyJobSchema } from "../../federation/verify/params.ts";
import { predicateKinds } from "../../federation/verify/predicates.ts";
import { existingFile, explained, jobName, partyName, problemsOf, readJson } from "../arguments.ts";
import type { ApiClient } from "../api-client.ts";
import { verifyBatch } from "../claims/batch.ts";
import { onlyProvider, predicateOf } from "../claims/read.ts";
import { fieldLines } from "../claims/show.ts";
import { profileAddress } from "../profile.ts";
import { ServiceClient } from "../service-client.ts";
import { printJson, printLines, Progress } from "../terminal.ts";
import { common, purposeOption, run, type Common } from "./job.ts";

const ways = ["any", "clear", "blind"] as const;
type Way = (typeof ways)[number];
type Named = { readonly party: string; readonly field: string; readonly way: Way };

export function addVerification(program: Command): void {
  const verification = program.command("verification").description("claims that providers answer: match, no match, not available / 数据核验");
  common(verification.command("fields").description("what providers offer for verification / 列出可核验的数据项")).action(listFields);
  common(verification.command("start").description("submit a service; it runs once every party has approved / 提交服务，各方批准后运行")
    .requiredOption("--field <provider.field...>", "fields to ask about, as tax.turnover, tax.turnover:clear or tax.turnover:blind (the provider does not learn what is claimed)", fieldNames)
    .addOption(purposeOption("loan-approval")).option("--params <file>", "JSON file: days, timeoutMs, requestsPerDay, companiesPerMonth, perCompanyPerDay, wrongInARow, …")
    .option("--key <text>", "idempotency key: the same key gives the same service"))
    .action(start);
  const byId = (name: string, description: string): Command => common(verification.command(name).argument("<service>", "id of its job", jobName).description(description));
  byId("show", "its fields and how they may be asked about, and which enclaves are connected / 查看服务").action(show);
  byId("ask", "one claim / 核验一项").requiredOption("--company <id>", "its name in the data, a USCC as a rule").requiredOption("--field <field>", "one of `yunei verification show`")
    .option("--provider <party>", "where several have a field of that name", partyName)
    .option("--equals <value>").option("--one-of <values>", "separated by |").option("--exists", "whether there is any entry").option("--from <value>", "within, ends included").option("--to <value>", "within, ends included")
    .option("--before <date>").option("--after <date>").option("--count <from..to>", "number of entries, either end may be left out")
    .option("--blind", "the provider does not learn what is claimed").option("--consent <file>", "a consent of the company, where the bank's enclave does not have it yet").action(ask);
  byId("batch", "a file of claims; run again with the same files it goes on where it was / 批量核验")
    .requiredOption("--file <file>", "CSV with a header (company, provider, field, predicate, value, from, to, before, after, blind) or NDJSON")
    .requiredOption("--out <file>", "results, a line for each claim: CSV, or NDJSON if its name ends so").action(batch);
}

function fieldNames(text: string, before: readonly Named[] | undefined): readonly Named[] {
  const [, party, field, way = "any"] = /^([a-z][a-z0-9_-]{0,31})\.([a-z][a-z0-9_-]{0,63})(?::(any|clear|blind))?$/.exec(text) ?? [];
  if (party === undefined || field === undefined) throw new InvalidArgumentError("It looks like tax.turnover or tax.turnover:blind.");
  return [...(before ?? []), { party, field, way: way as Way }];
}

function listFields(o: Common): Promise<void> {
  return run(o, async ({ api, json }) => {
    const found = (await api.datasets()).datasets.flatMap(({ party, dataset }) => (dataset.verification?.fields ?? []).map((field) => ({ party, ...field })));
    if (json) printJson({ fields: found });
    else printLines(found.map(({ party, name, type, items, authorised, single }) => `${party}.${name}  ${type}${single === true ? "  blind" : ""}  ${items.map((item) => `${item}${authorised.includes(item) ? "*" : ""}`).join(" ")}`));
  });
}

type StartOptions = Common & { field: readonly Named[]; purpose: string; params?: string; key?: string };

function start(o: StartOptions): Promise<void> {
  return run(o, async ({ api, guest, json }) => {
    const published = new Map((await api.datasets()).datasets.map(({ party, dataset }) => [String(party), dataset.verification?.fields ?? []]));
    const fields = o.field.map((named) => askedField(named, published.get(named.party)?.find(({ name }) => name === named.field)));
    const given: unknown = o.params === undefined ? {} : readJson(o.params);
    if (typeof given !== "object") throw explained("JOB_PARAMS", `no object: ${o.params ?? ""}`);
    const params = verifyJobSchema.safeParse({ ...given, fields });
    if (!params.success) throw explained("JOB_PARAMS", problemsOf(params.error));
    const hosts = [...new Set(o.field.map(({ party }) => party))];
    const view = await api.submit(jobRequestSchema.parse({ kind: "verify", guest, hosts, purpose: o.purpose, params: params.data }), o.key);
    if (json) printJson(view);
    else printLines([view.id]);
  });
}

/** All that its type and its data allow, in these ways. */
function askedField({ party, field, way }: Named, published: VerifiableField | undefined): AskedField {
  if (published === undefined) throw explained("VERIFY_FIELD", `${party} publishes no field ${field}: see \`yunei verification fields\``);
  const { type, single } = published;
  if (way === "blind" && single !== true) throw explained("VERIFY_PREDICATE", `${party}.${field}: companies have several entries, so it cannot be asked about blindly`);
  const blind = way !== "clear" && single === true ? (["equals", ...(isOrdered(type) ? ["within"] : [])] as AskedField["blind"]) : [];
  return { party: partyId(party), field, clear: way === "blind" ? [] : predicateKinds.filter((kind) => fits(type, kind)), blind };
}

async function fieldsOf(api: ApiClient, id: JobId): Promise<readonly AskedField[]> {
  const { plan } = await api.plan(id);
  if (plan.kind !== "verify") throw explained("CLI_ARGUMENT", `${id} is no verification service`);
  return verifyJobSchema.parse(plan.params).fields;
}

function show(id: JobId, o: Common): Promise<void> {
  return run(o, async ({ api, json, language }) => {
    const fields = await fieldsOf(api, id);
    const { view } = await open(o, api, id);
    if (json) printJson({ ...view, fields });
    else printLines([`${view.id}  ${view.guest}  ${view.expiresAt}`, `  ${view.connected.join(" ")}`, ...fieldLines(fields, language).map((line) => `  ${line}`)]);
  });
}

type AskOptions = Common & {
  company: string; field: string; provider?: string; equals?: string; oneOf?: string; exists?: boolean; from?: string; to?: string; before?: string; after?: string; count?: string;
  blind?: boolean; consent?: string;
};

function ask(id: JobId, o: AskOptions): Promise<void> {
  return run(o, async ({ api, json, language }) => {
    const fields = await fieldsOf(api, id);
    const claim = claimOf(o, fields);
    const consents = o.consent === undefined ? {} : { consents: [readFileSync(existingFile(o.consent), "latin1").trim()] };
    const answer = await (await open(o, api, id)).exchange({ claims: [claim], ...consents }, verifyAnswerSchema);
    if (json) printJson(answer);
    const [result]: readonly ClaimResult[] = answer.status === "verified" ? answer.results : [{ code: answer.code }];
    if (result === undefined || "code" in result) {
      const code = result !== undefined && Object.hasOwn(errorTable, result.code) ? (result.code as Code) : "PLATFORM_INTERNAL";
      throw new AppError(code, { ...(result?.party !== undefined && { party: result.party }), ...(result?.retryAfter !== undefined && { retryAfter: result.retryAfter }) });
    }
    if (json) return;
    const { receipt } = answer as Extract<typeof answer, { status: "verified" }>;
    const words = { match: "一致", "no-match": "不一致", "not-available": "无记录" };
    const mark = result.objected === true ? (language === "zh" ? "（该企业对此数据方的数据有异议）" : "  (the company objects to this provider's data)") : "";
    printLines([`${language === "zh" ? words[result.answer] : result.answer}${mark}`, `  ${receipt.batch} ${receipt.use}`]);
  });
}

function claimOf(o: AskOptions, fields: readonly AskedField[]): ClaimInput {
  const { equals, oneOf, exists, from, to, before, after, count } = o;
  const kinds = [equals !== undefined && "equals", oneOf !== undefined && "one-of", exists === true && "exists", (from ?? to) !== undefined && "within", (before ?? after) !== undefined && "dated", count !== undefined && "count"].filter((kind) => kind !== false);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) throw explained("CLI_ARGUMENT", "one of --equals, --one-of, --exists, --from/--to, --before/--after, --count");
  const [least, most] = (count ?? "").split("..");
  const ends = kind === "count" ? { ...(least ? { from: least } : {}), ...((count?.includes("..") === true ? most : least) ? { to: count?.includes("..") === true ? most : least } : {}) } : { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const value = equals ?? oneOf;
  const predicate = predicateOf(kind, { ...(value === undefined ? {} : { value }), ...ends, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) });
  const claim = claimSchema.safeParse({ company: o.company, provider: o.provider ?? onlyProvider(o.field, fields), field: o.field, predicate, blind: o.blind === true });
  if (!claim.success) throw explained("CLI_ARGUMENT", `no claim of this service:\n${problemsOf(claim.error)}`);
  return claim.data;
}

function batch(id: JobId, o: Common & { file: string; out: string }): Promise<void> {
  return run(o, async ({ api, json, language, guest }) => {
    const file = existingFile(o.file);
    const progress = new Progress(language, guest);
    const began = Date.now();
    let saidAt = began;
    const { claims, counts, badLines } = await verifyBatch({
      client: await open(o, api, id), file, out: resolve(o.out), fields: await fieldsOf(api, id), now: Date.now, wait: async (ms) => delay(ms),
      progress: (done) => {
        if (Date.now() - saidAt < 2_000) return;
        saidAt = Date.now();
        progress.step({ en: `${done.toLocaleString("en-US")} claims`, zh: `已核验 ${done.toLocaleString("en-US")} 项` });
      },
    });
    if (json) return printJson({ claims, counts, badLines, out: resolve(o.out) });
    for (const number of badLines) progress.step({ en: `line ${number}: no claim`, zh: `第 ${number} 行：不是有效的核验项` });
    printLines([resolve(o.out), ...Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)).map(([word, n]) => `  ${word}  ${n.toLocaleString("en-US")}${Object.hasOwn(errorTable, word) ? `  ${describeError(word as Code)[language]}` : ""}`)]);
  });
}

function open(o: Common, api: ApiClient, id: JobId): Promise<ServiceClient> {
  return ServiceClient.open(api, { service: id, ca: profileAddress(o.profile).ca, now: Date.now() });
}
