// What is wrong with single lines of a batch: kinds, counts and the first line numbers of each, never a value.
import { AppError } from "../../core/errors.ts";
import type { ExpectedColumns } from "../data/columns.ts";
import type { IdKind } from "../data/definition.ts";
import { idFault, normaliseId } from "../data/ids.ts";

/** syntax: no JSON object, or broken quotes. fields: more or fewer than the header. column: a column that the table does not have. value: a list, an
 *  object or a control character. number: neither a number nor a date where the model needs one. */
export const lineFaults = ["syntax", "fields", "column", "value", "id-empty", "id-format", "id-check", "duplicate", "number"] as const;
export type LineFault = (typeof lineFaults)[number];
const shown = 5;

/** Lines that are wrong; the cause of BATCH_LINES. */
export class LineReport extends Error {
  readonly #found = new Map<LineFault, { count: number; readonly first: number[] }>();
  readonly #lines = new Set<number>();

  add(fault: LineFault, line: number): void {
    const known = this.#found.get(fault) ?? { count: 0, first: [] };
    known.count += 1;
    if (known.first.length < shown) known.first.push(line);
    this.#found.set(fault, known);
    this.#lines.add(line);
  }

  get faults(): readonly { readonly fault: LineFault; readonly count: number; readonly first: readonly number[] }[] {
    return lineFaults.flatMap((fault) => {
      const known = this.#found.get(fault);
      return known === undefined ? [] : [{ fault, ...known }];
    });
  }

  /** Throws BATCH_LINES when there is anything. */
  check(): void {
    if (this.#lines.size > 0) throw new AppError("BATCH_LINES", { lines: this.#lines.size, first: Math.min(...this.faults.map(({ first }) => first[0] ?? Infinity)) }, { cause: this });
  }
}

const number = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const notFinite = /^[+-]?(inf|infinity|nan)$/i;
const date = /^\d{4}[-/]\d{1,2}[-/]\d{1,2}([ T].*)?$/;

/** Checks lines one by one: ids, each once, and texts where the model needs numbers. */
export class LineChecker {
  readonly report = new LineReport();
  readonly #kind: IdKind;
  readonly #missing: ReadonlySet<string>;
  readonly #expected: ExpectedColumns | undefined;
  readonly #seen = new Set<string>();

  constructor(options: { readonly idKind: IdKind; readonly missing: readonly string[]; readonly expected?: ExpectedColumns | undefined }) {
    this.#kind = options.idKind;
    this.#missing = new Set(["", ...options.missing]);
    this.#expected = options.expected;
  }

  /** Whether the texts of a column have to be numbers or dates. */
  isOrdered(column: string): boolean {
    return this.#expected?.get(column) === "ordered";
  }

  takeId(line: number, id: string | null): void {
    const fault = idFault(id, this.#kind, this.#missing);
    if (fault !== undefined) {
      this.report.add(`id-${fault}`, line);
      return;
    }
    const normal = normaliseId(id ?? "", this.#kind);
    if (this.#seen.has(normal)) this.report.add("duplicate", line);
    else this.#seen.add(normal);
  }

  /** A text of an ordered column. */
  takeText(line: number, text: string): void {
    const plain = text.trim();
    if (!this.#missing.has(plain) && !number.test(plain) && !notFinite.test(plain) && !date.test(plain)) this.report.add("number", line);
  }
}
