// `yunei enclave receipts`: the receipts of an enclave, and opening one company's use of data without those of others. Works beside a
// running enclave.
import { resolve } from "node:path";
import type { Command } from "commander";
import type { JobId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { systemRng } from "../../core/rng.ts";
import { enclavePaths, readConfig } from "../../enclave/config.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { loadIdentity, type Identity } from "../../enclave/keys/identity.ts";
import { ReceiptBook, statementOf, type KeptReceipt, type Place } from "../../enclave/receipts/book.ts";
import { knownLogKey } from "../../enclave/receipts/log-key.ts";
import { newestPlace } from "../../enclave/receipts/newest-place.ts";
import { revealUse, usesOf } from "../../enclave/receipts/reveal.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { HttpPlatform } from "../../enclave/transport/http.ts";
import { verifierKey } from "../../receipts/note.ts";
import { receiptDigest } from "../../receipts/receipt.ts";
import { explained, jobName, languageOption, wholeNumber } from "../arguments.ts";
import { asOperator } from "../operated.ts";
import { refuseExisting } from "../profile.ts";
import { languageOf, printJson, printLines, remark, type Language } from "../terminal.ts";
import { companyCode } from "./verify.ts";

type Common = { dir: string; json?: boolean; lang?: string };
type Opened = { readonly book: ReceiptBook; readonly db: StateDatabase; readonly identity: Identity; readonly platform: string };

export function addEnclaveReceipts(enclave: Command): void {
  const receipts = enclave.command("receipts").description("this enclave's receipts / 本节点的回执");
  const common = (command: Command): Command => command.requiredOption("--dir <folder>", "folder of this enclave").option("--json", "print JSON").addOption(languageOption());
  common(receipts.command("list").description("newest first: number, time, job, uses, place in the log or why it is not there / 列出回执")).action(list);
  common(receipts.command("reveal").description("write a bundle that proves one use of one company's data, and shows no other company's / 向企业单独展示一次使用"))
    .requiredOption("--company <code>", "unified social credit code", companyCode).requiredOption("--job <job>", "job id", jobName)
    .option("--number <number>", "which one, if the job has several uses of the company", wholeNumber(1, 1_000_000)).requiredOption("--out <file>", "file to write")
    .action(reveal);
}

async function within<T>(dir: string, work: (opened: Opened) => T | Promise<T>): Promise<T> {
  const folder = resolve(dir);
  const { party, platform } = readConfig(folder);
  const paths = enclavePaths(folder);
  const identity = loadIdentity(paths.keys, party);
  using db = new StateDatabase(paths.state);
  const book = new ReceiptBook({ db, box: SecretBox.open(paths.box, systemRng), rng: systemRng, key: identity.signKey });
  return await work({ book, db, identity, platform });
}

function list(o: Common): Promise<void> {
  return within(o.dir, ({ book, db }) => {
    const key = knownLogKey(db);
    const items = book.list().map(itemOf);
    const refused = db.all("select seen, offered, at from witness_evidence order by id").map((r) => ({ at: new Date(Number(r["at"])).toISOString(), seen: String(r["seen"]), offered: String(r["offered"]) }));
    if (o.json === true) printJson({ logKey: key === undefined ? null : verifierKey(key), items, evidence: refused });
    else printLines(listLines(items, refused.length, languageOf(o.lang)));
  });
}

type Item = { sequence: number; job: JobId; id: string; at: string; kind: string; uses: number; index: number | null; refused: string | null };

function itemOf(kept: KeptReceipt): Item {
  const statement = statementOf(kept);
  return {
    sequence: kept.sequence, job: kept.job, id: receiptDigest(kept.jws), at: statement?.at ?? "", kind: statement?.kind ?? "", uses: statement?.uses.count ?? 0,
    index: kept.place?.index ?? null, refused: kept.refused ?? null,
  };
}

function listLines(items: readonly Item[], evidence: number, language: Language): string[] {
  const zh = language === "zh";
  const lines = items.map((r) => {
    const place = r.index === null ? (r.refused === null ? (zh ? "待入日志" : "waits for the log") : `${zh ? "日志拒收" : "the log REFUSED it"}: ${r.refused}`) : `${zh ? "日志" : "log"} ${r.index}`;
    return `${r.sequence}  ${r.at}  ${r.job}  ${r.kind}  ${r.uses}  ${place}`;
  });
  if (lines.length === 0) lines.push(zh ? "没有回执" : "no receipts");
  if (evidence > 0) lines.push(zh ? `!! 作为见证方，本节点拒绝过 ${evidence} 个检查点（日志回退或分叉），证据见 --json` : `!! as a witness this enclave refused ${evidence} checkpoints (the log went back or forked); --json has the evidence`);
  return lines;
}

function reveal(o: Common & { company: string; job: JobId; number?: number; out: string }): Promise<void> {
  refuseExisting(o.out);
  return within(o.dir, async (opened) => {
    const { book, identity } = opened;
    const language = languageOf(o.lang);
    const receipt = book.of(o.job);
    if (receipt === undefined) throw new AppError("RECEIPT_NOT_FOUND");
    const found = usesOf(book, o.job, o.company);
    if (found.length === 0) throw explained("RECEIPT_NOT_FOUND", "this job has used nothing of that company");
    if (found.length > 1 && o.number === undefined) {
      throw explained("CLI_ARGUMENT", ["several uses; name one with --number:", ...found.map(({ use }, i) => `  ${i + 1}  ${use.grantee}  ${use.items.join(", ")}`)].join("\n"));
    }
    const chosen = found[(o.number ?? 1) - 1];
    if (chosen === undefined) throw explained("CLI_ARGUMENT", `--number is 1 to ${found.length}`);
    const place = await placeNow(opened, receipt, language);
    await asOperator(resolve(o.dir), { word: "reveal-use", objects: { job: o.job }, company: o.company }, () =>
      writeDurably(o.out, `${JSON.stringify(revealUse(book, { job: o.job, index: chosen.index, certificate: identity.identityCertificate, place }))}\n`));
    if (o.json === true) printJson({ job: o.job, bundle: o.out });
    else printLines([o.out]);
    if (o.json !== true) remark(language, { en: "It names the company: hand it to that company alone.", zh: "文件载有企业信息，请仅交给该企业。" });
  });
}

/** Where the receipt is under the newest co-signed checkpoint; without the platform the place of its acknowledgement. */
async function placeNow({ db, identity, platform: url }: Opened, receipt: KeptReceipt, language: Language): Promise<Place | undefined> {
  await using platform = new HttpPlatform({ url, key: identity.tlsKey, certificate: identity.tlsCertificate, ca: identity.ca });
  const { place, code } = await newestPlace({ db, log: platform }, receipt);
  if (code !== undefined) remark(language, { en: `the platform gave no newer proof (${code}): the one of the acknowledgement is used`, zh: `平台未给出更新的证明（${code}），改用确认时的证明` });
  return place;
}
