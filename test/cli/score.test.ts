// `yunei score` against a platform that answers as a test says: providers that are away, companies that withdraw in the middle.
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert } from "chai";
import { describe, it } from "mocha";
import type { JobEvent } from "../../api/contract.ts";
import type { JobId, PartyId } from "../../core/brand.ts";
import type { Code } from "../../core/errors.ts";
import { isAppError } from "../../core/errors.ts";
import type { JobRequest } from "../../federation/plan-schema.ts";
import type { ApiClient } from "../../cli/api-client.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { copyExplanations, scoreWithFallback, type ScoreRequest } from "../../cli/score.ts";

const [tax, power, bank] = ["tax", "power", "bank"] as PartyId[] as [PartyId, PartyId, PartyId];
const request: ScoreRequest = {
  guest: bank, hosts: [tax, power], model: `model_${"0".repeat(24)}`, purpose: "loan-approval", params: { batch: "a".repeat(64), rows: 3, shape: { kind: "scorecard" } }, waitSeconds: 0, say: () => {},
};

/** Each submission ends as the list says; a party stands for one that does not approve. */
function platform(ends: readonly ("done" | Code | { readonly away: PartyId })[]): { api: ApiClient; submitted: JobRequest[]; cancelled: string[] } {
  const submitted: JobRequest[] = [];
  const cancelled: string[] = [];
  const endOf = (id: string): (typeof ends)[number] => ends[Number(id.slice(4))] ?? assert.fail("one submission too many");
  const api = {
    submit: async (job: JobRequest) => ({ id: `job_${submitted.push(job) - 1}` }),
    cancel: async (id: string) => void cancelled.push(id),
    job: async (id: string) => {
      const end = endOf(id);
      const parties = (submitted[Number(id.slice(4))]?.hosts ?? []).map((party) => ({ party, role: "host", approved: typeof end !== "object" || end.away !== party }));
      return { state: typeof end === "object" ? "awaiting-approval" : "running", failure: null, parties };
    },
    events: async function* (id: string): AsyncGenerator<JobEvent> {
      const end = endOf(id);
      const failure = end === "done" ? null : { code: end, party: tax, step: null, en: "", zh: "" };
      yield { n: 1, at: "2026-01-05T00:00:00Z", type: "state", state: end === "done" ? "done" : "failed", failure } as JobEvent;
    },
  };
  return { api: api as unknown as ApiClient, submitted, cancelled };
}

const outcome = (api: ApiClient): Promise<string> => scoreWithFallback(api, request).then((id: JobId) => id, (error: unknown) => (isAppError(error) ? error.code : "other"));

describe("scoring a batch", () => {
  it("goes on without the provider that does not approve in time", async () => {
    const { api, submitted, cancelled } = platform([{ away: tax }, "done"]);
    assert.equal(await outcome(api), "job_1");
    assert.deepEqual(submitted.map(({ hosts }) => hosts), [[tax, power], [power]]);
    assert.deepEqual(cancelled, ["job_0"]);
  });
  it("is done once more when a company withdraws in the middle, with all providers, and not for ever", async () => {
    const twice = platform(["CONSENT_WITHDRAWN", "CONSENT_WITHDRAWN", "done"]);
    assert.equal(await outcome(twice.api), "job_2");
    assert.deepEqual(twice.submitted.map(({ hosts }) => hosts), [[tax, power], [tax, power], [tax, power]]);
    const always = platform(Array.from({ length: 5 }, () => "CONSENT_WITHDRAWN" as const));
    assert.equal(await outcome(always.api), "CONSENT_WITHDRAWN");
    assert.lengthOf(always.submitted, 4);
  });
  it("ends with the code of any other failure", async () => {
    const { api, submitted } = platform(["BUDGET_TOTALS"]);
    assert.equal(await outcome(api), "BUDGET_TOTALS");
    assert.lengthOf(submitted, 1);
  });
});

describe("explanations beside scores", () => {
  it("lie where nobody else on the machine can read them", () => {
    const work = mkdtempSync(join(tmpdir(), "yunei-score-"));
    try {
      const results = join(enclavePaths(join(work, "bank")).results, "job_1");
      mkdirSync(results, { recursive: true });
      writeFileSync(join(results, "explanations.ndjson"), "{}\n", { mode: 0o600 });
      copyExplanations(join(work, "bank"), "job_1", join(work, "out"));
      for (const path of ["out", "out/explanations.ndjson"]) assert.equal(statSync(join(work, path)).mode & 0o077, 0, path);
    } finally {
      rmSync(work, { recursive: true });
    }
  });
});
