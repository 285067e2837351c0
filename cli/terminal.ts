// What a person sees: language, progress lines, errors with a way out. Machine output goes to stdout as JSON, the rest to stderr.
import { stripVTControlCharacters } from "node:util";
import type { JobEvent } from "../api/contract.ts";
import { AppError, describeError, type Facts } from "../core/errors.ts";
import { Explanation } from "./arguments.ts";

export type Language = "en" | "zh";
type Bilingual = { readonly en: string; readonly zh: string };

/** From --lang, else the environment. */
export function languageOf(given: string | undefined): Language {
  if (given === "en" || given === "zh") return given;
  return /^zh/i.test(process.env["LC_ALL"] ?? process.env["LC_MESSAGES"] ?? process.env["LANG"] ?? "") ? "zh" : "en";
}

const phaseWords: Readonly<Record<string, { en: string; zh: string }>> = {
  load: { en: "load", zh: "载入" }, align: { en: "align companies", zh: "企业对齐" }, seeds: { en: "joint seed", zh: "联合随机种子" },
  binning: { en: "encrypted binning", zh: "密文分箱" }, moments: { en: "encrypted moments", zh: "密文矩量" }, fit: { en: "fit", zh: "拟合" },
  own: { en: "own trees", zh: "自有树" }, cells: { en: "encrypted cells", zh: "密文单元" }, boost: { en: "boosting on tables", zh: "表上提升" },
  hint: { en: "hint", zh: "提示" }, trees: { en: "trees", zh: "生长树" }, lookup: { en: "oblivious lookups", zh: "不经意查表" },
  totals: { en: "masked totals", zh: "掩码总分" }, evaluate: { en: "evaluate", zh: "评估" }, score: { en: "score", zh: "评分" },
  export: { en: "export of the whole model", zh: "导出完整模型" },
};

/** One line of JSON on stdout: everything that `--json` prints. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Lines for a person on stdout. Names of other parties' making cannot drive the terminal. */
export function printLines(lines: readonly string[]): void {
  process.stdout.write(`${lines.map((line) => stripVTControlCharacters(line)).join("\n")}\n`);
}

/** A remark on stderr: what happens, or what to do next. */
export function remark(language: Language, words: Bilingual): void {
  process.stderr.write(`${stripVTControlCharacters(words[language])}\n`);
}

/** Prints progress of a job on stderr: one line that is rewritten on a terminal, plain lines elsewhere. */
export class Progress {
  readonly #language: Language;
  readonly #guest: string;
  readonly #tty = process.stderr.isTTY;
  #open = false;

  constructor(language: Language, guest: string) {
    this.#language = language;
    this.#guest = guest;
  }

  step(words: { en: string; zh: string }): void {
    this.#line(words[this.#language]);
  }

  job(event: JobEvent): void {
    if (event.type === "phase-started" && event.party === this.#guest) this.#bar(event.phase, 0);
    if (event.type === "status" && event.party === this.#guest && event.status.phase !== null) this.#bar(event.status.phase, event.status.fraction ?? 0);
    if (event.type === "phase-finished" && event.party === this.#guest) this.#line(`${this.#name(event.phase)}  ${event.wallSeconds.toFixed(2)} s`);
    if (event.type === "status" && event.status.waitingFor !== null) {
      const { peer, messageType } = event.status.waitingFor;
      this.#line(this.#language === "zh" ? `${event.party} 等待 ${peer} 的 ${messageType}` : `${event.party} waits for ${messageType} of ${peer}`);
    }
    if (event.type === "state") this.#line(`${this.#language === "zh" ? "任务" : "job"}: ${event.state}`);
  }

  #name(phase: string): string {
    return phaseWords[phase]?.[this.#language] ?? phase;
  }

  #bar(phase: string, fraction: number): void {
    if (!this.#tty) return;
    const width = 24;
    const full = Math.round(fraction * width);
    process.stderr.write(`\r\u001b[K  ${this.#name(phase)} [${"#".repeat(full)}${".".repeat(width - full)}] ${Math.round(fraction * 100)}%`);
    this.#open = true;
  }

  #line(text: string): void {
    process.stderr.write(`${this.#open ? "\r\u001b[K" : ""}  ${stripVTControlCharacters(text)}\n`);
    this.#open = false;
  }
}

/** Prints an error with its code, facts and way out. Returns the exit status. */
export function sayError(error: unknown, language: Language, json: boolean): number {
  const code = error instanceof AppError ? error.code : "JOB_INTERNAL";
  const facts = error instanceof AppError ? error.facts : {};
  const words = describeError(code);
  const cause = error instanceof AppError ? error.cause : undefined;
  if (cause instanceof Explanation) process.stderr.write(`${stripVTControlCharacters(cause.message)}\n`);
  if (json) printJson({ error: { code, facts: printable(facts), en: words.en, zh: words.zh } });
  else {
    const detail = Object.entries(facts).map(([name, value]) => `${name}=${String(value)}`).join(" ");
    process.stderr.write(`${code}${detail === "" ? "" : ` (${detail})`}: ${words[language]}\n`);
  }
  if (!(error instanceof AppError) && process.env["YUNEI_TRACE"] === "1") {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? "") : String(error)}\n`);
  }
  return 1;
}

/** JSON has no infinities. */
function printable(facts: Facts): Record<string, number | boolean | string> {
  const finite = (value: Facts[string]): boolean => typeof value !== "number" || Number.isFinite(value);
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [name, finite(value) ? value : String(value)]));
}
