// Where a log goes on when a process opens it: what a killed process left torn is cut off, what somebody changed meanwhile stays as it is.
import { createPublicKey } from "node:crypto";
import { sha256Hex } from "../core/canonical.ts";
import { ChainCheck } from "./chain.ts";
import { linesOf, maxLineBytes, segmentName, segmentsOf, type AuditDisk } from "./disk.ts";
import { genesis, readLine, type AuditEvent } from "./entry.ts";
import { headSchema, isSignedBy, type AuditSigner, type SignedHead } from "./head.ts";

export const headFile = "head.json";
/** Who says what a log says of itself. */
export const own = { role: "log" } as const;
/** Everything durable below this number, and the digest of the last entry. */
export type Place = { readonly size: number; readonly digest: string };
/** at: time of the last entry. found: to be said first. */
export type Opening = { readonly place: Place; readonly segment: string; readonly bytes: number; readonly at: string; readonly found: readonly AuditEvent[] };

export async function lastLine(disk: AuditDisk, name: string): Promise<string | undefined> {
  const bytes = await disk.size(name);
  let last: string | undefined;
  for await (const part of linesOf(disk.read(name, Math.max(0, bytes - 2 * maxLineBytes)))) if ("line" in part) last = part.line;
  return last;
}

type SegmentEnd = { readonly name: string; readonly first: number; readonly place: Place; readonly bytes: number; readonly cut: number; readonly at: string; readonly broken: number | undefined };

/** Where the log goes on: after its last whole line, the torn end of a killed process cut off; when it was changed while no process ran (the
 *  chain does not hold, or the log ends before the entries that the owner has signed), in a new segment behind it. */
export async function findEnd({ disk, domain, signer }: { readonly disk: AuditDisk; readonly domain: string; readonly signer: AuditSigner }): Promise<Opening> {
  const head = await readHead(disk);
  const isOurs = head !== undefined && head.domain === domain && isSignedBy(head, createPublicKey(signer.key.export({ format: "pem", type: "pkcs8" })));
  const signed = isOurs ? head : undefined;
  const ends = await lastSegments(disk, domain, signed);
  const end = ends.at(-1);
  const place: Place = end?.place ?? { size: 0, digest: genesis(domain) };
  const at = end?.at ?? new Date(0).toISOString();
  const fresh = async (next: Place, broken: number): Promise<Opening> => {
    const segment = segmentName(next.size);
    if (ends.some(({ name, bytes }) => name === segment && bytes === 0)) await disk.truncate(segment, 0);
    return { place: next, segment, bytes: 0, at, found: [{ actor: own, action: "log.broken", outcome: "AUDIT_BROKEN", facts: { entry: broken } }] };
  };
  // Numbers that were signed are never given again: the log goes on behind the signed head, and the gap is there for everybody to see.
  if (signed !== undefined && signed.size > place.size) return fresh({ size: signed.size, digest: signed.digest }, place.size);
  if (end?.broken !== undefined) return fresh(place, end.broken);
  const found: AuditEvent[] = [];
  for (const { name, first, bytes, cut } of ends) {
    if (cut > 0) found.push({ actor: own, action: "log.recovered", facts: { segment: first, bytes: cut } });
    // Nothing of it was acknowledged; its name is used again.
    if (bytes === 0) await disk.remove(name);
    else if (cut > 0) await disk.truncate(name, bytes);
  }
  if (end === undefined || end.bytes === 0) return { place, segment: segmentName(place.size), bytes: 0, at, found };
  return { place, segment: end.name, bytes: end.bytes, at, found };
}

/** Newest first: segments without a whole line, then the one that has some. */
async function lastSegments(disk: AuditDisk, domain: string, signed: SignedHead | undefined): Promise<SegmentEnd[]> {
  const segments = await segmentsOf(disk);
  const ends: SegmentEnd[] = [];
  for (const [i, { name, first }] of segments.entries().toArray().toReversed()) {
    const before = segments[i - 1];
    const line = before === undefined ? undefined : await lastLine(disk, before.name);
    // Behind a gap that is known, the line before is not the predecessor.
    const previous = line !== undefined && readLine(line)?.seq === first - 1 ? sha256Hex(line) : undefined;
    ends.push({ name, first, ...(await readSegment(disk, name, new ChainCheck({ domain, previous, next: first }), signed)) });
    if ((ends.at(-1)?.bytes ?? 0) > 0) break;
  }
  return ends;
}

async function readSegment(disk: AuditDisk, name: string, check: ChainCheck, signed: SignedHead | undefined) {
  let [bytes, cut] = [0, 0];
  let at = new Date(0).toISOString();
  for await (const part of linesOf(disk.read(name))) {
    // Zeros are what a power cut leaves of a write that was under way: no line that was acknowledged has them.
    if ("rest" in part || cut > 0 || part.line.includes("\0")) {
      cut += "rest" in part ? part.rest : part.end - bytes - cut;
      continue;
    }
    at = check.take(part.line)?.at ?? at;
    bytes = part.end;
    if (check.end.size === signed?.size && check.end.digest !== signed.digest) check.add("head", signed.size - 1);
  }
  return { place: check.end, bytes, cut, at, broken: check.problems[0]?.seq };
}

/** The head that lies beside a log; undefined when there is none that can be read. */
export async function readHead(disk: AuditDisk): Promise<SignedHead | undefined> {
  if (!(await disk.list()).includes(headFile)) return undefined;
  const parts: Uint8Array[] = [];
  for await (const part of disk.read(headFile)) parts.push(part);
  try {
    return headSchema.parse(JSON.parse(Buffer.concat(parts).toString("utf8")));
  } catch {
    return undefined;
  }
}
