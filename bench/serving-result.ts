// What the bench and its load process say to each other.
export type LoadOrder = {
  readonly url: string; readonly apiKey: string; readonly ca: string; readonly service: string;
  /** Requests a second, for so many seconds. */
  readonly rate: number; readonly seconds: number;
  /** Opened before the load begins. */
  readonly connections: number; readonly companies: readonly string[];
  /** Consent of each company, where its data need one. */
  readonly consents?: Readonly<Record<string, string>>;
};
export type LoadResult = {
  readonly sent: number; readonly seconds: number;
  /** ms from the time at which each request was due, ascending: of those with an answer, and of the others. */
  readonly latencies: readonly number[]; readonly refusedLatencies: readonly number[];
  /** Replies without an answer by status and code; opened answers by status or code. */
  readonly codes: Readonly<Record<string, number>>; readonly statuses: Readonly<Record<string, number>>;
  readonly partial: number;
  /** 429 without Retry-After. */
  readonly withoutRetry: number;
  readonly mostWaiting: number;
  /** How late the load itself was at most, ms. */
  readonly latestMs: number;
  readonly cpuSeconds: number;
};

/** The value that a share of an ascending list does not exceed. */
export function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.ceil(share * ascending.length) - 1)] ?? Number.NaN;
}
