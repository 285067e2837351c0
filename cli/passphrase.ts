// A passphrase from a file, or typed without being shown.
import { createInterface } from "node:readline/promises";
import { readFileSync } from "node:fs";
import { Writable } from "node:stream";
import { AppError } from "../core/errors.ts";
import { existingFile } from "./arguments.ts";
import { remark, type Language } from "./terminal.ts";

/** The first line of the file, or what is typed on the terminal. Throws OPERATOR_PASSPHRASE when there is neither. */
export async function readPassphrase(file: string | undefined, language: Language, again = false): Promise<string> {
  if (file !== undefined) return (readFileSync(existingFile(file), "utf8").split(/\r?\n/, 1)[0] ?? "").trim();
  if (!process.stdin.isTTY) throw new AppError("OPERATOR_PASSPHRASE");
  const first = await typed(language, { en: "Passphrase:", zh: "口令：" });
  if (again && (await typed(language, { en: "Again:", zh: "再次输入：" })) !== first) throw new AppError("OPERATOR_PASSPHRASE");
  return first;
}

async function typed(language: Language, words: { en: string; zh: string }): Promise<string> {
  remark(language, words);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  try {
    return await lines.question("");
  } finally {
    lines.close();
  }
}
