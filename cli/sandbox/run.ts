// The whole topology on one machine: platform and one enclave process per party, real sockets, one training job.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openAdmin, initialisePlatform } from "../../api/admin.ts";
import type { JobEvent } from "../../api/contract.ts";
import type { Env } from "../../core/env.ts";
import { silentLog } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import { systemRng } from "../../core/rng.ts";
import { loadBatch } from "../../enclave/batch/load.ts";
import { stageBatch, stageOptions } from "../../enclave/batch/stage.ts";
import { stageChallenger } from "../../enclave/challenger.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { writeDurably } from "../../core/files.ts";
import { renderReport } from "../../report/html.ts";
import { jointReportSchema, type JointReport } from "../../report/schema.ts";
import type { NetworkLimits } from "../arguments.ts";
import { ApiClient } from "../api-client.ts";
import { copyExport, exportable, requestExport } from "../export.ts";
import { createInstitutionKey, openSealed, type InstitutionKey } from "../institution-key.ts";
import { bubblewrapWorks, startEnclave, startPlatform, type Started } from "../processes.ts";
import { itemsFor, LocalRegistrar } from "../local-registrar.ts";
import { copyExplanations, scoreWithFallback } from "../score.ts";
import type { ModelRequest } from "../model-request.ts";
import { scorable } from "../scorable.ts";
import { partyFolder, setUpParty, type SandboxParty } from "./parties.ts";

export type SandboxOptions = {
  readonly guest: SandboxParty; readonly hosts: readonly SandboxParty[];
  /** Limits of every process's connection to the platform. */
  readonly network?: NetworkLimits | undefined;
  readonly model: ModelRequest; readonly out: string; readonly keep: boolean; readonly workers: number;
  /** A file of companies to score with the new model, written to `out/batch`. */
  readonly batch?: string;
  /** The companies of the batch consent to it: a registrar of this sandbox, which the providers' policies name, signs for each. */
  readonly consents?: boolean;
  /** Explains the batch with so many reasons, of the guest's own columns and the providers' data together: no provider tells more for it. */
  readonly reasons?: number;
  /** Write the whole model to `out/model`: every party's policy then allows it. */
  readonly export?: boolean;
  /** The bank's own ONNX model, whose digest is in the parameters. */
  readonly challenger?: string;
  readonly say: (event: SandboxEvent) => void;
};
export type SandboxEvent = { readonly kind: "step"; readonly en: string; readonly zh: string } | { readonly kind: "job"; readonly event: JobEvent };
export type SandboxResult = { readonly report: JointReport; readonly out: string; readonly exported: readonly string[]; readonly wallSeconds: number };

const peerTimeoutSeconds = 600;
const batchWaitSeconds = 30;
const stoppedStatus = 130;

/** Runs the job and writes report.json, report.html and scores.csv to `out`. The work folder is removed unless `keep`. */
export async function runSandbox(options: SandboxOptions): Promise<SandboxResult> {
  const began = process.uptime();
  const work = mkdtempSync(join(tmpdir(), "yunei-"));
  const running: Started<unknown>[] = [];
  const clear = (): void => {
    if (!options.keep) rmSync(work, { recursive: true, force: true });
  };
  // Stopped from outside: neither processes nor a folder with keys and data stay behind.
  const abandon = (): void => {
    for (const p of running) p.process.kill("SIGKILL");
    clear();
    process.exit(stoppedStatus);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, abandon);
  try {
    const { report, scores, batch, exported } = await runIn(work, options, running);
    const out = resolve(options.out);
    if (batch !== undefined) {
      writeDurably(join(out, "batch", "scores.csv"), batch.scores);
      writeDurably(join(out, "batch", "score.json"), `${batch.summary}\n`);
    }
    const full: JointReport = { ...report, peakRssMb: { ...report.peakRssMb, ...peakOf(running) } };
    writeDurably(join(out, "report.json"), `${JSON.stringify(full, undefined, 2)}\n`);
    writeDurably(join(out, "report.html"), renderReport(full));
    writeDurably(join(out, "scores.csv"), scores);
    return { report: full, out, exported, wallSeconds: process.uptime() - began };
  } finally {
    await Promise.all(running.map((p) => p.stop()));
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeListener(signal, abandon);
    clear();
  }
}

async function runIn(work: string, options: SandboxOptions, running: Started<unknown>[]): Promise<Results> {
  const { guest, hosts, say, reasons = 0 } = options;
  const env: Env = { rng: systemRng, now: Date.now, log: silentLog };
  const data = join(work, "platform");
  await initialisePlatform({ data, env });
  const logs = join(work, "logs");
  say({ kind: "step", en: "starting the platform", zh: "启动平台" });
  const platform = await startPlatform(data, join(logs, "platform.log"), { api: 0, enclave: 0 });
  running.push(platform);
  const apiUrl = `https://127.0.0.1:${platform.ready.apiPort}`;
  const enclaveUrl = `https://127.0.0.1:${platform.ready.enclavePort}`;

  const admin = await openAdmin({ data, env });
  const key = createInstitutionKey();
  const registrar = options.consents === true ? new LocalRegistrar(env) : undefined;
  const parties = [guest, ...hosts];
  let apiKey: string;
  try {
    for (const party of parties) {
      await setUpParty(party, {
        folder: partyFolder(work, party.name), apiUrl, enclaveUrl, token: await admin.createEnrolToken(party.name),
        guest: guest.name, sealTo: key.publicJwk.x, hosts: hosts.length, kinds: [options.model.kind, "score", ...(options.export === true ? ["export"] as const : [])], experiments: options.model.params["liftFloors"] === true, workers: options.workers, network: options.network, peerTimeoutSeconds, ...(registrar && { registrars: registrar.policy }),
      });
    }
    if (options.challenger !== undefined) await stageChallenger(enclavePaths(partyFolder(work, guest.name)).models, resolve(options.challenger));
    ({ apiKey } = await admin.addInstitution({ name: guest.name, guest: guest.name, sealTo: key.publicJwk }));
  } finally {
    await admin.close();
  }
  say({ kind: "step", en: `starting ${parties.length} enclaves`, zh: `启动 ${parties.length} 个节点` });
  const bubblewrap = bubblewrapWorks();
  const enclaves = await Promise.allSettled(parties.map((p) =>
    startEnclave(p.name, partyFolder(work, p.name), p.dataFolder, join(logs, `${p.name}.log`), bubblewrap)));
  for (const e of enclaves) if (e.status === "fulfilled") running.push(e.value);
  const failed = enclaves.find((e) => e.status === "rejected");
  if (failed !== undefined) throw failed.reason;

  await using api = new ApiClient({ url: apiUrl, apiKey, ca: readFileSync(join(data, "ca.pem"), "utf8") });
  await datasetsPublished(api, parties.length);
  const job = await api.submit({ kind: options.model.kind, guest: guest.name, hosts: hosts.map((h) => h.name), purpose: "model-development", params: options.model.params });
  for await (const event of api.events(job.id)) {
    say({ kind: "job", event });
    if (event.type === "state" && event.failure !== null) throw new AppError(event.failure.code, event.failure.party === null ? {} : { party: event.failure.party });
    if (event.type === "state" && event.state === "cancelled") throw new AppError("JOB_CANCELLED");
  }
  const report = jointReportSchema.parse(JSON.parse(await openSealed(await api.result(job.id, "report"), key)));
  const scores = await openSealed(await api.result(job.id, "scores"), key);
  const exported = options.export === true ? await exportWhole(api, key, work, { ...options, model: report.model.id }) : [];
  if (options.batch === undefined) return { report, scores, exported };
  say({ kind: "step", en: "scoring new applications", zh: "为新申请评分" });
  const folder = partyFolder(work, guest.name);
  const { shape, expected } = scorable(folder, report.model.id);
  const staged = await stageBatch(resolve(options.batch), stageOptions(folder, { log: silentLog, now: Date.now }, expected));
  if (registrar !== undefined) await consentAll(work, registrar, options, staged.batch);
  const scored = await scoreWithFallback(api, {
    guest: guest.name, hosts: hosts.map((h) => h.name), model: report.model.id, purpose: "loan-approval", params: { ...staged, shape }, explain: reasons > 0 ? { reasons, hosts: [] } : undefined, waitSeconds: batchWaitSeconds,
    say: (event) => say({ kind: "job", event }),
  });
  if (reasons > 0) copyExplanations(partyFolder(work, guest.name), scored, join(resolve(options.out), "batch"));
  const batch = { summary: await openSealed(await api.result(scored, "report"), key), scores: await openSealed(await api.result(scored, "scores"), key) };
  return { report, scores, exported, batch };
}

/** Puts consents of the batch's companies into the guest's folder, and the list of withdrawals into each host's. */
async function consentAll(work: string, registrar: LocalRegistrar, { guest, hosts, say }: SandboxOptions, batch: string): Promise<void> {
  say({ kind: "step", en: "the applicants consent", zh: "申请企业授权" });
  const { ids } = await loadBatch(partyFolder(work, guest.name), batch, guest.definition, silentLog);
  const purpose = "loan-approval";
  const consents = await registrar.consents(ids, { grantee: guest.name, items: itemsFor(hosts.map((h) => h.definition), purpose), purpose });
  writeDurably(join(enclavePaths(partyFolder(work, guest.name)).consents, "batch.jws"), consents);
  for (const host of hosts) writeDurably(join(enclavePaths(partyFolder(work, host.name)).revocations, "registrar.jws"), registrar.revocations());
}

async function exportWhole(
  api: ApiClient, key: InstitutionKey, work: string, { guest, model, out, say }: Pick<SandboxOptions, "guest" | "out" | "say"> & { readonly model: string },
): Promise<string[]> {
  say({ kind: "step", en: "exporting the whole model", zh: "导出完整模型" });
  const folder = partyFolder(work, guest.name);
  const summary = await requestExport(api, key, {
    ...exportable(folder, model), guest: guest.name, model, purpose: "model-development", say: (event) => say({ kind: "job", event }),
  });
  return copyExport(folder, summary, join(resolve(out), "model"));
}

type Results = { readonly report: JointReport; readonly scores: string; readonly exported: readonly string[]; readonly batch?: { readonly summary: string; readonly scores: string } };

async function datasetsPublished(api: ApiClient, parties: number): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if ((await api.datasets()).datasets.length >= parties) return;
    await new Promise((resolveLater) => setTimeout(resolveLater, 50));
  }
  throw new AppError("JOB_DATASET_UNKNOWN");
}

/** Largest resident set of each process so far, where the system tells. */
function peakOf(running: readonly Started<unknown>[]): Record<string, number> {
  const peaks: Record<string, number> = {};
  for (const { name, process: child } of running) {
    try {
      const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
      if (line !== null && name === "platform") peaks[name] = Math.round(Number(line[1]) / 1024);
    } catch {
      // Not Linux: the enclaves' own figures stand alone.
    }
  }
  return peaks;
}
