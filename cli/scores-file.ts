// The scores of a batch as a bank takes them: CSV as the enclave made it, or NDJSON; and the summary beside them.
import { join } from "node:path";
import type { JobId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { writePiecesDurably, writeDurably } from "../core/files.ts";
import type { ApiClient } from "./api-client.ts";
import { parseJson } from "./arguments.ts";
import { openSealed, type InstitutionKey } from "./institution-key.ts";

export const scoreFormats = ["csv", "ndjson"] as const;
export type ScoreFormat = (typeof scoreFormats)[number];
const linesPerPiece = 20_000;

/** Fetches, opens and writes scores and summary of a job that is done. Returns the summary, with the receipts that the platform's log has by now. */
export async function writeScores(api: ApiClient, key: InstitutionKey, job: JobId, o: { readonly out: string; readonly format: ScoreFormat }): Promise<Record<string, unknown>> {
  const opened = parseJson(await openSealed(await api.result(job, "report"), key), "the opened summary");
  if (typeof opened !== "object" || opened === null) throw new AppError("PROTOCOL_MALFORMED");
  const text = await openSealed(await api.result(job, "scores"), key);
  await writePiecesDurably(join(o.out, `scores.${o.format}`), o.format === "csv" ? pieces(text) : ndjsonOf(text));
  const logged = (await api.receipts(job)).map(({ id, party, index }) => ({ id, party, index }));
  const summary = { ...opened, format: o.format, logged };
  writeDurably(join(o.out, "score.json"), `${JSON.stringify(summary, undefined, 2)}\n`);
  return summary;
}

async function* pieces(text: string): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += 2 ** 20) yield text.slice(at, at + 2 ** 20);
}

/** One object a line with the fields of the CSV; ids as they stand there. A company that was refused has null for its score. */
export async function* ndjsonOf(csv: string): AsyncGenerator<string> {
  let piece = "";
  let count = 0;
  let names: readonly string[] | undefined;
  for (const fields of recordsOf(csv)) {
    if (names === undefined) {
      names = fields;
      continue;
    }
    piece += `${JSON.stringify(Object.fromEntries(names.map((name, i) => [name, valueOf(name, fields[i] ?? "")])))}\n`;
    count += 1;
    if (count % linesPerPiece !== 0) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}

function valueOf(name: string, text: string): unknown {
  if (name === "points" || name === "probability") return text === "" ? null : Number(text);
  if (name === "partial") return text === "1";
  if (name === "refused") return text === "" ? null : text;
  if (name === "objection") return text === "" ? [] : text.split(" ");
  return text;
}

/** Records of CSV that the enclave wrote: a quoted field holds no more than an id. */
function* recordsOf(csv: string): Generator<readonly string[]> {
  for (let at = 0; at < csv.length; ) {
    let end = csv.indexOf("\n", at);
    if (end < 0) end = csv.length;
    const line = csv.slice(at, end);
    at = end + 1;
    if (!line.startsWith('"')) {
      if (line !== "") yield line.split(",");
      continue;
    }
    const close = /^"((?:[^"]|"")*)"(?:,|$)/.exec(line);
    if (close === null) throw new AppError("PROTOCOL_MALFORMED"); // an id holds no line end
    yield [(close[1] ?? "").replaceAll('""', '"'), ...line.slice(close[0].length).split(",")];
  }
}
