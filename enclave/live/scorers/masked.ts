// Protection "masked-points": a scorecard that an earlier job made. Each provider adds up its own points and gives one masked byte; their sum is
// a total of 8 bits over the providers of the question, to which the bank adds its own points.
import type { PartyId } from "../../../core/brand.ts";
import { digestOf } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { alignFeature } from "../../../federation/rows/align.ts";
import { oddsOf } from "../../../federation/score/guest.ts";
import type { GuestHalf } from "../../../federation/scorecard/finish.ts";
import { halfColumns, type HostHalf } from "../../../federation/scorecard/half.ts";
import { explainBatch, scorecardExplainer, type Explainer } from "../../../federation/score/explain.ts";
import { reasonsOf, type HostExplain, type Label } from "../../../federation/score/reasons-host.ts";
import type { HostReasons } from "../../../federation/score/reasons-guest.ts";
import { maskedPart, openTotal } from "../../../federation/serve/masks.ts";
import type { TypedBody } from "../../../federation/messages.ts";
import { pointDecimals } from "../../../models/explain/parts.ts";
import type { Feature } from "../../../models/features.ts";
import type { ServiceReason } from "../../../api/contract/services.ts";
import { sigmoid } from "../../../models/linear/logistic.ts";
import { partialTotals } from "../../../models/scorecard/quantise.ts";
import { pointsOfOdds } from "../../../models/scorecard/points.ts";
import type { LoadedDataset } from "../../data/load.ts";
import type { DataViews, View } from "../../data/views.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import { OwnColumns } from "./own-columns.ts";
import type { GuestScorer, HostScorer, Prepared, ServeAnswer, ServeAsk } from "./scorer.ts";

/** Of the bank's own columns: how many reasons a score has, and the group of a column. */
export type GuestExplain = { readonly reasons: number; readonly groupOf: (feature: string) => string | undefined };
type Reasons = TypedBody<"serve/part-explained">["reasons"];

/** One company's reasons of one provider in the form of a batch's. */
function toldBy(party: PartyId, reasons: Reasons, { perCompany, unit }: Pick<HostReasons, "perCompany" | "unit">): HostReasons {
  const labels = reasons.map(({ size: _size, ...label }): Label => ({ ...(label.feature !== undefined && { feature: label.feature }), ...(label.group !== undefined && { group: label.group }) }));
  const isOrdered = reasons.every(({ size }, i) => i === 0 || size <= (reasons[i - 1]?.size ?? 0)) && new Set(labels.map((l) => JSON.stringify([l.feature ?? null, l.group ?? null]))).size === labels.length;
  if (!isOrdered || reasons.length > perCompany) throw new AppError("PROTOCOL_WRONG_SHAPE", { party, reasons: reasons.length });
  const labelOf = new Uint16Array(perCompany);
  const sizeOf = new Uint8Array(perCompany);
  for (const [i, { size }] of reasons.entries()) [labelOf[i], sizeOf[i]] = [i, size];
  return { labels, labelOf, sizeOf, perCompany, unit };
}

export class MaskedGuest implements GuestScorer {
  readonly ask = "serve/ask";
  readonly answer = "serve/part";
  readonly model: string;
  readonly modelDigest: string;
  readonly own: { readonly names: readonly string[]; readonly degreesOfFreedom: number };
  readonly #half: GuestHalf;
  readonly #self: PartyId;
  readonly otherAnswers = ["serve/part-explained"] as const;
  readonly #own: OwnColumns;
  readonly #explain: GuestExplain;
  readonly #explainer: Explainer;

  /** Throws JOB_MODEL_UNKNOWN when the data set lacks a column of the model. */
  constructor(half: GuestHalf, self: PartyId, data: DataViews, explain: GuestExplain = { reasons: 0, groupOf: () => undefined }) {
    this.model = half.model;
    this.modelDigest = digestOf(half);
    this.#half = half;
    this.#self = self;
    const own = half.columns.filter((c) => c.party === self && c.own !== undefined);
    this.own = { names: own.map((c) => c.name), degreesOfFreedom: Math.max(1, own.reduce((sum, c) => sum + c.codes.length - 1, 0)) };
    this.#explain = explain;
    this.#explainer = scorecardExplainer(half, self);
    this.#own = new OwnColumns(data, this.own.names);
  }

  read(request: Parameters<GuestScorer["prepare"]>[0]): ((name: string) => Feature | undefined) | undefined {
    const features = this.#own.of(request)?.features;
    return features && ((name) => features.find((f) => f.name === name));
  }

  prepare(request: Parameters<GuestScorer["prepare"]>[0]): Prepared | undefined {
    const own = this.#own.of(request);
    const half = this.#half;
    if (own === undefined) return undefined;
    return {
      isKnown: own.isKnown,
      score: (answers: ReadonlyMap<PartyId, ServeAnswer>, present: readonly PartyId[]) => {
        const away = half.hosts.filter((h) => !present.some((p) => p === h) && half.columns.some((c) => c.party === h));
        const total = openTotal(answers.values().map((answer) => ("part" in answer ? answer.part : 0)));
        const [odds = Number.NaN] = oddsOf(half, this.#self, own.features, Int8Array.of(total), away);
        return { score: pointsOfOdds(odds, half.scaling), probability: sigmoid(odds), away: away as readonly string[] as readonly PartyId[], ...this.#reasons(own.features, odds, answers) };
      },
    };
  }

  /** Compared with the typical company of training. Throws PROTOCOL_WRONG_SHAPE for reasons of a provider that are no honest telling. */
  #reasons(features: readonly Feature[], odds: number, answers: ReadonlyMap<PartyId, ServeAnswer>): { readonly reasons?: readonly ServiceReason[] } {
    const { reasons: count, groupOf } = this.#explain;
    if (count === 0) return {};
    const told = new Map([...answers].flatMap(([host, answer]) => ("reasons" in answer ? [[host, toldBy(host, answer.reasons, { perCompany: count, unit: this.#half.scoring.step })] as const] : [])));
    const [rows = []] = explainBatch({ self: this.#self, explainer: this.#explainer, features, odds: Float64Array.of(odds), told, groupOf, reasons: count });
    return { reasons: (rows[0]?.reasons ?? []).map(({ rank, label, value, en, zh }) => ({ rank, label: { ...label }, points: value / 10 ** pointDecimals, en, zh })) };
  }
}

export class MaskedHost implements HostScorer {
  readonly ask = "serve/ask";
  readonly model: string;
  readonly modelDigest: string;
  readonly sharing: readonly PartyId[];
  readonly features: readonly string[];
  readonly #half: HostHalf;
  readonly #self: PartyId;
  readonly #service: JobPlan["job"];
  readonly #keys: ReadonlyMap<PartyId, Uint8Array>;
  readonly #view: View<Pick<LoadedDataset, "records"> & { readonly columns: LoadedDataset["features"] }>;
  readonly #explain: HostExplain | undefined;

  /** Throws JOB_MODEL_UNKNOWN for a half of another guest, and when the data set lacks a column of it. */
  constructor(half: HostHalf, options: { readonly plan: JobPlan; readonly self: PartyId; readonly data: DataViews; readonly keyOf: (peer: PartyId) => Uint8Array; /** What this provider tells of its own part, where plan and policy say so. */ readonly explain?: HostExplain | undefined }) {
    const { plan, self, data, keyOf } = options;
    this.#explain = options.explain;
    if (half.guest !== plan.guest) throw new AppError("JOB_MODEL_UNKNOWN");
    this.model = half.model;
    this.modelDigest = half.digest;
    this.features = half.columns.map((c) => c.feature);
    // Without a part of its own it gives nothing away, alone or not.
    this.sharing = half.plan.weights.length > 0 ? half.hosts : [];
    this.#half = half;
    this.#self = self;
    this.#service = plan.job;
    this.#keys = new Map(plan.hosts.filter((h) => h !== self).map((h) => [h, keyOf(h)]));
    const used = new Set(this.features);
    this.#view = data.view(({ features, records }) => {
      const columns = features.filter((f) => used.has(f.name));
      // Of nobody: says whether they are what the half was made from.
      halfColumns(half, columns.map((f) => alignFeature(f, Int32Array.of(-1))));
      return { columns, records };
    });
  }

  read(company: string): ((name: string) => Feature | undefined) | undefined {
    const { columns, records } = this.#view.now;
    const record = records.get(company);
    if (record === undefined) return undefined;
    return (name) => {
      const feature = columns.find((f) => f.name === name);
      return feature && alignFeature(feature, Int32Array.of(record));
    };
  }

  answer(ask: ServeAsk) {
    const { columns: own, records } = this.#view.now;
    const record = records.get(ask.company) ?? -1;
    const columns = halfColumns(this.#half, own.map((f) => alignFeature(f, Int32Array.of(record))));
    const [total = 0] = partialTotals(this.#half.plan, columns, 1);
    const part = maskedPart(this.#self, this.#service, ask, total, (peer) => this.#keys.get(peer) ?? new Uint8Array(0));
    const held = record >= 0;
    const body = { n: ask.n, part, held };
    if (this.#explain === undefined) return { reply: { type: "serve/part", body }, held } as const;
    return { reply: { type: "serve/part-explained", body: { ...body, reasons: this.#reasons(columns, this.#explain) } }, held } as const;
  }

  #reasons(columns: readonly Int8Array[], explain: HostExplain): Reasons {
    const { labels, labelOf, sizeOf } = reasonsOf(this.#half, columns, 1, explain);
    return [...sizeOf].flatMap((size, k) => (size === 0 ? [] : [{ ...labels[labelOf[k] ?? 0], size }]));
  }
}
