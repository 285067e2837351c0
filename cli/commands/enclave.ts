// `yunei enclave`: the commands of a data provider or bank beside its own data.
import { halfDigestsSchema } from "../../enclave/job/halves.ts";
import { spawn } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { enrolTokenSchema } from "../../api/contract.ts";
import type { JobId } from "../../core/brand.ts";
import { wordOf } from "../../audit/entry.ts";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig, type EnclaveConfig } from "../../enclave/config.ts";
import { loadDataset } from "../../enclave/data/load.ts";
import { lacksDeclaration, requireDeclaration } from "../../enclave/data/own.ts";
import { enrol, renew } from "../../enclave/enrol.ts";
import { JobRecords } from "../../enclave/job/records.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { certificatesEnd, fingerprint, loadIdentity } from "../../enclave/keys/identity.ts";
import { approvalsNeeded, countDecisions } from "../../enclave/operators/decisions.ts";
import { readOperators } from "../../enclave/operators/list.ts";
import { readPolicy, ruleFor } from "../../enclave/policy.ts";
import { RefreshStore } from "../../enclave/refresh/store.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { writeDurably } from "../../core/files.ts";
import { jobPlanSchema, planDigest, type JobPlan } from "../../federation/plan-schema.ts";
import { existingFolder, explained, httpsUrl, jobName, languageOption, wholeNumber } from "../arguments.ts";
import { datasetOf, datasetOptions, readDefinition, type DatasetOptions } from "../dataset.ts";
import { askedFields } from "../claims/show.ts";
import { asOperator } from "../operated.ts";
import { addEnclaveAudit } from "./enclave-audit.ts";
import { addEnclaveObjections } from "./enclave-objections.ts";
import { addEnclaveOperators, signAs, signingOptions } from "./enclave-operators.ts";
import { addBatches } from "./enclave-batches.ts";
import { addOwnModels } from "./enclave-own-models.ts";
import { addModels } from "./enclave-models.ts";
import { addBudgets } from "./enclave-budgets.ts";
import { addOutcomes } from "./enclave-outcomes.ts";
import { addEnclaveReceipts } from "./enclave-receipts.ts";
import { addPublishItems } from "./enclave-public.ts";
import { addEnclaveCatalogue } from "./enclave-catalogue.ts";
import { addEnclaveRegistrars } from "./enclave-registrars.ts";
import { addQuality, addUsage } from "./enclave-quality.ts";
import { addRefresh } from "./enclave-refresh.ts";
import { addPublishTags } from "./enclave-tags.ts";
import { bubblewrapWorks, enclaveCommand } from "../processes.ts";
import { stateWord, statusLines, type EnclaveJobStatus, type EnclaveStatus } from "../show.ts";
import { exitWith } from "../stop.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Common = { dir: string; json?: boolean; lang?: string };
type InitOptions = Common & { token: string; url: string; enclaveUrl: string; data: string; dataset: string; split?: string; ownData?: boolean; workers: number };
type DecideOptions = Common & { as?: string; passphraseFile?: string };

function common(command: Command): Command {
  return command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
}

export function addEnclave(program: Command): void {
  const enclave = program.command("enclave").description("run an enclave beside your own data / 在本方数据旁运行节点");
  common(enclave.command("init")
    .description("check the data, enrol, write the configuration, and a policy that refuses everything / 初始化并注册节点"))
    .requiredOption("--token <token>", "enrolment token from the platform's operator")
    .requiredOption("--url <url>", "https://host:port of the platform's API", httpsUrl)
    .requiredOption("--enclave-url <url>", "https://host:port of its enclave listener", httpsUrl)
    .requiredOption("--data <folder>", "folder with the data files").requiredOption("--dataset <file>", "dataset.json: what the files mean")
    .option("--split <file>", "CSV with the id column and `part`, train or test; in the data folder")
    .option("--own-data", "the data are this party's own, no information of the sharing lists: they need no declaration")
    .option("--workers <number>", "threads for the kernels", wholeNumber(1, 64), 2)
    .action(init);
  common(enclave.command("renew")
    .description("new certificates for the same identity; the old one for TLS stops, so start the enclave again after it / 更新证书（身份密钥不变），之后请重启节点"))
    .requiredOption("--token <token>", "a new enrolment token from the platform's operator")
    .requiredOption("--url <url>", "https://host:port of the platform's API", httpsUrl).action(renewCertificates);
  enclave.command("start").description("run until stopped; resumes unfinished jobs / 启动节点，自动恢复未完成任务")
    .requiredOption("--dir <folder>", "folder of this enclave").action(startEnclave);
  datasetOptions(enclave.command("check")
    .description("load the data and say what is wrong, without the platform: --dir, or --data and --dataset before init / 检查数据")).action(check);
  addRefresh(enclave);
  addPublishItems(enclave);
  addPublishTags(enclave);
  addEnclaveObjections(enclave);
  addQuality(enclave);
  addUsage(enclave);
  addBudgets(enclave);
  addOutcomes(enclave);
  addOwnModels(enclave);
  addBatches(enclave);
  addModels(enclave);
  addEnclaveCatalogue(enclave);
  addEnclaveRegistrars(enclave);
  addEnclaveReceipts(enclave);
  addEnclaveAudit(enclave);
  common(enclave.command("status").description("identity, policy, models, and jobs with what each party would learn / 查看身份、策略、模型与任务"))
    .action(status);
  signingOptions(common(enclave.command("approve").argument("<job>", "job id", jobName)
    .description("approve a job that the policy leaves to a person; with four eyes, two operators sign / 批准任务")))
    .action((job: JobId, o: DecideOptions) => decide(o, job, "approve"));
  signingOptions(common(enclave.command("refuse").argument("<job>", "job id", jobName).description("refuse it / 拒绝任务")))
    .action((job: JobId, o: DecideOptions) => decide(o, job, "refuse"));
  addEnclaveOperators(enclave);
}

async function init(o: InitOptions): Promise<void> {
  const folder = resolve(o.dir);
  const paths = enclavePaths(folder);
  if (existsSync(paths.config) || existsSync(paths.keys)) throw explained("CLI_EXISTS", `already an enclave: ${o.dir}`);
  if (!enrolTokenSchema.safeParse(o.token).success) throw new AppError("ENROL_TOKEN");
  const dataset = readDefinition(o.dataset);
  const dataFolder = existingFolder(o.data);
  if (o.split !== undefined && !existsSync(resolve(dataFolder, o.split))) throw explained("CLI_FILE", `not in the data folder: ${o.split}`);
  // Before the token is spent: data that cannot be loaded is found here.
  requireDeclaration({ dataset, ownData: o.ownData });
  await loadDataset(dataset, { directory: dataFolder, log: silentLog });
  const { party } = await enrolOrLeaveNothing(o, paths.keys);
  const config: EnclaveConfig = {
    version: 1, party, platform: o.enclaveUrl, dataset, dataFolder, workers: o.workers, peerTimeoutSeconds: 86_400,
    ...(o.split === undefined ? {} : { splitFile: o.split }), ...(o.ownData === true ? { ownData: true } : {}),
  };
  if (!existsSync(paths.policy)) writeDurably(paths.policy, `${JSON.stringify({ version: 1, allow: [], pinned: {} }, undefined, 2)}\n`);
  writeDurably(paths.config, `${JSON.stringify(config, undefined, 2)}\n`);
  if (o.json === true) printJson({ party, folder, policy: paths.policy });
  else {
    printLines([`${party}  ${folder}`]);
    remark(languageOf(o.lang), {
      en: `The policy refuses everything until you add a rule: ${paths.policy}`, zh: `策略默认拒绝一切，请添加规则：${paths.policy}`,
    });
  }
}

async function renewCertificates(o: Common & { token: string; url: string }): Promise<void> {
  const folder = resolve(o.dir);
  const { party } = readConfig(folder);
  const until = await asOperator(folder, { word: "renew" }, async () =>
    new Date(certificatesEnd(await renew({ url: o.url, token: o.token, keyFolder: enclavePaths(folder).keys, party }))).toISOString());
  if (o.json === true) printJson({ party, certificatesUntil: until });
  else {
    printLines([`${party}  ${until}`]);
    remark(languageOf(o.lang), { en: "A running enclave still uses the old certificate: start it again.", zh: "正在运行的节点仍使用旧证书，请重新启动。" });
  }
}

/** Keys that got no certificates are of no use and would stand in the way of the next attempt. */
async function enrolOrLeaveNothing(o: InitOptions, keys: string): Promise<{ party: EnclaveConfig["party"] }> {
  try {
    return await enrol({ url: o.url, token: o.token, keyFolder: keys });
  } catch (error) {
    rmSync(keys, { recursive: true, force: true });
    throw error;
  }
}

/** Throws CLI_FILE, CLI_JSON, or DATA_DEFINITION after naming each problem on stderr. */
async function startEnclave(o: { dir: string }): Promise<void> {
  const folder = resolve(o.dir);
  const { dataFolder } = readConfig(folder);
  const { file, args, env } = enclaveCommand(folder, dataFolder, { bubblewrap: bubblewrapWorks() });
  process.exitCode = await exitWith(spawn(file, args, { stdio: "inherit", env }));
}

async function check(o: DatasetOptions): Promise<void> {
  const config = datasetOf(o);
  const { dataset, dataFolder } = config;
  if (o.dir !== undefined) requireDeclaration(config);
  const data = await loadDataset(dataset, { directory: dataFolder, log: silentLog });
  const bads = data.label?.reduce((a, b) => a + b, 0);
  const { rows, features, skipped, snapshotDigest, catalogue } = data;
  const found = { rows, features: features.length, skipped: skipped.length, snapshotDigest, ...(catalogue && { items: catalogue.items.length }), ...(bads === undefined ? {} : { bads }) };
  const fields = data.verifiable?.counts() ?? [];
  if (o.json === true) printJson({ ...found, ...(fields.length > 0 && { verification: fields }) });
  else {
    printLines([
      ...Object.entries(found).map(([name, value]) => `${name}: ${value}`),
      ...fields.map(({ name, type, entries, unreadable, blind }) => `verification ${name}: ${type}, ${entries} entries, ${unreadable} not readable${blind ? ", also blind" : ""}`),
    ]);
  }
  if (lacksDeclaration(config)) {
    remark(languageOf(o.lang), {
      en: "The definition has no `catalogue`: `enclave init` will want it, or --own-data.", zh: "数据集定义未填写 catalogue：enclave init 将要求填写，或使用 --own-data。",
    });
  }
}

function withRecords<T>(folder: string, work: (records: JobRecords, db: StateDatabase) => T): T {
  const paths = enclavePaths(folder);
  using db = new StateDatabase(paths.state);
  return work(new JobRecords({ db, box: SecretBox.open(paths.box, systemRng), rng: systemRng, now: Date.now }), db);
}

async function status(o: Common): Promise<void> {
  const folder = resolve(o.dir);
  const paths = enclavePaths(folder);
  const { party } = readConfig(folder);
  const identity = loadIdentity(paths.keys, party);
  const policy = readPolicy(paths.policy);
  const found = withRecords(folder, (records, db): EnclaveStatus => ({
    party, identity: fingerprint(createPublicKey(identity.signKey)), policyRules: policy?.allow.length ?? null,
    certificatesUntil: new Date(certificatesEnd(identity)).toISOString(),
    data: dataStatus(new RefreshStore(db)),
    jobs: records.list().map((job) => jobStatus(party, job)),
    models: db.all("select model, kind, job, version, digests from models").map((r) => ({
      model: String(r["model"]), kind: String(r["kind"]), job: String(r["job"]), version: Number(r["version"]),
      ...(r["digests"] === null ? {} : { digests: halfDigestsSchema.parse(JSON.parse(String(r["digests"]))) }),
    })),
  }));
  for (const { plan, signed } of waitingForTwo(folder, policy)) {
    const { approved } = await countDecisions(signed, { job: plan.job, party, planDigest: planDigest(plan) }, readOperators(paths.operators));
    const job = found.jobs.find((known) => known.job === plan.job);
    if (job !== undefined) job.fourEyes = { approvedBy: approved, needed: approvalsNeeded };
  }
  if (o.json === true) printJson(found);
  else printLines(statusLines(found, languageOf(o.lang)));
}

function dataStatus(store: RefreshStore): EnclaveStatus["data"] {
  const { inService, refused } = store.view();
  const at = (time: number | null): string => new Date(time ?? 0).toISOString();
  return {
    inService: inService === undefined ? null : { rows: inService.rows ?? 0, snapshotDigest: inService.snapshotDigest ?? "", since: at(inService.endedAt) },
    notTaken: refused === undefined || refused.code === null ? null : { code: refused.code, facts: refused.facts, at: at(refused.endedAt) },
  };
}

/** Plans that wait for two operators, with what was signed so far. */
function waitingForTwo(folder: string, policy: ReturnType<typeof readPolicy>): { plan: JobPlan; signed: readonly string[] }[] {
  return withRecords(folder, (records) => records.list().filter((row) => row.state === "seen").map((row) => jobPlanSchema.parse(JSON.parse(row.plan)))
    .filter((plan) => ruleFor(plan, policy)?.approve === "four-eyes").map((plan) => ({ plan, signed: records.operatorDecisions(plan.job) })));
}

function jobStatus(party: string, { job, state, code, plan }: ReturnType<JobRecords["list"]>[number]): EnclaveJobStatus {
  const parsed = jobPlanSchema.parse(JSON.parse(plan));
  const { kind, guest, purpose, hosts, leakage, attacks, sealTo } = parsed;
  const base = { job, state, code: code as EnclaveJobStatus["code"], kind, guest, purpose, hosts, ...(guest === party ? { sealTo: sealTo.x } : {}) };
  if (state !== "seen") return base;
  const [out, into] = [leakage.filter((l) => l.from === party), leakage.filter((l) => l.to === party)];
  const fields = askedFields(parsed, guest === party ? undefined : party);
  return { ...base, ...(fields.length > 0 && { fields }), othersWouldLearn: out, thisPartyWouldLearn: into, measuredAttacks: attacks };
}

async function decide(o: DecideOptions, job: JobId, decision: "approve" | "refuse"): Promise<void> {
  const folder = resolve(o.dir);
  readConfig(folder);
  const known = withRecords(folder, (records) => records.list().find((row) => row.job === job));
  if (known === undefined) throw new AppError("JOB_NOT_FOUND");
  const plan = jobPlanSchema.parse(JSON.parse(known.plan));
  const isFourEyes = ruleFor(plan, readPolicy(enclavePaths(folder).policy))?.approve === "four-eyes";
  // Anybody here may refuse; an approval under four eyes is a signature.
  if (isFourEyes && decision === "approve" && o.as === undefined) throw new AppError("OPERATOR_REQUIRED");
  // A wrong key or passphrase stands in the log, too.
  const command = async (): Promise<void> => {
    const signed = o.as === undefined ? undefined : await signAs(folder, o.as, { job, planDigest: planDigest(plan), decision }, o);
    withRecords(folder, (records) => record(records, signed));
  };
  const record = (records: JobRecords, signed: string | undefined): void => {
    const state = records.state(job);
    if (state === undefined) throw new AppError("JOB_NOT_FOUND");
    if (state === "approved" && decision === "approve") return;
    if (state !== "seen") throw explained("JOB_ENDED", `${job}: ${stateWord(state, languageOf(o.lang))}`);
    if (o.as === undefined || signed === undefined) records.decide(job, decision);
    else records.addOperatorDecision(job, o.as, signed);
  };
  await asOperator(folder, { word: decision, objects: { job }, ...(o.as === undefined ? {} : { facts: { as: wordOf(`operator/${o.as}`) } }) }, command);
  if (o.json === true) printJson({ job, decision });
  else printLines([`${job}  ${decision}`]);
}
