// `yunei evaluation`: full-coverage evaluations by the public scorecard, on schedule or by hand, and what they push to institutions.
import { join, resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { compactVerify } from "jose";
import { z } from "zod";
import { evaluationEndpoints as e, evaluationSubscriptionIdSchema, intervalSchema, runIdSchema, runTermsSchema, scheduleTermsSchema, type PushView, type RunView } from "../../api/contract/evaluations.ts";
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { jobIdSchema, partyIdSchema } from "../../core/names.ts";
import { financingPurposes } from "../../core/purposes.ts";
import { pushType } from "../../enclave/evaluation/push.ts";
import { peerKey } from "../../enclave/keys/identity.ts";
import { withoutGrade } from "../../evaluation/distribution.ts";
import { bases, type Basis } from "../../evaluation/load.ts";
import { provinces, sections } from "../../evaluation/places.ts";
import { gradeLetters } from "../../evaluation/schema.ts";
import type { ApiClient } from "../api-client.ts";
import { digestText, explained, partyNames, problemsOf, wholeNumber } from "../arguments.ts";
import { openSealed, type InstitutionKey } from "../institution-key.ts";
import { profileAddress } from "../profile.ts";
import { asRole, withRole, type RoleOptions, type RoleTools } from "../role-client.ts";
import { evaluationSubscriptionLines, figureLines, pushLines, runLines, scheduleLines } from "../show-evaluation.ts";
import { printJson, printLines, remark } from "../terminal.ts";
import { addScorecards } from "./evaluation-scorecard.ts";
import { common, run, type Common } from "./job.ts";

type Terms = { scorecard?: string; host: readonly PartyId[]; whenAway: "go-on" | "fail"; leastHosts?: number; approvalSeconds?: number };
const pollMs = 500;

export function addEvaluation(program: Command): void {
  const evaluation = program.command("evaluation").description("full-coverage evaluation by the public scorecard / 全覆盖信用评价");
  terms(common(evaluation.command("run").description("evaluate now, and wait for the end / 立即评价并等待结束")))
    .addOption(new Option("--basis <basis>", "open: all companies, by public items; full: those that authorised it").choices([...bases]).default("open"))
    .option("--as-of <day>", "the day that the indicators look back from, YYYY-MM-DD; today in China by default", day)
    .option("--key <text>", "idempotency key: the same key gives the same run").option("--no-wait", "print the run and return")
    .action(start);
  common(evaluation.command("list").description("runs, newest first / 列出评价批次")).action((o: Common) => run(o, async ({ api, json, language }) => {
    const items = await allRuns(api);
    if (json) printJson({ items });
    else printLines(runLines(items, language));
  }));
  byRun(evaluation, "show", "one run / 查看评价批次").action((id: string, o: Common) => run(o, async ({ api, json, language }) => {
    const shown = await api.call(e.getRun, { params: { id } });
    if (json) printJson(shown.run);
    else printLines(runLines([shown.run], language));
  }));
  byRun(evaluation, "distribution", "published figures: by province and section, stability / 分布与稳定性").action((id: string, o: Common) => run(o, async ({ api, json, language }) => {
    const { figures } = await api.call(e.getRun, { params: { id } });
    if (figures === null) throw new AppError("RESULT_NOT_READY");
    if (json) printJson(figures);
    else printLines(figureLines(figures, language));
  }));
  byRun(evaluation, "cancel", "cancel an own run / 取消批次").action((id: string, o: Common) => run(o, async ({ api, json, language }) => {
    const view = await api.call(e.cancelRun, { params: { id } });
    if (json) printJson(view);
    else printLines(runLines([view], language));
  }));
  byRun(evaluation, "get", "open what a run pushed to this institution and write it as CSV / 解封推送结果并写为 CSV")
    .option("--out <dir>", "folder to write to", "evaluations").action(get);
  common(evaluation.command("pushes").description("what was pushed to this institution / 列出推送")).action((o: Common) => run(o, async ({ api, json, language }) => {
    const { items } = await api.call(e.listPushes);
    if (json) printJson({ items });
    else printLines(pushLines(items, language));
  }));
  asRole(evaluation.command("figures").argument("[run]", "its id; without it the published runs are listed", runName)
    .description("published figures of all institutions, for supervisors: by province and section, stability (supervisor, platform-operator) / 监管查看评价统计"))
    .action((id: string | undefined, o: RoleOptions) => withRole(o, (tools) => supervised(tools, id)));
  addSchedule(evaluation);
  addScorecards(evaluation);
  addSubscriptions(evaluation);
}

/** Of a schedule: they do nothing beside --pause or --resume, nor without --host. */
const settings = ["host", "basis", "months", "day", "hour", "hours", "whenAway", "leastHosts", "approvalSeconds", "scorecard"];

function addSchedule(evaluation: Command): void {
  terms(common(evaluation.command("schedule").description("evaluate regularly; shows the schedule without --host / 设置或查看定期评价")), false)
    .addOption(new Option("--basis <basis...>", "bases of each round").choices([...bases]).default(["open"]))
    .option("--months <n>", "every so many months", wholeNumber(1, 12)).option("--day <n>", "day of the month", wholeNumber(1, 28)).option("--hour <n>", "hour of the day in China", wholeNumber(0, 23))
    .addOption(new Option("--hours <n>", "every so many hours instead").argParser(wholeNumber(1, 8760)).conflicts(["months", "day", "hour"]))
    .addOption(new Option("--pause", "pause it").conflicts(["resume", ...settings])).addOption(new Option("--resume", "let it go on").conflicts(settings)).action(schedule);
}

function addSubscriptions(evaluation: Command): void {
  common(evaluation.command("subscribe").description("have evaluations pushed, sealed to this institution / 订阅评价结果"))
    .requiredOption("--name <name>", "a name of its own")
    .addOption(new Option("--purpose <purpose>", "what it is for").choices([...financingPurposes]).makeOptionMandatory())
    .addOption(new Option("--province <code...>", "first two digits of GB/T 2260; all by default").choices(Object.keys(provinces)))
    .addOption(new Option("--section <letter...>", "sections of GB/T 4754: authorised companies alone; all by default").choices(Object.keys(sections)))
    .addOption(new Option("--grade <grade...>", "all by default").choices([...gradeLetters, withoutGrade]))
    .action((o: Common & { name: string; purpose: string; province?: string[]; section?: string[]; grade?: string[] }) => run(o, async ({ api, json, language }) => {
      const body = { name: o.name, purpose: o.purpose, provinces: o.province ?? "all", sectors: o.section ?? "all", grades: o.grade ?? "all" };
      const parsed = e.subscribeEvaluations.body.safeParse(body);
      if (!parsed.success) throw explained("CLI_ARGUMENT", problemsOf(parsed.error));
      const made = await api.call(e.subscribeEvaluations, { body });
      if (json) printJson(made);
      else printLines(evaluationSubscriptionLines([made], language));
    }));
  common(evaluation.command("subscriptions").description("list subscriptions / 列出订阅")).action((o: Common) => run(o, async ({ api, json, language }) => {
    const { items } = await api.call(e.listEvaluationSubscriptions);
    if (json) printJson({ items });
    else printLines(evaluationSubscriptionLines(items, language));
  }));
  common(evaluation.command("unsubscribe").argument("<subscription>", "its id", subscriptionName).description("end a subscription / 终止订阅")).action((id: string, o: Common) => run(o, async ({ api, json, language }) => {
    const ended = await api.call(e.endEvaluationSubscription, { params: { id }, body: {} });
    if (json) printJson(ended);
    else printLines(evaluationSubscriptionLines([ended], language));
  }));
}

function terms(command: Command, required = true): Command {
  const host = new Option("--host <party...>", "data providers").argParser(partyNames);
  return command.addOption(required ? host.makeOptionMandatory() : host)
    .addOption(new Option("--when-away <what>", "when a provider does not come or falls away").choices(["go-on", "fail"]).default("go-on"))
    .option("--least-hosts <n>", "fewer providers than that, and the run ends (2, or 1 for a single provider)", wholeNumber(1, 16))
    .option("--approval-seconds <n>", "how long an approval is waited for (86,400)", wholeNumber(5, 604_800))
    .option("--scorecard <digest>", "a published scorecard (`yunei evaluation scorecard list`); the built-in one by default", digestText);
}

function termsOf(o: Terms) {
  const parsed = runTermsSchema.safeParse({
    hosts: [...o.host], whenAway: o.whenAway, leastHosts: o.leastHosts ?? Math.min(2, o.host.length), ...(o.approvalSeconds === undefined ? {} : { approvalSeconds: o.approvalSeconds }),
    ...(o.scorecard === undefined ? {} : { scorecard: o.scorecard }),
  });
  if (!parsed.success) throw explained("CLI_ARGUMENT", problemsOf(parsed.error));
  return parsed.data;
}

function day(text: string): string {
  if (!z.iso.date().safeParse(text).success) throw new InvalidArgumentError("It looks like 2026-01-31.");
  return text;
}
function runName(text: string): string {
  if (!runIdSchema.safeParse(text).success) throw new InvalidArgumentError("A run's id looks like eval_0123456789abcdef01234567.");
  return text;
}
function subscriptionName(text: string): string {
  if (!evaluationSubscriptionIdSchema.safeParse(text).success) throw new InvalidArgumentError("A subscription's id looks like esub_0123456789abcdef01234567.");
  return text;
}
const byRun = (evaluation: Command, name: string, description: string): Command => common(evaluation.command(name).argument("<run>", "its id", runName).description(description));

type StartOptions = Common & Terms & { basis: Basis; asOf?: string; key?: string; wait: boolean };

function start(o: StartOptions): Promise<void> {
  return run(o, async ({ api, json, language }) => {
    const made = await api.call(e.createRun, {
      body: { basis: o.basis, terms: termsOf(o), ...(o.asOf === undefined ? {} : { asOf: o.asOf }) }, ...(o.key === undefined ? {} : { headers: { "idempotency-key": o.key } }),
    });
    if (!o.wait) {
      if (json) printJson(made);
      else printLines([made.id]);
      return;
    }
    remark(language, { en: `${made.id}: all parties must approve each of its jobs`, zh: `${made.id}：其任务须经各方批准` });
    const view = await untilEnded(api, made.id, (told) => remark(language, { en: told, zh: told }));
    if (json) printJson(view);
    else printLines(runLines([view], language));
    if (view.failure !== null) throw new AppError(view.failure.code, view.failure.party === null ? {} : { party: view.failure.party });
  });
}

/** Says every new attempt and whom it is without. */
async function untilEnded(api: ApiClient, id: string, say: (text: string) => void): Promise<RunView> {
  for (let told = ""; ; await new Promise((later) => setTimeout(later, pollMs))) {
    const { run: view } = await api.call(e.getRun, { params: { id } });
    if (view.state === "done" || view.state === "failed") return view;
    const now = `${view.state} ${view.job ?? ""}${view.away.length === 0 ? "" : ` - ${view.away.join(" ")}`}`;
    if (now !== told) say(now);
    told = now;
  }
}

async function supervised({ api, json, language }: RoleTools, id: string | undefined): Promise<void> {
  if (id !== undefined) {
    const found = await api.call(e.supervisedFigures, { params: { id } });
    if (json) printJson(found);
    else printLines([...runLines([found.run], language), ...figureLines(found.figures, language)]);
    return;
  }
  const items = await allRuns(api, e.supervisedRuns);
  if (json) printJson({ items });
  else printLines(runLines(items, language));
}

async function allRuns(api: ApiClient, endpoint: typeof e.listRuns | typeof e.supervisedRuns = e.listRuns): Promise<RunView[]> {
  const items: RunView[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await api.call(endpoint, { query: { limit: "100", ...(cursor === undefined ? {} : { cursor }) } });
    items.push(...page.items);
    if (page.next === null) return items;
    cursor = page.next;
  }
}

type ScheduleOptions = Common & Partial<Terms> & { basis: Basis[]; months?: number; day?: number; hour?: number; hours?: number; pause?: boolean; resume?: boolean };

function schedule(o: ScheduleOptions, command: Command): Promise<void> {
  const given = settings.filter((name) => name !== "host" && ![undefined, "default"].includes(command.getOptionValueSource(name)));
  if (o.host === undefined && given.length > 0) throw explained("CLI_ARGUMENT", "name the data providers with --host: a schedule is set as a whole");
  return run(o, async ({ api, json, language }) => {
    const view = o.pause === true || o.resume === true ? await api.call(e.pauseSchedule, { body: { paused: o.pause === true } })
      : o.host === undefined ? await api.call(e.getSchedule) : await api.call(e.putSchedule, { body: scheduleOf(o, o.host) });
    if (json) printJson(view);
    else printLines(scheduleLines(view, language));
  });
}

function scheduleOf(o: ScheduleOptions, host: readonly PartyId[]) {
  const given = { ...(o.months === undefined ? {} : { every: o.months }), ...(o.day === undefined ? {} : { day: o.day }), ...(o.hour === undefined ? {} : { hour: o.hour }) };
  const interval = intervalSchema.parse(o.hours === undefined ? { kind: "months", ...given } : { kind: "hours", every: o.hours });
  return scheduleTermsSchema.parse({ bases: o.basis, terms: termsOf({ ...o, host, whenAway: o.whenAway ?? "go-on" }), interval });
}

const pushedSchema = z.object({
  version: z.literal(1), evaluator: partyIdSchema, job: jobIdSchema, institution: partyIdSchema, purpose: z.enum(financingPurposes), subscriptions: z.array(z.string()),
  card: z.object({ id: z.string(), version: z.string() }), basis: z.enum(bases), asOf: z.iso.date(), partial: z.boolean(), absent: z.array(z.string()), part: z.int(), parts: z.int(),
  companies: z.array(z.strictObject({ uscc: z.string(), score: z.int(), grade: z.enum(gradeLetters).nullable(), coverage: z.number(), objections: z.array(z.string()).optional() })),
});
export type Pushed = z.output<typeof pushedSchema>;

/** Opens one part and checks whose word it is: sealed to this institution, signed by the enclave that evaluated. Throws CLI_SEAL. */
export async function openPush(api: ApiClient, key: InstitutionKey, ca: string, guest: PartyId, push: Pick<PushView, "run" | "job" | "purpose" | "part" | "asOf" | "basis">): Promise<Pushed> {
  const { party, identityCertificate } = await api.call(e.evaluatorCertificate, { params: { id: push.run } });
  const signer = peerKey(identityCertificate, { party, ca, now: Date.now() });
  const jws = await openSealed(await api.text(e.getPush, { params: { run: push.run, purpose: push.purpose, part: String(push.part) } }), key);
  try {
    const { payload, protectedHeader } = await compactVerify(jws, signer, { algorithms: ["EdDSA"] });
    const pushed = pushedSchema.parse(JSON.parse(new TextDecoder().decode(payload)));
    const isRight = protectedHeader.typ === pushType && pushed.evaluator === party && pushed.institution === guest && pushed.purpose === push.purpose && pushed.part === push.part
      && pushed.asOf === push.asOf && pushed.basis === push.basis && pushed.job === push.job;
    if (!isRight) throw new AppError("CLI_SEAL");
    return pushed;
  } catch (cause) {
    throw new AppError("CLI_SEAL", {}, { cause });
  }
}

function get(id: string, o: Common & { out: string }): Promise<void> {
  return run(o, async ({ api, key, guest, json }) => {
    const { items } = await api.call(e.listPushes, { query: { run: id } });
    if (items.length === 0) throw new AppError("EVALUATION_NOT_FOUND");
    const { ca } = profileAddress(o.profile);
    const written: { file: string; purpose: string; companies: number }[] = [];
    for (const [purpose, parts] of Map.groupBy(items, (p) => p.purpose)) {
      const opened: Pushed[] = [];
      // Of one run there is one job: rows of another attempt, with other providers, are not mixed in.
      if (new Set(parts.map((p) => p.job)).size > 1) throw new AppError("CLI_SEAL");
      for (const part of parts.toSorted((a, b) => a.part - b.part)) opened.push(await openPush(api, key, ca, guest, part));
      // The platform hands them on: it could leave one out.
      if (opened.some((p, i) => p.part !== i || p.parts !== opened.length)) throw new AppError("CLI_SEAL");
      const file = join(resolve(o.out), `${id}-${purpose}.csv`);
      const lines = opened.flatMap((p) => p.companies.map((c) => `${c.uscc},${c.score},${c.grade ?? ""},${c.coverage},${p.partial ? 1 : 0},${p.basis},${p.asOf},${p.card.id},${p.card.version},${c.objections?.join(" ") ?? ""}`));
      writeDurably(file, `${["uscc,score,grade,coverage,partial,basis,asOf,card,version,objections", ...lines].join("\n")}\n`);
      written.push({ file, purpose, companies: lines.length });
    }
    if (json) printJson({ files: written });
    else printLines(written.map((w) => `${w.file}  ${w.companies}`));
  });
}
