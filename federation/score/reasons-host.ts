// Reasons for scores, host: which of its features (or groups of them) speak most against each company, compared with the typical
// company of training. It knows its weights, in units of the total, and its own columns: it needs nothing of anybody.
import type { PartyId } from "../../core/brand.ts";
import { AppError } from "../../core/errors.ts";
import type { Naming } from "../../models/explain/contribution.ts";
import type { Party } from "../party.ts";
import type { HostHalf } from "../scorecard/half.ts";
import { labelBytes, mostLabelText, reasonRowsPerChunk, unprintable } from "./messages.ts";

export type HostExplain = {
  /** Most reasons about one company. */
  readonly reasons: number;
  /** What the host's own policy lets it name. */
  readonly naming: Exclude<Naming, "nothing">;
  /** Whether a feature may be named at all: its grade may forbid it. */
  readonly isNamed?: (feature: string) => boolean;
  /** Group of a feature: the item of the sharing list that it is computed from. */
  readonly groupOf: (feature: string) => string | undefined;
};
export type Label = { readonly feature?: string; readonly group?: string };
/** `labelOf`, `sizeOf`: per row as many as there are reasons, the strongest first, 0 where there are no more. Sizes in units of the total. */
export type Reasons = { readonly labels: readonly Label[]; readonly labelOf: Uint16Array; readonly sizeOf: Uint8Array };

/** Every host that the plan names sends reasons for every row, also one without a column in the model. */
export async function sendReasons(party: Party, guest: PartyId, reasons: Reasons, count: number): Promise<void> {
  const { labelOf, sizeOf } = reasons;
  await party.send(guest, "score/labels", { labels: reasons.labels.map((l) => ({ ...l })) });
  const perChunk = reasonRowsPerChunk * count;
  for (let at = 0, index = 0; at < sizeOf.length; at += perChunk, index++) {
    const to = Math.min(at + perChunk, sizeOf.length);
    const labels = packLabels(labelOf.subarray(at, to));
    await party.send(guest, "score/reasons", { index, last: to >= sizeOf.length, labels, sizes: sizeOf.subarray(at, to) });
  }
}

/** `columns`: codes of the half's columns over the rows. Parts that do not speak against a company are no reasons. */
export function reasonsOf(half: HostHalf, columns: readonly Int8Array[], rows: number, explain: HostExplain): Reasons {
  if (columns.length !== half.plan.weights.length) throw new AppError("MODEL_SHAPE", { columns: columns.length, weights: half.plan.weights.length });
  const { labels, labelOfColumn } = labelsOf(half, explain);
  const count = explain.reasons;
  const parts = labels.map(() => new Float64Array(rows));
  for (const [i, column] of columns.entries()) {
    const weight = (half.plan.weights[i] as number) / 2 ** half.plan.fractionBits;
    const typical = half.columns[i]?.typical ?? 0;
    const part = parts[labelOfColumn[i] as number] as Float64Array;
    for (let row = 0; row < rows; row++) part[row] = (part[row] as number) + weight * ((column[row] as number) - typical);
  }
  const labelOf = new Uint16Array(rows * count);
  const sizeOf = new Uint8Array(rows * count);
  const used = new Set<number>();
  for (let row = 0; row < rows; row++) {
    const found = strongest(parts, row, count);
    for (const [k, { label, size }] of found.entries()) {
      labelOf[row * count + k] = label;
      sizeOf[row * count + k] = size;
      used.add(label);
    }
  }
  // A name that stands in no reason is not told.
  const kept = [...used].sort((a, b) => a - b);
  const placeOf = new Map(kept.map((label, place) => [label, place]));
  for (let i = 0; i < labelOf.length; i++) if ((sizeOf[i] as number) > 0) labelOf[i] = placeOf.get(labelOf[i] as number) as number;
  return { labels: kept.map((label) => labels[label] as Label), labelOf, sizeOf };
}

/** The parts of a row of at least half a unit against the company, as whole units of 8 bits; equal ones in the order of the labels. */
function strongest(parts: readonly Float64Array[], row: number, count: number): { label: number; size: number }[] {
  const found: { label: number; size: number }[] = [];
  for (const [label, part] of parts.entries()) {
    const size = Math.min(255, Math.round(part[row] as number));
    if (size <= 0 || (found.length === count && size <= (found.at(-1)?.size ?? 0))) continue;
    const at = found.findIndex((f) => f.size < size);
    found.splice(at < 0 ? found.length : at, 0, { label, size });
    if (found.length > count) found.pop();
  }
  return found;
}

/** What each column is told under. */
function labelsOf(half: HostHalf, { naming, groupOf, isNamed = () => true }: HostExplain): { labels: Label[]; labelOfColumn: number[] } {
  const labels: Label[] = [];
  const at = new Map<string, number>();
  const labelOfColumn = half.columns.map(({ feature }) => {
    const group = printable(groupOf(feature));
    const named = naming === "features" && isNamed(feature) ? printable(feature) : undefined;
    const label: Label = { ...(named === undefined ? {} : { feature: named }), ...(group === undefined ? {} : { group }) };
    const key = JSON.stringify([label.feature ?? null, label.group ?? null]);
    const known = at.get(key) ?? labels.push(label) - 1;
    at.set(key, known);
    return known;
  });
  return { labels, labelOfColumn };
}

function printable(text: string | undefined): string | undefined {
  const clean = text?.slice(0, mostLabelText).replaceAll(unprintable, "?");
  return clean === "" ? undefined : clean;
}

function packLabels(labels: Uint16Array): Uint8Array {
  const bytes = new Uint8Array(labels.length * labelBytes);
  const view = new DataView(bytes.buffer);
  for (const [i, label] of labels.entries()) view.setUint16(labelBytes * i, label, true);
  return bytes;
}
