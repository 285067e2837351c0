// The financing purposes (core/purposes.ts) and the items that each needs (最小、必要). A job that asks for more is refused. What the
// texts fix is that the purpose is financing and that no more than necessary is used; which items a purpose needs is our reading.
import type { ItemId } from "../core/brand.ts";
import { AppError } from "../core/errors.ts";
import type { FinancingPurpose } from "../core/purposes.ts";
import { clause, type ClauseKey } from "./clauses.ts";
import { isOpen } from "./grades.ts";
import { officialCatalogue } from "./load.ts";
import type { Catalogue, CatalogueItem } from "./schema.ts";
import { findItem } from "./search.ts";

type PurposeRule = {
  readonly zh: string;
  readonly en: string;
  /** Where the texts name this purpose. */
  readonly clause: ClauseKey;
  /** All items of these categories are necessary, ... */
  readonly categories: readonly string[];
  /** ... these besides, ... */
  readonly items?: readonly string[];
  /** ... these not. */
  readonly without?: readonly string[];
  /** Before a company has applied for anything: only what is public by law. */
  readonly openOnly?: true;
};

/** How the company stands and pays: what changes from month to month. */
const state = [
  "registry", "judicial", "tax", "housing-fund", "social-insurance", "environment", "customs", "real-estate", "administrative", "utilities",
  "agriculture", "qualifications", "medical-insurance",
] as const;
/** What the company has made of itself. */
const strength = ["intellectual-property", "software-copyright", "research", "public-resources", "agricultural-lists"] as const;
/** Property of persons behind the company: needed where such a person answers for a loan. */
const ownerItems = ["real-estate.owner-property", "real-estate.owner-mortgages", "real-estate.farmer-housing"] as const;
const persons = ["legal-representative", "marriage"] as const;

export const purposeTable = {
  "loan-approval": {
    zh: "贷款审批", en: "loan approval", clause: "P24-6-process", categories: [...state, ...strength, ...persons],
  },
  "credit-line-review": {
    zh: "授信额度复审", en: "review of a credit line", clause: "P24-6-process",
    categories: [...state, ...strength], without: ownerItems,
  },
  "post-loan-monitoring": {
    zh: "贷后管理与风险监测", en: "monitoring after the loan", clause: "P21-8-monitoring",
    categories: state, without: ownerItems,
  },
  "model-development": {
    zh: "信用模型研发（联合建模）", en: "development of credit models (joint modelling)", clause: "P24-7-development",
    categories: [...state, ...strength], without: ownerItems,
  },
  "credit-evaluation": {
    zh: "全覆盖信用评价", en: "credit evaluation of all companies", clause: "P21-7-evaluation",
    categories: [...state, ...strength], without: ownerItems,
  },
  "customer-screening": {
    zh: "客户筛选", en: "screening of customers", clause: "P24-6-process", openOnly: true,
    categories: [
      "registry", "judicial", "tax", "environment", "customs", "administrative", "qualifications", "medical-insurance", ...strength,
    ],
  },
  "guarantee-review": {
    zh: "融资担保审查", en: "review of a guarantee", clause: "P24-9-guarantee", categories: [...state, ...strength, ...persons],
  },
  "policy-matching": {
    zh: "政策找人", en: "matching companies with policies", clause: "P24-9-policy",
    categories: ["registry", "environment", "agriculture", "qualifications", ...strength],
    items: ["tax.credit-grade", "administrative.penalties"], without: ["registry.equity-pledges"],
  },
} as const satisfies Record<FinancingPurpose, PurposeRule>;

function ruleOf(purpose: string): PurposeRule {
  if (!Object.hasOwn(purposeTable, purpose)) throw new AppError("CATALOGUE_PURPOSE", { clause: clause("P21-10-purpose").id });
  return purposeTable[purpose as FinancingPurpose];
}

/** Whether the purpose needs the item. Throws CATALOGUE_PURPOSE for a purpose that is not on the list. */
export function isNecessary(purpose: string, item: CatalogueItem): boolean {
  const rule = ruleOf(purpose);
  if (rule.without?.includes(item.id) === true) return false;
  if (rule.openOnly === true && !isOpenItem(item)) return false;
  return rule.items?.includes(item.id) === true || item.categories.some((c) => rule.categories.includes(c));
}

/** Some of the item is public by law. */
function isOpenItem(item: CatalogueItem): boolean {
  return item.fields.length === 0 ? item.ways.some((w) => isOpen(w))
    : item.fields.some((f) => f.grade !== "restricted" && f.ways.some((w) => isOpen(w, f.id)));
}

/** All items that the purpose needs. Throws CATALOGUE_PURPOSE. */
export function necessaryItems(purpose: string, catalogue: Catalogue = officialCatalogue): readonly CatalogueItem[] {
  return catalogue.items.filter((item) => isNecessary(purpose, item));
}

/**
 * Throws unless the purpose is on the list and needs every one of the items (ids, or the lists' own names): CATALOGUE_PURPOSE,
 * CATALOGUE_UNKNOWN_ITEM, CATALOGUE_UNNECESSARY with the first item refused and how many there are.
 */
export function requireNecessary(purpose: string, items: readonly string[], catalogue: Catalogue = officialCatalogue): readonly ItemId[] {
  ruleOf(purpose);
  const asked = [...new Set(items.map((name) => findItem(name, catalogue)))];
  const refused = asked.filter((item) => !isNecessary(purpose, item));
  const [first] = refused;
  if (first !== undefined) {
    throw new AppError("CATALOGUE_UNNECESSARY", { item: first.id, refused: refused.length, clause: clause("P22-4-minimum").id });
  }
  return asked.map((item) => item.id);
}
