// A service for scores at a provider's enclave: lets the machine decide on each question, has the scorer answer it, and notes the use.
import { ServeHost } from "../../federation/serve/host.ts";
import type { ServeJobParams } from "../../federation/serve/params.ts";
import type { ServeRefusal } from "../../federation/serve/messages.ts";
import type { MessageType } from "../../federation/messages.ts";
import { AppError } from "../../core/errors.ts";
import type { ServiceConsents } from "./consents.ts";
import { HostLink, type Reply } from "./host-link.ts";
import type { HostScorer, ServeAsk } from "./scorers/scorer.ts";
import { ServiceBudgets } from "./service-budgets.ts";
import type { Standing } from "./standing.ts";

export type HostServiceOptions = {
  readonly params: ServeJobParams; readonly scorer: HostScorer; readonly consents: ServiceConsents | undefined; readonly maxModelsPerCompany: number; readonly singleHostTotals: boolean;
};

export class HostService implements Disposable {
  readonly #s: Standing;
  readonly #o: HostServiceOptions;
  readonly #machine: ServeHost;
  readonly #link: HostLink;

  constructor(standing: Standing, options: HostServiceOptions) {
    this.#s = standing;
    this.#o = options;
    const { plan, self, tools, uses } = standing;
    const { params, scorer, consents, maxModelsPerCompany } = options;
    const budgets = new ServiceBudgets({
      db: tools.db, budgets: tools.budgets, now: tools.now, guest: plan.guest, dataset: plan.datasets[self]?.name ?? "", model: scorer.model, limits: { ...params, maxModelsPerCompany },
    });
    this.#machine = new ServeHost({
      self, hosts: plan.hosts, sharing: scorer.sharing, singleHostTotals: options.singleHostTotals, lastN: uses.lastN,
      ports: { consent: (company, jws, n) => consents?.check(company, jws, n), charge: (company, set) => budgets.charge(company, set) },
    });
    this.#link = new HostLink(standing, {
      answer: (type, body) => this.#answer(askOf(this.#s, type, body)),
      busy: (type, body) => refused(askOf(this.#s, type, body), "SERVICE_BUSY"),
      write: () => budgets.write(),
    });
  }

  async #answer(ask: ServeAsk): Promise<Reply> {
    const code = this.#machine.refuses(ask);
    this.#s.uses.lastN = this.#machine.lastN;
    if (code !== undefined) return refused(ask, code);
    const answer = this.#o.scorer.answer(ask);
    const { reply, held } = answer instanceof Promise ? await answer : answer;
    if (held && this.#o.consents !== undefined) {
      const { uses, texts } = this.#o.consents.usesOf(ask.company, ask.consent, this.#s.plan.guest);
      if (uses.length > 0) this.#s.uses.note(uses, texts);
    }
    return reply;
  }

  [Symbol.dispose](): void {
    this.#link[Symbol.dispose]();
  }
}

function askOf({ plan }: Standing, type: MessageType, body: unknown): ServeAsk {
  if (type !== "serve/ask") throw new AppError("PROTOCOL_UNKNOWN_TYPE", { party: plan.guest });
  return body as ServeAsk;
}

function refused({ n }: ServeAsk, code: ServeRefusal): Reply {
  return { type: "serve/refused", body: { n, code } };
}
