// What may be public, and the form in which it comes: everything else is refused with the clause or the row, and nothing of it is taken.
import { assert } from "chai";
import { describe, it } from "mocha";
import { CompactSign } from "jose";
import { canonicalJson, sha256Hex } from "../../core/canonical.ts";
import { isUscc } from "../../core/uscc.ts";
import { itemIdSchema } from "../../catalogue/schema.ts";
import { maxBatchRows, readBatch, RowCheck, type Batch, type RowInput } from "../../public-credit/batch.ts";
import { dayAt, regionOf } from "../../public-credit/places.ts";
import { publicItem, publicItems } from "../../public-credit/publishable.ts";
import { basic, batchOf, inPieces, newSigner, penalties, refused, registry, usccOf } from "./support.ts";

const { key, publicKey } = newSigner();
const read = (bytes: Uint8Array, party: string = registry, size = 7): Promise<Batch> =>
  readBatch(inPieces(bytes, size), { party, today: "2026-01-05", keyOf: async (name) => (name === registry ? publicKey : undefined) });
const row = (n = 1, values: Record<string, string | number | boolean> = { company_name: "北京演示有限公司" }): RowInput => ({ uscc: usccOf(n), values });
const check = (item: string = basic): RowCheck => new RowCheck({ item: itemIdSchema.parse(item), catalogue: "2024-15", asOf: "2026-01-04" });
const penalty = (values: Record<string, string | number | boolean>): RowInput => ({ uscc: usccOf(1), key: "p1", values });

describe("what may be public", () => {
  it("is what the lists let the platform store and what is public by law, and nothing else", () => {
    const ids = publicItems().map(({ item }) => item.id);
    assert.includeMembers(ids, ["registry.basic", "judicial.dishonest-debtors", "administrative.penalties", "customs.credit-grade"].map((id) => itemIdSchema.parse(id)));
    for (const id of ["tax.payment", "registry.industry", "registry.particulars", "agriculture.insurance", "social-insurance.medical-basic"]) assert.notInclude(ids, id);
    for (const { item, fields } of publicItems()) {
      assert(item.ways.some((w) => w.mode === "physical-collection"), item.id);
      assert(fields.every((f) => f.grade === "public"), item.id);
    }
  });

  const notPublic: readonly [string, string, string][] = [
    ["an item called over an interface", "registry.industry", "P21-note-2-interface"],
    ["tax data that need an authorisation", "tax.payment", "P21-note-2-interface"],
    ["what is collected locally alone", "social-insurance.medical-basic", "P21-6-report"],
    ["what is answered by verification only", "social-insurance.payment", "P21-note-2-verification"],
  ];
  for (const [name, item, clause] of notPublic) {
    it(`refuses ${name} with the clause`, async () => {
      await refused(Promise.resolve().then(() => publicItem(item)), "CATALOGUE_MODE", { clause: clause as never });
    });
  }

  it("refuses a field that is not public within a public item, with row, field and clause", async () => {
    await refused(Promise.resolve().then(() => check(penalties).take(penalty({ legal_representative_certificate: "1" }))), "CATALOGUE_MODE", { row: 1, clause: "P21-9-release" as never });
    const type = Promise.resolve().then(() => check(penalties).take(penalty({ offence: "x", legal_representative_certificate_type: "x" })));
    await refused(type, "CATALOGUE_MODE", { row: 1 });
    await refused(Promise.resolve().then(() => check(penalties).take(penalty({ nickname: "x" }))), "CATALOGUE_UNKNOWN_FIELD", { row: 1 });
  });
});

describe("a batch", () => {
  it("is read in pieces of any size, with its checked rows", async () => {
    const { bytes, digest } = await batchOf([
      { uscc: usccOf(1), values: { company_name: "北京𬭎有限公司", established_on: "2015-03-01", uscc: usccOf(1) }, sector: "C", region: "110108" },
      { uscc: usccOf(2), key: "a", withdraw: "credit-repair" },
    ], key);
    for (const size of [1, 7, 4096, 1e6]) {
      const batch = await read(bytes, registry, size);
      assert.equal(batch.digest, digest);
      assert.equal(batch.bytes, bytes.length);
      assert.deepEqual(batch.rows, [
        { row: 1, uscc: usccOf(1), key: "", values: { company_name: "北京𬭎有限公司", established_on: "2015-03-01", uscc: usccOf(1) }, until: undefined, region: "110108", sector: "C", home: "110105", withdraw: undefined },
        { row: 2, uscc: usccOf(2), key: "a", withdraw: "credit-repair" },
      ]);
    }
    assert.deepEqual(await batchOf([row()], key), await batchOf([row()], key), "equal rows and key give equal bytes");
  });

  it("is refused when another party signed it, or sends it, or a byte of it changed", async () => {
    const { bytes } = await batchOf([row(), row(2)], key);
    await refused(read((await batchOf([row()], newSigner().key)).bytes), "PUBLIC_SIGNATURE");
    await refused(read(bytes, "tax"), "PUBLIC_SIGNATURE");
    const other = Buffer.from(bytes);
    other[bytes.length - 5] = 0x30;
    await refused(read(other), "PUBLIC_ROW");
    const renamed = Buffer.from(bytes.toString("utf8").replace("演示有限公司", "演示股份公司"));
    await refused(read(renamed), "PUBLIC_SIGNATURE");
    const lines = bytes.toString("utf8").split("\n");
    await refused(read(Buffer.from(`${lines[0]}\n${lines[1]}\n`)), "PUBLIC_SIGNATURE");
    await refused(read(Buffer.from(`${lines[0]}\n${lines[2]}\n${lines[1]}\n`)), "PUBLIC_SIGNATURE");
  });

  it("is refused when its header was signed as something else, by another algorithm, or with an unknown field", async () => {
    const line = `${canonicalJson({ uscc: usccOf(1), values: { company_name: "甲" } })}\n`;
    const header = { version: 1, party: "registry", item: "registry.basic", catalogue: "2024-15", asOf: "2026-01-04", records: 1, rows: sha256Hex(line) };
    const made = async (change: object, protectedHeader: object = {}): Promise<Buffer> => {
      const statement = await new CompactSign(new TextEncoder().encode(canonicalJson({ ...header, ...change }))).setProtectedHeader({ alg: "EdDSA", typ: "yunei-public-batch+jws", ...protectedHeader }).sign(key);
      return Buffer.from(`${statement}\n${line}`);
    };
    assert.equal((await read(await made({}))).rows.length, 1);
    for (const bytes of [await made({}, { typ: "yunei-approval+jws" }), await made({ note: 1 }), await made({ version: 2 }), await made({ records: 2 }), await made({ party: "tax" })]) {
      await refused(read(bytes), "PUBLIC_SIGNATURE");
    }
    const none = `${Buffer.from('{"alg":"none","typ":"yunei-public-batch+jws"}').toString("base64url")}.${Buffer.from(canonicalJson(header)).toString("base64url")}.`;
    await refused(read(Buffer.from(`${none}\n${line}`)), "PUBLIC_SIGNATURE");
    await refused(read(await made({ asOf: "2026-01-07" })), "PUBLIC_DAY");
    await refused(read(await made({ item: "tax.payment" })), "CATALOGUE_MODE", { clause: "P21-note-2-interface" as never });
    await refused(read(await made({ item: "tax.nothing" })), "CATALOGUE_UNKNOWN_ITEM");
    await refused(read(await made({ catalogue: "2030-1" })), "CATALOGUE_VERSION");
  });

  it("names the row that is wrong and says nothing of its content", async () => {
    const wrong: readonly [unknown, string][] = [
      [{ uscc: "91110105MA0000001X", values: { company_name: "甲" } }, "PUBLIC_ROW"], [{ uscc: usccOf(1), values: {} }, "PUBLIC_ROW"],
      [{ uscc: usccOf(1), values: { company_name: "甲" }, extra: 1 }, "PUBLIC_ROW"], [{ uscc: usccOf(1), withdraw: "whim" }, "PUBLIC_ROW"], [[], "PUBLIC_ROW"], [null, "PUBLIC_ROW"],
      [{ uscc: usccOf(1), values: { company_name: 5 } }, "PUBLIC_VALUE"], [{ uscc: usccOf(1), values: { company_name: "甲\u202e乙" } }, "PUBLIC_VALUE"],
      [{ uscc: usccOf(1), values: { company_name: "甲\n乙" } }, "PUBLIC_VALUE"], [{ uscc: usccOf(1), values: { established_on: "2015-02-30" } }, "PUBLIC_VALUE"],
      [{ uscc: usccOf(1), values: { uscc: usccOf(2) } }, "PUBLIC_VALUE"], [{ uscc: usccOf(1), values: { company_name: "甲" }, until: "2026-01-03" }, "PUBLIC_TERM"],
      [{ uscc: usccOf(1), values: { company_name: "甲" }, region: "11" }, "PUBLIC_ROW"], [{ uscc: usccOf(1), values: { company_name: "甲" }, sector: "Z" }, "PUBLIC_ROW"],
    ];
    for (const [value, code] of wrong) {
      const rows = check();
      rows.take(row(9));
      await refused(Promise.resolve().then(() => rows.take(value)), code as never, { row: 2 });
    }
    await refused(Promise.resolve().then(() => check(penalties).take({ ...penalty({ offence: "x" }), sector: "C" })), "PUBLIC_ROW", { row: 1 });
    for (const term of [{ values: { offence: "x", published_until: "2026-01-03" } }, { values: { offence: "x", published_until: "2026-02-01" }, until: "2026-02-02" }]) {
      await refused(Promise.resolve().then(() => check(penalties).take({ uscc: usccOf(1), key: "p1", ...term })), "PUBLIC_TERM", { row: 1 });
    }
    const twice = check();
    twice.take(row(1));
    twice.take(row(2));
    await refused(Promise.resolve().then(() => twice.take(row(1))), "PUBLIC_DUPLICATE", { row: 3, before: 1 });
  });

  it("takes the term of publication from 公示截止日期 where the item has it; a row may shorten it", () => {
    const termOf = (values: Record<string, string>, until?: string): unknown => {
      const taken = check(penalties).take({ uscc: usccOf(1), key: "p1", values: { offence: "x", ...values }, ...(until === undefined ? {} : { until }) });
      return "until" in taken ? taken.until : "withdrawn";
    };
    assert.equal(termOf({ published_until: "2027-01-31" }), "2027-01-31");
    assert.equal(termOf({ published_until: "2027-01-31" }, "2026-06-30"), "2026-06-30");
    assert.equal(termOf({}, "2026-06-30"), "2026-06-30");
    assert.equal(termOf({ valid_until: "2027-01-31" }), undefined, "how long a penalty holds is another matter");
  });

  it("is bounded in rows, in a row's length and as a whole, before it is in memory", async () => {
    const limited = check();
    for (let n = 0; n < maxBatchRows; n += 1) limited.take(row(n));
    await refused(Promise.resolve().then(() => limited.take(row(maxBatchRows))), "PUBLIC_LIMIT", { limit: maxBatchRows });
    const { bytes } = await batchOf([row()], key);
    let given = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes;
      for (;;) {
        given += 16_384;
        yield Buffer.alloc(16_384, 0x61);
      }
    };
    await refused(readBatch(endless(), { party: registry, today: "2026-01-05", keyOf: async () => publicKey }), "PUBLIC_LIMIT", { limit: 65_536 });
    assert.isAtMost(given, 100_000);
    await refused(read(Buffer.alloc(0)), "PUBLIC_FORM");
    await refused(read(bytes.subarray(0, -1)), "PUBLIC_FORM");
  });
});

describe("places", () => {
  it("take the region from the code and the day in China", () => {
    assert.equal(regionOf(usccOf(1, "440305")), "440305");
    // Characters 3 to 8 are digits in the standard; the check character alone does not say so.
    for (const region of ["ABCDEF", "000000", "11010A"]) {
      assert.isTrue(isUscc(usccOf(1, region)));
      assert.isUndefined(regionOf(usccOf(1, region)));
      assert.throws(() => check().take({ uscc: usccOf(1, region), values: { company_name: "甲" } }), /PUBLIC_ROW/);
    }
    assert.equal(dayAt(Date.parse("2026-01-04T15:59:59Z")), "2026-01-04");
    assert.equal(dayAt(Date.parse("2026-01-04T16:00:00Z")), "2026-01-05");
  });
});
