// The demo world as files: reproducible, consistent between parties, plausible, and refused with a clear error.
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { isUscc } from "../../core/uscc.ts";
import { isAppError } from "../../core/errors.ts";
import { snapshotDate } from "../../demo/calendar.ts";
import { generateDemo, providers } from "../../demo/generate.ts";
import { parseDefinition } from "../../enclave/data/definition.ts";
import type { World } from "./support.ts";
import { demoWorld, digestOfFolder, loadParty, readTable, temporaryFolder } from "./support.ts";

const folders = ["bank", ...providers.map((p) => p.folder)];

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return isAppError(error) ? error.code : String(error);
  }
  return "no error";
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe("a demo world of 3,000 companies", () => {
  let world: World;
  before(async () => {
    world = await demoWorld({ companies: 3000, seed: 5 });
  });
  after(() => world[Symbol.asyncDispose]());
  const read = (folder: string, table: string): Promise<Record<string, string>[]> => readTable(world.directory, folder, table);

  it("has one folder a party, and no file that says more than the party knows", async () => {
    assert.sameMembers(await readdir(world.directory), folders);
    for (const folder of folders) {
      for (const file of await readdir(join(world.directory, folder))) {
        const head = (await readFile(join(world.directory, folder, file), "utf8")).slice(0, 2000);
        assert.notMatch(head.split("\n")[0] ?? "", /health|discipline|leverage|latent|hazard|frailty/, `${folder}/${file}`);
        if (folder !== "bank") assert.notInclude(head, "defaulted");
      }
    }
  });

  it("keeps every file for its owner only", async () => {
    for (const folder of folders) {
      assert.strictEqual((await stat(join(world.directory, folder))).mode & 0o077, 0);
      for (const file of await readdir(join(world.directory, folder))) {
        assert.strictEqual((await stat(join(world.directory, folder, file))).mode & 0o077, 0);
      }
    }
  });

  it("names each company by a valid code, once in the bank's book and in each provider's register", async () => {
    const registers = [["bank", "loans"], ...providers.map((p) => [p.folder, p.population])] as const;
    for (const [folder, table] of registers) {
      const ids = (await read(folder ?? "", table ?? "")).map((row) => row["uscc"] ?? "");
      assert.isTrue(ids.every((id) => isUscc(id)));
      assert.strictEqual(new Set(ids).size, ids.length);
    }
  });

  it("has history only for companies of the provider's own register", async () => {
    for (const provider of providers) {
      const known = new Set((await read(provider.folder, provider.population)).map((row) => row["uscc"]));
      for (const [table, columns] of Object.entries(provider.tables)) {
        const rows = await read(provider.folder, table);
        assert.isAbove(rows.length, 0, table);
        assert.deepEqual(Object.keys(rows[0] ?? {}), ["uscc", ...Object.keys(columns)]);
        assert.isTrue(rows.every((row) => known.has(row["uscc"])), table);
      }
    }
  });

  it("covers most companies at each provider, different ones, and 60 % in the loan book", () => {
    for (const { coverage, folder } of world.summary.providers) assert.isTrue(coverage > 0.84 && coverage < 0.995, folder);
    assert.closeTo(world.summary.loans / world.summary.companies, 0.6, 0.03);
    assert.isAbove(world.summary.applications, 50);
    assert.strictEqual(new Set(world.summary.providers.map((p) => p.companies)).size, providers.length);
  });

  it("has a default rate of 6 to 10 %, which is the mean of the label", async () => {
    const labels = (await read("bank", "loans")).map((row) => Number(row["defaulted_12m"]));
    assert.strictEqual(mean(labels), world.summary.defaultRate);
    assert.isTrue(world.summary.defaultRate > 0.06 && world.summary.defaultRate < 0.1, String(world.summary.defaultRate));
  });

  it("shows no provider anything from after the snapshot, and no loan from before it", async () => {
    for (const provider of providers) {
      for (const [table, columns] of Object.entries(provider.tables)) {
        const dates = Object.keys(columns).filter((name) => columns[name] === "date");
        for (const row of await read(provider.folder, table)) {
          for (const name of dates) if (row[name] !== "") assert.isTrue((row[name] ?? "") < snapshotDate, `${table}.${name}`);
        }
      }
    }
    const months = (await read("bank", "loans")).map((row) => row["application_month"] ?? "");
    assert.sameMembers([...new Set(months)], ["2025-01-01", "2025-02-01", "2025-03-01"]);
  });

  it("covers 24 months, with gaps, shorter for young companies", async () => {
    const rows = await read("social_insurance", "contributions");
    const months = new Map<string, number>();
    for (const row of rows) months.set(row["uscc"] ?? "", (months.get(row["uscc"] ?? "") ?? 0) + 1);
    assert.strictEqual(new Set(rows.map((row) => row["month"])).size, 24);
    const lengths = [...months.values()];
    assert.isAtMost(Math.max(...lengths), 24);
    assert.isAbove(lengths.filter((n) => n === 24).length / lengths.length, 0.6);
    assert.isAbove(lengths.filter((n) => n < 20).length / lengths.length, 0.02);
  });

  it("shows the seasons: factories stand still in February, electricity peaks in summer", async () => {
    const sector = new Map((await read("registry_courts", "registrations")).map((row) => [row["uscc"], row["sector"]]));
    type Row = Record<string, string>;
    const byMonth = (rows: readonly Row[], date: string, value: string, keep: (row: Row) => boolean): number[] =>
      Array.from({ length: 12 }, (_, m) =>
        mean(rows.filter((r) => keep(r) && Number(r[date]?.slice(5, 7)) === m + 1).map((r) => Math.log(Number(r[value]) + 1))));
    const general = new Set((await read("tax", "taxpayers")).filter((r) => r["kind"] === "general").map((r) => r["uscc"]));
    const factory = (row: Row): boolean => sector.get(row["uscc"]) === "C" && general.has(row["uscc"]);
    const revenue = byMonth(await read("tax", "filings"), "period", "declared_revenue", factory);
    assert.isBelow(revenue[1] ?? 0, (revenue[9] ?? 0) - 0.2);
    const kwh = byMonth(await read("utilities", "electricity_bills"), "month", "kwh", () => true);
    assert.isAbove(kwh[6] ?? 0, (kwh[3] ?? 0) + 0.1);
  });

  it("files quarterly for small-scale taxpayers, monthly for the others, and arrears end after they begin", async () => {
    const small = new Set((await read("tax", "taxpayers")).filter((r) => r["kind"] === "small_scale").map((r) => r["uscc"]));
    for (const row of await read("tax", "filings")) {
      if (small.has(row["uscc"])) assert.match(row["period"] ?? "", /-(03|06|09|12)-01$/);
      assert.isAtMost(Number(row["vat_paid"]), Number(row["vat_payable"]));
    }
    for (const folder of ["tax", "social_insurance"]) {
      for (const { owed_since: since = "", cleared_on: cleared = "" } of await read(folder, "arrears")) {
        assert.isTrue(cleared === "" || cleared >= since);
      }
    }
  });

  it("writes companies in another order in every file", async () => {
    const orders = await Promise.all([["bank", "loans"], ["tax", "taxpayers"], ["utilities", "electricity_accounts"]].map(
      async ([folder, table]) => (await read(folder ?? "", table ?? "")).map((row) => row["uscc"])));
    const [loans, taxpayers, accounts] = orders.map((ids) => ids.filter((id) => orders.every((other) => other.includes(id))));
    assert.notDeepEqual(loans, taxpayers);
    assert.notDeepEqual(taxpayers, accounts);
  });

  it("comes with definitions that the enclave's data door accepts, 8 to 15 indicators a provider from named items", async () => {
    for (const provider of providers) {
      const definition = parseDefinition(JSON.parse(await readFile(join(world.directory, provider.folder, "dataset.json"), "utf8")));
      assert.isTrue("indicators" in definition);
      if (!("indicators" in definition)) continue;
      assert.isTrue(definition.indicators.length >= 8 && definition.indicators.length <= 15);
      for (const { sourceItem } of definition.indicators) assert.match(sourceItem, /^P2[14]\/[^/]+(\/[^/]+)?$/);
    }
    const loans = parseDefinition(JSON.parse(await readFile(join(world.directory, "bank", "dataset.json"), "utf8")));
    assert.strictEqual(loans.labelColumn, "defaulted_12m");
    parseDefinition(JSON.parse(await readFile(join(world.directory, "bank", "applications.json"), "utf8")));
  });
});

describe("generateDemo", () => {
  const small = { companies: 500, seed: 1 };

  it("writes the same bytes for the same seed, pinned, and others for another seed or length", async () => {
    await using one = await demoWorld(small);
    await using again = await demoWorld(small);
    await using other = await demoWorld({ ...small, seed: 2 });
    await using longer = await demoWorld({ ...small, months: 36 });
    const digest = await digestOfFolder(one.directory);
    assert.strictEqual(digest, await digestOfFolder(again.directory));
    assert.notStrictEqual(digest, await digestOfFolder(other.directory));
    assert.notStrictEqual(digest, await digestOfFolder(longer.directory));
    // Changes only together with the model: write the new digest here when it is changed on purpose.
    assert.strictEqual(digest, "5cb7ec0fb3ef5df558abfba0aa90ee3b248c093002a167b3206e8171aa0c96c1");
    assert.deepEqual(one.summary, again.summary);
  });

  it("gives data that every enclave can load, at the least size and length", async () => {
    await using world = await demoWorld({ companies: 500, seed: 4, months: 12 });
    for (const { folder, companies } of world.summary.providers) {
      assert.strictEqual((await loadParty(world.directory, folder)).rows, companies);
    }
    assert.strictEqual((await loadParty(world.directory, "bank")).rows, world.summary.loans);
  });

  it("reports progress up to the whole", async () => {
    await using folder = await temporaryFolder();
    const seen: number[] = [];
    await generateDemo({ ...small, directory: folder.directory, onProgress: ({ done, total }) => seen.push(done / total) });
    assert.strictEqual(seen.at(-1), 1);
    assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  });

  it("refuses a directory that holds something, unless forced", async () => {
    await using folder = await temporaryFolder();
    const { directory } = folder;
    await writeFile(join(directory, "mine.txt"), "mine");
    assert.strictEqual(await codeOf(generateDemo({ ...small, directory })), "DEMO_DIRECTORY_NOT_EMPTY");
    assert.deepEqual(await readdir(directory), ["mine.txt"]);
    await generateDemo({ ...small, directory, force: true });
    await generateDemo({ ...small, directory, force: true });
    assert.strictEqual(await readFile(join(directory, "mine.txt"), "utf8"), "mine");
  });

  it("refuses sizes, lengths and seeds that make no world", async () => {
    await using folder = await temporaryFolder();
    const { directory } = folder;
    const sizes = [{ companies: 499 }, { companies: 1000.5 }, { companies: 5_000_001 }];
    for (const wrong of [...sizes, { months: 11 }, { months: 61 }, { seed: -1 }, { seed: Number.NaN }]) {
      assert.strictEqual(await codeOf(generateDemo({ ...small, directory, ...wrong })), "DEMO_BAD_OPTIONS");
    }
    assert.deepEqual(await readdir(directory), []);
  });

  it("says so when the path cannot be a directory", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.directory, "file"), "");
    assert.strictEqual(await codeOf(generateDemo({ ...small, directory: join(folder.directory, "file", "demo") })), "DEMO_WRITE_FAILED");
  });

  // Linux has a device that is always full; elsewhere there is no cheap one.
  if (existsSync("/dev/full")) it("says that the disk is full, and leaves no half-written file", async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.directory, "utilities"));
    await symlink("/dev/full", join(folder.directory, "utilities", "electricity_bills.csv"));
    assert.strictEqual(await codeOf(generateDemo({ ...small, directory: folder.directory, force: true })), "DEMO_DISK_FULL");
    const left = await readdir(folder.directory, { recursive: true, withFileTypes: true });
    assert.deepEqual(left.filter((entry) => !entry.isDirectory()), []);
    assert.isTrue(existsSync("/dev/full"));
  });

  it("lets a mistake of the caller's own callback through as it is, and leaves no half-written file", async () => {
    await using folder = await temporaryFolder();
    const mistake = new RangeError("mine");
    const run = generateDemo({ ...small, directory: folder.directory, onProgress: () => { throw mistake; } });
    assert.strictEqual(await run.catch((error: unknown) => error), mistake);
    const left = await readdir(folder.directory, { recursive: true, withFileTypes: true });
    assert.deepEqual(left.filter((entry) => !entry.isDirectory()), []);
  });
});
