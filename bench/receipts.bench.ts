// The transparency log: durable appends, alone and through a platform's listener; proofs in a log of ten million entries; a bundle verified
// by the command line in a process of its own. Beside what a receipt costs without a log that proves it.
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { signCheckpoint } from "../receipts/checkpoint.ts";
import { folderDisk, type Disk } from "../receipts/disk.ts";
import { checkpointPath, createLog, ReceiptLog } from "../receipts/log.ts";
import { leafHash, rootOf, verifyInclusion } from "../receipts/merkle.ts";
import { Tail } from "../receipts/tail.ts";
import { Issuer } from "../test/support/issuers.ts";
import { newWorld } from "../test/support/platform.ts";
import { testSigner } from "../test/receipts/keys.ts";
import { median, type Figure } from "./figures.ts";
import { timed } from "./measure.ts";

const receiptBytes = 1_000;
const appended = 20_000;
const waiting = 4_096;
const large = 10_000_000;
const proofs = 2_000;
/** Entries whose tiles are written together: a full tile of the second level. */
const written = 65_536;
const parties = 16;
const perParty = 40;
const verifications = 7;
const oneByOne = 1_000;
/** Leaves of the tree that the proof without tiles is measured on. */
const plainLeaves = 200_000;

export async function receiptsBench({ largest, note }: { readonly largest: number; readonly note: (text: string) => void }): Promise<Figure[]> {
  const figures = [...await appends(), await throughPlatform(), await verification()];
  const entries = Math.min(large, largest);
  if (entries < large) note(`proofs in a log of ${entries.toLocaleString("en-US")} entries only (--largest)`);
  return [...figures, ...await inclusion(entries)];
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "yunei-bench-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const signer = testSigner("bench.example/receipts");

async function openLog(disk: Disk): Promise<ReceiptLog> {
  await createLog({ disk, signer });
  return ReceiptLog.open({ disk, signer });
}

/** Entries by number, so many on their way at a time; each is acknowledged before the next of its place begins. */
async function appendAll(log: ReceiptLog, count: number, atOnce: number, entry: (i: number) => Uint8Array): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, async () => {
    while (next < count) await log.append(entry(next++));
  }));
}

/** Every acknowledged entry is durable: files and folders synchronised. */
async function appends(): Promise<Figure[]> {
  const texts = Array.from({ length: 256 }, () => randomBytes(receiptBytes));
  const textOf = (i: number): Uint8Array => texts[i % texts.length] as Uint8Array;
  const name = `Durable appends of ${receiptBytes.toLocaleString("en-US")} bytes, ${waiting.toLocaleString("en-US")} waiting`;
  const [file, table] = [await inFolder(async (folder) => fileAppends(folder, textOf)), await inFolder(async (folder) => tableAppends(folder, textOf))];
  return inFolder(async (folder) => {
    const log = await openLog(folderDisk(folder));
    const { spent } = await timed(() => appendAll(log, appended, waiting, textOf));
    const figure = { name, value: appended / spent.wallSeconds, unit: "/s", ...spent };
    return [
      { ...figure, bar: { atLeast: 2_000 }, baseline: { name: "a plain file, fsync after each", value: file, source: "measured" } },
      { name: `${name}, beside a table`, value: figure.value, unit: "/s", baseline: { name: "a row of SQLite each (WAL, synchronous FULL)", value: table, source: "measured" } },
    ];
  });
}

function fileAppends(folder: string, textOf: (i: number) => Uint8Array): number {
  const file = openSync(join(folder, "receipts"), "a");
  const began = performance.now();
  for (let i = 0; i < oneByOne; i++) {
    writeSync(file, textOf(i));
    fsyncSync(file);
  }
  const seconds = (performance.now() - began) / 1000;
  closeSync(file);
  return oneByOne / seconds;
}

function tableAppends(folder: string, textOf: (i: number) => Uint8Array): number {
  using db = new DatabaseSync(join(folder, "receipts.db"));
  db.exec("pragma journal_mode = wal; pragma synchronous = full; create table receipts (n integer primary key, text blob not null)");
  const insert = db.prepare("insert into receipts (text) values (?)");
  const began = performance.now();
  for (let i = 0; i < oneByOne; i++) insert.run(textOf(i));
  return oneByOne / ((performance.now() - began) / 1000);
}

/** Platform and clients in one process: TLS, signature and chain checked, log and index durable, proof in the answer. A party sends its next
 *  receipt when the last one is acknowledged, as an enclave does. */
async function throughPlatform(): Promise<Figure> {
  const world = await newWorld();
  try {
    const issuers = await Promise.all(Array.from({ length: parties }, async (_, i) => new Issuer(await world.platform.enrol(`party${i}`))));
    const { spent } = await timed(() => Promise.all(issuers.map(async (issuer, p) => {
      for (let i = 0; i < perParty; i++) await issuer.putGood(issuer.next(`job_${String(p * perParty + i).padStart(16, "0")}`));
    })));
    return { name: `Receipts through the platform's listener, ${parties} parties one after the other each`, value: (parties * perParty) / spent.wallSeconds, unit: "/s", ...spent };
  } finally {
    await world.platform[Symbol.asyncDispose]();
  }
}

/** A use with its consent and list of withdrawals, all checks. */
async function verification(): Promise<Figure> {
  return inFolder(async (folder) => {
    const vectors = join(import.meta.dirname, "..", "test", "receipts", "vectors");
    const { bundle, subject } = JSON.parse(readFileSync(join(vectors, "good-use.json"), "utf8")) as { bundle: unknown; subject: string };
    writeFileSync(join(folder, "bundle.json"), JSON.stringify(bundle));
    const launcher = join(import.meta.dirname, "..", "cli", "yunei.mjs");
    const command = median(processes([launcher, "verify", join(folder, "bundle.json"), "--trust", join(vectors, "trust.json"), "--company", subject]));
    const empty = median(processes(["--eval", "0"]));
    return { name: "`yunei verify`, process start to exit", value: command, unit: "s", bar: { atMost: 1 }, baseline: { name: "a Node process that does nothing", value: empty, source: "measured" } };
  });
}

/** Seconds of each run; the first one, which reads the program from the disk, is left out. */
function processes(args: readonly string[]): number[] {
  return Array.from({ length: verifications + 1 }, () => {
    const began = performance.now();
    const { status } = spawnSync(process.execPath, args);
    if (status !== 0) throw new Error(`${args[1] ?? "node"} ended with ${status}`);
    return (performance.now() - began) / 1000;
  }).slice(1);
}

const entryOf = (i: number): Uint8Array => Buffer.from(`receipt ${i}`);

/** A log of so many entries, as files: written at once by the log's own code for tiles, without waiting for the disk, and kept for the next run. */
async function largeLog(entries: number): Promise<ReceiptLog> {
  const folder = join(import.meta.dirname, "..", "out", `bench-log-${entries}`);
  // The checkpoint is written last: with it there, all is there.
  if (!existsSync(join(folder, checkpointPath))) await writeLog(folder, entries);
  return ReceiptLog.open({ disk: folderDisk(folder), signer });
}

async function writeLog(folder: string, entries: number): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const folders = new Set<string>();
  const write = (path: string, bytes: Uint8Array): void => {
    const file = join(folder, path);
    if (!folders.has(dirname(file))) mkdirSync(dirname(file), { recursive: true });
    folders.add(dirname(file));
    writeFileSync(file, bytes);
  };
  let tail = await Tail.load(folderDisk(folder), 0);
  for (let from = 0; from < entries; from += written) {
    const next = tail.with(Array.from({ length: Math.min(written, entries - from) }, (_, i) => entryOf(from + i)));
    for (const { path, bytes } of next.files) write(path, bytes);
    ({ tail } = next);
  }
  write(checkpointPath, Buffer.from(signCheckpoint({ size: tail.size, root: tail.root() }, signer)));
}

async function inclusion(entries: number): Promise<Figure[]> {
  const log = await largeLog(entries);
  const root = await log.rootAt(entries);
  const milliseconds: number[] = [];
  for (let i = 0; i < proofs; i++) {
    const index = randomBytes(6).readUIntBE(0, 6) % entries;
    const began = performance.now();
    const path = await log.inclusion(index, entries);
    milliseconds.push(performance.now() - began);
    if (!verifyInclusion({ index, size: entries, leaf: leafHash(entryOf(index)), path, root })) throw new Error("a proof that does not hold");
  }
  milliseconds.sort((a, b) => a - b);
  const plain = plainProof();
  const among = `Inclusion among ${entries.toLocaleString("en-US")} entries, any one`;
  return [
    { name: `${among}: median of ${proofs.toLocaleString("en-US")} proofs`, value: median(milliseconds), unit: "ms", bar: { atMost: 5 },
      baseline: {
        name: "the tree hashed anew from its entries", value: plain * (entries / plainLeaves), source: "extrapolated", note: `from a tree of ${plainLeaves.toLocaleString("en-US")} entries, linear`,
      } },
    { name: `${among}: 99 of 100 proofs within`, value: milliseconds[Math.floor(proofs * 0.99)] ?? Number.NaN, unit: "ms", bar: { atMost: 5 } },
  ];
}

/** ms for the root of a tree of `plainLeaves` entries in memory: what a proof costs where no hashes are kept. */
function plainProof(): number {
  const began = performance.now();
  rootOf(Array.from({ length: plainLeaves }, (_, i) => leafHash(entryOf(i))));
  return performance.now() - began;
}
