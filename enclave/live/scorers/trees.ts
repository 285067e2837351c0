// Protection "joint-trees": boosted trees, or tables over pairs of columns, that an earlier job made. Each provider tells its place in the tables that it shares, then
// picks its entries of tables under the bank's key; the bank decrypts the sum of all answers and knows one total of 12 bits.
import type { PartyId } from "../../../core/brand.ts";
import { AppError } from "../../../core/errors.ts";
import type { JobPlan } from "../../../federation/plan-schema.ts";
import type { TypedBody } from "../../../federation/messages.ts";
import { ringMaskOf } from "../../../federation/serve/masks.ts";
import { answerOf, sealable, totalOf } from "../../../federation/serve/tables.ts";
import type { JointGuest, OpenModel } from "../../../federation/serve/trees-guest.ts";
import type { JointHost } from "../../../federation/serve/trees-host.ts";
import type { Masking } from "../../../kernels/linear/flood.ts";
import { tablePrimeBits } from "../../../kernels/linear/params.ts";
import type { TableKeys } from "../../../kernels/linear/tables.ts";
import { sigmoid } from "../../../models/linear/logistic.ts";
import { pointsOfOdds } from "../../../models/scorecard/points.ts";
import type { LoadedDataset } from "../../data/load.ts";
import type { DataViews, View } from "../../data/views.ts";
import { OwnColumns } from "./own-columns.ts";
import type { GuestScorer, HostScorer, Prepared, ServeAnswer, ServeAsk } from "./scorer.ts";
import { ScorerThread } from "./thread.ts";

export const tablesModule = new URL("../../../kernels/linear/remote.ts", import.meta.url);
/** What budgets count all services of joint trees of one bank as: its tables may say anything, whatever model they are said to be of. */
export const jointTreesModel = "joint-trees";
/** First parts whose second has not come: more than a bank has under way. */
const mostPending = 512;
/** A second part comes within the longest time-out of the first and of its own, and some time to seal. Later the company's consent may be withdrawn. */
const secondWithinMs = 150_000;

export class TreesGuest implements GuestScorer, AsyncDisposable {
  readonly ask = "serve/ask";
  readonly answer = "serve/places";
  readonly second = { ask: "serve/tables", answer: "serve/tree-part" } as const;
  readonly model: string;
  readonly modelDigest: string;
  readonly own: GuestScorer["own"] & {};
  readonly #joint: JointGuest;
  readonly #columns: OwnColumns;
  readonly #thread: ScorerThread;

  /** Throws JOB_MODEL_UNKNOWN when the data set lacks a column of the model. */
  constructor(joint: JointGuest, { data, keys }: { readonly data: DataViews; readonly keys: TableKeys }) {
    this.model = joint.model;
    this.modelDigest = joint.digest;
    this.own = joint.own;
    this.#joint = joint;
    this.#columns = new OwnColumns(data, joint.own.names);
    this.#thread = new ScorerThread({ module: tablesModule, open: "openTables", args: [keys], mostWaiting: 256 });
  }

  prepare(request: Parameters<GuestScorer["prepare"]>[0]): Prepared | undefined {
    const own = this.#columns.of(request);
    if (own === undefined) return undefined;
    // Of the providers that answered: others may be asked again without one of them.
    let asked: { readonly open: OpenModel; readonly first: number } = { open: this.#joint.open(own.features, []), first: 0 };
    return {
      isKnown: own.isKnown,
      second: async (answers: ReadonlyMap<PartyId, ServeAnswer>, present: readonly PartyId[]) => {
        const open = this.#joint.open(own.features, present);
        const { entries, first } = sealable(open.tables, new Map(present.map((host) => [host, placesOf(host, answers.get(host))])));
        asked = { open, first };
        const sealed = new Map(await Promise.all([...entries].map(async ([host, of]) => [host, await this.#thread.call<Uint8Array>("seal", [of])] as const)));
        return (host: PartyId, n: number) => ({ n, asked: answers.get(host)?.n ?? 0, text: sealed.get(host) ?? new Uint8Array(0) });
      },
      score: async (answers: ReadonlyMap<PartyId, ServeAnswer>, present: readonly PartyId[]) => {
        const { open, first } = asked;
        const texts = [...answers].map(([host, answer]) => textOf(host, answer));
        const opened = texts.length === 0 ? 0 : await this.#thread.call<number>("open", [texts]);
        const odds = open.odds(totalOf(opened, { first }));
        return { score: pointsOfOdds(odds, this.#joint.scaling), probability: sigmoid(odds), away: this.#joint.used.filter((host) => !present.includes(host)) };
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }
}

function placesOf(host: PartyId, answer: ServeAnswer | undefined): Uint8Array {
  if (answer === undefined || !("places" in answer)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host });
  return answer.places;
}

function textOf(host: PartyId, answer: ServeAnswer): Uint8Array {
  if (!("text" in answer)) throw new AppError("PROTOCOL_WRONG_SHAPE", { party: host });
  return answer.text;
}

export type TreesHostOptions = {
  readonly plan: JobPlan; readonly joint: JointHost; readonly self: PartyId; readonly data: DataViews;
  /** The bank's, in its short form. */
  readonly publicKey: Uint8Array;
  /** 32 secret bytes that only this provider and that peer have. */
  readonly keyOf: (peer: PartyId) => Uint8Array;
  /** ms that only rise. */
  readonly now?: () => number;
};
type Pending = { readonly picks: readonly number[]; readonly masking: Masking; readonly since: number };

export class TreesHost implements HostScorer, AsyncDisposable {
  readonly ask = "serve/ask";
  readonly model = jointTreesModel;
  readonly modelDigest: string;
  readonly sharing: readonly PartyId[];
  readonly features: readonly string[];
  readonly #o: TreesHostOptions;
  readonly #view: View<Pick<LoadedDataset, "features" | "records">>;
  readonly #keys: ReadonlyMap<PartyId, Uint8Array>;
  readonly #thread: ScorerThread;
  /** By the number of the question. */
  readonly #pending = new Map<number, Pending>();

  /** Throws JOB_MODEL_UNKNOWN when the data set lacks a feature of the model. */
  constructor(options: TreesHostOptions) {
    const { plan, joint, self, data, publicKey, keyOf } = options;
    this.#o = options;
    this.modelDigest = joint.digest;
    this.sharing = joint.sharing;
    this.features = joint.features;
    const used = new Set(joint.features);
    this.#view = data.view((dataset) => {
      const features = dataset.features.filter((f) => used.has(f.name));
      // Of nobody: says whether they are what the half was made from.
      joint.choices(features, -1);
      return { features, records: dataset.records };
    });
    this.#keys = new Map(plan.hosts.filter((h) => h !== self).map((h) => [h, keyOf(h)]));
    this.#thread = new ScorerThread({ module: tablesModule, open: "openSelector", args: [publicKey] });
  }

  get isBusy(): boolean {
    return this.#thread.isBusy;
  }

  #now(): number {
    return this.#o.now?.() ?? performance.now();
  }

  /** Loads the key. Throws KERNEL_TEXT for what is none. */
  async start(): Promise<void> {
    await this.#thread.start();
  }

  answer(ask: ServeAsk) {
    const { joint, self, plan: { job } } = this.#o;
    const { features, records } = this.#view.now;
    const record = records.get(ask.company) ?? -1;
    const keyOf = (peer: PartyId): Uint8Array => this.#keys.get(peer) ?? new Uint8Array(0);
    const { places, picks } = answerOf({ self, service: job, ask, keyOf, tables: joint.tables, choices: joint.choices(features, record) });
    const now = this.#now();
    for (const [n, { since }] of this.#pending) {
      if (this.#pending.size < mostPending && now - since <= secondWithinMs) break;
      this.#pending.delete(n);
    }
    this.#pending.set(ask.n, { picks, since: now, masking: { mask: ringMaskOf(self, job, ask, { keyOf, primes: tablePrimeBits.length - 1 }), providers: ask.present.length } });
    const held = record >= 0;
    return { reply: { type: "serve/places", body: { n: ask.n, places, held } }, held } as const;
  }

  async second({ n, asked, text }: TypedBody<"serve/tables">) {
    const pending = this.#pending.get(asked);
    if (pending === undefined) return undefined;
    // Once: the same masks over other tables would tell their difference.
    this.#pending.delete(asked);
    if (this.#now() - pending.since > secondWithinMs) return undefined;
    return { type: "serve/tree-part", body: { n, text: await this.#thread.call<Uint8Array>("select", [text, pending.picks, pending.masking]) } } as const;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#thread[Symbol.asyncDispose]();
  }
}
