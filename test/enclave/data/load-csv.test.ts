import { assert } from "chai";
import * as fc from "fast-check";
import { describe, it } from "mocha";
import { categorical, Folder, numeric, refusal, texts } from "./support.ts";

const nan = Number.NaN;

describe("loading a CSV feature table", () => {
  it("types columns from all their values", async () => {
    using folder = new Folder();
    const data = await folder.csv("id,num,int,day,cat,code,none\na,1.5,1,2020-01-31,x,0,\nb,-2e3,2,1969-12-31,y,1,NA\nc,.5,0003,2020/2/3,x,0,\n");
    assert.deepEqual([...data.ids], ["a", "b", "c"]);
    assert.deepEqual(data.features.map((f) => f.name), ["num", "int", "day", "cat", "code", "none"]);
    assert.deepEqual([...numeric(data, "num").values], [1.5, -2000, 0.5]);
    assert.deepEqual([...numeric(data, "int").values], [1, 2, 3]);
    assert.deepEqual([...numeric(data, "day").values], [18292, -1, 18295]);
    assert.deepEqual(texts(data, "cat"), ["x", "y", "x"]);
    assert.deepEqual([...numeric(data, "code").values], [0, 1, 0], "integer codes stay numbers unless declared");
    assert.deepEqual([...numeric(data, "none").values], [nan, nan, nan]);
  });

  it("knows missing tokens, blanks and a column's own tokens, by text and by value", async () => {
    using folder = new Folder();
    const text = "id,a,b,c,d\n1,NA,-999,gone,1\n2, ,-999.0,x,?\n3,7,5,,2\n4,null,6,NA,\u3000\n5,NaN,7,y,3\n";
    const data = await folder.csv(text, { columns: { b: { missing: ["-999"] }, c: { missing: ["gone"] } } });
    assert.deepEqual([...numeric(data, "a").values], [nan, nan, 7, nan, nan]);
    assert.deepEqual([...numeric(data, "b").values], [nan, nan, 5, 6, 7]);
    assert.deepEqual(texts(data, "c"), [null, "x", null, "NA", "y"], "a column's tokens stand in place of the general ones");
    assert.deepEqual([...numeric(data, "d").values], [1, nan, 2, nan, 3]);
  });

  it("keeps special numbers, and gives special texts codes that no value has", async () => {
    using folder = new Folder();
    const data = await folder.csv("id,a,d\n1,5,2020-01-01\n2,REFUSED,OPEN\n3,-999,\n4,n/k,OPEN\n", { columns: { a: { special: [-999, "REFUSED", "n/k"] }, d: { type: "date", special: ["OPEN"] } } });
    const { special, values } = numeric(data, "a");
    assert.deepEqual([...values], [5, special[1], -999, special[2]]);
    assert.equal(special[0], -999);
    assert.equal(new Set(special).size, 3);
    const day = numeric(data, "d");
    assert.deepEqual([...day.values], [18262, day.special[0], nan, day.special[0]]);
  });

  it("obeys declarations and leaves ignored columns out", async () => {
    using folder = new Folder();
    const data = await folder.csv("id,a,b,day\n1,1,S,20240131\n2,2,S,2024-02-01\n", { columns: { a: { type: "categorical" }, b: { ignore: true }, day: { type: "date" } } });
    assert.deepEqual(data.features.map((f) => f.name), ["a", "day"]);
    assert.deepEqual(texts(data, "a"), ["1", "2"]);
    assert.deepEqual([...numeric(data, "day").values], [19753, 19754]);
  });

  it("does not take 1_000, epoch or a BC date for numbers and dates", async () => {
    using folder = new Folder();
    const data = await folder.csv("id,a,b,c\n1,1_000,epoch,2020-01-01 BC\n2,2_000,epoch,2020-01-02 BC\n");
    assert.deepEqual(texts(data, "a"), ["1_000", "2_000"]);
    assert.deepEqual(texts(data, "b"), ["epoch", "epoch"]);
    assert.deepEqual(texts(data, "c"), ["2020-01-01 BC", "2020-01-02 BC"]);
  });

  for (const [what, text] of Object.entries({
    "a byte order mark and CRLF": "\ufeffid,x,y\r\na,1,q\r\nb,2,r\r\n", "no last line end": "id,x,y\na,1,q\nb,2,r", "semicolons": "id;x;y\na;1;q\nb;2;r\n",
    "tabs": "id\tx\ty\na\t1\tq\nb\t2\tr\n", "bars": "id|x|y\na|1|q\nb|2|r\n", "quoted fields": '"id","x","y"\n"a","1","q"\n"b","2","r"\n', "blank lines": "id,x,y\n\na,1,q\n\nb,2,r\n\n",
    "blanks around names and values": " id ,x, y\n a , 1 , q \nb,2,r\n", "old Mac line ends": "id,x,y\ra,1,q\rb,2,r\r",
  })) {
    it(`reads ${what}`, async () => {
      using folder = new Folder();
      const data = await folder.csv(text);
      assert.deepEqual([...data.ids], ["a", "b"]);
      assert.deepEqual([...numeric(data, "x").values], [1, 2]);
      assert.deepEqual(texts(data, "y"), ["q", "r"]);
    });
  }

  it("reads quoted line ends, delimiters and quotes, also where a block of the reader starts inside them", async () => {
    using folder = new Folder();
    const trap = 'E,""q"",1\nE,a,2\n'.repeat(40);
    const rows = 20_000;
    const lines = Array.from({ length: rows }, (_, i) => `E${i},"${i % 7}${trap}",${i}`);
    const data = await folder.csv(`id,t,v\n${lines.join("\n")}\n`, { columns: { t: { ignore: true } } });
    assert.equal(data.rows, rows);
    assert.isTrue(numeric(data, "v").values.every((v, i) => v === i));
    const small = await folder.csv('id,t\na,"x,\n""y"""\nb,"z\r\nw"\n');
    assert.deepEqual(texts(small, "t"), ['x,\n"y"', "z\r\nw"]);
  });

  it("sorts levels, so that the order of rows does not change codes", async () => {
    using folder = new Folder();
    assert.deepEqual(categorical(await folder.csv("id,x\n1,b\n2,a\n3,C\n"), "x").levels, ["C", "a", "b"]);
  });

  it("skips undeclared free text with a warning, and refuses it if declared", async () => {
    using folder = new Folder();
    const warned: unknown[] = [];
    const log = { info() {}, error() {}, warn: (event: string, facts?: object) => void warned.push([event, facts]) };
    const text = `id,name,x\n${Array.from({ length: 200 }, (_, i) => `${i},company ${i},${i}`).join("\n")}\n`;
    const data = await folder.csv(text, {}, { log });
    assert.deepEqual(data.skipped, [{ column: 2, levels: 200 }]);
    assert.deepEqual(data.features.map((f) => f.name), ["x"]);
    assert.deepEqual(warned, [["data.column.skipped", { column: 2, levels: 200 }]]);
    const error = await refusal(folder.csv(text, { columns: { name: { type: "categorical" } } }, { limits: { levels: 100 } }));
    assert.equal(error.code, "DATA_TOO_MANY_LEVELS");
  });

  for (const [zero, one] of [["0", "1"], ["false", "true"], ["FALSE", "True"], ["0.0", "1.0"], [" 0", "1 "]]) {
    it(`reads labels written ${zero} and ${one}`, async () => {
      using folder = new Folder();
      const data = await folder.csv(`id,y\na,${zero}\nb,${one}\nc,${one}\n`, { labelColumn: "y" });
      assert.deepEqual([...data.label ?? []], [0, 1, 1]);
      assert.isEmpty(data.features);
    });
  }

  it("normalises ids", async () => {
    using folder = new Folder();
    assert.deepEqual([...(await folder.csv("id\n Ａ-１ \nb\n")).ids], ["A-1", "b"]);
    assert.deepEqual([...(await folder.csv("id\n９１３５０１００ｍ０００１００ｙ４３\n91330100799655058b\n", { idKind: "uscc" })).ids], ["91350100M000100Y43", "91330100799655058B"]);
  });

  it("gives the snapshot a digest of its content: same data same digest, any change another", async () => {
    using folder = new Folder();
    const digest = async (text: string, definition: object = {}): Promise<string> => (await folder.csv(text, definition)).snapshotDigest;
    const base = await digest("id,y,x,c\na,0,1,p\nb,1,,q\n", { labelColumn: "y" });
    assert.match(base, /^[0-9a-f]{64}$/);
    assert.equal(await digest('\ufeffid;y;x;c\r\na;0;1.0;"p"\r\nb;1;NA;q\r\n', { labelColumn: "y" }), base, "another way to write the same");
    const changed = [
      "id,y,x,c\na,0,1,p\nc,1,,q\n", "id,y,x,c\na,1,1,p\nb,0,,q\n", "id,y,x,c\na,0,1.0000000000000002,p\nb,1,,q\n", "id,y,x,c\na,0,1,p\nb,1,0,q\n",
      "id,y,x,c\na,0,1,p\nb,1,,\n", "id,y,x2,c\na,0,1,p\nb,1,,q\n", "id,y,x,c\na,0,1,p\nb,1,,r\n", "id,y,x,c\nb,1,,q\na,0,1,p\n",
    ];
    const digests = await changed.reduce<Promise<string[]>>(async (all, text) => [...(await all), await digest(text, { labelColumn: "y" })], Promise.resolve([]));
    assert.equal(new Set([base, ...digests]).size, changed.length + 1);
    assert.equal(await digest("id,x\na,-0\nb,1\n"), await digest("id,x\na,0\nb,1\n"), "minus zero is zero");
  });

  it("reads more columns than one pass takes", async () => {
    using folder = new Folder();
    const columns = 700;
    const names = Array.from({ length: columns }, (_, j) => `x${j}`);
    const row = (i: number): string => names.map((_, j) => (j % 3 === 2 ? ["NA", "k"][i] : j * 10 + i)).join(",");
    const data = await folder.csv(`id,${names.join(",")}\na,${row(0)}\nb,${row(1)}\n`);
    assert.equal(data.features.length, columns);
    assert.deepEqual([...numeric(data, "x600").values], [6000, 6001]);
    assert.deepEqual(texts(data, "x698"), [null, "k"]);
  });

  const cell = fc.array(fc.constantFrom("a", '"', ",", "\n", "\r\n", " ", "é", "企", "𠮷", ";", "\t", "_", "-", "0", "."), { maxLength: 8 }).map((c) => `k${c.join("")}k`);
  const row = fc.record({ text: fc.option(cell), number: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })), day: fc.option(fc.integer({ min: -200_000, max: 200_000 })) });
  it("gives back what any CSV writer wrote", async () => {
    using folder = new Folder();
    await fc.assert(fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), fc.constantFrom("\n", "\r\n"), fc.constantFrom(",", ";", "\t", "|"), fc.boolean(), async (rows, end, delimiter, bom) => {
      const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
      const day = (d: number | null): string => (d === null ? "" : new Date(d * 86_400_000).toISOString().slice(0, 10));
      const lines = rows.map((r, i) => [`id${i}`, r.text === null ? "" : quote(r.text), r.number === null ? "NA" : String(r.number), day(r.day)].join(delimiter));
      const text = `${bom ? "\ufeff" : ""}${["id", "text", "number", "day"].join(delimiter)}${end}${lines.join(end)}${end}`;
      const data = await folder.csv(text, { columns: { text: { type: "categorical" }, day: { type: "date" } } });
      assert.deepEqual([...data.ids], rows.map((_, i) => `id${i}`));
      assert.deepEqual(texts(data, "text"), rows.map((r) => r.text));
      assert.deepEqual([...numeric(data, "number").values], rows.map((r) => (r.number === null ? nan : r.number + 0)));
      assert.deepEqual([...numeric(data, "day").values], rows.map((r) => r.day ?? nan));
    }), { numRuns: 60 });
  });
});
