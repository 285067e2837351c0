// A service for scores at a provider's enclave: lets the machine decide on each question, has the scorer answer it, and notes the use.
import { ServeHost } from "../../federation/serve/host.ts";
import type { ServeJobParams } from "../../federation/serve/params.ts";
import { serveRefusals, type ServeRefusal } from "../../federation/serve/messages.ts";
import type { MessageType, TypedBody } from "../../federation/messages.ts";
import { AppError } from "../../core/errors.ts";
import type { DriftCounts } from "../drift/counts.ts";
import type { ServiceConsents } from "./consents.ts";
import { HostLink, type Reply } from "./host-link.ts";
import type { HostScorer, ServeAsk } from "./scorers/scorer.ts";
import { ServiceBudgets } from "./service-budgets.ts";
import type { Standing } from "./standing.ts";

export type HostServiceOptions = {
  readonly params: ServeJobParams; readonly scorer: HostScorer; readonly consents: ServiceConsents | undefined; readonly maxModelsPerCompany: number; readonly singleHostTotals: boolean;
  /** Of the sharing catalogue: what answers rest on. */
  readonly items: readonly string[];
  /** Counts what was scored, by month. */
  readonly drift?: DriftCounts | undefined;
};

export class HostService implements Disposable {
  readonly #s: Standing;
  readonly #o: HostServiceOptions;
  readonly #machine: ServeHost;
  readonly #link: HostLink;
  /** Lists of withdrawals and registrars, as fresh as for verifications. */
  readonly #fresh: Disposable | undefined;
  /** The question that the machine decides on, and when its refusal ends. */
  #asking: ServeAsk | undefined;
  #retryAfter: number | undefined;

  constructor(standing: Standing, options: HostServiceOptions) {
    this.#s = standing;
    this.#o = options;
    const { plan, self, tools, uses } = standing;
    const { params, scorer, consents, maxModelsPerCompany } = options;
    const budgets = new ServiceBudgets({
      db: tools.db, budgets: tools.budgets, now: tools.now, guest: plan.guest, dataset: plan.datasets[self]?.name ?? "", model: scorer.model, limits: { ...params, maxModelsPerCompany },
      charges: { service: plan.job, kind: "score", items: options.items },
    });
    this.#machine = new ServeHost({
      self, hosts: plan.hosts, sharing: scorer.sharing, singleHostTotals: options.singleHostTotals, lastN: uses.lastN,
      ports: {
        consent: (company, jws, n) => consents?.check(company, jws, n), charge: (company, set, n) => this.#charge(budgets, company, set, n), claim: (company, jws, n) => consents?.claim(company, jws, n),
      },
    });
    this.#fresh = plan.datasets[self]?.consents === true ? consents?.keepFresh() : undefined;
    this.#link = new HostLink(standing, {
      answer: (type, body) => (type === "serve/tables" ? this.#second(body as TypedBody<"serve/tables">) : this.#answer(this.#askOf(type, body))),
      busy: (type, body) => refused(type === "serve/tables" ? (body as TypedBody<"serve/tables">) : this.#askOf(type, body), "SERVICE_BUSY"),
      write: () => {
        budgets.write();
        options.drift?.write();
      },
    });
  }

  async #answer(ask: ServeAsk): Promise<Reply> {
    const { scorer } = this.#o;
    if (scorer.isBusy === true) return refused(ask, "SERVICE_BUSY");
    this.#asking = ask;
    this.#retryAfter = undefined;
    const code = this.#machine.refuses(ask, scorer.variantOf?.(ask));
    this.#s.uses.lastN = this.#machine.lastN;
    if (code !== undefined) return refused(ask, code, this.#retryAfter);
    const answer = scorer.answer(ask);
    const { reply, held } = answer instanceof Promise ? await answer : answer;
    const read = held ? scorer.read?.(ask.company) : undefined;
    if (read !== undefined) this.#o.drift?.note(ask.company, read);
    if (held && this.#o.consents !== undefined) {
      const { uses, texts } = this.#o.consents.usesOf(ask.company, ask.consent, this.#s.plan.guest);
      if (uses.length > 0) this.#s.uses.note(uses, texts);
    }
    return reply;
  }

  /** Of a question that was charged, and whose use was noted, with its first part. */
  async #second(body: TypedBody<"serve/tables">): Promise<Reply> {
    const { scorer } = this.#o;
    if (scorer.second === undefined) throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: this.#s.plan.guest });
    return (await scorer.second(body)) ?? refused(body, "SERVICE_ASK");
  }

  #charge(budgets: ServiceBudgets, company: string, set: string, n: number): ServeRefusal | undefined {
    const columns = this.#asking?.columns;
    // What a model of the bank's own hides is not known here: four numbers for each column, as many as a few bins have.
    const varied = columns && { values: columns.map((value) => JSON.stringify(value)), degreesOfFreedom: 4 * columns.length };
    const over = budgets.ask(company, set, n, { varied });
    this.#retryAfter = over?.retryAfter;
    return over && (serveRefusals.find((known) => known === over.code) ?? "SERVICE_BUDGET");
  }

  #askOf(type: MessageType, body: unknown): ServeAsk {
    if (type !== this.#o.scorer.ask) throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: this.#s.plan.guest });
    return body as ServeAsk;
  }

  [Symbol.dispose](): void {
    this.#fresh?.[Symbol.dispose]();
    this.#link[Symbol.dispose]();
  }
}

function refused({ n }: Pick<ServeAsk, "n">, code: ServeRefusal, retryAfter?: number): Reply {
  return { type: "serve/refused", body: { n, code, ...(retryAfter !== undefined && { retryAfter }) } };
}
