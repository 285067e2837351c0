// `yunei enclave`: the commands of a data provider or bank beside its own data.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { AppError } from "../../core/errors.ts";
import { silentLog } from "../../core/env.ts";
import { jobIdSchema } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig, type EnclaveConfig } from "../../enclave/config.ts";
import { definitionProblems, parseDefinition } from "../../enclave/data/definition.ts";
import { loadDataset } from "../../enclave/data/load.ts";
import { enrol } from "../../enclave/enrol.ts";
import { JobRecords } from "../../enclave/job/records.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { fingerprint, loadIdentity } from "../../enclave/keys/identity.ts";
import { readPolicy } from "../../enclave/policy.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { writeDurably } from "../../enclave/store/files.ts";
import { jobPlanSchema } from "../../federation/plan-schema.ts";
import { createPublicKey } from "node:crypto";
import { bubblewrapWorks, enclaveCommand } from "../processes.ts";

const print = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
};

export function addEnclave(program: Command): void {
  const enclave = program.command("enclave").summary("run an enclave beside your own data / 在本方数据旁运行节点");
  enclave.command("init").summary("enrol and write the configuration; a policy that refuses everything is written beside it")
    .requiredOption("--dir <folder>", "folder of this enclave").requiredOption("--token <token>", "enrolment token from the platform's operator")
    .requiredOption("--url <url>", "https://host:port of the platform's API").requiredOption("--enclave-url <url>", "https://host:port of its enclave listener")
    .requiredOption("--data <folder>", "folder with the data files").requiredOption("--dataset <file>", "dataset.json: what the files mean")
    .option("--split <file>", "CSV id,part in the data folder").option("--workers <number>", "threads for the kernels", "2")
    .action(init);
  enclave.command("start").summary("run until stopped; resumes unfinished jobs").requiredOption("--dir <folder>", "folder of this enclave").action(startEnclave);
  enclave.command("check").summary("load the data and say what is wrong, without the platform").requiredOption("--dir <folder>", "folder of this enclave").action(check);
  enclave.command("status").summary("jobs, models, policy and identity of this enclave").requiredOption("--dir <folder>", "folder of this enclave").action(status);
  enclave.command("approve <job>").summary("approve a job that the policy leaves to a person").requiredOption("--dir <folder>", "folder of this enclave")
    .action((job: string, o: { dir: string }) => decide(o.dir, job, "approve"));
  enclave.command("refuse <job>").summary("refuse it").requiredOption("--dir <folder>", "folder of this enclave")
    .action((job: string, o: { dir: string }) => decide(o.dir, job, "refuse"));
}

async function init(o: { dir: string; token: string; url: string; enclaveUrl: string; data: string; dataset: string; split?: string; workers: string }): Promise<void> {
  const folder = resolve(o.dir);
  const paths = enclavePaths(folder);
  const raw: unknown = JSON.parse(readFileSync(o.dataset, "utf8"));
  for (const problem of definitionProblems(raw)) process.stderr.write(`  ${problem}\n`);
  const dataset = parseDefinition(raw);
  const { party } = await enrol({ url: o.url, token: o.token, keyFolder: paths.keys });
  const config: EnclaveConfig = {
    version: 1, party, platform: o.enclaveUrl, dataset, dataFolder: resolve(o.data), workers: Number(o.workers), peerTimeoutSeconds: 86_400,
    ...(o.split === undefined ? {} : { splitFile: o.split }),
  };
  writeDurably(paths.config, `${JSON.stringify(config, undefined, 2)}\n`);
  writeDurably(paths.policy, `${JSON.stringify({ version: 1, allow: [], pinned: {} }, undefined, 2)}\n`);
  print({ party, folder, policy: paths.policy, note: "the policy refuses everything until you add a rule / 策略默认拒绝一切，请添加规则" });
}

async function startEnclave(o: { dir: string }): Promise<void> {
  const folder = resolve(o.dir);
  const { dataFolder } = readConfig(folder);
  const { file, args, env } = enclaveCommand(folder, dataFolder, { bubblewrap: bubblewrapWorks() });
  const child = spawn(file, args, { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise<number>((done) => child.once("exit", (code) => done(code ?? 1)));
}

async function check(o: { dir: string }): Promise<void> {
  const config = readConfig(resolve(o.dir));
  const data = await loadDataset(config.dataset, { directory: config.dataFolder, log: silentLog });
  const bads = data.label?.reduce((a, b) => a + b, 0);
  print({ rows: data.rows, features: data.features.length, skipped: data.skipped.length, snapshotDigest: data.snapshotDigest, ...(bads === undefined ? {} : { bads }) });
}

function withRecords<T>(folder: string, work: (records: JobRecords, db: StateDatabase) => T): T {
  const paths = enclavePaths(folder);
  using db = new StateDatabase(paths.state);
  return work(new JobRecords({ db, box: SecretBox.open(paths.box, systemRng), rng: systemRng, now: Date.now }), db);
}

function status(o: { dir: string }): void {
  const folder = resolve(o.dir);
  const paths = enclavePaths(folder);
  const config = readConfig(folder);
  const identity = loadIdentity(paths.keys, config.party);
  const policy = readPolicy(paths.policy);
  withRecords(folder, (records, db) => print({
    party: config.party, identity: fingerprint(createPublicKey(identity.signKey)), policyRules: policy?.allow.length ?? 0,
    jobs: records.list().map(({ job, state, code, plan }) => {
      const { kind, guest, purpose, leakage } = jobPlanSchema.parse(JSON.parse(plan));
      const learns = leakage.filter((l) => l.from === config.party && l.reveals.en !== "").map((l) => ({ to: l.to, numbers: l.numbers, en: l.reveals.en, zh: l.reveals.zh }));
      return { job, state, code, kind, guest, purpose, ...(state === "seen" ? { othersWouldLearn: learns } : {}) };
    }),
    models: db.all("select model, kind, job from models").map((r) => ({ model: String(r["model"]), kind: String(r["kind"]), job: String(r["job"]) })),
  }));
}

function decide(dir: string, job: string, decision: "approve" | "refuse"): void {
  const id = jobIdSchema.safeParse(job);
  if (!id.success) throw new AppError("CLI_ARGUMENT");
  withRecords(resolve(dir), (records) => {
    if (records.state(id.data) === undefined) throw new AppError("JOB_NOT_FOUND");
    records.decide(id.data, decision);
  });
  print({ job, decision });
}
