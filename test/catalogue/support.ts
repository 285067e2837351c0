// Small lists for tests, and the code and facts of what is thrown.
import { assert } from "chai";
import type { Way } from "../../catalogue/schema.ts";
import { AppError, type Code } from "../../core/errors.ts";

export const open: Way = { mode: "physical-collection", levels: ["national"], authorisation: false };
export const asked: Way = { mode: "interface-call", levels: ["local"], authorisation: true };
export const localStore: Way = { mode: "physical-collection", levels: ["local"], authorisation: false };

type Parts = Readonly<Record<string, unknown>>;

export function field(id: string, parts: Parts = {}): Parts {
  return { id, zh: "数据项", en: "A field", type: "text", personal: "none", grade: "public", ...parts };
}

export function row(id: string, parts: Parts = {}): Parts {
  return {
    id, named: true, zh: "信息项", en: "An item", sharing: { zh: "国家层面物理归集", en: "collected", ways: [open] }, departments: null, due: null,
    fields: [field("amount")], ...parts,
  };
}

/** A list with one category. */
export function list(version: string, items: readonly Parts[], parts: Parts = {}): Parts {
  return {
    version, document: "T1", title: { zh: "清单", en: "A list" }, issued: `${version.slice(0, 4)}-01-01`, withdrawn: [],
    categories: [{ number: 1, id: "things", zh: "类别", en: "Things", items }], ...parts,
  };
}

/** Runs `work`, asserts that it throws this code, and returns the facts. */
export function refused(code: Code, work: () => unknown): Readonly<Record<string, unknown>> {
  try {
    work();
  } catch (error) {
    assert.instanceOf(error, AppError);
    assert.equal(error.code, code, JSON.stringify(error.facts));
    return error.facts;
  }
  return assert.fail(`nothing was thrown instead of ${code}`);
}

/** Branded ids as plain strings, to compare with. */
export function plain(ids: Iterable<string> | undefined): string[] {
  return [...(ids ?? [])];
}
