// Entries of a time as one file that verifies on its own: a header with the signer's certificate, the lines as they stand in the log, a signed
// head for the last of them.
import { AppError } from "../core/errors.ts";
import { canonicalJson, sha256Hex } from "../core/canonical.ts";
import { z } from "zod";
import { linesOf, onDisk, segmentsOf, type AuditDisk } from "./disk.ts";
import { readLine } from "./entry.ts";
import { headSchema, signHead, type AuditSigner } from "./head.ts";

/** Times in ms; entries from the first that is not before `from` to the last one before `to`, without a gap. */
export type ExportRange = { readonly from?: number | undefined; readonly to?: number | undefined };

export const headerSchema = z.strictObject({
  format: z.literal("yunei-audit-export/1"), domain: headSchema.shape.domain, first: z.number().int().min(0), previous: z.string().regex(/^[0-9a-f]{64}$/),
  certificate: headSchema.shape.certificate,
  /** What was asked for; null: to the end of the log at the time of the signed head. */
  to: z.iso.datetime({ precision: 3 }).nullable(),
});
export const endSchema = z.strictObject({ head: headSchema });
const chunkBytes = 32_768;

type Source = {
  readonly disk: AuditDisk; readonly domain: string; readonly range: ExportRange;
  /** Entries below this number are there for sure. */
  readonly until: number;
  readonly signer: AuditSigner; readonly now: () => number;
};

/** Chunks of whole lines; a chunk at a time is in memory. Throws AUDIT_EMPTY before the first chunk. */
export async function* exportLines(source: Source): AsyncGenerator<string> {
  const { domain, range: { from = -Infinity, to = Infinity }, until, signer } = source;
  const asked = to === Infinity ? null : new Date(to).toISOString();
  let end: { size: number; digest: string } | undefined;
  let waiting: string[] = [];
  let held: string[] = [];
  let bytes = 0;
  let chunk = "";
  for await (const line of linesFrom(source, from)) {
    const entry = readLine(line);
    if (entry !== undefined && entry.seq >= until) break;
    const time = entry === undefined ? undefined : Date.parse(entry.at);
    if (end === undefined && (entry === undefined || time === undefined || time < from)) continue;
    if (time !== undefined && entry !== undefined && time < to) {
      if (end === undefined) chunk = `${canonicalJson({ format: "yunei-audit-export/1", domain, first: entry.seq, previous: entry.previous, certificate: signer.certificate, to: asked })}\n`;
      // Clocks go back: what lies between two entries of the time belongs to it.
      waiting.push(...held, line);
      held = [];
      end = { size: entry.seq + 1, digest: sha256Hex(line) };
    } else if (held.length < 10_000) held.push(line);
    else break;
    bytes += line.length;
    if (bytes < chunkBytes) continue;
    if (waiting.length > 0) yield `${chunk}${waiting.join("\n")}\n`;
    if (waiting.length > 0) chunk = "";
    waiting = [];
    bytes = 0;
  }
  if (end === undefined) throw new AppError("AUDIT_EMPTY");
  const last = canonicalJson({ head: signHead({ domain, ...end, at: new Date(source.now()).toISOString() }, signer) });
  yield `${chunk}${waiting.length > 0 ? `${waiting.join("\n")}\n` : ""}${last}\n`;
}

/** Lines of the log from a segment that begins before that time. */
async function* linesFrom({ disk }: Source, from: number): AsyncGenerator<string> {
  const segments = await onDisk(() => segmentsOf(disk));
  let start = 0;
  for (const [i, { name }] of segments.entries()) {
    if (i === 0) continue;
    const first = await firstLine(disk, name);
    const entry = first === undefined ? undefined : readLine(first);
    if (entry !== undefined && Date.parse(entry.at) < from) start = i;
  }
  for (const { name } of segments.slice(start)) for await (const part of linesOf(disk.read(name))) if ("line" in part) yield part.line;
}

async function firstLine(disk: AuditDisk, name: string): Promise<string | undefined> {
  for await (const part of linesOf(disk.read(name))) return "line" in part ? part.line : undefined;
  return undefined;
}
