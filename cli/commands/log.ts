// `yunei log`: the transparency log as its operator and as everybody else sees it.
import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { witnessStatementSchema, witnessStatementType, type WitnessView } from "../../api/contract/receipts.ts";
import { AppError, isAppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { partyIdSchema } from "../../core/names.ts";
import { folderDisk } from "../../receipts/disk.ts";
import { fsck } from "../../receipts/fsck.ts";
import { isSignedBy, readJws } from "../../receipts/jws.ts";
import { parseVerifierKey } from "../../receipts/note.ts";
import { witnessPolicy } from "../../receipts/checkpoint.ts";
import { readReceipt } from "../../receipts/receipt.ts";
import { formatTrust, issuerKey, parseTrust } from "../../receipts/trust.ts";
import { existingFile, existingFolder, explained, httpsUrl, languageOption, wholeNumber } from "../arguments.ts";
import { consentVerifier } from "../consent-check.ts";
import { readLog, type LogView } from "../log-client.ts";
import { defaultProfile, profileAddress, refuseExisting } from "../profile.ts";
import { fsckLines, witnessLines } from "../show-receipts.ts";
import { languageOf, printJson, printLines, remark } from "../terminal.ts";
import { defaultTrust } from "./verify.ts";

type Source = { profile: string; url?: string; ca?: string; json?: boolean; lang?: string };

function source(command: Command): Command {
  return command.option("--profile <file>", "institution profile: where the platform is and its CA", defaultProfile)
    .option("--url <url>", "https://host:port of the platform's API, in place of a profile", httpsUrl).option("--ca <file>", "certificate of its authority (PEM), with --url")
    .option("--json", "print JSON").addOption(languageOption());
}

export function addLog(program: Command): void {
  const log = program.command("log").description("the transparency log of receipts / 回执透明日志");
  log.command("fsck").argument("<folder>", "the log's folder, or the platform's data folder")
    .description("derive every hash and root of the log again from its entries; changes nothing; exit status 1 when something does not fit / 重新推导整个日志")
    .option("--key <file>", "the log's public key; log.pub beside the folder unless given").option("--json", "print JSON").addOption(languageOption()).action(check);
  source(log.command("show").description("size, checkpoint and witnesses of a platform's log; whether a witness has refused it / 查看日志及见证情况")).action(show);
  source(log.command("trust").description("write a trust file for `yunei verify` from what the platform says now; compare the fingerprints that are shown on another way / 生成信任文件"))
    .option("--threshold <number>", "how many witnesses must have co-signed; more than half of them unless given", wholeNumber(0, 60))
    .option("--registrar <file...>", "certificate (PEM) of a registrar whose consents count").option("--out <file>", "file to write", defaultTrust)
    .action(trust);
}

async function check(given: string, o: { key?: string; json?: boolean; lang?: string }): Promise<void> {
  const named = existingFolder(given);
  const folder = existsSync(join(named, "log")) ? join(named, "log") : named;
  const keyFile = existingFile(o.key ?? join(dirname(folder), `${basename(folder)}.pub`));
  const key = parseVerifierKey(readFileSync(keyFile, "utf8").trim());
  const report = await fsck(folderDisk(resolve(folder)), key, isReceipt);
  if (o.json === true) printJson({ ...report, root: Buffer.from(report.root).toString("base64") });
  else printLines(fsckLines(report, languageOf(o.lang)));
  process.exitCode = report.ok ? 0 : 1;
}

function isReceipt(bytes: Uint8Array): boolean {
  try {
    readReceipt(Buffer.from(bytes).toString("utf8"));
    return true;
  } catch (error) {
    if (isAppError(error)) return false;
    throw error;
  }
}

function sourceOf(o: Source): { url: string; ca: string } {
  if ((o.url === undefined) !== (o.ca === undefined)) throw explained("CLI_ARGUMENT", "--url and --ca go together");
  return o.url === undefined || o.ca === undefined ? profileAddress(o.profile) : { url: o.url, ca: readFileSync(existingFile(o.ca), "utf8") };
}

async function show(o: Source): Promise<void> {
  const view = await readLog(sourceOf(o));
  if (o.json === true) printJson(view);
  else printLines([view.key, ...view.checkpoint.split("\n").slice(1, 3), ...witnessLines(view.witnesses, languageOf(o.lang))]);
}

async function trust(o: Source & { threshold?: number; registrar?: string[]; out: string }): Promise<void> {
  refuseExisting(o.out);
  const from = sourceOf(o);
  const view = await readLog(from);
  // The authority is the one that this side has known before, not what the answer says.
  const witnesses = view.witnesses.map((witness) => checkedWitness(witness, from.ca));
  const threshold = o.threshold ?? (witnesses.length === 0 ? 0 : Math.floor(witnesses.length / 2) + 1);
  const registrars = [...view.registrars, ...(o.registrar ?? []).map((file) => readFileSync(existingFile(file), "utf8"))].map((certificate) => ({ certificate }));
  const text = formatTrust({
    log: parseVerifierKey(view.key), witnesses: witnessPolicy(threshold, witnesses.map(({ key }) => key)), authorities: [from.ca],
    pinned: Object.fromEntries(witnesses.map(({ party, identity }) => [party, identity])), ...(registrars.length === 0 ? {} : { consent: { registrars } }),
  });
  // Nothing is written that `yunei verify` could not use.
  consentVerifier(parseTrust(text));
  const prints = fingerprints(view, from.ca, witnesses, threshold);
  const language = languageOf(o.lang);
  if (o.json !== true) {
    for (const [name, value] of prints) process.stderr.write(`  ${name}  ${value}\n`);
    remark(language, { en: "Compare these with their owners on another way before you rely on the file.", zh: "采信该文件之前，请通过其他渠道与各方核对以上指纹。" });
  }
  writeDurably(o.out, `${text}\n`);
  if (o.json === true) printJson({ trust: o.out, threshold, fingerprints: Object.fromEntries(prints) });
  else printLines([o.out]);
}

type Checked = { readonly party: string; readonly key: ReturnType<typeof parseVerifierKey>; readonly identity: string };

/** A witness key that the party's identity has signed, under a certificate of the authority. Throws WITNESS_KEY, RECEIPT_ISSUER. */
function checkedWitness({ party, statement, identityCertificate, key }: WitnessView, ca: string): Checked {
  const said = witnessStatementSchema.safeParse(readJws(statement, witnessStatementType));
  if (!said.success || said.data.party !== party || said.data.key !== key) throw new AppError("WITNESS_KEY", { party });
  const authority = { authorities: [new X509Certificate(ca)], pinned: new Map() };
  const identity = issuerKey(identityCertificate, authority, { party: partyIdSchema.parse(party), at: Date.now() });
  if (!isSignedBy(statement, identity)) throw new AppError("WITNESS_KEY", { party });
  return { party, key: parseVerifierKey(key), identity: keyPrint(identity) };
}

function keyPrint(key: ReturnType<typeof createPublicKey>): string {
  return createHash("sha256").update(key.export({ format: "der", type: "spki" })).digest("hex");
}

function fingerprints(view: LogView, ca: string, witnesses: readonly Checked[], threshold: number): [string, string][] {
  return [
    ["authority (SHA-256)", createHash("sha256").update(new X509Certificate(ca).raw).digest("hex")], ["log key", view.key],
    ...witnesses.map(({ party, identity }): [string, string] => [`identity of ${party}`, identity]), ["witnesses needed", `${threshold} of ${witnesses.length}`],
  ];
}
