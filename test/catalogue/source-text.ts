// The official texts that lie beside the repository (`../shared/seeds`), never in it, read into rows: what the catalogue's data are
// held to. CI has the texts and fails without them; a clone of its own says that these tests did not run.
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Context } from "mocha";
import type { DocumentId } from "../../catalogue/clauses.ts";

const texts = resolve(import.meta.dirname, "../../../shared/seeds");
const files: Readonly<Record<DocumentId, string>> = {
  P19: "003_8dbbf025166fedd9.txt", P21: "002_fc00be44fec97ae7.txt", P22: "004_3b87e2bc07c485c4.txt", P24: "001_f4b9cec4944fad0e.txt",
};

/** For a `before` hook of tests that read the official texts. */
export function needsOfficialTexts(context: Context): void {
  if (existsSync(texts)) return;
  if (process.env["CI"] !== undefined) throw new Error("the official texts are not beside the repository");
  process.stdout.write("\n    not run: the official texts are not beside the repository (../shared/seeds)\n");
  context.skip();
}

export function readText(document: DocumentId): string {
  return readFileSync(join(texts, files[document]), "utf8");
}

/** One form for full-width and half-width punctuation, and no white space. Nothing else is changed. */
export function normalised(text: string): string {
  const halfWidth: Readonly<Record<string, string>> = { "（": "(", "）": ")", "，": ",", "：": ":", "；": ";" };
  return text.replaceAll(/[（），：；]/g, (c) => halfWidth[c] ?? c).replaceAll(/\s/g, "");
}

/** One row of a list, as the text has it (normalised). */
export type SourceRow = {
  number: number; category: string; item: string | null; fields: string[]; sharing: string; departments: string | null; due: string | null;
};

function between(text: string, start: string, end: string): string {
  const from = text.indexOf(start);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error("the text has no such list");
  return text.slice(from + start.length, to);
}

/** Splits at 、 outside of brackets. */
function fieldsOf(cell: string): string[] {
  return cell.split(/、(?![^(]*\))/);
}

function isNumber(cell: string | undefined): cell is string {
  return cell !== undefined && /^\d+$/.test(cell);
}

/** The list of 2021: tab-separated; a row without number belongs to the category above. Its last four cells are always there. */
export function rowsOf2021(): SourceRow[] {
  const lines = between(readText("P21"), "序号\t信息种类\t共享内容\t共享方式\t责任单位\t完成时间", "注：1.").split("\n");
  let number = 0;
  let category = "";
  return lines.map((line) => line.split("\t").map(normalised).filter((cell) => cell !== "")).filter((cells) => cells.length > 0).map((cells) => {
    if (isNumber(cells[0])) [number, category] = [Number(cells[0]), cells[1] ?? ""];
    const own = isNumber(cells[0]) ? cells.slice(2) : cells;
    const [due, departments, sharing, fields, item = null, ...more] = own.toReversed();
    if (due === undefined || departments === undefined || sharing === undefined || fields === undefined || more.length > 0) {
      throw new Error(`a row of ${category} has ${own.length} cells`);
    }
    return { number, category, item, fields: fieldsOf(fields), sharing, departments, due };
  });
}

/** The list of 2024. The text lost some cell borders: fields and way of sharing may stand in one cell, parted by a space. */
export function rowsOf2024(): SourceRow[] {
  const lines = between(readText("P24"), "序号\t信息种类\t归集共享内容\t归集共享方式", "**索引号").split("\n");
  let number = 0;
  let category = "";
  const rows: SourceRow[] = [];
  for (const line of lines) {
    // A page break left "xx" behind.
    if (normalised(line) === "" || normalised(line) === "xx") continue;
    const cells = line.split("\t").map((cell) => cell.trim());
    if (isNumber(cells[0])) [number, category] = [Number(cells[0]), normalised(cells[1] ?? "")];
    const last = /^(?:(\S.*) )?((?:国家层面|地方层面|数据核验)\S*)$/.exec(cells.at(-1) ?? "");
    if (last === null) throw new Error(`a row of ${category} names no way of sharing`);
    const own = [...cells.slice(2, -1), ...(last[1] === undefined ? [] : [last[1]])].map(normalised).filter((cell) => cell !== "");
    const lists = own.filter((cell) => cell.includes("、"));
    const [item = null, ...more] = own.filter((cell) => !cell.includes("、"));
    if (more.length > 0 || lists.length > 1) throw new Error(`a row of ${category} has ${own.length} cells`);
    rows.push({ number, category, item, fields: lists.flatMap(fieldsOf), sharing: normalised(last[2] ?? ""), departments: null, due: null });
  }
  // At that page break the first row of category 11 (the family farmer) stands above the line with its number.
  const farmer = rows.find((row) => row.item === "基本信息" && row.fields.includes("家庭农场主姓名"));
  const agriculture = rows.find((row) => row.number === 11);
  if (farmer?.number !== 10 || agriculture === undefined) throw new Error("the page break in category 11 is not where it was");
  [farmer.number, farmer.category] = [11, agriculture.category];
  return rows;
}

type Place = { at: number; article: string };

/** The text of a document without white space, and where its articles begin in it. */
export function articlesOf(document: DocumentId): { text: string; places: Place[] } {
  let text = "";
  let section = "";
  const places: Place[] = [];
  for (const line of readText(document).split("\n")) {
    const plain = normalised(line).replace(/^#+/, "");
    const chapter = /^([一二三四五六七八九十]+)、/.exec(plain);
    const article = /^\(([一二三四五六七八九十]+)\)/.exec(plain);
    const note = /^(?:注:)?([1-9])\.“/.exec(plain);
    if (chapter !== null) section = chapter[1] ?? "";
    if (chapter !== null) places.push({ at: text.length, article: section });
    if (article !== null) places.push({ at: text.length, article: `${document === "P19" ? section : ""}（${article[1] ?? ""}）` });
    if (note !== null) places.push({ at: text.length, article: `附件注${note[1] ?? ""}` });
    text += plain;
  }
  return { text, places };
}
