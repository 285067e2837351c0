// Values of public records by the type that the catalogue gives a field. A value that does not fit is refused, never bent.
import { z } from "zod";
import type { CatalogueField } from "../catalogue/schema.ts";
import { isUscc } from "../core/uscc.ts";

export type Value = string | number | boolean;

const maxText = 2000;
// Control characters, unpaired surrogates, and marks that hide or reorder text have no place in a published value.
const unfit = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/u;

const text = (most: number): z.ZodType<string> => z.string().min(1).max(most).refine((s) => !unfit.test(s) && s.trim() === s);
const number = z.number().refine((n) => Number.isFinite(n) && Math.abs(n) <= 1e15);

const byType: Readonly<Record<CatalogueField["type"], z.ZodType<Value>>> = {
  text: text(maxText), document: text(maxText), enumeration: text(256), code: text(128), number, money: number, date: z.iso.date(), boolean: z.boolean(),
};

/** Whether the value fits the field. */
export function fits(field: CatalogueField, value: unknown): value is Value {
  return byType[field.type].safeParse(value).success;
}

/** A cell of a table as a value of the field; undefined when it does not fit. Numbers as 1234.5, truth as true or false. */
export function valueOfCell(field: CatalogueField, cell: string): Value | undefined {
  const trimmed = cell.trim();
  const value = field.type === "number" || field.type === "money" ? numberOf(trimmed) : field.type === "boolean" ? truthOf(trimmed) : trimmed;
  return fits(field, value) ? value : undefined;
}

function numberOf(cell: string): number | undefined {
  return /^-?[0-9]{1,15}(\.[0-9]{1,8})?$/.test(cell) ? Number(cell) : undefined;
}

function truthOf(cell: string): boolean | undefined {
  if (["true", "1", "是"].includes(cell)) return true;
  return ["false", "0", "否"].includes(cell) ? false : undefined;
}

/** Whether this is the field with the company's own code. */
export function isOwnCode(field: CatalogueField): boolean {
  return field.identity === true && field.type === "code";
}

export const usccText = z.string().length(18).refine(isUscc);
/** Tells a company's records of one item apart, as the provider numbers them. Empty where a company has one record at most. */
export const recordKey = z.string().max(128).refine((s) => !unfit.test(s));
