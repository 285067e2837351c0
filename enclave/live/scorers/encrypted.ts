// Protection "encrypted-model": the bank's own linear model. Its weights lie at each provider under the bank's key (kernels/linear); the provider applies
// them to its codes, adds a mask that cancels over the providers of the question, a fresh zero and a flood, and answers one text; the bank
// decrypts the texts of all and knows one sum of 28 bits.
import type { PartyId } from "../../../core/brand.ts";
import { canonicalJson, sha256Hex, type Json } from "../../../core/canonical.ts";
import { AppError } from "../../../core/errors.ts";
import { codesOf } from "../../../federation/serve/linear.ts";
import { ringMaskOf } from "../../../federation/serve/masks.ts";
import { ownModelId } from "../../../federation/serve/own-model.ts";
import type { EncryptedModelParams } from "../../../federation/serve/params.ts";
import type { Masking } from "../../../kernels/linear/flood.ts";
import { dataPrimes, maxCode } from "../../../kernels/linear/params.ts";
import { sigmoid } from "../../../models/linear/logistic.ts";
import { pointsOfOdds } from "../../../models/scorecard/points.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import type { Feature } from "../../../models/features.ts";
import type { LoadedDataset } from "../../data/load.ts";
import type { DataViews, View } from "../../data/views.ts";
import type { OwnLinear } from "../../own-models/store.ts";
import { OwnColumns } from "./own-columns.ts";
import type { GuestScorer, HostScorer, Prepared, ServeAnswer, ServeAsk } from "./scorer.ts";
import { ScorerThread } from "./thread.ts";

const linearModule = new URL("../../../kernels/linear/remote.ts", import.meta.url);
type Numeric = Feature & { readonly kind: "numeric" };

export class EncryptedGuest implements GuestScorer, AsyncDisposable {
  readonly ask = "serve/ask";
  readonly answer = "serve/encrypted-part";
  readonly model: string;
  readonly modelDigest: string;
  readonly own: { readonly names: readonly string[]; readonly degreesOfFreedom: number };
  readonly #own: OwnLinear;
  readonly #hosts: readonly PartyId[];
  readonly #columns: OwnColumns;
  readonly #ownFeatures: OwnLinear["model"]["features"];
  readonly #thread: ScorerThread;

  /** Throws JOB_MODEL_UNKNOWN when the data set lacks a column of the model, or it is no number. */
  constructor(own: OwnLinear, { self, hosts, data }: { readonly self: PartyId; readonly hosts: readonly PartyId[]; readonly data: DataViews }) {
    this.model = ownModelId(own.digest);
    this.modelDigest = own.digest;
    this.#own = own;
    this.#hosts = hosts;
    this.#ownFeatures = own.model.features.filter((f) => f.provider === self);
    this.own = { names: this.#ownFeatures.map((f) => f.name), degreesOfFreedom: Math.max(1, this.#ownFeatures.length) };
    data.view((dataset) => numericFeatures(dataset, this.#ownFeatures));
    this.#columns = new OwnColumns(data, this.#ownFeatures.map((f) => f.name));
    this.#thread = linearThread(own);
  }

  prepare(request: Parameters<GuestScorer["prepare"]>[0]): Prepared | undefined {
    const own = this.#columns.of(request);
    if (own === undefined) return undefined;
    const ownSum = this.#ownFeatures.reduce((sum, f, i) => sum + f.weight * (codesOf(own.features[i] as Numeric, f, () => 0, 1)[0] ?? 0), 0);
    return { isKnown: own.isKnown, score: async (answers, present) => this.#score(ownSum, answers, present) };
  }

  async #score(ownSum: number, answers: ReadonlyMap<PartyId, ServeAnswer>, present: readonly PartyId[]) {
    const { features, intercept, unit, scaling } = this.#own.model;
    const away = this.#hosts.filter((h) => !present.includes(h));
    const missing = features.filter((f) => away.includes(f.provider)).reduce((sum, f) => sum + f.weight * f.missing, 0);
    const texts = [...answers.values()].flatMap((answer) => ("text" in answer ? [answer.text] : []));
    const shared = texts.length === 0 ? 0 : await this.#thread.call<number>("openOne", [texts]);
    requirePossible(this.#own, [shared]);
    const odds = intercept + unit * (ownSum + missing + shared);
    return { score: pointsOfOdds(odds, scaling), probability: sigmoid(odds), away };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }
}

export type EncryptedHostOptions = {
  readonly plan: JobPlan; readonly params: EncryptedModelParams; readonly self: PartyId; readonly data: DataViews;
  /** What the bank sent for this provider. */
  readonly packed: Uint8Array;
  /** 32 secret bytes that only this provider and that peer have. */
  readonly keyOf: (peer: PartyId) => Uint8Array;
};

export class EncryptedHost implements HostScorer, AsyncDisposable {
  readonly ask = "serve/ask";
  readonly model: string;
  readonly modelDigest: string;
  readonly sharing: readonly PartyId[];
  readonly features: readonly string[];
  readonly #o: EncryptedHostOptions;
  readonly #transforms: EncryptedModelParams["features"];
  readonly #view: View<Pick<LoadedDataset, "records"> & { readonly columns: readonly Numeric[] }>;
  readonly #keys: ReadonlyMap<PartyId, Uint8Array>;
  readonly #thread: ScorerThread;

  /** Throws JOB_MODEL_UNKNOWN when the data set lacks a feature of the plan, or it is no number. */
  constructor(options: EncryptedHostOptions) {
    const { plan, params, self, data, packed, keyOf } = options;
    this.#o = options;
    this.#transforms = params.features.filter((f) => f.party === self);
    this.#view = data.view((dataset) => ({ columns: numericFeatures(dataset, this.#transforms), records: dataset.records }));
    this.features = this.#transforms.map((f) => f.name);
    // The same texts over other codes read something else.
    this.model = ownModelId(sha256Hex(Buffer.concat([packed, Buffer.from(canonicalJson(this.#transforms as unknown as Json))])));
    this.modelDigest = params.digest;
    this.sharing = plan.hosts;
    this.#keys = new Map(plan.hosts.filter((h) => h !== self).map((h) => [h, keyOf(h)]));
    this.#thread = linearThread(packed);
  }

  get isBusy(): boolean {
    return this.#thread.isBusy;
  }

  /** Loads key and texts. Throws KERNEL_TEXT for what is none. */
  async start(): Promise<void> {
    await this.#thread.start();
  }

  async answer(ask: ServeAsk) {
    const { columns, records } = this.#view.now;
    const record = records.get(ask.company) ?? -1;
    const codes = Int16Array.from(this.#transforms, (t, i) => codesOf(columns[i] as Numeric, t, () => record, 1)[0] ?? t.missing);
    const mask = ringMaskOf(this.#o.self, this.#o.plan.job, ask, { keyOf: (peer) => this.#keys.get(peer) ?? new Uint8Array(0), primes: dataPrimes });
    const text = await this.#thread.call<Uint8Array>("applyToOne", [codes, { mask, providers: ask.present.length } satisfies Masking]);
    const held = record >= 0;
    return { reply: { type: "serve/encrypted-part", body: { n: ask.n, text, held } }, held } as const;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }
}

/** The bank's key of its model, or a provider's sealed weights, in a thread. `start` throws KERNEL_TEXT. */
export function linearThread(held: OwnLinear | Uint8Array): ScorerThread {
  if (held instanceof Uint8Array) return new ScorerThread({ module: linearModule, open: "openApplier", args: [held] });
  const keys = Object.fromEntries(Object.entries(held.keys).map(([name, text]) => [name, new Uint8Array(Buffer.from(text, "base64"))]));
  return new ScorerThread({ module: linearModule, open: "openOwner", args: [keys], mostWaiting: 256 });
}

/** The sum over providers for each of so many companies. Throws KERNEL_TEXT, and KERNEL_SUM_IMPOSSIBLE for one that the weights cannot give: masks that
 *  did not cancel, or a provider that answered anything. */
export async function providersSum(thread: ScorerThread, own: OwnLinear, texts: readonly Uint8Array[], rows: number): Promise<Int32Array> {
  const sums = await thread.call<Int32Array>("openSum", [texts, rows]);
  requirePossible(own, sums);
  return sums;
}

function requirePossible({ model }: OwnLinear, sums: ArrayLike<number>): void {
  const largest = maxCode * model.features.reduce((sum, f) => sum + Math.abs(f.weight), 0);
  if (Array.from(sums).some((sum) => Math.abs(sum) > largest)) throw new AppError("KERNEL_SUM_IMPOSSIBLE");
}

/** Throws JOB_MODEL_UNKNOWN. */
export function numericFeatures(dataset: Pick<LoadedDataset, "features">, wanted: readonly { readonly name: string }[]): Numeric[] {
  return wanted.map(({ name }) => {
    const feature = dataset.features.find((f) => f.name === name);
    if (feature?.kind !== "numeric") throw new AppError("JOB_MODEL_UNKNOWN");
    return feature;
  });
}
