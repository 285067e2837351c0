// Protection "whole-model": the bank's own ONNX model runs at its only provider, in a thread of its own, with bounds on what it may take. It answers 8 bits
// on the log-odds scale: a model that was made to read data gets no more of them.
import type { PartyId } from "../../../core/brand.ts";
import { canonicalJson, sha256Hex } from "../../../core/canonical.ts";
import { AppError, isAppError } from "../../../core/errors.ts";
import { serveRefusals } from "../../../federation/serve/messages.ts";
import { oddsOfUnits } from "../../../federation/serve/odds.ts";
import { ownModelId } from "../../../federation/serve/own-model.ts";
import type { WholeModelParams } from "../../../federation/serve/params.ts";
import type { Feature } from "../../../models/features.ts";
import { sigmoid } from "../../../models/linear/logistic.ts";
import { pointsOfOdds } from "../../../models/scorecard/points.ts";
import type { LoadedDataset } from "../../data/load.ts";
import type { DataViews, View } from "../../data/views.ts";
import type { ForeignModel } from "../../onnx-remote.ts";
import { OwnColumns } from "./own-columns.ts";
import type { GuestScorer, HostScorer, Prepared, ServeAnswer, ServeAsk } from "./scorer.ts";
import { ScorerThread } from "./thread.ts";

const onnxModule = new URL("../../onnx-remote.ts", import.meta.url);
/** Points of a model that has none of its own. */
export const wholeScaling = { points: 600, odds: 50, pdo: 20 };
const limit = { ms: 10_000, code: "MODEL_ONNX_TIME" } as const;
type Column = NonNullable<ServeAsk["columns"]>[number];

export class WholeGuest implements GuestScorer {
  readonly answer = "serve/odds";
  readonly ask: "serve/ask" | "serve/ask-columns";
  readonly model: string;
  readonly modelDigest: string;
  readonly #own: OwnColumns;

  /** Throws JOB_MODEL_UNKNOWN when the data set lacks a column that is to go along. */
  constructor(params: WholeModelParams, data: DataViews) {
    this.ask = params.columns.length > 0 ? "serve/ask-columns" : "serve/ask";
    this.model = ownModelId(params.digest);
    this.modelDigest = params.digest;
    this.#own = new OwnColumns(data, params.columns);
  }

  prepare(request: Parameters<GuestScorer["prepare"]>[0]): Prepared | undefined {
    const own = this.#own.of(request);
    if (own === undefined) return undefined;
    const columns = own.features.map(columnOf);
    return {
      isKnown: own.isKnown, ...(columns.length > 0 && { columns }),
      score: (answers: ReadonlyMap<PartyId, ServeAnswer>) => {
        const [answer] = answers.values();
        if (answer === undefined || !("odds" in answer)) throw new AppError("SERVICE_PROVIDER_AWAY");
        const odds = oddsOfUnits(answer.odds);
        return { score: pointsOfOdds(odds, wholeScaling), probability: sigmoid(odds), away: [] };
      },
    };
  }
}

/** A bank's model in a thread of this enclave; `start` checks it. */
export function onnxThread(model: ForeignModel): ScorerThread {
  return new ScorerThread({ module: onnxModule, open: "openForeign", args: [model], limit });
}

export type WholeHostOptions = { readonly params: WholeModelParams; readonly self: PartyId; readonly data: DataViews; readonly model: Uint8Array };

export class WholeHost implements HostScorer, AsyncDisposable {
  readonly ask: "serve/ask" | "serve/ask-columns";
  readonly model: string;
  readonly modelDigest: string;
  readonly sharing: readonly PartyId[];
  readonly features: readonly string[];
  readonly #params: WholeModelParams;
  /** Columns by input of the model; undefined for a column of the bank. */
  readonly #view: View<Pick<LoadedDataset, "records"> & { readonly columns: readonly (Feature | undefined)[] }>;
  readonly #thread: ScorerThread;

  /** Throws MODEL_OWN for another model than the plan's, MODEL_ONNX_INPUTS when the data set lacks an input of it. */
  constructor({ params, self, data, model }: WholeHostOptions) {
    if (model.length !== params.bytes || sha256Hex(model) !== params.digest) throw new AppError("MODEL_OWN");
    this.#params = params;
    this.ask = params.columns.length > 0 ? "serve/ask-columns" : "serve/ask";
    // The same file over other inputs reads something else.
    this.model = ownModelId(sha256Hex(Buffer.from(canonicalJson([params.digest, params.inputs, params.columns]))));
    this.modelDigest = params.digest;
    this.sharing = [self];
    this.features = params.inputs.filter((name) => !params.columns.includes(name));
    this.#view = data.view(({ features, records }) => ({
      records,
      columns: params.inputs.map((name, column) => {
        if (params.columns.includes(name)) return undefined;
        const feature = features.find((f) => f.name === name);
        if (feature === undefined) throw new AppError("MODEL_ONNX_INPUTS", { column, found: false });
        return feature;
      }),
    }));
    this.#thread = onnxThread({ model, inputs: params.inputs, kinds: this.#view.now.columns.map((feature) => feature?.kind) });
  }

  get isBusy(): boolean {
    return this.#thread.isBusy;
  }

  /** Checks the model and opens it. Throws MODEL_ONNX, MODEL_ONNX_OPERATOR, _EXTERNAL, _SHAPE, _INPUTS, _OUTPUT, _TIME. */
  async start(): Promise<void> {
    await this.#thread.start();
  }

  /** With other values of the bank's columns the model may read other bits: each is charged as a set of its own. */
  variantOf({ columns }: ServeAsk): string {
    return columns === undefined ? "" : `|${sha256Hex(Buffer.from(canonicalJson([...columns]))).slice(0, 32)}`;
  }

  async answer(ask: ServeAsk) {
    const record = this.#view.now.records.get(ask.company) ?? -1;
    const held = record >= 0;
    try {
      const odds = await this.#thread.call<number>("scoreOne", [this.#valuesOf(record, ask.columns ?? [])]);
      return { reply: { type: "serve/odds", body: { n: ask.n, odds, held } }, held } as const;
    } catch (error) {
      // A model that gives no probability for this company, or does not end: that question is refused, the service goes on.
      const code = isAppError(error) ? serveRefusals.find((known) => known === error.code) : undefined;
      if (code === undefined) throw error;
      return { reply: { type: "serve/refused", body: { n: ask.n, code } }, held } as const;
    }
  }

  #valuesOf(record: number, columns: readonly Column[]): Column[] {
    const { inputs, columns: names } = this.#params;
    const { columns: own } = this.#view.now;
    return inputs.map((name, i) => {
      const feature = own[i];
      if (feature === undefined) return columns[names.indexOf(name)] ?? null;
      if (record < 0) return null;
      const value = feature.kind === "numeric" ? feature.values[record] : feature.levels[feature.codes[record] ?? -1];
      return value === undefined || (typeof value === "number" && !Number.isFinite(value)) ? null : value;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }
}

/** The only row of a column, as it goes along with a question. */
function columnOf(feature: Feature): Column {
  if (feature.kind === "categorical") return feature.levels[feature.codes[0] ?? -1] ?? null;
  const [value = Number.NaN] = feature.values;
  return Number.isFinite(value) ? value : null;
}
