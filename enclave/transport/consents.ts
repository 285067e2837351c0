// What an enclave needs of the platform for authorisation. `http.ts` is the real one; tests use their own. Nothing of it is believed before
// it was verified here.
export interface ConsentPlatform {
  /** Consents granted to this party, in order, after number `after`; some at a time, until `next` stays. */
  consents(after: number, signal?: AbortSignal): Promise<{ readonly next: number; readonly consents: readonly string[] }>;
  /** Current signed lists of withdrawals; with `after` only later ones, waited for up to `waitSeconds`. */
  revocations(after: number, waitSeconds: number, signal?: AbortSignal): Promise<readonly string[]>;
  /** Certificates (PEM) of registrars. */
  registrars(signal?: AbortSignal): Promise<readonly string[]>;
}
