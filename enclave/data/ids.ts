// Normalises and checks the ids of a table. Errors count rows; an id never leaves in one.
import type { EntityId } from "../../core/brand.ts";
import type { Facts } from "../../core/errors.ts";
import { AppError } from "../../core/errors.ts";
import { isUscc, normaliseUscc } from "../../core/uscc.ts";
import type { IdKind } from "./definition.ts";

const usccForm = /^[0-9A-HJ-NPQRTUWXY]{18}$/;
const plainAscii = /^[\x21-\x7e]*$/;
// eslint-disable-next-line no-control-regex -- control characters are what is refused
const control = /[\u0000-\u001f\u007f-\u009f]/;

/** NFKC and no blanks around; `uscc` also in upper case. */
export function normaliseId(text: string, kind: IdKind): string {
  if (kind === "uscc") return normaliseUscc(text);
  return plainAscii.test(text) ? text : text.normalize("NFKC").trim();
}

type Fault = "empty" | "format" | "check";
function faultOf(id: string, kind: IdKind): Fault | undefined {
  if (id === "") return "empty";
  if (kind === "opaque") return id.length > 128 || control.test(id) ? "format" : undefined;
  if (isUscc(id)) return undefined;
  return usccForm.test(id) ? "check" : "format";
}

/** What is wrong with an id as it stands in a file, or undefined. missing: texts that mean that there is none. */
export function idFault(raw: string | null, kind: IdKind, missing: ReadonlySet<string>): "empty" | "format" | "check" | undefined {
  return raw === null || missing.has(raw.trim()) ? "empty" : faultOf(normaliseId(raw, kind), kind);
}

/** Collects ids row by row; `finish` gives them or throws for all rows at once. */
export class IdCollector {
  readonly #kind: IdKind;
  readonly #missing: ReadonlySet<string>;
  readonly #ids: string[] = [];
  readonly #faults: Record<Fault, number> = { empty: 0, format: 0, check: 0 };

  constructor(kind: IdKind, missing: readonly string[]) {
    this.#kind = kind;
    this.#missing = new Set(missing);
  }

  /** Returns the normalised id. weight: number of rows that have this raw id. */
  add(raw: string | null, weight = 1): string {
    const id = raw === null || this.#missing.has(raw.trim()) ? "" : normaliseId(raw, this.#kind);
    const fault = faultOf(id, this.#kind);
    if (fault !== undefined) this.#faults[fault] += weight;
    this.#ids.push(id);
    return id;
  }

  /** Throws DATA_ID_EMPTY, DATA_ID_FORMAT or DATA_ID_CHECK with the number of rows. */
  check(where: Facts): void {
    const { empty, format, check } = this.#faults;
    if (empty > 0) throw new AppError("DATA_ID_EMPTY", { ...where, rows: empty });
    if (format > 0) throw new AppError("DATA_ID_FORMAT", { ...where, rows: format });
    if (check > 0) throw new AppError("DATA_ID_CHECK", { ...where, rows: check });
  }

  /** All ids in the order of rows, each once. Throws also DATA_DUPLICATE_ID: ids that repeat, and rows too many. */
  unique(where: Facts): readonly EntityId[] {
    this.check(where);
    const seen = new Set<string>();
    const repeated = new Set<string>();
    for (const id of this.#ids) {
      if (seen.has(id)) repeated.add(id);
      seen.add(id);
    }
    if (repeated.size > 0) throw new AppError("DATA_DUPLICATE_ID", { ...where, ids: repeated.size, rows: this.#ids.length - seen.size });
    return this.#ids as unknown as readonly EntityId[];
  }
}
