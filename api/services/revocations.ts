// The registrar's list of withdrawals: signed again on the clock, and at every withdrawal before that is answered.
import type { Audit } from "../../audit/trail.ts";
import { sha256Hex } from "../../core/canonical.ts";
import { issueList } from "../../consent/book.ts";
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { PlatformRegistrar } from "../pki/registrar.ts";
import { ConsentRows } from "../store/consents.ts";
import type { Database } from "../store/database.ts";
import type { Wakeups } from "../wakeups.ts";

/** How long a list counts, and how old the last one may become. */
export const listLifeMs = 900_000;
const renewAfterMs = 300_000;
export const listWakeKey = "revocations";

export class RevocationDesk {
  readonly #store: ConsentRows;
  readonly #registrar: PlatformRegistrar;
  readonly #now: Clock;
  readonly #wakeups: Wakeups;
  readonly #audit: Pick<Audit, "note">;
  /** When the last list was signed by this process, ms. Nothing yet: a withdrawal may have been stored just before a crash. */
  #issuedAt: number | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: { db: Database; registrar: PlatformRegistrar; now: Clock; wakeups: Wakeups; audit: Pick<Audit, "note"> }) {
    this.#audit = parts.audit;
    this.#store = new ConsentRows(parts.db);
    this.#registrar = parts.registrar;
    this.#now = parts.now;
    this.#wakeups = parts.wakeups;
  }

  /** Signs the next list; one at a time. Until it has worked, the clock tries again. Throws CONSENT_LIST_BUSY and what the database throws. */
  async issue(): Promise<void> {
    const turn = this.#turn.then(() => this.#issueOne());
    this.#turn = turn.catch(() => {});
    await turn;
  }

  async #issueOne(): Promise<void> {
    this.#issuedAt = undefined;
    const list = await issueList(this.#store, { ...this.#registrar, now: this.#now }, listLifeMs);
    this.#audit.note({ actor: { role: "platform" }, action: "list.signed", objects: { list: sha256Hex(list) } });
    this.#issuedAt = this.#now();
    this.#wakeups.wake(listWakeKey);
  }

  /** For the clock. */
  async renew(): Promise<void> {
    const age = this.#issuedAt === undefined ? Infinity : this.#now() - this.#issuedAt;
    // A clock that was set back makes the age negative.
    if (age < 0 || age >= renewAfterMs) await this.issue();
  }

  /** The current list. Throws CONSENT_LIST_STALE before the first one. */
  async current(): Promise<{ sequence: number; jws: string }> {
    const { name } = this.#registrar;
    const last = await this.#store.lastList(name);
    if (last === undefined) throw new AppError("CONSENT_LIST_STALE", { registrar: name });
    return last;
  }
}
