// `yunei enclave publish-tags` as an operator runs it: beside the data, before there is any job.
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { EnclaveConfig } from "../../enclave/config.ts";
import { tax, temporaryFolder } from "../support/enclave.ts";
import { fails, json, yunei } from "./support.ts";

describe("yunei enclave publish-tags", () => {
  it("makes the tags for one bank, says how far it is, and does nothing when they are there", async function () {
    this.timeout(60_000);
    using folder = temporaryFolder();
    const dir = join(folder.path, "enclave");
    mkdirSync(join(dir, "keys"), { recursive: true });
    writeFileSync(join(folder.path, "tax.csv"), ["id,turnover", ...Array.from({ length: 300 }, (_, i) => `C${i},${i % 7}`)].join("\n"));
    const config: EnclaveConfig = {
      version: 1, party: tax, platform: "https://127.0.0.1:1", dataFolder: folder.path, workers: 2, peerTimeoutSeconds: 60,
      dataset: { name: "tax", idColumn: "id", idKind: "opaque", features: { file: "tax.csv" }, columns: {}, missingTokens: [""] },
    };
    writeFileSync(join(dir, "enclave.json"), JSON.stringify(config));
    const args = ["enclave", "publish-tags", "--dir", "enclave", "--guest", "bank"];
    const { status, out, err } = await yunei(args, folder.path);
    assert.equal(status, 0, err);
    assert.match(out, /^bank {2}300 {2}[0-9a-f]{64}\n$/);
    assert.match(err, /100%/);
    assert.include(err, '"reusableTags": true');
    const lists = join(dir, "state", "tags", "made", "bank");
    const snapshot = out.trim().split("  ")[2] ?? "";
    assert.sameMembers(readdirSync(lists), [`${snapshot}.tags`, `${snapshot}.order`]);
    assert.equal(statSync(join(lists, `${snapshot}.tags`)).size, 300 * 16);
    assert.equal(statSync(join(lists, `${snapshot}.tags`)).mode & 0o777, 0o600);
    assert.deepEqual(await json(args, folder.path), { guest: "bank", companies: 300, snapshotDigest: snapshot, new: false });
    await fails(["enclave", "publish-tags", "--dir", "elsewhere", "--guest", "bank"], folder.path, "ENCLAVE_CONFIG");
  });
});
