// Names for merged bins: ranges and levels for the guest's own features (they are its own data), plain kinds for a host's.
import type { FineBinning } from "../../../models/binning/fine.ts";
import type { Feature } from "../../../models/features.ts";
import type { BinDecision } from "../../../models/scorecard/decide.ts";
import type { ReportBin } from "../../../report/schema.ts";

type Named = Pick<ReportBin, "kind" | "label">;
const maxLevels = 12;

/** One entry per merged bin. */
export function describeBins(own: { readonly feature: Feature; readonly fine: FineBinning } | undefined, decision: BinDecision, missingBin: number, isGuest: boolean): Named[] {
  const fineOf = (merged: number): number[] => [...decision.mergedOf.keys()].filter((f) => decision.mergedOf[f] === merged);
  return Array.from({ length: decision.bins }, (_, merged): Named => {
    const fine = fineOf(merged);
    if (fine.length === 1 && fine[0] === missingBin) return { kind: "missing", ...(isGuest ? { label: "missing" } : {}) };
    if (!isGuest || own === undefined) return { kind: "merged" };
    return describeOwn(own.fine, fine, missingBin);
  });
}

function describeOwn(fine: FineBinning, bins: readonly number[], missingBin: number): Named {
  const { definition } = fine;
  const missing = bins.includes(missingBin) ? " + missing" : "";
  if (definition.kind === "categorical") {
    const levels = definition.levels.filter((l) => bins.includes(l.bin)).map((l) => l.level);
    const shown = levels.slice(0, maxLevels).join(", ") + (levels.length > maxLevels ? ` … (${levels.length})` : "");
    return { kind: "category", label: `${shown}${missing}`.slice(0, 500) };
  }
  const ordered = bins.filter((b) => b < fine.orderedBins).sort((a, b) => a - b);
  const special = definition.special.filter((s) => bins.includes(s.bin)).map((s) => String(s.value));
  if (ordered.length === 0) return { kind: "special", label: `${special.join(", ")}${missing}`.slice(0, 500) || "special" };
  const from = definition.edges[(ordered[0] ?? 0) - 1];
  const to = definition.edges[ordered.at(-1) ?? 0];
  const range = `[${from === undefined ? "-∞" : number(from)}, ${to === undefined ? "+∞" : number(to)})`;
  return { kind: "range", label: `${[range, ...special].join(", ")}${missing}`.slice(0, 500) };
}

function number(value: number): string {
  return String(Number(value.toPrecision(6)));
}
