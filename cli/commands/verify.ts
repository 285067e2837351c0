// `yunei verify`: checks a receipt bundle offline. Nothing is fetched, and nothing in the bundle adds to what the trust file says.
import { readFileSync } from "node:fs";
import { InvalidArgumentError, type Command } from "commander";
import { AppError } from "../../core/errors.ts";
import { isUscc } from "../../core/uscc.ts";
import { verifyBundle, type BundleReport } from "../../receipts/bundle.ts";
import { exitStatus, reportLines } from "../../receipts/explain.ts";
import { parseTrust } from "../../receipts/trust.ts";
import { existingFile, languageOption } from "../arguments.ts";
import { consentVerifier, needsConsent } from "../consent-check.ts";
import { receiptLines } from "../show-receipts.ts";
import { languageOf, printJson, printLines } from "../terminal.ts";

export const defaultTrust = "yunei-trust.json";
const maxFileBytes = 33_554_432;

type Options = { trust: string; company?: string; json?: boolean; lang?: string };

export function addVerify(program: Command): void {
  program.command("verify").argument("<file>", "receipt bundle")
    .description("check a receipt bundle offline: signatures, chain, log, witnesses, consent and withdrawal at that time; exit status 0 valid, 1 not valid, 2 incomplete / 离线核验回执包")
    .option("--trust <file>", "whom to trust (yunei log trust writes it)", defaultTrust)
    .option("--company <code>", "the company that asks: the bundle must show a use of its data", companyCode)
    .option("--json", "print JSON").addOption(languageOption())
    .action(async (file: string, o: Options) => {
      const report = await verifyFile(file, o);
      const language = languageOf(o.lang);
      if (o.json === true) printJson({ ...report, status: exitStatus(report) });
      else printLines([...reportLines(report, language), ...receiptLines(report, language)]);
      process.exitCode = exitStatus(report);
    });
}

export function companyCode(text: string): string {
  if (!isUscc(text)) throw new InvalidArgumentError("It is a unified social credit code: 18 characters, the last one a check.");
  return text;
}

/** Throws CLI_FILE or BUNDLE_TRUST; whatever is wrong with the bundle is in the report. */
export async function verifyFile(file: string, options: { trust: string; company?: string }): Promise<BundleReport> {
  const trust = parseTrust(read(options.trust));
  const consents = consentVerifier(trust);
  const { company } = options;
  return verifyBundle(read(file), trust, { needsConsent, ...(consents === undefined ? {} : { consents }), ...(company === undefined ? {} : { subject: company }) });
}

/** A file's text, bounded: what is larger is no bundle. */
function read(path: string): string {
  const bytes = readFileSync(existingFile(path));
  if (bytes.length > maxFileBytes) throw new AppError("BUNDLE_FORMAT");
  return bytes.toString("utf8");
}
