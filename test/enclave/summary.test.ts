// What an enclave publishes about its data: items of the catalogue by their public names, and whether consents count. No data.
import { assert } from "chai";
import { describe, it } from "mocha";
import { datasetSummarySchema } from "../../federation/plan-schema.ts";
import type { EnclaveConfig } from "../../enclave/config.ts";
import type { LoadedDataset } from "../../enclave/data/load.ts";
import { policySchema } from "../../enclave/policy.ts";
import { summaryOf } from "../../enclave/summary.ts";

const config = (change: object = {}, idKind = "uscc"): EnclaveConfig => ({ dataset: { name: "Steuer 2024", idKind, features: { file: "f.csv" } }, ...change }) as unknown as EnclaveConfig;
const dataset = (authorised: string[] = ["tax.payment"], items: string[] | undefined = ["tax.payment", "registry.basic"]): LoadedDataset => ({
  rows: 3, ids: [], features: [{}], skipped: [], snapshotDigest: "a".repeat(64), ...(items && { catalogue: { version: "2024-15", items, authorised, features: new Map() } }),
}) as unknown as LoadedDataset;
const policy = (consents: string) => policySchema.parse({ version: 1, consents });

describe("the summary of a data set", () => {
  it("has the items that its features are of, and says that it checks consents", () => {
    const summary = summaryOf(config(), dataset(), policy("required"));
    assert.deepEqual<unknown>(datasetSummarySchema.parse(summary), {
      name: "steuer-2024", rows: 3, features: 1, labelled: false, snapshotDigest: "a".repeat(64), consents: true,
      catalogue: { version: "2024-15", items: ["tax.payment", "registry.basic"], authorised: ["tax.payment"] },
    });
  });
  it("checks consents with any policy, or none, unless in an experiment whose policy leaves them out", () => {
    const checks = (c: object, given: ReturnType<typeof policy> | undefined, data = dataset(), kind = "uscc"): boolean => summaryOf(config(c, kind), data, given).consents === true;
    assert.isTrue(checks({}, undefined));
    assert.isTrue(checks({}, policy("off")), "off counts in experiments alone");
    assert.isTrue(checks({ experiments: true }, policy("required")));
    assert.isTrue(checks({ experiments: true }, undefined));
    assert.isFalse(checks({ experiments: true }, policy("off")));
    assert.isFalse(checks({}, undefined, dataset([])), "nothing needs authorisation");
    assert.isFalse(checks({}, undefined, dataset(), "opaque"), "nobody is named");
    assert.isFalse(checks({}, undefined, dataset([], undefined)));
  });
  it("says that data are the party's own", () => {
    assert.isTrue(summaryOf(config({ ownData: true }), dataset([], undefined), undefined).ownData);
    assert.notProperty(summaryOf(config(), dataset(), undefined), "ownData");
  });
});
