// Explanations of a batch at the guest: each score told by its own features, one number for the providers' data together, and what
// hosts tell of their part themselves. Pure; from the guest's half, its own columns and the scores, without any message.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import { applyFine, type FineDefinition } from "../../models/binning/fine.ts";
import { nameContributions, type Contribution, type Explanation, type NamedContribution, type Source, type Term } from "../../models/explain/contribution.ts";
import { crossboostParts, explainRow, linearParts, treeParts, type PartsOf, type Typical } from "../../models/explain/parts.ts";
import { reasonCodes, type Reason } from "../../models/explain/reasons.ts";
import type { Feature } from "../../models/features.ts";
import { codeColumn } from "../../models/scorecard/decide.ts";
import type { Scaling } from "../../models/scorecard/points.ts";
import type { CrossboostGuestHalf } from "../crossboost/half.ts";
import type { GbdtGuestHalf } from "../gbdt/half.ts";
import type { GuestHalf } from "../scorecard/finish.ts";
import type { HostReasons } from "./reasons-guest.ts";

/** How a model's scores are told apart. `columns`: from the guest's features over some records to what `partsOf` takes. */
export type Explainer = {
  readonly names: readonly string[];
  readonly columns: (features: readonly Feature[]) => readonly (Uint8Array | Int8Array)[];
  readonly partsOf: PartsOf;
  /** Undefined for models of earlier versions: the average company stands for the typical one. */
  readonly typical: Typical | undefined;
  readonly scaling: Pick<Scaling, "points" | "odds" | "pdo">;
};
/** In units of 10^-pointDecimals points. */
export type Told = { readonly score: number; readonly base: number; readonly contributions: readonly NamedContribution[]; readonly reasons: readonly Reason[] };
export type ExplainInput = {
  readonly self: PartyId; readonly explainer: Explainer;
  /** Own features over the records of the batch, and their log odds. */
  readonly features: readonly Feature[]; readonly odds: Float64Array;
  readonly told?: ReadonlyMap<PartyId, HostReasons> | undefined;
  /** Group of an own feature, if it has one. */
  readonly groupOf: (feature: string) => string | undefined;
  /** Most reasons of a company. */
  readonly reasons: number;
};

const recordsAtOnce = 8192;
/** The providers' data together. No party is called like this. */
const providers: Source = { party: "" };

export function scorecardExplainer(half: GuestHalf, self: PartyId): Explainer {
  const own = half.columns.filter((c) => c.party === self);
  return {
    names: own.map((c) => c.name), typical: half.typical, scaling: half.scaling, partsOf: linearParts(half.intercept, own),
    columns: (features) => own.map((c) => {
      if (c.own === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
      return codeColumn(fineOf(c.own.definition, c.name, features), c.own.mergedOf, c.codes);
    }),
  };
}

export function gbdtExplainer(half: GbdtGuestHalf): Explainer {
  return { ...binned(half.own), typical: half.typical, scaling: half.scaling, partsOf: treeParts(half.trees, half.own.length) };
}

export function crossboostExplainer(half: CrossboostGuestHalf, typical?: Typical): Explainer {
  return { ...binned(half.own), typical, scaling: half.scaling, partsOf: crossboostParts(half.joint, half.own.map((o) => o.name)) };
}

/** Every company of the batch in turn, some at once: base + contributions = score, to the last unit. Throws JOB_MODEL_UNKNOWN when the
 *  data lack a feature of the model. */
export function* explainBatch(input: ExplainInput): Generator<readonly Told[]> {
  const { explainer, odds, self } = input;
  const typical = explainer.typical ?? { own: explainer.names.map(() => 0), rest: 0 };
  const sources = explainer.names.map((feature): Source => ({ party: self, feature, ...groupIn(input.groupOf(feature)) }));
  // What a host sends has been through its own policy.
  const allowed = Object.fromEntries([self, ...(input.told?.keys() ?? [])].map((party) => [party, "features"] as const));
  for (let from = 0; from < odds.length; from += recordsAtOnce) {
    const to = Math.min(from + recordsAtOnce, odds.length);
    const parts = explainer.partsOf(explainer.columns(input.features.map((f) => slice(f, from, to))), odds.subarray(from, to));
    yield Array.from({ length: to - from }, (_, row): Told => {
      const told = termsOf(input.told, from + row);
      const explained = explainRow(parts, row, odds[from + row] as number, { typical, scaling: explainer.scaling, sources, rest: providers, told });
      return {
        score: explained.score, base: explained.base,
        contributions: nameContributions(explained.contributions, allowed).filter((c) => c.value !== 0),
        reasons: reasonCodes(byGroup(explained), { allowed, adverse: "negative", by: "features", count: input.reasons }),
      };
    });
  }
}

/** Reasons are told by group where there is one, else by feature. */
function byGroup(explained: Explanation): Explanation {
  const contributions = explained.contributions.map((c): Contribution => (
    c.source.group === undefined ? c : { source: { party: c.source.party, group: c.source.group }, value: c.value }));
  return { ...explained, contributions };
}

/** What hosts tell about a record: a size raises the log odds of an event. */
function termsOf(told: ExplainInput["told"], record: number): Term[] {
  return [...(told ?? [])].flatMap(([party, { labels, labelOf, sizeOf, perCompany, unit }]) => (
    Array.from({ length: perCompany }, (_, k) => record * perCompany + k).flatMap((at) => {
      const size = sizeOf[at] as number;
      const label = labels[labelOf[at] as number];
      return size === 0 || label === undefined ? [] : [{ source: { party, ...label }, value: unit * size }];
    })));
}

type Binned = { readonly name: string; readonly definition: FineDefinition };

function binned(own: readonly Binned[]): Pick<Explainer, "names" | "columns"> {
  return { names: own.map((o) => o.name), columns: (features) => own.map((o) => fineOf(o.definition, o.name, features)) };
}

function fineOf(definition: FineDefinition, name: string, features: readonly Feature[]): Uint8Array {
  const feature = features.find((f) => f.name === name);
  if (feature === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
  return applyFine(definition, feature);
}

function slice(feature: Feature, from: number, to: number): Feature {
  return feature.kind === "numeric" ? { ...feature, values: feature.values.subarray(from, to) } : { ...feature, codes: feature.codes.subarray(from, to) };
}

function groupIn(group: string | undefined): { readonly group?: string } {
  return group === undefined || group === "" ? {} : { group };
}
