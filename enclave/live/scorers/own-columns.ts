// The bank's own columns about the company of one request: those that the request gives, else those of the bank's data set.
import { AppError } from "../../../core/errors.ts";
import { alignFeature } from "../../../federation/rows/align.ts";
import type { Feature } from "../../../models/features.ts";
import type { DataViews, View } from "../../data/views.ts";
import type { OpenedRequest } from "../request.ts";

export class OwnColumns {
  readonly #view: View<{ readonly features: readonly Feature[]; readonly recordOf: (company: string) => number | undefined }>;

  /** names: of the model. Throws JOB_MODEL_UNKNOWN when the data set lacks one. */
  constructor(data: DataViews, names: readonly string[]) {
    this.#view = data.view(({ features, records }) => ({
      recordOf: (company) => records.get(company),
      features: names.map((name) => {
        const feature = features.find((f) => f.name === name);
        if (feature === undefined) throw new AppError("JOB_MODEL_UNKNOWN");
        return feature;
      }),
    }));
  }

  /** One record of each column, in their order; null and columns that a request leaves out are missing. undefined for a value of the wrong type.
   *  isKnown: the bank has the company, or sent columns about it. */
  of({ company, columns }: Pick<OpenedRequest, "company" | "columns">): { readonly features: readonly Feature[]; readonly isKnown: boolean } | undefined {
    const { features: own, recordOf } = this.#view.now;
    const record = recordOf(company) ?? -1;
    const features: Feature[] = [];
    for (const feature of own) {
      const given = columns?.[feature.name];
      if (given === undefined) features.push(alignFeature(feature, Int32Array.of(columns === undefined ? record : -1)));
      else if (feature.kind === "numeric" && typeof given !== "string") features.push({ ...feature, values: Float64Array.of(given ?? Number.NaN) });
      else if (feature.kind === "categorical" && typeof given !== "number") features.push({ ...feature, ...(given === null ? { codes: Int32Array.of(-1) } : { levels: [given], codes: Int32Array.of(0) }) });
      else return undefined;
    }
    return { features, isKnown: record >= 0 || columns !== undefined };
  }
}
