// Reason codes of one score: the groups of data that speak most against a company, compared with the typical one, in both languages.
import { nameContributions, type Explanation, type Label, type Naming } from "./contribution.ts";

export type Reason = {
  /** 1 = the strongest. */
  readonly rank: number;
  readonly label: Label;
  /** In units of the score; of the adverse sign. */
  readonly value: number;
  readonly zh: string;
  readonly en: string;
};
export type ReasonOptions = {
  /** What each party lets be named; a party without an entry: nothing. */
  readonly allowed: Readonly<Record<string, Naming>>;
  /** "negative" for points (fewer points, higher risk), "positive" for log odds of an event. */
  readonly adverse: "negative" | "positive";
  readonly count?: number;
  /** By group of features (default), or by feature where its party allows it. */
  readonly by?: "groups" | "features";
};

/** At most `count` (default 4) reasons, the strongest first; equal ones in the order of the explanation. Parts that do not speak
 *  against the company are no reasons, so there may be none. */
export function reasonCodes(explanation: Explanation, options: ReasonOptions): Reason[] {
  const sign = options.adverse === "negative" ? -1 : 1;
  return nameContributions(explanation.contributions, options.allowed, options.by ?? "groups")
    .filter((c) => c.value * sign > 0)
    .sort((a, b) => (b.value - a.value) * sign)
    .slice(0, options.count ?? 4)
    .map(({ label, value }, i) => ({ rank: i + 1, label, value, ...reasonText(label) }));
}

/** One sentence per language; it names what the label names, and nothing else. */
export function reasonText(label: Label): { readonly zh: string; readonly en: string } {
  const [zh, en] = wordsOf(label);
  return { zh: `${zh}劣于一般企业`, en: `${en} less favourable than for the typical company` };
}

function wordsOf(label: Label): readonly [zh: string, en: string] {
  if (label.kind === "feature") return [`${label.party} 的“${label.feature}”`, `“${label.feature}” of ${label.party} is`];
  if (label.kind === "group") return [`${label.party} 的“${label.group}”类数据`, `Data on “${label.group}” of ${label.party} are`];
  return label.kind === "party" ? [`${label.party} 的数据`, `Data of ${label.party} are`] : ["其他数据", "Other data are"];
}
