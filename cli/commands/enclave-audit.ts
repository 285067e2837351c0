// `yunei enclave audit` and `yunei enclave alerts`: this enclave's own audit log. Works beside a running enclave.
import { createReadStream } from "node:fs";
import { join, resolve } from "node:path";
import { createPublicKey } from "node:crypto";
import { Argument, type Command } from "commander";
import { alertsFile, readAlerts } from "../../audit/alerts/book.ts";
import { auditFolder } from "../../audit/disk.ts";
import { exportLines } from "../../audit/export.ts";
import { verifyExport, verifyFolder } from "../../audit/verify.ts";
import { silentLog } from "../../core/env.ts";
import { systemRng } from "../../core/rng.ts";
import { auditPaths, auditSigner } from "../../enclave/audit/open.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { loadIdentity } from "../../enclave/keys/identity.ts";
import { existingFolder, explained, languageOption, timeText } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { showAlerts, showVerified, writeExport } from "./audit.ts";

type Options = { from?: string; to?: string; out?: string; acknowledge?: string; json?: boolean; lang?: string };
const env = { rng: systemRng, now: Date.now, log: silentLog };

export function addEnclaveAudit(enclave: Command): void {
  const shown = (command: Command): Command => command.argument("<folder>", "folder of this enclave", existingFolder).option("--json", "print JSON").addOption(languageOption());
  shown(enclave.command("audit").description("its audit log: verify it where it lies, or export it for a supervisor / 本节点审计日志：核验或导出"))
    .addArgument(new Argument("<what>", "verify or export").choices(["verify", "export"]))
    .option("--from <time>", "e.g. 2026-01-31T00:00:00Z", timeText).option("--to <time>", "the same form", timeText).option("--out <file>", "file to write (export)")
    .action((folder: string, what: "verify" | "export", o: Options) => (what === "verify" ? verify(resolve(folder), o) : exportLog(resolve(folder), o)));
  shown(enclave.command("alerts").description("its alerts, newest first; * not acknowledged / 本节点告警")).option("--acknowledge <alert>", "say that somebody has seen it")
    .action((folder: string, o: Options) => {
      const { folder: log } = auditPaths(resolve(folder));
      showAlerts(readAlerts(join(log, alertsFile)), log, o);
    });
}

async function verify(folder: string, o: Options): Promise<void> {
  const { party } = readConfig(folder);
  const { signKey } = loadIdentity(enclavePaths(folder).keys, party);
  const key = createPublicKey(signKey.export({ format: "pem", type: "pkcs8" }));
  showVerified(await verifyFolder(auditFolder(auditPaths(folder).folder), party, { key }), o);
}

async function exportLog(folder: string, o: Options): Promise<void> {
  const { out } = o;
  if (out === undefined) throw explained("CLI_ARGUMENT", "give --out <file>");
  const { party } = readConfig(folder);
  const identity = loadIdentity(enclavePaths(folder).keys, party);
  const { folder: log } = auditPaths(folder);
  const range = { from: o.from === undefined ? undefined : Date.parse(o.from), to: o.to === undefined ? undefined : Date.parse(o.to) };
  const signer = auditSigner(identity);
  await asOperator(folder, { word: "audit-export" }, () => writeExport(exportLines({ disk: auditFolder(log), domain: party, range, until: Infinity, signer, now: env.now }), out));
  showVerified(await verifyExport(createReadStream(out), { ca: identity.ca }), o);
}
