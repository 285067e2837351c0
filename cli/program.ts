// Every command of `yunei`, and the program that they make up.
import { Command } from "commander";
import { packageVersion } from "../enclave/version.ts";

type AddCommand = (program: Command) => void;
// Loaded by need: charts, database and data engine together take longer to load than most commands take to run.
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  demo: async () => (await import("./commands/demo.ts")).addDemo,
  "demo-data": async () => (await import("./commands/demo-data.ts")).addDemoData,
  "demo-consents": async () => (await import("./commands/demo-consents.ts")).addDemoConsents,
  indicators: async () => (await import("./commands/indicators.ts")).addIndicators,
  sandbox: async () => (await import("./commands/sandbox.ts")).addSandbox,
  platform: async () => (await import("./commands/platform.ts")).addPlatform,
  enclave: async () => (await import("./commands/enclave.ts")).addEnclave,
  profile: async () => (await import("./commands/profile.ts")).addProfile,
  job: async () => (await import("./commands/job.ts")).addJob,
  model: async () => (await import("./commands/model.ts")).addModel,
  receipts: async () => (await import("./commands/receipts.ts")).addReceipts,
  company: async () => (await import("./commands/company.ts")).addCompany,
  written: async () => (await import("./commands/written.ts")).addWritten,
  objections: async () => (await import("./commands/objections.ts")).addObjections,
  log: async () => (await import("./commands/log.ts")).addLog,
  verify: async () => (await import("./commands/verify.ts")).addVerify,
  audit: async () => (await import("./commands/audit.ts")).addAudit,
  quality: async () => (await import("./commands/quality.ts")).addQuality,
  usage: async () => (await import("./commands/quality.ts")).addUsage,
  outcomes: async () => (await import("./commands/outcomes.ts")).addOutcomes,
  "served-models": async () => (await import("./commands/outcomes.ts")).addServedModels,
  score: async () => (await import("./commands/score.ts")).addScore,
  scores: async () => (await import("./commands/score.ts")).addScores,
  service: async () => (await import("./commands/service.ts")).addService,
  verification: async () => (await import("./commands/verification.ts")).addVerification,
  watch: async () => (await import("./commands/watch.ts")).addWatch,
  alerts: async () => (await import("./commands/watch.ts")).addAlerts,
  webhook: async () => (await import("./commands/webhook.ts")).addWebhook,
  evaluation: async () => (await import("./commands/evaluation.ts")).addEvaluation,
  catalogue: async () => (await import("./commands/catalogue.ts")).addCatalogue,
  "credit-report": async () => (await import("./commands/credit-report.ts")).addCreditReport,
  subscription: async () => (await import("./commands/subscription.ts")).addSubscription,
};

/** The program with the command of that name, or with all when there is no such command. */
export async function buildProgram(name?: string): Promise<Command> {
  const program = new Command("yunei")
    .description("Joint credit modelling on data that never leaves its domain / 数据不出域的联合信用建模")
    .version(packageVersion())
    .enablePositionalOptions() // `yunei catalogue --version 2021-52` means the catalogue's
    .exitOverride();
  const named = commands[name ?? ""];
  for (const load of named === undefined ? Object.values(commands) : [named]) (await load())(program);
  return program;
}
