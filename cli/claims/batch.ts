// A file of claims through a verification service: in requests of bounded size, their answers appended to the result as they come. Stopped and run
// again it goes on where it was; a request that was on its way is sent again as it was, and is charged once.
import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, rmSync } from "node:fs";
import { z } from "zod";
import { verifyAnswerSchema, type ClaimResult } from "../../api/contract/verification.ts";
import { AppError, isAppError, type Code } from "../../core/errors.ts";
import { writeDurably } from "../../core/files.ts";
import { jobIdSchema } from "../../core/names.ts";
import type { AskedField } from "../../federation/verify/fields.ts";
import { maxClaims } from "../../federation/verify/params.ts";
import { appendDurably } from "../append.ts";
import { explained } from "../arguments.ts";
import type { SealedRequest, ServiceClient } from "../service-client.ts";
import { csvLine } from "./lines.ts";
import { formatOf, readClaims, type ClaimLine } from "./read.ts";

/** Bytes of the claims of one request: sealed and in base64 it stays below 64 KiB. */
const requestBytes = 24 * 1024;
/** How long the enclave takes the same request for the same: five minutes, less what clocks may differ. */
const sameForMs = 240_000;
const retried: readonly Code[] = ["SERVICE_BUSY", "SERVICE_TIMEOUT", "SERVICE_AWAY", "CLI_UNREACHABLE", "AUTH_RATE_LIMITED", "PLATFORM_BUSY"];
const mostTries = 7;

const pendingSchema = z.strictObject({ id: z.string(), jwe: z.string(), answerKey: z.string(), at: z.number(), end: z.number().int(), number: z.number().int() });
const stateSchema = z.strictObject({
  version: z.literal(1), service: jobIdSchema, input: z.string(),
  /** Place in the input, in bytes and lines, and length of the result. */
  end: z.number().int().min(0), number: z.number().int().min(0), written: z.number().int().min(0),
  counts: z.record(z.string(), z.number()), pending: pendingSchema.optional(),
});
type State = z.output<typeof stateSchema>;

export type BatchOptions = {
  readonly client: Pick<ServiceClient, "view" | "sealAs" | "sendAs">; readonly file: string; readonly out: string; readonly fields: readonly AskedField[]; readonly now: () => number;
  readonly progress: (claims: number) => void; readonly wait: (ms: number) => Promise<void>;
};
/** By answer or code: how many claims. lines: numbers of the first lines that are no claims. */
export type BatchSummary = { readonly claims: number; readonly counts: Readonly<Record<string, number>>; readonly badLines: readonly number[] };

/** Throws CLI_ARGUMENT for a result of another input, CLI_EXISTS for one that is whole, SERVICE_*. */
export async function verifyBatch(options: BatchOptions): Promise<BatchSummary> {
  const { client, file, out, fields } = options;
  const progressFile = `${out}.progress`;
  const input = await digestOfFile(file);
  const head = header(out);
  let state: State = existing(progressFile, { out, input, service: client.view.id }) ?? { version: 1, service: client.view.id, input, end: 0, number: 0, written: head.length, counts: {} };
  const save = (): void => writeDurably(progressFile, JSON.stringify(state));
  save();
  if (state.number === 0) appendDurably(out, 0, head);
  const badLines: number[] = [];
  const pieces = requestsOf(readClaims(file, fields, state.number === 0 ? undefined : state), state.pending);
  for await (const lines of pieces) {
    const claims = lines.flatMap(({ claim }) => (claim === undefined ? [] : [claim]));
    const last = lines.at(-1) as ClaimLine;
    let results: readonly ClaimResult[] = [];
    if (claims.length > 0) {
      const { pending } = state;
      const isSame = pending?.end === last.end && options.now() - pending.at < sameForMs;
      const sealed: SealedRequest = isSame ? { id: pending.id, jwe: pending.jwe, answerKey: Buffer.from(pending.answerKey, "base64url") } : await client.sealAs({ claims }, options.now());
      if (!isSame) {
        state = { ...state, pending: { id: sealed.id, jwe: sealed.jwe, answerKey: Buffer.from(sealed.answerKey).toString("base64url"), at: options.now(), end: last.end, number: last.number } };
        save();
      }
      results = await ask(options, sealed, claims.length);
    }
    const counts = { ...state.counts };
    let next = 0;
    const rows = lines.map((line) => {
      const result: ClaimResult = line.claim === undefined ? { code: "VERIFY_CLAIM" } : (results[next++] as ClaimResult);
      if (line.claim === undefined && badLines.length < 20) badLines.push(line.number);
      const word = "answer" in result ? result.answer : result.code;
      counts[word] = (counts[word] ?? 0) + 1;
      return row(out, line, result);
    });
    const written = appendDurably(out, state.written, Buffer.from(rows.join("")));
    const { pending: _done, ...rest } = state;
    state = { ...rest, end: last.end, number: last.number, written, counts };
    save();
    options.progress(total(state.counts));
  }
  rmSync(progressFile);
  return { claims: total(state.counts), counts: state.counts, badLines };
}

const total = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((sum, n) => sum + n, 0);

/** Groups lines to requests; the first one ends where the one on its way did. */
async function* requestsOf(lines: AsyncIterable<ClaimLine>, pending: State["pending"]): AsyncGenerator<readonly ClaimLine[]> {
  let group: ClaimLine[] = [];
  let bytes = 0;
  let until = pending?.end;
  for await (const line of lines) {
    const own = line.claim === undefined ? 0 : Buffer.byteLength(JSON.stringify(line.claim));
    if (group.length > 0 && (bytes + own > requestBytes || group.length >= maxClaims)) {
      yield group;
      [group, bytes] = [[], 0];
    }
    group.push(line);
    bytes += own;
    if (until !== undefined && line.end >= until) {
      yield group;
      [group, bytes, until] = [[], 0, undefined];
    }
  }
  if (group.length > 0) yield group;
}

/** The same request again while it may still be answered. */
async function ask({ client, wait }: BatchOptions, sealed: SealedRequest, claims: number): Promise<readonly ClaimResult[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await client.sendAs(sealed, verifyAnswerSchema);
      if (answer.status === "refused") throw new AppError(answer.code as Code);
      if (answer.results.length !== claims) throw new AppError("VERIFY_REPLY");
      return answer.results;
    } catch (error) {
      if (!isAppError(error) || !retried.includes(error.code) || attempt >= mostTries) throw error;
      await wait(500 * 2 ** (attempt - 1));
    }
  }
}

function existing(path: string, { out, input, service }: { readonly out: string; readonly input: string; readonly service: string }): State | undefined {
  if (!existsSync(path)) {
    if (existsSync(out)) throw explained("CLI_EXISTS", `already there: ${out}`);
    return undefined;
  }
  const state = stateSchema.safeParse(JSON.parse(readFileSync(path, "utf8")));
  if (!state.success || state.data.input !== input || state.data.service !== service) throw explained("CLI_ARGUMENT", `${path} belongs to another file or service; use another --out, or remove it`);
  return state.data;
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest("hex");
}

function header(out: string): Uint8Array {
  return Buffer.from(formatOf(out) === "csv" ? `${csvLine(["line", "company", "provider", "field", "answer", "code", "objected"])}\n` : "");
}

function row(out: string, { number, claim }: ClaimLine, result: ClaimResult): string {
  const { company = "", provider = "", field = "" } = claim ?? {};
  if (formatOf(out) === "ndjson") return `${JSON.stringify({ line: number, ...(claim && { company, provider, field }), ...result })}\n`;
  return `${csvLine([number, company, provider, field, ..."answer" in result ? [result.answer, "", result.objected === true ? "true" : ""] : ["", result.code, ""]])}\n`;
}
