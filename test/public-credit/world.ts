// A platform with sources of public items, and suites on both databases.
import { randomUUID, KeyObject } from "node:crypto";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { openSources } from "../../api/public-sources.ts";
import type { BatchOutcome } from "../../api/contract/public-credit.ts";
import type { PartyId } from "../../core/brand.ts";
import { batchMedia, writeBatch, type RowInput } from "../../public-credit/batch.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import type { Client, Reply } from "../support/clients.ts";
import { TestPlatform, type Bank, type Enclave, type TestPlatformOptions } from "../support/platform.ts";
import { findPostgres, startPostgres, type Cluster } from "../support/postgres.ts";

export class PublicWorld implements AsyncDisposable {
  readonly platform: TestPlatform;
  readonly source: Enclave;
  readonly other: Enclave;
  readonly bank: Bank;
  readonly rival: Bank;

  private constructor(platform: TestPlatform, parties: { source: Enclave; other: Enclave; bank: Bank; rival: Bank }) {
    this.platform = platform;
    this.source = parties.source;
    this.other = parties.other;
    this.bank = parties.bank;
    this.rival = parties.rival;
  }

  static async start(options: TestPlatformOptions): Promise<PublicWorld> {
    const platform = await TestPlatform.start(options);
    const source = await platform.enrol("registry");
    const other = await platform.enrol("customs");
    for (const guest of ["bank", "rival"]) await platform.enrol(guest);
    const world = new PublicWorld(platform, { source, other, bank: await platform.addBank("bank"), rival: await platform.addBank("rival") });
    await world.allow(source.identity.party, ["registry.basic", "administrative.penalties", "judicial.dishonest-debtors"]);
    return world;
  }

  async allow(party: PartyId, items: readonly string[]): Promise<void> {
    const { data, env, options } = this.platform;
    await using sources = await openSources({ data, env, database: options.database });
    await sources.set(party, items);
  }

  async batch(rows: readonly RowInput[], item = "registry.basic", asOf = "2026-01-04", from: Enclave = this.source): Promise<{ bytes: Buffer; digest: string }> {
    const { party, identityKey } = from.identity;
    return writeBatch(rows, { party, item: itemIdSchema.parse(item), catalogue: "2024-15", asOf }, KeyObject.from(identityKey));
  }

  put(batch: { bytes: Buffer; digest: string }, from: Client = this.source.client): Promise<Reply> {
    return from.call("PUT", `/enclave/v1/public/batches/${batch.digest}`, { raw: batch.bytes, headers: { "content-type": batchMedia } });
  }

  /** Publishes rows that must be taken. */
  async publish(rows: readonly RowInput[], item?: string, asOf?: string): Promise<BatchOutcome> {
    const reply = await this.put(await this.batch(rows, item, asOf));
    assert.equal(reply.status, 200, reply.bytes.toString("utf8").slice(0, 400));
    return reply.json() as BatchOutcome;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.platform[Symbol.asyncDispose]();
  }
}

/** Runs a suite on SQLite and, where its binaries are, on PostgreSQL. */
export function onBothDatabases(suite: (name: string, newDatabase: () => Promise<string | undefined>) => void): void {
  suite("SQLite", async () => undefined);
  describe("the same suite", () => {
    const bin = findPostgres();
    if (bin === undefined) {
      it("needs PostgreSQL's binaries, which are not installed here", () => assert.notEqual(process.env["YUNEI_REQUIRE_POSTGRES"], "1"));
      return;
    }
    let cluster: Cluster | undefined;
    before(async () => {
      cluster = await startPostgres(bin);
    });
    after(() => cluster?.stop());
    suite("PostgreSQL", async () => {
      const name = `t${randomUUID().replaceAll("-", "")}`;
      cluster?.createDatabase(name);
      return cluster?.url(name);
    });
  });
}
