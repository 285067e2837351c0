// Verifies a log where it lies, or an export of it: offline, one line at a time in memory.
import type { KeyObject } from "node:crypto";
import { AppError } from "../core/errors.ts";
import { ChainCheck, type ChainProblem } from "./chain.ts";
import { linesOf, onDisk, segmentsOf, type AuditDisk } from "./disk.ts";
import type { Entry } from "./entry.ts";
import { endSchema, headerSchema } from "./export.ts";
import { isSignedBy, keyOfDomain, type SignedHead } from "./head.ts";
import { readHead } from "./opening.ts";

export type Verified = {
  readonly domain: string; readonly entries: number; readonly first: number; readonly size: number;
  /** Signed heads inside of the log, and when the last head was signed. */
  readonly heads: number; readonly signedAt: string | undefined;
  /** Whether the signer's certificate was held to an authority. */
  readonly isSignerKnown: boolean; readonly problems: readonly ChainProblem[];
  /** Of an export: where the part ends that was asked for; undefined: it goes to the end of the log. */
  readonly to?: string | undefined;
};

export type FolderOptions = {
  /** Key of its heads; with `ca` in its place (PEM of the authority) the certificate in the head beside the log says it. */
  readonly key?: KeyObject; readonly ca?: string | undefined;
  /** A head that was kept earlier: the log must still have it. */
  readonly earlier?: SignedHead | undefined;
  /** Entries above may still be on their way. */
  readonly until?: number; readonly onEntry?: (entry: Entry) => void;
};

/** The whole log in a folder. */
export async function verifyFolder(disk: AuditDisk, domain: string, options: FolderOptions = {}): Promise<Verified> {
  const kept = await onDisk(() => readHead(disk));
  const key = options.key ?? (kept === undefined || options.ca === undefined ? undefined : keyOfDomain(kept.certificate, domain, { ca: options.ca, at: kept.at }));
  const check = new ChainCheck({ domain, key });
  const { earlier } = options;
  let digestAtEarlier: string | undefined;
  let digestAtHead: string | undefined;
  for (const { name } of await onDisk(() => segmentsOf(disk))) {
    await onDisk(async () => {
      for await (const part of linesOf(disk.read(name))) {
        if (!("line" in part)) continue;
        if (options.until !== undefined && check.end.size >= options.until) return;
        const entry = check.take(part.line);
        if (entry !== undefined) options.onEntry?.(entry);
        if (kept !== undefined && check.end.size === kept.size) digestAtHead = check.end.digest;
        if (earlier?.size === check.end.size) digestAtEarlier = check.end.digest;
      }
    });
  }
  check.checkBeginning();
  const { size } = check.end;
  // A log with several heads had the first of them beside it for long.
  if (kept === undefined && check.heads > 1) check.add("head", size);
  // What a head has signed must be there, unless the reader stopped before.
  if (kept !== undefined && (options.until === undefined || kept.size <= options.until)) {
    if (kept.size > size) check.add("truncated", size);
    else if (digestAtHead !== undefined && digestAtHead !== kept.digest) check.add("head", kept.size);
    const isHeldToKey = options.key !== undefined || options.ca !== undefined;
    if (isHeldToKey && (key === undefined || kept.domain !== domain || !isSignedBy(kept, key))) check.add("signature", kept.size);
  }
  if (earlier !== undefined) checkEarlier(check, earlier, digestAtEarlier, domain);
  return { domain, entries: check.entries, first: check.first ?? 0, size, heads: check.heads, signedAt: kept?.at, isSignerKnown: key !== undefined, problems: check.problems };
}

export type ExportOptions = {
  /** The platform's authority (PEM): then the signer is held to it. */
  readonly ca?: string | undefined;
  /** A head that was kept earlier (of an earlier export): the log must still have it, if the export reaches over it. */
  readonly earlier?: SignedHead | undefined;
  readonly onEntry?: (entry: Entry, domain: string) => void;
};

/** An export. Throws AUDIT_FORMAT when it is none; whatever else is wrong stands in `problems`. */
export async function verifyExport(source: AsyncIterable<Uint8Array>, options: ExportOptions = {}): Promise<Verified & { readonly head: SignedHead | undefined }> {
  let check: ChainCheck | undefined;
  let domain = "";
  let head: SignedHead | undefined;
  let after = 0;
  let earlier: string | undefined;
  let certificate = "";
  let to: string | undefined;
  for await (const part of linesOf(source)) {
    if (!("line" in part)) {
      check?.add("truncated", check.end.size);
      continue;
    }
    if (check === undefined) {
      const header = headerSchema.safeParse(parse(part.line));
      if (!header.success) throw new AppError("AUDIT_FORMAT");
      ({ domain, certificate } = header.data);
      to = header.data.to ?? undefined;
      // Whether the signer is who he says shows at the end, when the time of signing is known.
      check = new ChainCheck({ domain, key: keyOfDomain(certificate, domain, { at: "" }), previous: header.data.previous, next: header.data.first });
      continue;
    }
    const end = endSchema.safeParse(parse(part.line));
    if (end.success && head === undefined) {
      ({ head } = end.data);
      continue;
    }
    if (head !== undefined) after += 1;
    const entry = check.take(part.line);
    if (entry !== undefined) options.onEntry?.(entry, domain);
    if (options.earlier?.size === check.end.size) earlier = check.end.digest;
  }
  if (check === undefined) throw new AppError("AUDIT_FORMAT");
  const { size, digest } = check.end;
  const key = head === undefined ? undefined : keyOfDomain(head.certificate, domain, { ca: options.ca, at: head.at });
  if (head === undefined || size < head.size) check.add("truncated", size);
  else if (after > 0 || size > head.size) check.add("missing", head.size);
  else if (digest !== head.digest) check.add("altered", size - 1);
  if (head !== undefined && (key === undefined || head.certificate !== certificate || head.domain !== domain || !isSignedBy(head, key))) check.add("signature", head.size);
  if (options.earlier !== undefined) checkEarlier(check, options.earlier, earlier, domain);
  return {
    domain, entries: check.entries, first: check.first ?? 0, size, heads: check.heads, signedAt: head?.at, isSignerKnown: options.ca !== undefined && key !== undefined, problems: check.problems, head, to,
  };
}

function checkEarlier(check: ChainCheck, kept: SignedHead, digest: string | undefined, domain: string): void {
  if (kept.domain !== domain || check.end.size < kept.size || (digest !== undefined && digest !== kept.digest)) check.add("head", kept.size);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
