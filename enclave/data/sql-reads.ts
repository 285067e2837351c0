// Which tables and columns an indicator's SQL reads, from DuckDB's own syntax tree. Where the text leaves a doubt, more is read than less:
// a name counts for every table of the query that has such a column, and what could stand for all columns is the whole table.
import type { Tree } from "./sql-guard.ts";

/** Without a column: the whole table. Names in lower case. */
export type Read = { readonly table: string; readonly column?: string };
type Node = { readonly [key: string]: Tree };

/** `columns`: by table of the data set, the names of its columns, all in lower case. `tree`: what `checkIndicatorSql` found to be within the rules. */
export function readsOf(tree: Tree, columns: ReadonlyMap<string, ReadonlySet<string>>): readonly Read[] {
  const found = new Found(new Set(columns.keys()));
  found.visit(tree);
  return found.tables.flatMap((table): Read[] => {
    const own = columns.get(table) ?? new Set<string>();
    if (found.isWhole(table)) return [{ table }];
    return [...own].filter((column) => found.names(table, column)).map((column) => ({ table, column }));
  });
}

class Found {
  readonly #known: ReadonlySet<string>;
  /** By name that a table goes by in the query (its own or an alias): the tables meant. */
  readonly #called = new Map<string, Set<string>>();
  readonly #whole = new Set<string>();
  readonly #refs: (readonly string[])[] = [];
  /** Names of queries: WITH clauses and subqueries. */
  readonly #queries = new Set<string>();
  #everything = false;

  constructor(known: ReadonlySet<string>) {
    this.#known = known;
  }

  get tables(): string[] {
    return [...new Set([...this.#called.values()].flatMap((s) => [...s]))];
  }

  isWhole(table: string): boolean {
    if (this.#everything || this.#whole.has(table)) return true;
    // A table's name alone stands for all of its columns at once.
    return this.#refs.some(([first = "", ...rest]) => rest.length === 0 && this.#called.get(first)?.has(table) === true);
  }

  names(table: string, column: string): boolean {
    return this.#refs.some((ref) => {
      if (!ref.includes(column)) return false;
      const [first = ""] = ref;
      const meant = ref.length > 1 && !this.#queries.has(first) ? this.#called.get(first) : undefined;
      // `e.amount` is of the table called e alone, unless e could be anything else.
      const isQualified = meant !== undefined && ref.length === 2 && !this.#isColumn(first);
      return !isQualified || meant.has(table);
    });
  }

  /** Whether a first part may be a column with parts of its own: it never is for tables of numbers and texts, but it costs nothing to ask. */
  #isColumn(name: string): boolean {
    return this.#refs.some((ref) => ref.length === 1 && ref[0] === name);
  }

  visit(tree: Tree): void {
    if (Array.isArray(tree)) {
      for (const part of tree) this.visit(part as Tree);
      return;
    }
    if (tree === null || typeof tree !== "object") return;
    const node = tree as Node;
    this.#take(node);
    for (const [key, part] of Object.entries(node)) if (!(node["class"] === "CONSTANT" && key === "value")) this.visit(part);
  }

  #take(node: Node): void {
    const { type } = node;
    if (node["class"] === "STAR" || node["class"] === "POSITIONAL_REFERENCE" || node["ref_type"] === "NATURAL") this.#everything = true;
    if (node["class"] === "COLUMN_REF") this.#refs.push(textsOf(node["column_names"]));
    const using = textsOf(node["using_columns"]);
    for (const name of using) this.#refs.push([name]);
    if (type === "BASE_TABLE") this.#table(node);
    if (type === "SUBQUERY" || type === "TABLE_FUNCTION") for (const name of textsOf([node["alias"] ?? ""])) if (name !== "") this.#queries.add(name);
    const clauses = (node["cte_map"] as { readonly map?: readonly { readonly key: string }[] } | undefined)?.map ?? [];
    for (const { key } of clauses) this.#queries.add(key.toLowerCase());
  }

  #table(node: Node): void {
    const [table = "", alias = ""] = textsOf([node["table_name"] ?? "", node["alias"] ?? ""]);
    // A name of a WITH clause; the tables behind it are found in the clause.
    if (!this.#known.has(table)) {
      if (alias !== "") this.#queries.add(alias);
      return;
    }
    for (const name of alias === "" ? [table] : [alias, table]) this.#called.set(name, new Set([...(this.#called.get(name) ?? []), table]));
    if (textsOf(node["column_name_alias"]).length > 0) this.#whole.add(table);
  }
}

function textsOf(value: Tree | undefined): string[] {
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === "string").map((v) => v.toLowerCase()) : [];
}
