// What an indicator's SQL may be: one SELECT over the declared tables, with functions from the list below. Checked on
// DuckDB's own syntax tree, so that no text trick passes; the locked session under it can open no other file anyway.
// Left out on purpose: table functions (they read files, settings and catalogs), clocks and random numbers (the same
// data must give the same digest after a restart), and functions that run SQL given as text.
import { AppError } from "../../core/errors.ts";
import type { Facts } from "../../core/errors.ts";
import type { DataSession } from "./duckdb.ts";

const words = (text: string): string[] => text.trim().split(/\s+/);

const functions: ReadonlySet<string> = new Set([
  ...words("+ - * / // % ** ^ & | << >> ~ || ~~ !~~ ~~* !~~* ~~~ !~~~ @ @> <@ && row struct_pack struct_extract list_value"),
  // Aggregates and windows
  ...words(`any_value arg_max arg_max_null arg_min arg_min_null argmax argmin avg bit_and bit_or bit_xor bool_and bool_or corr count
    count_if count_star countif covar_pop covar_samp entropy favg first fsum geomean geometric_mean kahan_sum kurtosis kurtosis_pop
    last mad max max_by mean median min min_by mode product quantile quantile_cont quantile_disc regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev stddev_pop stddev_samp sum sumkahan
    sum_no_overflow var_pop var_samp variance weighted_avg wavg approx_count_distinct list array_agg string_agg group_concat listagg
    cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank row_number`),
  // Numbers
  ...words(`abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees even exp fdiv floor fmod gcd greatest isfinite isinf isnan lcm least
    ln log log10 log2 mod nextafter pi pow power radians round round_even roundbankers sign signbit sin sqrt tan trunc add subtract
    multiply divide nullif ifnull coalesce if constant_or_null bit_count xor`),
  // Dates
  ...words(`century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth dayofweek
    dayofyear days_in_month decade epoch epoch_ms era hour isodow isoyear julian last_day make_date make_timestamp microsecond
    millennium millisecond minute month monthname quarter second strftime strptime time_bucket try_strptime week weekday weekofyear
    year yearweek to_years to_quarters to_months to_weeks to_days to_hours to_minutes to_seconds to_decades to_centuries
    to_timestamp`),
  // Text
  ...words(`ascii array_to_string char_length character_length chr concat concat_ws contains ends_with format hamming instr jaccard
    jaro_similarity jaro_winkler_similarity lcase left len length levenshtein like_escape ilike_escape not_like_escape
    not_ilike_escape lower lpad ltrim md5 nfc_normalize position prefix printf regexp_extract regexp_extract_all regexp_full_match
    regexp_matches regexp_replace regexp_split_to_array repeat replace reverse right rpad rtrim sha256 split split_part starts_with
    str_split strip_accents strlen strpos string_split substr substring suffix translate trim ucase unicode upper`),
  // Lists
  ...words(`array_length array_slice flatten list_aggregate list_any_value list_avg list_concat list_contains list_count list_distinct
    list_element list_extract list_filter list_first list_has list_last list_max list_median list_min list_position list_product
    list_reverse list_sort list_slice list_stddev_pop list_stddev_samp list_sum list_transform list_unique list_zip generate_series
    range unnest array_extract`),
]);
const tableFunctions: ReadonlySet<string> = new Set(["range", "generate_series", "unnest"]);
/** Nodes of the tree that are no expressions: queries, modifiers and where rows come from. */
const nodes: ReadonlySet<string> = new Set([
  "SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "BASE_TABLE", "JOIN", "SUBQUERY", "EMPTY", "EXPRESSION_LIST", "TABLE_FUNCTION",
  "ORDER_MODIFIER", "ORDER_DEFAULT", "ASCENDING", "DESCENDING", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER",
]);
const expressions: ReadonlySet<string> = new Set([
  "COLUMN_REF", "FUNCTION", "WINDOW", "CONSTANT", "CAST", "CASE", "COMPARISON", "CONJUNCTION", "BETWEEN", "OPERATOR", "SUBQUERY", "STAR",
  "LAMBDA", "LAMBDA_REF", "COLLATE", "DEFAULT", "POSITIONAL_REFERENCE",
]);
/** Names that SQL reads as functions of the clock when no column has them. */
const clocks: ReadonlySet<string> = new Set(["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"]);
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A part of a statement's syntax tree, as DuckDB writes it as JSON. */
export type Tree = null | boolean | number | string | readonly Tree[] | { readonly [key: string]: Tree };

/**
 * Throws DATA_INDICATOR_SQL with the broken rule: syntax, statements, node, table, function, clock, parameter or sample.
 * sql: as the provider wrote it. tables: the declared names. Returns the tree that was checked.
 */
export async function checkIndicatorSql(session: DataSession, sql: string, tables: readonly string[], facts: Facts): Promise<Tree> {
  const refuse = (rule: string): never => {
    throw new AppError("DATA_INDICATOR_SQL", { ...facts, [rule]: true });
  };
  const fault = { code: "DATA_INDICATOR_SQL", facts: { ...facts, syntax: true } } as const;
  const [[text] = []] = await session.rows("SELECT json_serialize_sql(s) FROM (SELECT CAST($1 AS VARCHAR)) t(s)", fault, [sql]);
  const tree = JSON.parse(String(text)) as { error: boolean; statements?: readonly Tree[] };
  if (tree.error || tree.statements === undefined || tree.statements.length === 0) return refuse("syntax");
  if (tree.statements.length !== 1) return refuse("statements");
  visit(tree.statements, new Set(tables.map((t) => t.toLowerCase())), refuse);
  return tree.statements;
}

/**
 * tables: names that rows may come from at this place, in lower case. A name of a WITH clause counts where SQL knows it and nowhere else:
 * in later clauses and in the query behind them. In its own query, or outside, the same name would be a view of the engine's catalog.
 */
function visit(tree: Tree, tables: ReadonlySet<string>, refuse: (rule: string) => never): void {
  if (Array.isArray(tree)) {
    for (const part of tree) visit(part as Tree, tables, refuse);
    return;
  }
  if (tree === null || typeof tree !== "object") return;
  const node = tree as { readonly [key: string]: Tree };
  if (typeof node["class"] === "string") checkExpression(node, node["class"], refuse);
  else if (typeof node["type"] === "string") checkNode(node, node["type"], tables, refuse);
  if (node["sample"] !== null && node["sample"] !== undefined) refuse("sample");
  const inside = new Set(tables);
  for (const { key, value } of withClauses(node)) {
    visit(value, inside, refuse);
    if (plainName.test(key)) inside.add(key.toLowerCase());
  }
  for (const [key, part] of Object.entries(node)) {
    // A constant holds the provider's own literal, which may look like anything.
    if (key !== "cte_map" && !(node["class"] === "CONSTANT" && key === "value")) visit(part, inside, refuse);
  }
}

/** The WITH clauses of a query, in their order. */
function withClauses(node: { readonly [key: string]: Tree }): readonly { readonly key: string; readonly value: Tree }[] {
  return (node["cte_map"] as { readonly map: readonly { readonly key: string; readonly value: Tree }[] } | undefined)?.map ?? [];
}

function checkExpression(node: { readonly [key: string]: Tree }, kind: string, refuse: (rule: string) => never): void {
  if (kind === "PARAMETER") refuse("parameter");
  if (!expressions.has(kind)) refuse("node");
  const name = node["function_name"];
  const foreign = hasText(node["catalog"]) || (hasText(node["schema"]) && node["schema"] !== "main");
  if (typeof name === "string" && (foreign || !functions.has(name.toLowerCase()))) refuse("function");
  const columns = node["column_names"];
  if (kind === "COLUMN_REF" && Array.isArray(columns) && columns.length === 1 && clocks.has(String(columns[0]).toLowerCase())) refuse("clock");
}

function checkNode(node: { readonly [key: string]: Tree }, type: string, tables: ReadonlySet<string>, refuse: (rule: string) => never): void {
  if (!nodes.has(type) && !type.endsWith("_TYPE_INFO")) refuse("node");
  const table = node["table_name"];
  const foreign = hasText(node["schema_name"]) || hasText(node["catalog_name"]);
  if (type === "BASE_TABLE" && (foreign || typeof table !== "string" || !tables.has(table.toLowerCase()))) refuse("table");
  const called = (node["function"] as { function_name?: string } | undefined)?.function_name ?? "";
  if (type === "TABLE_FUNCTION" && !tableFunctions.has(called.toLowerCase())) refuse("function");
}

function hasText(value: Tree | undefined): boolean {
  return typeof value === "string" && value !== "";
}
