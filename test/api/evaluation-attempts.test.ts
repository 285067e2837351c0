// What an attempt of an evaluation run pushed and published goes with it: the next attempt, without a provider, has rows and figures of its own.
import { existsSync, readdirSync } from "node:fs";
import { createPublicKey } from "node:crypto";
import { join } from "node:path";
import { CompactEncrypt } from "jose";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import type { RunView } from "../../api/contract/evaluations.ts";
import { chinaDay } from "../../api/services/evaluations/interval.ts";
import { publishedCards } from "../../federation/evaluate/params.ts";
import { assertCode, sha256, type Client, type Reply } from "../support/clients.ts";
import { newWorld, TestClock, type Enclave, type World } from "../support/platform.ts";
import { eventually } from "../support/process.ts";

describe("attempts of an evaluation run", () => {
  let world: World;
  const clock = new TestClock();
  before(async () => {
    world = await newWorld({ now: clock.now, webhooks: { resolve: async () => [] } });
    for (const purpose of ["credit-evaluation", "credit-line-review"]) assert.equal((await bank().post("/v1/evaluation-subscriptions", { name: purpose, purpose })).status, 201);
  });
  after(() => world.platform[Symbol.asyncDispose]());

  const bank = (): Client => world.bank.client;
  const view = async (id: string): Promise<RunView> => ((await bank().get(`/v1/evaluations/${id}`)).json() as { run: RunView }).run;
  const until = (id: string, what: string, is: (run: RunView) => boolean): Promise<RunView> => eventually(what, async () => {
    const now = await view(id);
    return is(now) ? now : undefined;
  });
  const begun = async (): Promise<{ id: string; job: string }> => {
    const { id } = (await bank().post("/v1/evaluations", { basis: "open", terms: { hosts: ["tax", "power"], approvalSeconds: 60, leastHosts: 1 } })).json() as RunView;
    const { job } = await until(id, "its job", (run) => run.job !== null);
    await approve(job, world.guest, world.tax, world.power);
    return { id, job: job ?? "" };
  };
  const approve = async (job: string | null, ...parties: readonly Enclave[]): Promise<void> => {
    for (const party of parties) await party.client.post(`/enclave/v1/jobs/${job}/approval`, { jws: `aGVhZA.${Buffer.from(`${job}${party.identity.party}`).toString("base64url")}.c2ln` });
  };
  const sealed = (text: string): Promise<string> => new CompactEncrypt(Buffer.from(text)).setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM" })
    .encrypt(createPublicKey({ key: { ...world.bank.sealTo }, format: "jwk" }));
  const push = (job: string | null, purpose: string, raw: string): Promise<Reply> => world.guest.client.call("PUT", `/enclave/v1/evaluations/${job}/pushes/bank/${purpose}/0`, { raw, headers: { "content-type": "application/jose" } });
  const figures = (job: string | null, away: readonly string[]): Promise<Reply> => world.guest.client.put("/enclave/v1/evaluations/figures", {
    job, figures: {
      card: { id: publishedCards.open.id, version: publishedCards.open.version, digest: publishedCards.open.digest }, basis: "open", asOf: chinaDay(clock.ms), absent: [], partial: away.length > 0, away,
      provinceByGrade: null, sectorByGrade: null, provinceBySector: null, stability: null,
    },
  });
  const state = (party: Enclave, job: string | null, body: object): Promise<Reply> => party.client.post(`/enclave/v1/jobs/${job}/state`, body);
  const filesOf = (id: string): string[] => {
    const found = readdirSync(world.platform.data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return found.filter((path) => path.includes(id) && existsSync(path));
  };

  it("hand out what the last one pushed and nothing of those before, which may no longer push", async () => {
    const { id, job } = await begun();
    assert.equal((await push(job, "credit-evaluation", await sealed("all providers"))).status, 200);
    assert.equal((await push(job, "credit-line-review", await sealed("all providers"))).status, 200);
    assert.equal((await figures(job, [])).status, 200);
    assert.lengthOf(filesOf(id), 2);
    await state(world.guest, job, { state: "failed", code: "JOB_PEER_TIMEOUT", party: "power" });
    const second = await until(id, "an attempt without power", (run) => run.attempt === 2 && run.job !== null);
    assertCode(await push(job, "credit-evaluation", await sealed("too late")), "JOB_NOT_FOUND");
    assert.lengthOf(filesOf(id), 0);
    await approve(second.job, world.guest, world.tax);
    const rows = await sealed("without power");
    assert.equal((await push(second.job, "credit-evaluation", rows)).status, 200);
    assert.equal((await figures(second.job, ["power"])).status, 200);
    for (const party of [world.guest, world.tax]) await state(party, second.job, { state: "done" });
    assert.deepInclude(await until(id, "the end", (run) => run.state !== "running"), { state: "done", partial: true });
    const { items } = (await bank().get(`/v1/evaluation-pushes?run=${id}`)).json() as { items: { purpose: string; job: string; digest: string }[] };
    assert.deepEqual(items.map(({ purpose, job: of, digest }) => ({ purpose, job: of, digest })), [{ purpose: "credit-evaluation", job: second.job ?? "", digest: sha256(rows) }]);
  });

  it("leave nothing at the platform when the run is cancelled or fails", async () => {
    const first = await begun();
    await push(first.job, "credit-evaluation", await sealed("rows"));
    assert.lengthOf(filesOf(first.id), 1);
    await bank().post(`/v1/evaluations/${first.id}/cancel`);
    assert.lengthOf(filesOf(first.id), 0);
    const second = await begun();
    await push(second.job, "credit-evaluation", await sealed("rows"));
    await state(world.guest, second.job, { state: "failed", code: "EVALUATION_PART", party: "tax" });
    await until(second.id, "the end", (run) => run.state === "failed");
    await eventually("its rows are gone", async () => filesOf(second.id).length === 0);
  });
});
