// `yunei enclave`: the commands of a data provider or bank beside its own data.
import { halfDigestsSchema } from "../../enclave/job/halves.ts";
import { spawn } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { enrolTokenSchema } from "../../api/contract.ts";
import type { JobId } from "../../core/brand.ts";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig, type EnclaveConfig } from "../../enclave/config.ts";
import { definitionProblems, parseDefinition, type DatasetDefinition } from "../../enclave/data/definition.ts";
import { loadDataset } from "../../enclave/data/load.ts";
import { enrol } from "../../enclave/enrol.ts";
import { JobRecords } from "../../enclave/job/records.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { fingerprint, loadIdentity } from "../../enclave/keys/identity.ts";
import { readPolicy } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { writeDurably } from "../../core/files.ts";
import { jobPlanSchema } from "../../federation/plan-schema.ts";
import { existingFile, existingFolder, explained, httpsUrl, jobName, languageOption, readJson, wholeNumber } from "../arguments.ts";
import { addPublishTags } from "./enclave-tags.ts";
import { bubblewrapWorks, enclaveCommand } from "../processes.ts";
import { stateWord, statusLines, type EnclaveJobStatus, type EnclaveStatus } from "../show.ts";
import { exitWith } from "../stop.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";

type Common = { dir: string; json?: boolean; lang?: string };
type InitOptions = Common & { token: string; url: string; enclaveUrl: string; data: string; dataset: string; split?: string; workers: number };
type CheckOptions = { dir?: string; data?: string; dataset?: string; json?: boolean; lang?: string };

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
    .option("--workers <number>", "threads for the kernels", wholeNumber(1, 64), 2)
    .action(init);
  enclave.command("start").description("run until stopped; resumes unfinished jobs / 启动节点，自动恢复未完成任务")
    .requiredOption("--dir <folder>", "folder of this enclave").action(startEnclave);
  enclave.command("check")
    .description("load the data and say what is wrong, without the platform: --dir, or --data and --dataset before init / 检查数据")
    .option("--dir <folder>", "folder of this enclave").option("--data <folder>", "folder with the data files")
    .option("--dataset <file>", "dataset.json")
    .option("--json", "print JSON").addOption(languageOption()).action(check);
  addPublishTags(enclave);
  common(enclave.command("status").description("identity, policy, models, and jobs with what each party would learn / 查看身份、策略、模型与任务"))
    .action(status);
  common(enclave.command("approve").argument("<job>", "job id", jobName)
    .description("approve a job that the policy leaves to a person / 批准任务"))
    .action((job: JobId, o: Common) => decide(o, job, "approve"));
  common(enclave.command("refuse").argument("<job>", "job id", jobName).description("refuse it / 拒绝任务"))
    .action((job: JobId, o: Common) => decide(o, job, "refuse"));
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
  await loadDataset(dataset, { directory: dataFolder, log: silentLog });
  const { party } = await enrolOrLeaveNothing(o, paths.keys);
  const config: EnclaveConfig = {
    version: 1, party, platform: o.enclaveUrl, dataset, dataFolder, workers: o.workers, peerTimeoutSeconds: 86_400,
    ...(o.split === undefined ? {} : { splitFile: o.split }),
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
function readDefinition(file: string): DatasetDefinition {
  const raw = readJson(file);
  for (const problem of definitionProblems(raw)) process.stderr.write(`  ${problem}\n`);
  return parseDefinition(raw);
}

async function startEnclave(o: { dir: string }): Promise<void> {
  const folder = resolve(o.dir);
  const { dataFolder } = readConfig(folder);
  const { file, args, env } = enclaveCommand(folder, dataFolder, { bubblewrap: bubblewrapWorks() });
  process.exitCode = await exitWith(spawn(file, args, { stdio: "inherit", env }));
}

async function check(o: CheckOptions): Promise<void> {
  const { dataset, dataFolder } = checked(o);
  const data = await loadDataset(dataset, { directory: dataFolder, log: silentLog });
  const bads = data.label?.reduce((a, b) => a + b, 0);
  const { rows, features, skipped, snapshotDigest } = data;
  const found = { rows, features: features.length, skipped: skipped.length, snapshotDigest, ...(bads === undefined ? {} : { bads }) };
  if (o.json === true) printJson(found);
  else printLines(Object.entries(found).map(([name, value]) => `${name}: ${value}`));
}

function checked(o: CheckOptions): { dataset: DatasetDefinition; dataFolder: string } {
  if (o.dir !== undefined && o.data === undefined && o.dataset === undefined) return readConfig(resolve(o.dir));
  if (o.dir !== undefined || o.dataset === undefined) throw explained("CLI_ARGUMENT", "either --dir, or --dataset with --data");
  const dataset = readDefinition(existingFile(o.dataset));
  return { dataset, dataFolder: existingFolder(o.data ?? dirname(o.dataset)) };
}

function withRecords<T>(folder: string, work: (records: JobRecords, db: StateDatabase) => T): T {
  const paths = enclavePaths(folder);
  using db = new StateDatabase(paths.state);
  return work(new JobRecords({ db, box: SecretBox.open(paths.box, systemRng), rng: systemRng, now: Date.now }), db);
}

function status(o: Common): void {
  const folder = resolve(o.dir);
  const paths = enclavePaths(folder);
  const { party } = readConfig(folder);
  const identity = loadIdentity(paths.keys, party);
  const policy = readPolicy(paths.policy);
  const found = withRecords(folder, (records, db): EnclaveStatus => ({
    party, identity: fingerprint(createPublicKey(identity.signKey)), policyRules: policy?.allow.length ?? null,
    jobs: records.list().map((job) => jobStatus(party, job)),
    models: db.all("select model, kind, job, version, digests from models").map((r) => ({
      model: String(r["model"]), kind: String(r["kind"]), job: String(r["job"]), version: Number(r["version"]),
      ...(r["digests"] === null ? {} : { digests: halfDigestsSchema.parse(JSON.parse(String(r["digests"]))) }),
    })),
  }));
  if (o.json === true) printJson(found);
  else printLines(statusLines(found, languageOf(o.lang)));
}

function jobStatus(party: string, { job, state, code, plan }: ReturnType<JobRecords["list"]>[number]): EnclaveJobStatus {
  const { kind, guest, purpose, hosts, leakage, attacks, sealTo } = jobPlanSchema.parse(JSON.parse(plan));
  const base = { job, state, code: code as EnclaveJobStatus["code"], kind, guest, purpose, hosts, ...(guest === party ? { sealTo: sealTo.x } : {}) };
  if (state !== "seen") return base;
  const [out, into] = [leakage.filter((l) => l.from === party), leakage.filter((l) => l.to === party)];
  return { ...base, othersWouldLearn: out, thisPartyWouldLearn: into, measuredAttacks: attacks };
}

function decide(o: Common, job: JobId, decision: "approve" | "refuse"): void {
  const folder = resolve(o.dir);
  readConfig(folder);
  withRecords(folder, (records) => {
    const state = records.state(job);
    if (state === undefined) throw new AppError("JOB_NOT_FOUND");
    if (state === "approved" && decision === "approve") return;
    if (state !== "seen") throw explained("JOB_ENDED", `${job}: ${stateWord(state, languageOf(o.lang))}`);
    records.decide(job, decision);
  });
  if (o.json === true) printJson({ job, decision });
  else printLines([`${job}  ${decision}`]);
}
