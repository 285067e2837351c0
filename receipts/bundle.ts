// One file that proves one receipt to somebody who has nothing but the file and a trust file: receipt, issuer's certificate,
// inclusion proof, checkpoint with its signatures and, for a company's use, the opened commitment, the consent and the signed
// revocation list of that time.
import { z } from "zod";
import { sha256Hex } from "../core/canonical.ts";
import { AppError, isAppError, type Code } from "../core/errors.ts";
import { checkWitnesses, openCheckpoint, type Cosignature } from "./checkpoint.ts";
import { checkTexts, type CheckName, type CheckStatus } from "./explain.ts";
import type { ReceiptLog } from "./log.ts";
import { leafHash, verifyInclusion } from "./merkle.ts";
import { fromBase64, parseNote, toBase64 } from "./note.ts";
import { checkNext, readReceipt, receiptDigest, verifyReceipt, type ReceiptStatement } from "./receipt.ts";
import { issuerKey, type Trust } from "./trust.ts";
import { checkReveal, revealSchema, type Reveal, type Use } from "./uses.ts";

/** A list of 200,000 withdrawals has about 17 MiB. */
const maxBundleBytes = 33_554_432;
/** Clocks of issuer and witnesses may differ by this much, and the issuer's be set back by it between a use and the receipt. */
const clockSkewMs = 600_000;
const jws = z.string().max(65_536);

const bundleSchema = z.strictObject({
  format: z.literal("yunei-receipt-bundle"),
  version: z.literal(1),
  receipt: jws,
  issuer: z.strictObject({ certificate: z.string().max(16_384) }),
  log: z.strictObject({ index: z.int().min(0), path: z.array(z.string().max(64)).max(64), checkpoint: z.string().max(65_536) }),
  previous: jws.optional(),
  reveal: revealSchema.optional(),
  consent: jws.optional(),
  revocations: z.string().max(25_165_824).optional(),
});
export type Bundle = z.output<typeof bundleSchema>;

/** The facts that a consent must cover. at: of the use, ms. provider: the enclave that signed the receipt. */
export type ConsentContext = {
  readonly subject: string; readonly grantee: string; readonly items: readonly string[]; readonly purpose: string; readonly kind: string;
  readonly provider: string; readonly at: number;
};
/** Made by whoever knows consents. Both throw an AppError for what does not hold. */
export type ConsentVerifier = {
  /** Signature, chain and scope of a consent at a time; its id. */
  consent(text: string, context: ConsentContext): Promise<{ readonly id: string }>;
  /** Signature and validity at the time of a revocation list, and that the consent is not on it. */
  revocations(text: string, context: { readonly id: string; readonly consent: string; readonly at: number }): Promise<void>;
};
export type Check = { readonly name: CheckName; readonly status: CheckStatus; readonly code?: Code; readonly en: string; readonly zh: string };
/** ok: everything needed is there and right. incomplete: nothing is wrong, but something needed is not in the file. */
export type BundleReport = {
  readonly result: "ok" | "failed" | "incomplete"; readonly checks: readonly Check[];
  readonly receipt?: ReceiptStatement; readonly use?: Use; readonly index?: number; readonly cosignatures?: readonly Cosignature[];
};
/** subject: the company that asks; then the bundle must open a use of it. needsConsent: whether an item is used in jobs of this kind under an
 *  authorisation alone; a use of such an item that names none is not a whole proof. */
export type VerifyOptions = { readonly consents?: ConsentVerifier; readonly subject?: string; readonly needsConsent?: (item: string, kind: string) => boolean };

/** A bundle for entry `index`. checkpoint: one with co-signatures where the policy wants them; the log's witnessed one by
 *  default, else its own. Throws LOG_RANGE when the entry is not inside of it yet. */
export async function makeBundle(log: ReceiptLog, parts: {
  index: number; certificate: string; checkpoint?: string; previous?: string; reveal?: Reveal; consent?: string; revocations?: string;
}): Promise<Bundle> {
  const { index, certificate, checkpoint = log.witnessed ?? log.checkpoint, ...rest } = parts;
  const { size } = openCheckpoint(checkpoint, log.key);
  const path = (await log.inclusion(index, size)).map(toBase64);
  return {
    format: "yunei-receipt-bundle", version: 1, receipt: Buffer.from(await log.entry(index)).toString("utf8"), issuer: { certificate },
    log: { index, path, checkpoint }, ...rest,
  };
}

/** Checks a bundle offline: its text, what the verifier trusts, and how consents are checked. Never throws for what the file
 *  holds: every finding is a check with a sentence in both languages. */
export async function verifyBundle(text: string, trust: Trust, options: VerifyOptions = {}): Promise<BundleReport> {
  const bundle = parseBundle(text);
  if (bundle === undefined) return reportOf([checkOf("format", "failed", "BUNDLE_FORMAT")], new Set(["format"]), {});
  return new Verification(bundle, trust, options).run();
}

/** The bundle in a file, or undefined. */
export function parseBundle(text: string): Bundle | undefined {
  if (Buffer.byteLength(text) > maxBundleBytes) return undefined;
  try {
    return bundleSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

class Verification {
  readonly #bundle: Bundle;
  readonly #trust: Trust;
  readonly #options: VerifyOptions;
  readonly #checks: Check[] = [];
  readonly #needed = new Set<CheckName>(["format", "receipt", "issuer", "inclusion", "checkpoint"]);

  constructor(bundle: Bundle, trust: Trust, options: VerifyOptions) {
    this.#bundle = bundle;
    this.#trust = trust;
    this.#options = options;
  }

  async run(): Promise<BundleReport> {
    const { log, previous } = this.#bundle;
    this.#checks.push(checkOf("format", "ok"));
    const claimed = await this.#try("receipt", () => readReceipt(this.#bundle.receipt), { isPart: true });
    const receipt = claimed === undefined ? undefined : await this.#signed(claimed);
    const head = await this.#try("checkpoint", () => openCheckpoint(log.checkpoint, this.#trust.log));
    if (head === undefined) this.#checks.push(checkOf("inclusion", "failed", "CHECKPOINT_SIGNATURE"));
    else await this.#try("inclusion", () => this.#included(head));
    const cosignatures = await this.#witnessed(receipt);
    if (previous === undefined || receipt === undefined) this.#checks.push(checkOf("chain", "not-present"));
    else await this.#try("chain", () => this.#chained(previous, receipt));
    const use = receipt === undefined ? undefined : await this.#revealed(receipt);
    if (receipt !== undefined && use !== undefined) await this.#consented(receipt, use);
    return reportOf(this.#checks, this.#needed, { receipt, use, index: log.index, cosignatures });
  }

  /** Runs one check and notes what was found; of a part only a failure. */
  async #try<T>(name: CheckName, work: () => T | Promise<T>, { isPart = false } = {}): Promise<T | undefined> {
    try {
      const value = await work();
      if (!isPart) this.#checks.push(checkOf(name, "ok"));
      return value;
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.#checks.push(checkOf(name, "failed", error.code));
      return undefined;
    }
  }

  async #signed(claimed: ReceiptStatement): Promise<ReceiptStatement | undefined> {
    const { receipt, issuer } = this.#bundle;
    const key = await this.#try("issuer", () => issuerKey(issuer.certificate, this.#trust, { party: claimed.party, at: Date.parse(claimed.at) }));
    if (key !== undefined) return this.#try("receipt", () => verifyReceipt(receipt, key));
    this.#checks.push(checkOf("receipt", "failed", "RECEIPT_ISSUER"));
    return undefined;
  }

  #included(head: { readonly size: number; readonly root: Uint8Array }): void {
    const { index, path } = this.#bundle.log;
    const leaf = leafHash(Buffer.from(this.#bundle.receipt));
    if (!verifyInclusion({ index, size: head.size, leaf, path: path.map(fromBase64), root: head.root })) throw new AppError("RECEIPT_INCLUSION");
  }

  async #witnessed(receipt: ReceiptStatement | undefined): Promise<readonly Cosignature[]> {
    const policy = this.#trust.witnesses;
    if (policy.threshold > 0) this.#needed.add("witnesses");
    const found = await this.#try("witnesses", () => checkWitnesses(parseNote(this.#bundle.log.checkpoint), policy), { isPart: true });
    if (found === undefined) return [];
    this.#checks.push(checkOf("witnesses", found.length === 0 ? "not-present" : "ok"));
    if (receipt === undefined || found.length === 0) return found;
    // A witness cannot have seen a tree with a receipt that was not made yet. The latest of them bounds the time.
    const latest = Math.max(...found.map(({ seconds }) => seconds)) * 1000;
    this.#checks.push(checkOf("time", Date.parse(receipt.at) <= latest + clockSkewMs ? "ok" : "failed"));
    return found;
  }

  #chained(previous: string, receipt: ReceiptStatement): void {
    const key = issuerKey(this.#bundle.issuer.certificate, this.#trust, { party: receipt.party, at: Date.parse(receipt.at) });
    const before = verifyReceipt(previous, key);
    if (before.party !== receipt.party) throw new AppError("RECEIPT_CHAIN");
    if (checkNext({ sequence: before.sequence, digest: receiptDigest(previous) }, this.#bundle.receipt, receipt) !== "next") throw new AppError("RECEIPT_CHAIN");
  }

  async #revealed(receipt: ReceiptStatement): Promise<Use | undefined> {
    const { reveal } = this.#bundle;
    const { subject } = this.#options;
    if (subject !== undefined) this.#needed.add("use");
    if (reveal === undefined) {
      this.#checks.push(checkOf("use", "not-present"));
      return undefined;
    }
    return this.#try("use", () => {
      const use = checkReveal(receipt.uses, reveal);
      if (subject !== undefined && use.subject !== subject) throw new AppError("RECEIPT_REVEAL");
      if (Date.parse(use.at) > Date.parse(receipt.at) + clockSkewMs) throw new AppError("RECEIPT_USE_TIME");
      return use;
    });
  }

  async #consented(receipt: ReceiptStatement, use: Use): Promise<void> {
    const { consent, revocations } = this.#bundle;
    const { consents, needsConsent } = this.#options;
    const bound = use.consent;
    if (bound === null) {
      if (use.items.some((item) => needsConsent?.(item, receipt.kind) === true)) this.#needed.add("consent").add("revocation");
      this.#checks.push(checkOf("consent", "not-present"), checkOf("revocation", "not-present"));
      return;
    }
    this.#needed.add("consent").add("revocation");
    const at = Date.parse(use.at);
    const context = { subject: use.subject, grantee: use.grantee, items: use.items, purpose: receipt.purpose, kind: receipt.kind, provider: receipt.party, at };
    if (consent === undefined || consents === undefined) this.#checks.push(checkOf("consent", "not-present"));
    else {
      await this.#try("consent", async () => {
        const { id } = await consents.consent(consent, context);
        if (id !== bound.id || sha256Hex(consent) !== bound.digest) throw new AppError("RECEIPT_REVEAL");
      });
    }
    if (revocations === undefined || consent === undefined || consents === undefined) this.#checks.push(checkOf("revocation", "not-present"));
    else {
      await this.#try("revocation", async () => {
        if (sha256Hex(revocations) !== use.revocations) throw new AppError("RECEIPT_REVEAL");
        await consents.revocations(revocations, { id: bound.id, consent, at });
      });
    }
  }
}

function checkOf(name: CheckName, status: CheckStatus, code?: Code): Check {
  const isCoded = status === "failed" && code !== undefined;
  return { name, status, ...(isCoded ? { code } : {}), ...checkTexts(name, status, isCoded ? code : undefined) };
}

function reportOf(checks: readonly Check[], needed: ReadonlySet<CheckName>, found: {
  receipt?: ReceiptStatement | undefined; use?: Use | undefined; index?: number; cosignatures?: readonly Cosignature[];
}): BundleReport {
  const isFailed = checks.some(({ status }) => status === "failed");
  const isWhole = [...needed].every((name) => checks.some((check) => check.name === name && check.status === "ok"));
  const { receipt, use, ...rest } = found;
  return { result: isFailed ? "failed" : isWhole ? "ok" : "incomplete", checks, ...rest, ...(receipt === undefined ? {} : { receipt }), ...(use === undefined ? {} : { use }) };
}
