// What a watch list needs of its owner's storage. An enclave puts it into its state database, sealed: a watch names a company, and its state
// holds values of it.
import type { Code } from "../../core/errors.ts";

/** One company that one institution watches. Times in seconds since 1970. */
export type Watch = {
  /** Opaque: what alerts name. */
  readonly id: string;
  readonly institution: string;
  /** USCC. It stays in the domain. */
  readonly subject: string;
  /** SHA-256 of the consent's id. */
  readonly consent: string;
  /** Whose list of withdrawals counts for it, and the digest of the company's own key where that has signed. */
  readonly registrar: string;
  readonly key?: string | undefined;
  readonly registeredAt: number;
  /** The first second in which its consent does not hold any more. */
  readonly until: number;
};

export interface WatchStore {
  /** All in `work` or nothing of it, durable on return. */
  transaction<T>(work: () => T): T;
  count(institution: string): number;
  find(institution: string, subject: string): Watch | undefined;
  get(id: string): Watch | undefined;
  /** Puts a new one, or another consent and end under the same id. */
  put(watch: Watch): void;
  /** Removes the watch with its state and all alerts of it that have not left. `ended`: why, where its institution does not know yet and has to
   *  be told. */
  remove(id: string, ended?: Code): void;
  /** Watches under a consent. */
  ofConsent(consent: string): readonly Watch[];
  /** At most `limit` that ended at `now` or before. */
  ended(now: number, limit: number): readonly Watch[];
  /** The serialised state (triggers/state.ts). */
  state(id: string): string | undefined;
  putState(id: string, state: string): void;
  /** Alerts that are to leave, once per id: a known id is ignored. `text`: canonical JSON. */
  putAlert(alert: { readonly id: string; readonly watch: string; readonly text: string }): void;
}
