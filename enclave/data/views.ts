// What stands longer than one version of the data (a service) derives what it needs of them as views: when another version comes all of them are made
// again at once, and the next question reads them.
import { AppError } from "../../core/errors.ts";
import type { LoadedDataset } from "./load.ts";
import { Records } from "./records.ts";

export type View<T> = { readonly now: T };
export type DataViews = {
  /** Throws what `make` throws for the present version. */
  view<T>(make: (dataset: LoadedDataset) => T): View<T>;
};
type Kept = { prepare(dataset: LoadedDataset): () => void };

/** Of data that stay as they are. */
export function fixedData(dataset: LoadedDataset): DataViews {
  return { view: (make) => ({ now: make(dataset) }) };
}

/** What is declared of a version, for who stands longer than it. */
export function withoutRecords({ skipped, snapshotDigest, catalogue }: LoadedDataset): LoadedDataset {
  return { rows: 0, ids: [], records: new Records([]), features: [], skipped, snapshotDigest, ...(catalogue && { catalogue }) };
}

/** The data of one service. */
export class ServiceData implements DataViews {
  #dataset: LoadedDataset;
  readonly #views: Kept[] = [];
  readonly #unfit = Promise.withResolvers<never>();

  constructor(dataset: LoadedDataset) {
    this.#dataset = dataset;
    // Not everybody waits for it.
    this.#unfit.promise.catch(() => undefined);
  }

  /** Rejects with ENCLAVE_SNAPSHOT_CHANGED when the service cannot go on with a new version. */
  get unfit(): Promise<never> {
    return this.#unfit.promise;
  }

  view<T>(make: (dataset: LoadedDataset) => T): View<T> {
    const view = { now: make(this.#dataset) };
    this.#views.push({
      prepare: (dataset) => {
        const next = make(dataset);
        return () => void (view.now = next);
      },
    });
    return view;
  }

  /** Takes another version: all views, or none and the service is over. fits: whether the plan does. */
  renew(dataset: LoadedDataset, fits: boolean): void {
    try {
      if (!fits) throw new AppError("ENCLAVE_SNAPSHOT_CHANGED");
      const changes = this.#views.map((view) => view.prepare(dataset));
      this.#dataset = dataset;
      for (const change of changes) change();
    } catch (cause) {
      this.#unfit.reject(new AppError("ENCLAVE_SNAPSHOT_CHANGED", {}, { cause }));
    }
  }
}
