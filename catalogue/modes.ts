// What the way in which an item is shared allows to be done with it. Each answer cites a clause. The enclaves ask before a plan is
// approved and before an indicator is computed; what the texts leave open is read the stricter way (README.md).
import type { ItemId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import { clause, type Clause, type ClauseKey } from "./clauses.ts";
import { isOpen, ordinaryFields } from "./grades.ts";
import type { CatalogueField, CatalogueItem, SharingMode, Way } from "./schema.ts";

export const uses = ["joint-modelling", "scoring", "verification", "report", "store-at-platform", "statistics"] as const;
/** joint-modelling: encrypted sums over many companies. scoring: a number about one company. verification: match or no match.
 *  report: values in a credit report. store-at-platform: raw records outside of the domain. statistics: counts and rates. */
export type Use = (typeof uses)[number];

export type Verdict = {
  readonly allowed: boolean;
  /** Whether each company must have authorised it. False where it is refused. */
  readonly authorisation: boolean;
  readonly clause: Clause;
};

type Rule = {
  /** "open": only data that are public by law. */
  readonly allowed: "yes" | "open" | "no";
  /** The ground of the permission, or of the refusal. */
  readonly clause: ClauseKey;
  /** Whether data that are not open need each company's authorisation for it, and by which clause. */
  readonly unlessOpen?: ClauseKey;
};

/** Mode × use. Statistics are counts and rates over at least as many companies as the grade demands (grades.ts): de-sensitised. */
export const modeTable: Readonly<Record<SharingMode, Readonly<Record<Use, Rule>>>> = {
  "physical-collection": {
    "joint-modelling": { allowed: "yes", clause: "P24-7-modelling" },
    scoring: { allowed: "yes", clause: "P21-7-evaluation", unlessOpen: "P24-11-release" },
    verification: { allowed: "yes", clause: "P21-5-ways", unlessOpen: "P24-11-release" },
    report: { allowed: "open", clause: "P21-6-report" },
    "store-at-platform": { allowed: "yes", clause: "P21-note-2-collection" },
    statistics: { allowed: "yes", clause: "P21-9-release" },
  },
  "interface-call": {
    "joint-modelling": { allowed: "yes", clause: "P21-6-use" },
    scoring: { allowed: "yes", clause: "P21-7-evaluation", unlessOpen: "P21-6-use" },
    verification: { allowed: "yes", clause: "P21-5-ways", unlessOpen: "P21-6-use" },
    report: { allowed: "open", clause: "P21-6-report" },
    "store-at-platform": { allowed: "no", clause: "P21-note-2-interface" },
    statistics: { allowed: "yes", clause: "P21-9-release" },
  },
  "data-verification": {
    "joint-modelling": { allowed: "no", clause: "P21-note-2-verification" },
    scoring: { allowed: "no", clause: "P21-note-2-verification" },
    verification: { allowed: "yes", clause: "P21-note-2-verification", unlessOpen: "P21-6-use" },
    report: { allowed: "no", clause: "P21-note-2-verification" },
    "store-at-platform": { allowed: "no", clause: "P21-note-2-verification" },
    statistics: { allowed: "no", clause: "P21-note-2-verification" },
  },
};

/** Uses for which certificate numbers, marital status and the like are not taken, in whatever way they are shared. */
export const notOfRestricted: readonly Use[] = ["joint-modelling", "scoring", "report", "statistics"];

export type UseOptions = {
  /** Ids of fields; default: those that stand for the item (`ordinaryFields`). Unknown ones throw CATALOGUE_UNKNOWN_FIELD. */
  readonly fields?: readonly string[];
  /** The part of the item that is shared in a way of its own, e.g. "grade-a-taxpayers". */
  readonly part?: string;
};

/** Whether all of these fields of the item may be used so. Allowed by any of the ways in which a field is shared. */
export function allows(item: CatalogueItem, use: Use, options: UseOptions = {}): Verdict {
  const inPart = (way: Way): boolean => way.part === undefined || way.part.id === options.part;
  const verdicts = unitsOf(item, options.fields).map(({ ways, field }) => {
    if (field?.grade === "restricted" && notOfRestricted.includes(use)) return refusal("P21-9-release");
    return best(ways.filter(inPart).map((way) => judge(way, use, field?.id, options.part)));
  });
  const refused = verdicts.find((v) => !v.allowed);
  if (refused !== undefined) return refused;
  const demanding = verdicts.find((v) => v.authorisation);
  return demanding ?? verdicts[0] ?? refusal("P21-9-release");
}

/** Throws CATALOGUE_MODE with the clause unless the item may be used so. Returns the verdict. */
export function requireUse(item: CatalogueItem, use: Use, options: UseOptions = {}): Verdict {
  const verdict = allows(item, use, options);
  if (!verdict.allowed) throw new AppError("CATALOGUE_MODE", { item: item.id, clause: verdict.clause.id });
  return verdict;
}

/** The items of a set for which this use needs each company's authorisation; refused ones throw CATALOGUE_MODE. */
export function needingAuthorisation(items: readonly CatalogueItem[], use: Use): ReadonlySet<ItemId> {
  return new Set(items.filter((item) => requireUse(item, use).authorisation).map((item) => item.id));
}

/** Fields and their ways; one unit without a field for an item whose fields no list names. */
function unitsOf(item: CatalogueItem, ids: readonly string[] | undefined): { ways: readonly Way[]; field?: CatalogueField }[] {
  if (ids !== undefined && ids.length > 0) {
    return ids.map((id) => {
      const field = item.fields.find((f) => f.id === id);
      if (field === undefined) throw new AppError("CATALOGUE_UNKNOWN_FIELD", { item: item.id });
      return { ways: field.ways, field };
    });
  }
  const fields = ordinaryFields(item);
  return fields.length > 0 ? fields.map((field) => ({ ways: field.ways, field })) : [{ ways: item.ways }];
}

function judge(way: Way, use: Use, field: string | undefined, part: string | undefined): Verdict {
  const rule = modeTable[way.mode][use];
  // Inside the named part its way is like any other.
  const open = isOpen(part === undefined ? way : { ...way, part: undefined }, field);
  if (rule.allowed === "no" || (rule.allowed === "open" && !open)) return refusal(rule.clause);
  const demand = open ? undefined : rule.unlessOpen;
  return { allowed: true, authorisation: demand !== undefined, clause: clause(demand ?? rule.clause) };
}

function refusal(key: ClauseKey): Verdict {
  return { allowed: false, authorisation: false, clause: clause(key) };
}

function best(verdicts: readonly Verdict[]): Verdict {
  return verdicts.find((v) => v.allowed && !v.authorisation) ?? verdicts.find((v) => v.allowed) ?? verdicts[0] ?? refusal("P21-9-release");
}
