// `yunei enclave models …`: versions of the models that a bank serves, in its own enclave: which one answers, which are tried beside it, and back again.
// Works beside a running enclave, which follows within a second.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { z } from "zod";
import type { JobId } from "../../core/brand.ts";
import { jsonOf, sha256Hex } from "../../core/canonical.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig, type EnclaveConfig } from "../../enclave/config.ts";
import { memoryKeyOf } from "../../enclave/data/own.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { readOperators } from "../../enclave/operators/list.ts";
import { GivenScores } from "../../enclave/outcomes/scores.ts";
import { readPolicy } from "../../enclave/policy.ts";
import { ServingChanges, type Outcome, type Proposal, type Signer } from "../../enclave/serving/changes.ts";
import { compareScores } from "../../enclave/serving/compare.ts";
import { keptStatisticsOf, ServingStore } from "../../enclave/serving/store.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { monthNumber } from "../../models/outcomes/record.ts";
import { deploymentNameSchema, registryPolicySchema, type Change, type Evaluation } from "../../serving/registry/events.ts";
import { replay, versionOf, type Deployment } from "../../serving/registry/machine.ts";
import { existingFile, explained, jobName, languageOption, wholeNumber } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { comparedLines, damagedLine, deploymentLines, historyLines, waitingLine, type Damaged } from "../show-models.ts";
import { languageOf, printJson, printLines } from "../terminal.ts";
import { signerOf, signingOptions } from "./enclave-operators.ts";

type Common = { dir: string; json?: boolean; lang?: string };
type Asking = Common & { deployment: string; reason: string; as?: string; passphraseFile?: string; expected?: number };
type Opened = { readonly folder: string; readonly config: EnclaveConfig; readonly db: StateDatabase; readonly store: ServingStore; readonly changes: ServingChanges };

const common = (command: Command): Command => command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
const inDeployment = (command: Command): Command => common(command).requiredOption("--deployment <name>", "name of the deployment", deploymentName);
const asking = (command: Command, reason?: string): Command => {
  const base = signingOptions(inDeployment(command)).option("--expected <revision>", "the revision that you have seen; another one now: nothing is changed", wholeNumber(0, 1_000_000));
  return reason === undefined ? base.requiredOption("--reason <text>", "why; it stands in the record") : base.option("--reason <text>", "why; it stands in the record", reason);
};
const ofVersion = (command: Command): Command => command.requiredOption("--version <number>", "version, from 1", wholeNumber(1, 100_000));

export function addModels(enclave: Command): void {
  const models = enclave.command("models").description("versions of the models that the bank serves: shadow, canary, champion, and back / 在线模型版本：影子、灰度、冠军与回退");
  common(models.command("list").description("deployments, versions with states and shares, and what waits for a second person / 列出")).action(list);
  asking(models.command("register").description("let a service stand for a version of a deployment, which is made if there is none; a new model becomes a candidate / 登记服务为模型版本"), "registered")
    .requiredOption("--service <job>", "id of the service's job", jobName)
    .addOption(new Option("--max-share <percent>", "of a new deployment: what canaries and challengers may have together").argParser(percent).default(5_000, "50"))
    .option("--two-persons", "of a new deployment: changes to what answers need two operators").action(register);
  ofVersion(asking(models.command("evaluate").description("record an evaluation of a version: its report by digest, and what you make of it / 登记评估结果"), "evaluated"))
    .requiredOption("--report <file>", "the report; of `yunei enclave outcomes report` its model and verdict are held against what you say", existingFile)
    .addOption(new Option("--kind <kind>", "what it is").choices(["development", "validation", "shadow", "back-test"]).default("validation"))
    .addOption(new Option("--verdict <verdict>", "what you make of it").choices(["passed", "failed"]).makeOptionMandatory())
    .option("--rows <number>", "companies that it is about, where the report does not say", wholeNumber(1, 100_000_000)).action(evaluate);
  for (const [type, words] of [
    ["shadow", "score beside the champion: the answers stay here / 进入影子"], ["promote", "it answers from now on; the champion is retired / 提升为冠军"], ["demote", "one step back / 降级"],
    ["retire", "out of service / 退役"], ["reinstate", "a retired version that was evaluated since is a candidate again / 恢复为候选"],
  ] as const) ofVersion(asking(models.command(type).description(words))).action((o: Asking & { version: number }) => change(o, { type, version: o.version }));
  for (const [type, words] of [["canary", "it answers a share of the companies, on its way to be champion / 灰度"], ["challenger", "it answers a share of the companies, for comparison / 挑战者"]] as const) {
    ofVersion(asking(models.command(type).description(words))).requiredOption("--share <percent>", "of the companies, 0.01 to 100", percent)
      .action((o: Asking & { version: number; share: number }) => change(o, { type, version: o.version, share: o.share }));
  }
  asking(models.command("rollback").description("the champion before this one answers again, at once / 回退")).action((o: Asking) => change(o, { type: "rollback" }));
  signingOptions(common(models.command("approve").argument("<proposal>", "number, as `list` shows it", wholeNumber(1, 2_000_000_000))
    .description("sign what another operator proposed; then it happens / 第二人批准"))).action(approve);
  inDeployment(models.command("history").description("every change: who, when, why / 变更记录")).action(history);
  ofVersion(inDeployment(models.command("compare").description("scores of a version against another's on the same companies, and what each did / 比较")))
    .option("--against <number>", "version; default: the champion", wholeNumber(1, 100_000)).option("--months <number>", "scores of so many months, this one included", wholeNumber(1, 24), 3).action(compare);
}

function deploymentName(text: string): string {
  if (!deploymentNameSchema.safeParse(text).success) throw new InvalidArgumentError("A deployment's name starts with a-z and has at most 64 characters of a-z, 0-9, _ and -.");
  return text;
}

/** Hundredths of a percent. */
function percent(text: string): number {
  const value = Math.round(Number(text) * 100);
  if (!/^\d{1,3}(\.\d{1,2})?$/.test(text) || value < 1 || value > 10_000) throw new InvalidArgumentError("It is a percentage from 0.01 to 100, e.g. 2.5.");
  return value;
}

async function within<T>(o: Common, work: (opened: Opened) => T | Promise<T>): Promise<T> {
  const folder = resolve(o.dir);
  const config = readConfig(folder);
  const paths = enclavePaths(folder);
  using db = new StateDatabase(paths.state);
  const store = new ServingStore(db);
  const changes = new ServingChanges({ db, store, self: config.party, operators: readOperators(paths.operators), policy: readPolicy(paths.policy), now: Date.now });
  return await work({ folder, config, db, store, changes });
}

async function signer(folder: string, o: { as?: string; passphraseFile?: string; lang?: string }): Promise<Signer> {
  return o.as === undefined ? undefined : signerOf(folder, o.as, o);
}

type Told = { readonly deployment: string; readonly facts?: Readonly<Record<string, number | boolean | string>> };

/** One change, in the audit log too. */
function ask({ folder, changes }: Opened, o: Asking, proposed: Change, { deployment, facts }: Told): Promise<Outcome> {
  return asOperator(folder, { word: `models-${proposed.type}`, facts: { deployment, ...("version" in proposed ? { version: proposed.version } : {}), ...("share" in proposed ? { share: proposed.share } : {}), ...facts } }, async () => {
    const proposal: Proposal = { deployment: o.deployment, expected: o.expected ?? revisionOf(changes, o.deployment), reason: o.reason, change: proposed };
    return changes.ask(proposal, await signer(folder, o));
  });
}

function revisionOf(changes: ServingChanges, deployment: string): number {
  try {
    return changes.state(deployment).revision;
  } catch (error) {
    if (error instanceof AppError && error.code === "SERVING_UNKNOWN") return 0;
    throw error;
  }
}

function change(o: Asking, proposed: Change): Promise<void> {
  return within(o, async (opened) => show(o, await ask(opened, o, proposed, { deployment: o.deployment })));
}

function show(o: Common, outcome: Outcome): void {
  const language = languageOf(o.lang);
  if (o.json === true) printJson(outcome.state === "made" ? { state: outcome.state, deployment: view(outcome.deployment) } : outcome);
  else if (outcome.state === "made") printLines(deploymentLines(outcome.deployment, [], language));
  else printLines([language === "zh" ? `#${outcome.id} 等待第二名操作员签名（已签：${outcome.signedBy.join("、")}）` : `#${outcome.id} waits for a second operator (signed by ${outcome.signedBy.join(", ")})`]);
}

const view = ({ name, revision, changedAt, policy, champion, predecessors, versions }: Deployment) => ({
  name, revision, changedAt: new Date(changedAt).toISOString(), policy, champion, predecessors,
  versions: versions.map(({ version, model, inputs, state, slots, evaluations }) => ({ version, model, inputs, state, share: slots.reduce((sum, [from, to]) => sum + to - from, 0), evaluation: evaluations.at(-1) ?? null })),
});

function list(o: Common): Promise<void> {
  return within(o, async ({ store, changes }) => {
    const services = store.services();
    const damaged: Damaged[] = [];
    const deployments = [...store.revisions().keys()].flatMap((name) => {
      try {
        return [changes.state(name)];
      } catch (error) {
        if (!isAppError(error)) throw error;
        damaged.push({ deployment: name, code: error.code, ...(typeof error.facts["revision"] === "number" && { revision: error.facts["revision"] }) });
        return [];
      }
    });
    const readable = changes.waiting((id) => damaged.push({ proposal: id, code: "SERVING_HISTORY" }));
    const waiting = await Promise.all(readable.map(async (w) => ({ id: w.id, at: new Date(w.at).toISOString(), ...w.proposal, signedBy: await changes.signedBy(w) })));
    if (o.json === true) printJson({ deployments: deployments.map((d) => ({ ...view(d), services: services.filter((s) => s.deployment === d.name) })), waiting, damaged });
    else printLines([...deployments.flatMap((d) => deploymentLines(d, services.filter((s) => s.deployment === d.name), languageOf(o.lang))), ...waiting.map(waitingLine), ...damaged.map(damagedLine)]);
    if (damaged.length === 0) return;
    // The others are shown all the same; JSON has said it.
    if (o.json !== true) throw new AppError("SERVING_HISTORY", { damaged: damaged.length });
    process.exitCode = 1;
  });
}

function register(o: Asking & { service: JobId; maxShare: number; twoPersons?: boolean }, command: Command): Promise<void> {
  return within(o, async (opened) => {
    const { store, changes, config } = opened;
    const { model, inputs } = store.modelOf(o.service, config.party);
    const isBound = store.fits(o);
    const facts = { service: o.service };
    const isThere = revisionOf(changes, o.deployment) > 0;
    if (isThere && (command.getOptionValueSource("maxShare") === "cli" || o.twoPersons === true)) throw explained("CLI_ARGUMENT", "--max-share and --two-persons are of a new deployment; this one is there already");
    if (!isThere) {
      const policy = registryPolicySchema.parse({ maxShare: o.maxShare, twoPersons: o.twoPersons === true });
      await ask(opened, { ...o, expected: 0 }, { type: "create", policy }, { deployment: o.deployment, facts });
    }
    const known = changes.state(o.deployment).versions.find((v) => v.model === model);
    // Another service of the same model stands for the same version; where that one answers, it is a change of what answers.
    if (known !== undefined) return show(o, isBound ? { state: "made", deployment: changes.state(o.deployment) } : await ask(opened, o, { type: "stand", version: known.version, service: o.service }, { deployment: o.deployment, facts }));
    await ask(opened, o, { type: "register", model, inputs }, { deployment: o.deployment, facts });
    store.bind({ service: o.service, deployment: o.deployment, model }, Date.now());
    show(o, { state: "made", deployment: changes.state(o.deployment) });
  });
}

/** What is read of a report on outcomes; another report is taken by its digest alone. */
const reportSchema = z.object({
  backTest: z.object({ model: z.string(), verdict: z.string(), population: z.object({ good: z.number(), bad: z.number() }) }),
});

function evaluate(o: Asking & { version: number; report: string; kind: Evaluation["kind"]; verdict: "passed" | "failed"; rows?: number }): Promise<void> {
  return within(o, async (opened) => {
    const { model } = versionOf(opened.changes.state(o.deployment), o.version);
    const bytes = readFileSync(o.report);
    const report = reportSchema.safeParse(jsonOf(bytes.toString("utf8")));
    const tested = report.success ? report.data.backTest : undefined;
    if (tested !== undefined && (tested.model !== model || (o.verdict === "passed" && tested.verdict === "act"))) throw new AppError("SERVING_REPORT");
    const rows = tested === undefined ? o.rows : tested.population.good + tested.population.bad;
    if (rows === undefined || rows === 0) throw new AppError("CLI_ARGUMENT", { rows: rows ?? 0 });
    const evaluation: Evaluation = { digest: sha256Hex(bytes), model, at: Date.now(), kind: tested === undefined ? o.kind : "back-test", rows, passed: o.verdict === "passed" };
    show(o, await ask(opened, o, { type: "evaluate", version: o.version, evaluation }, { deployment: o.deployment, facts: { passed: evaluation.passed } }));
  });
}

function approve(id: number, o: Common & { as?: string; passphraseFile?: string }): Promise<void> {
  return within(o, async ({ folder, changes }) => {
    show(o, await asOperator(folder, { word: "models-approve", facts: { proposal: id } }, async () => {
      const by = await signer(folder, o);
      if (by === undefined) throw new AppError("OPERATOR_REQUIRED");
      return changes.approve(id, by);
    }));
  });
}

function history(o: Common & { deployment: string }): Promise<void> {
  return within(o, ({ store }) => {
    const events = store.events(o.deployment);
    if (replay(events) === undefined) throw new AppError("SERVING_UNKNOWN");
    if (o.json === true) printJson({ events });
    else printLines(historyLines(events as Parameters<typeof historyLines>[0]));
  });
}

function compare(o: Common & { deployment: string; version: number; against?: number; months: number }): Promise<void> {
  return within(o, ({ folder, db, changes }) => {
    const state = changes.state(o.deployment);
    const other = o.against ?? state.champion;
    if (other === null) throw new AppError("SERVING_NO_CHAMPION");
    const paths = enclavePaths(folder);
    const scores = new GivenScores({ db, box: SecretBox.open(paths.box, systemRng), memoryKey: memoryKeyOf(paths.box) });
    const to = monthNumber(new Date(Date.now()).toISOString().slice(0, 7));
    const found = { version: o.version, against: other, ...compareScores(scores, { model: versionOf(state, o.version).model, against: versionOf(state, other).model, from: to - o.months + 1, to }), since: keptStatisticsOf(db, o.deployment) ?? null };
    if (o.json === true) printJson(found);
    else printLines(comparedLines(found, languageOf(o.lang)));
  });
}
