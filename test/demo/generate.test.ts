// The demo world as files: reproducible, consistent between parties, plausible, and refused with a clear error.
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { isUscc } from "../../core/uscc.ts";
import { isAppError } from "../../core/errors.ts";
import { snapshotDate } from "../../demo/calendar.ts";
import { datasetIndicators, standardDeclaration } from "../../indicators/dataset.ts";
import { publishedSystem } from "../../indicators/load.ts";
import { parseDeclaration } from "../../catalogue/declare.ts";
import { officialCatalogue } from "../../catalogue/load.ts";
import { providerIndicators } from "../../demo/datasets.ts";
import { generateDemo, mainProviders, providers } from "../../demo/generate.ts";
import { standardName } from "../../demo/provider.ts";
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
    const registers: [string, string][] = [["bank", "loans"], ...providers.flatMap((p): [string, string][] => (p.population === undefined ? [] : [[p.folder, p.population]]))];
    assert.isAtLeast(registers.length, 12);
    for (const [folder, table] of registers) {
      const ids = (await read(folder, table)).map((row) => row["uscc"] ?? "");
      assert.isTrue(ids.every((id) => isUscc(id)));
      assert.strictEqual(new Set(ids).size, ids.length);
    }
  });

  it("has history only for companies of the provider's own register", async () => {
    for (const provider of providers) {
      const register = provider.population ?? Object.keys(provider.tables)[0] ?? "";
      const known = new Set((await read(provider.folder, register)).map((row) => row["uscc"]));
      for (const [table, columns] of Object.entries(provider.tables)) {
        const rows = await read(provider.folder, table);
        assert.isAbove(rows.length, 0, table);
        assert.deepEqual(Object.keys(rows[0] ?? {}), ["uscc", ...Object.keys(columns)]);
        if (provider.population !== undefined) assert.isTrue(rows.every((row) => known.has(row["uscc"])), table);
        for (const row of rows) known.add(row["uscc"]);
      }
      const { companies } = world.summary.providers.find((p) => p.folder === provider.folder) ?? { companies: 0 };
      assert.strictEqual(known.size, companies, `${provider.folder}: every company that it knows has a row`);
    }
  });

  it("covers most companies at each provider of the main job, a part at others, different ones, and 60 % in the loan book", () => {
    const main = new Set(mainProviders.map((p) => p.folder));
    for (const { coverage, folder } of world.summary.providers) {
      assert.isTrue(coverage < 0.995 && coverage > (main.has(folder) ? 0.84 : 0.015), `${folder} ${coverage}`);
    }
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
        // The end of a term may lie ahead; it is known in advance.
        const dates = Object.keys(columns).filter((name) => columns[name] === "date" && !name.endsWith("_until"));
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

  it("comes with definitions that the enclave's data door accepts, and with declarations of what the tables hold", async () => {
    for (const provider of providers) {
      const names = Object.keys(provider.tables).map((table) => standardName(provider, table));
      const folder = join(world.directory, provider.folder);
      const own = providerIndicators(provider).map((i) => i.name);
      if (own.length === 0) {
        assert.isFalse(existsSync(join(folder, "dataset.json")));
        assert.deepEqual(parseDeclaration(JSON.parse(await readFile(join(folder, "catalogue.json"), "utf8"))), standardDeclaration(names));
        continue;
      }
      const raw = JSON.parse(await readFile(join(folder, "dataset.json"), "utf8")) as { catalogue: unknown };
      assert.deepEqual(parseDeclaration(raw.catalogue), standardDeclaration(names));
      const definition = parseDefinition(raw);
      assert.isTrue("indicators" in definition);
      if (!("indicators" in definition)) continue;
      assert.deepEqual(definition.indicators.map((i) => i.name), own);
      // Everything that the tables hold is used by all indicators of the areas that they belong to.
      const whole = publishedSystem.indicators.filter((i) => Object.keys(i.reads).every((table) => names.includes(table))).map((i) => i.id);
      assert.deepEqual(own, whole);
    }
    const loans = parseDefinition(JSON.parse(await readFile(join(world.directory, "bank", "dataset.json"), "utf8")));
    assert.strictEqual(loans.labelColumn, "defaulted_12m");
    parseDefinition(JSON.parse(await readFile(join(world.directory, "bank", "applications.json"), "utf8")));
  });
});

describe("the demo's providers as a whole", () => {
  it("have every category of the sharing catalogue among them, and all tables of the indicator system", () => {
    const tables = providers.flatMap((p) => Object.keys(p.tables).map((table) => standardName(p, table)));
    assert.sameMembers(tables, [...publishedSystem.tables.keys()]);
    const items = tables.flatMap((t) => Object.values(publishedSystem.tables.get(t)?.columns ?? {}).flatMap((c) => c.items.map((r) => r.split("#")[0] ?? "")));
    const held = new Set(items.flatMap((id) => officialCatalogue.find(id)?.categories ?? []));
    assert.sameMembers([...held], officialCatalogue.categories.map((c) => c.id));
  });

  it("have tables in the shape of the indicator system, column by column", () => {
    for (const provider of providers) {
      for (const [table, columns] of Object.entries(provider.tables)) {
        const standard = publishedSystem.tables.get(standardName(provider, table));
        assert.deepEqual(Object.entries(columns), Object.entries(standard?.columns ?? {}).map(([name, c]) => [name, c.type]), `${provider.folder}.${table}`);
      }
    }
  });

  it("have every published indicator at one provider and no more, for joint models and for scoring", () => {
    for (const use of ["joint-modelling", "scoring"] as const) {
      const found = providers.flatMap((provider) => {
        const named = Object.entries(provider.tables).map(([table, columns]) => [standardName(provider, table), ["uscc", ...Object.keys(columns)]] as const);
        const tables = Object.fromEntries(named);
        return datasetIndicators(standardDeclaration(Object.keys(tables)), tables, { asOf: snapshotDate, use }).indicators.map((i) => i.name);
      });
      assert.sameMembers(found, publishedSystem.indicators.map((i) => i.id));
      assert.strictEqual(new Set(found).size, found.length);
    }
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
    assert.strictEqual(digest, "3c41d304a5621aced60a00b88d49ea6ee70943f88e1fb5edf9fefd99a13400bf");
    assert.deepEqual(one.summary, again.summary);
    // The tables of the main job: providers that are added draw from streams of their own.
    const main = new Set(["bank", ...mainProviders.map((p) => p.folder)]);
    const tables = await digestOfFolder(one.directory, (path) => path.endsWith(".csv") && main.has(path.split("/")[0] ?? ""));
    assert.strictEqual(tables, "1747dcc49b0f89ca7a7f701e8459c6203d31c89a2a0fa8fac766e992ca6b447f");
  });

  it("gives data that every enclave can load, at the least size and length", async () => {
    await using world = await demoWorld({ companies: 500, seed: 4, months: 12 });
    for (const { folder, companies, indicators } of world.summary.providers) {
      if (indicators > 0) assert.strictEqual((await loadParty(world.directory, folder)).rows, companies);
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
