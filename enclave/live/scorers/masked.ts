// Protection "masked-points": a scorecard that an earlier job made. Each provider adds up its own points and gives one masked byte; their sum is
// a total of 8 bits over the providers of the question, to which the bank adds its own points.
import type { PartyId } from "../../../core/brand.ts";
import { digestOf } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { alignFeature } from "../../../federation/rows/align.ts";
import { oddsOf } from "../../../federation/score/guest.ts";
import type { GuestHalf } from "../../../federation/scorecard/finish.ts";
import { halfColumns, type HostHalf } from "../../../federation/scorecard/half.ts";
import { maskedPart, openTotal } from "../../../federation/serve/masks.ts";
import { sigmoid } from "../../../models/linear/logistic.ts";
import { partialTotals } from "../../../models/scorecard/quantise.ts";
import { pointsOfOdds } from "../../../models/scorecard/points.ts";
import type { Session } from "../../channel/session.ts";
import type { LoadedDataset } from "../../data/load.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import { OwnColumns } from "./own-columns.ts";
import type { GuestScorer, HostScorer, Prepared, ServeAnswer, ServeAsk } from "./scorer.ts";

export class MaskedGuest implements GuestScorer {
  readonly model: string;
  readonly modelDigest: string;
  readonly #half: GuestHalf;
  readonly #self: PartyId;
  readonly #own: OwnColumns;

  /** Throws JOB_MODEL_UNKNOWN when the data set lacks a column of the model. */
  constructor(half: GuestHalf, self: PartyId, dataset: LoadedDataset) {
    this.model = half.model;
    this.modelDigest = digestOf(half);
    this.#half = half;
    this.#self = self;
    this.#own = new OwnColumns(dataset, half.columns.filter((c) => c.party === self && c.own !== undefined).map((c) => c.name));
  }

  prepare(request: Parameters<GuestScorer["prepare"]>[0]): Prepared | undefined {
    const own = this.#own.of(request);
    const half = this.#half;
    if (own === undefined) return undefined;
    return {
      isKnown: own.isKnown,
      score: (answers: ReadonlyMap<PartyId, ServeAnswer>, present: readonly PartyId[]) => {
        const away = half.hosts.filter((h) => !present.some((p) => p === h) && half.columns.some((c) => c.party === h));
        const total = openTotal(answers.values().map(({ part }) => part));
        const [odds = Number.NaN] = oddsOf(half, this.#self, own.features, Int8Array.of(total), away);
        return { score: pointsOfOdds(odds, half.scaling), probability: sigmoid(odds), away: away as readonly string[] as readonly PartyId[] };
      },
    };
  }
}

export class MaskedHost implements HostScorer {
  readonly model: string;
  readonly modelDigest: string;
  readonly sharing: readonly PartyId[];
  readonly features: readonly string[];
  readonly #half: HostHalf;
  readonly #self: PartyId;
  readonly #service: JobPlan["job"];
  readonly #keys: ReadonlyMap<PartyId, Uint8Array>;
  readonly #recordOf: ReadonlyMap<string, number>;
  readonly #columns: LoadedDataset["features"];

  /** Throws JOB_MODEL_UNKNOWN for a half of another guest. */
  constructor(half: HostHalf, options: { readonly plan: JobPlan; readonly self: PartyId; readonly dataset: LoadedDataset; readonly sessionOf: (peer: PartyId) => Session }) {
    const { plan, self, dataset, sessionOf } = options;
    if (half.guest !== plan.guest) throw new AppError("JOB_MODEL_UNKNOWN");
    this.model = half.model;
    this.modelDigest = half.digest;
    this.features = half.columns.map((c) => c.feature);
    // Without a part of its own it gives nothing away, alone or not.
    this.sharing = half.plan.weights.length > 0 ? half.hosts : [];
    this.#half = half;
    this.#self = self;
    this.#service = plan.job;
    this.#keys = new Map(plan.hosts.filter((h) => h !== self).map((h) => [h, sessionOf(h).sharedRng("serve/masks")(32)]));
    this.#recordOf = new Map<string, number>(dataset.ids.map((id, record) => [id, record]));
    const used = new Set(this.features);
    this.#columns = dataset.features.filter((f) => used.has(f.name));
  }

  answer(ask: ServeAsk) {
    const record = this.#recordOf.get(ask.company) ?? -1;
    const columns = halfColumns(this.#half, this.#columns.map((f) => alignFeature(f, Int32Array.of(record))));
    const [own = 0] = partialTotals(this.#half.plan, columns, 1);
    const part = maskedPart(this.#self, this.#service, ask, own, (peer) => this.#keys.get(peer) ?? new Uint8Array(0));
    const held = record >= 0;
    return { reply: { type: "serve/part", body: { n: ask.n, part, held } }, held } as const;
  }
}
