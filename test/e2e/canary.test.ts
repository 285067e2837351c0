// The canary: marked values in every raw column and id of every party, a whole training job and a batch score in real
// processes, and then all bytes that left a process, every log, every database and every folder searched for what is not
// the owner's. The same for keys, tokens and seeds; and the modes of all files.
import { createPrivateKey } from "node:crypto";
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { scoreWithFallback } from "../../cli/score.ts";
import { silentLog } from "../../core/env.ts";
import { partyId } from "../../core/names.ts";
import { systemRng } from "../../core/rng.ts";
import { stageBatch, stageOptions } from "../../enclave/batch/stage.ts";
import { enclavePaths } from "../../enclave/config.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { SecretBox } from "../../enclave/keys/box.ts";
import { markedTables } from "../support/marked-tables.ts";
import { Search, violations, type Marker } from "../support/markers.ts";
import { descendants, eventually, listeningPorts, walk } from "../support/process.ts";
import { Topology } from "../support/topology.ts";

const parties = ["bank", "tax", "power"] as const;
/** A place that was searched: its bytes may hold what its owner owns, and nothing if it has none. */
type Place = { readonly path: string; readonly owner: string | undefined };

describe("what leaves a domain", () => {
  const marked = markedTables();
  let topology: Topology;
  let search: Search;
  let trained: string;
  let scored: string;
  let scores: string;
  const seeds: Marker[] = [];
  let commandLines = "";
  let ports: Record<string, number> = {};
  let inRows = 0;

  before(async () => {
    topology = await Topology.start({ tables: marked.tables, keepsFrames: true, bubblewrap: false });
    search = new Search(marked.markers);
    const stopTap = tap(topology);
    trained = await topology.submit();
    await topology.relayed(trained, 8);
    for (const name of parties) seeds.push(...secretsOf(name, trained));
    ports = Object.fromEntries((["platform", ...parties] as const).map((name) => [name, listeningPorts(topology.pid(name)).length]));
    commandLines = descendants(process.pid).map(({ pid, args }) => `${args}\n${environmentOf(pid)}\n`).join("");
    await topology.until(trained, "done");
    const batchFile = join(topology.work, "data", "bank", "new.csv");
    writeFileSync(batchFile, marked.batch);
    const staged = await stageBatch(batchFile, stageOptions(topology.folder("bank"), { log: silentLog, now: Date.now }));
    assert.equal(staged.rows, marked.batchRows);
    const model = topology.rows("bank", "select model from models")[0]?.["model"] as string;
    scored = await scoreWithFallback(topology.api, {
      guest: partyId("bank"), hosts: [partyId("tax"), partyId("power")], model, purpose: "loan-approval", params: { ...staged, shape: { kind: "scorecard" } }, waitSeconds: 60, say: () => {},
    });
    scores = await topology.scores(scored);
    for (const name of parties) await eventually(`${name} is done`, () => topology.rows(name, "select 1 from jobs where state = 'done'").length === 2);
    stopTap();
    inRows = exportRelayed();
  });
  after(() => topology[Symbol.asyncDispose]());

  /** Keeps every message that an enclave took in, in the clear, as its receiver reads it: a second name of a file, a copy of a row. */
  function tap(from: Topology): () => void {
    const states = new Map(parties.map((name) => [name, new StateDatabase(enclavePaths(from.folder(name)).state)]));
    const seen = new Set<string>();
    const keptIn = (name: string, job: string): string => {
      const kept = join(from.work, "tap", name, job);
      mkdirSync(kept, { recursive: true, mode: 0o700 });
      return kept;
    };
    const look = (): void => {
      for (const [name, state] of states) {
        for (const { job, peer, seq } of state.all("select job, peer, seq from inbox where frame is not null")) {
          const key = `${name} ${String(job)} ${String(peer)} ${String(seq)}`;
          if (seen.has(key)) continue;
          const frame = state.get("select frame from inbox where job = ? and peer = ? and seq = ?", String(job), String(peer), Number(seq))?.["frame"];
          if (!(frame instanceof Uint8Array)) continue; // the job has just ended
          writeFileSync(join(keptIn(name, String(job)), `${String(peer)}-${String(seq)}.frame`), frame);
          seen.add(key);
        }
        const { inbox } = enclavePaths(from.folder(name));
        for (const job of existsSync(inbox) ? readdirSync(inbox) : []) {
          const kept = keptIn(name, job);
          try {
            for (const file of readdirSync(join(inbox, job))) if (file.endsWith(".frame") && !existsSync(join(kept, file))) linkSync(join(inbox, job, file), join(kept, file));
          } catch {
            // The job has just ended and its frames are gone.
          }
        }
      }
    };
    const timer = setInterval(look, 4);
    return () => {
      clearInterval(timer);
      for (const state of states.values()) state[Symbol.dispose]();
    };
  }

  /** Relayed frames that lie in the platform's database, as files of their own: a page of the database may cut a value in two. */
  function exportRelayed(): number {
    using database = new DatabaseSync(join(topology.platformFolder, "platform.db"), { readOnly: true });
    const rows = database.prepare(`select "jobId", "sender", "receiver", "seq", "body" from "RelayFrame" where "body" is not null`).all();
    mkdirSync(join(topology.work, "relayed"), { recursive: true });
    for (const row of rows) {
      const name = [row["jobId"], row["sender"], row["receiver"], row["seq"]].map(String).join("-");
      writeFileSync(join(topology.work, "relayed", name), row["body"] as Uint8Array);
    }
    return rows.length;
  }

  function secretsOf(name: (typeof parties)[number], job: string): Marker[] {
    const sealed = topology.rows(name, "select secrets from jobs where job = ?", job)[0]?.["secrets"] as Uint8Array;
    const { seed, key } = JSON.parse(Buffer.from(SecretBox.open(enclavePaths(topology.folder(name)).box, systemRng).open(sealed)).toString("utf8")) as Record<string, string>;
    const channel = Buffer.from(key ?? "", "base64").subarray(-32);
    return [
      { name: `${name}: seed of the job`, owners: [], value: Buffer.from(seed ?? "", "base64") }, { name: `${name}: channel key`, owners: [], value: channel },
    ];
  }

  function environmentOf(pid: number): string {
    try {
      return readFileSync(`/proc/${pid}/environ`, "latin1");
    } catch {
      return "";
    }
  }

  /** Every file of the platform, of the logs, of the tap and of the parties. */
  function places(): Place[] {
    const files = (folder: string, owner: string | undefined): Place[] => walk(folder).filter((f) => !f.isFolder).map(({ path }) => ({ path, owner }));
    return [
      ...files(topology.platformFolder, undefined), ...files(join(topology.work, "logs"), undefined), ...files(join(topology.work, "relayed"), undefined),
      ...parties.flatMap((name) => [...files(topology.folder(name), name), ...files(join(topology.work, "tap", name), name)]),
    ];
  }
  /** A temporary file may have become its whole one in the meantime, and a partial tile of the log a fuller one. */
  const inFile = (path: string, by: Search): ReturnType<Search["inFile"]> => {
    try {
      return by.inFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT" && /\.tmp$|\.p\/\d+$/.test(path)) return [];
      throw error;
    }
  };
  const found = (all: readonly Place[], by: Search): string[] =>
    all.flatMap(({ path, owner }) => violations(inFile(path, by), owner).slice(0, 5).map((f) => `${f.marker.name} (${f.form}) in ${path} at ${f.at}`));

  it("went through the whole job, and the tap saw what was relayed", () => {
    assert.isAbove(scores.split("\n").length, marked.batchRows);
    const relayed = walk(join(topology.platformFolder, "blobs", "relay")).filter((f) => !f.isFolder);
    assert.isNotEmpty(relayed);
    assert.isAbove(relayed.length + inRows, 100);
    for (const name of parties) {
      for (const job of [trained, scored]) {
        const rows = topology.rows(name, "select peer, seq, type, bytes from inbox where job = ? and type not like 'finish/%'", job);
        assert.isNotEmpty(rows);
        const kept = new Set(readdirSync(join(topology.work, "tap", name, job)));
        assert.deepEqual(rows.filter((r) => !kept.has(`${String(r["peer"])}-${String(r["seq"])}.frame`)).map((r) => r["type"]), [], `${name}: all messages were looked at`);
      }
    }
  });

  it("holds no raw value or id of another party, in any form, in any place", () => {
    const all = places();
    assert.isAbove(all.length, 200);
    assert.isAbove(all.filter((p) => p.owner === undefined).length, 100);
    assert.deepEqual(found(all, search), []);
    const args = violations(search.in(Buffer.from(commandLines, "latin1")), undefined);
    assert.deepEqual(args, []);
    assert.isAbove(commandLines.length, 500);
  });

  it("looks where something would be seen: owners do hold their own, in the same files", () => {
    const of = (name: string, file: string): Set<string> => new Set(search.inFile(join(topology.folder(name as "bank"), file)).map((f) => f.marker.name));
    assert.include([...of("bank", `results/${trained}/scores.csv`)], "id");
    assert.include([...of("bank", `results/${trained}/report.json`)], "bank.branch");
    assert.includeMembers([...of("bank", `batches/${readdirSync(join(topology.folder("bank"), "batches"))[0] ?? ""}`)], ["id", "bank.amount", "bank.branch"]);
    assert.include([...of("tax", "state/state.db"), ...of("tax", "state/state.db-wal")], "tax.turnover");
  });

  it("would find a value in every form and place where somebody put it", () => {
    const planted = marked.markers.filter((m, i) => m.owners.length === 1 && m.owners[0] === "tax" && (i % 97 === 0 || m.isShort === true));
    assert.isAbove(planted.length, 50);
    assert.isAbove(planted.filter((m) => m.isShort === true).length, 10);
    const noise = Buffer.from(systemRng(5000));
    assert.isEmpty(violations(search.in(noise), undefined));
    const text = planted.map((m) => m.value).join(",");
    const doubles = Buffer.from(Float64Array.from(planted, (m) => Number(m.value)).buffer);
    const ints = Buffer.from(Int32Array.from(planted, (m) => (Number(m.value) < 2 ** 31 ? Number(m.value) : 0)).buffer);
    const leaks: [string, Buffer][] = [
      ["text", Buffer.from(text)], ["UTF-16 LE", Buffer.from(text, "utf16le")], ["UTF-16 BE", Buffer.from(text, "utf16le").swap16()],
      ["text, hex", Buffer.from(Buffer.from(text).toString("hex"))], ["text, HEX", Buffer.from(Buffer.from(text).toString("hex").toUpperCase())],
      ["float64 LE", doubles], ["float64 BE", Buffer.from(doubles).swap64()], ["float64 LE, hex", Buffer.from(doubles.toString("hex"))],
      ["int32 LE", ints], ["int32 BE", Buffer.from(ints).swap32()],
      ...[0, 1, 2].map((shift): [string, Buffer] => ["text, base64 at", Buffer.from(Buffer.concat([Buffer.alloc(shift), Buffer.from(text)]).toString("base64"))]),
      ...[0, 1, 2].map((shift): [string, Buffer] => ["float64 LE, base64 at", Buffer.from(Buffer.concat([Buffer.alloc(shift), doubles]).toString("base64"))]),
      ["float64 LE, base64url at", Buffer.from(doubles.toString("base64url"))],
    ];
    for (const place of [topology.platformFolder, join(topology.work, "logs"), join(topology.work, "tap", "bank"), topology.folder("power")]) {
      for (const [form, leak] of leaks) {
        const path = join(place, "planted");
        writeFileSync(path, Buffer.concat([noise, leak, noise]), { mode: 0o600 });
        const [here] = places().filter((p) => p.path === path);
        assert.isDefined(here, "the place is searched");
        const forms = new Set(violations(search.inFile(path), here?.owner).map((f) => f.form));
        assert.isTrue([...forms].some((f) => f.startsWith(form)), `${form} in ${place}: ${[...forms].join("; ")}`);
      }
      writeFileSync(join(place, "planted"), "");
    }
  });

  it("holds no key, token or seed either: not in logs, arguments, databases or at another party", () => {
    const secret = (name: string, value: string | Uint8Array, owner?: string): Marker => ({ name, owners: owner === undefined ? [] : [owner], value });
    const keys = (folder: string, files: readonly string[], owner: string): Marker[] => files.flatMap((file) => {
      const pem = readFileSync(join(folder, file), "utf8");
      const jwk = createPrivateKey(pem).export({ format: "jwk" });
      const body = pem.split("\n").find((line) => !line.startsWith("-----")) ?? "";
      return [secret(`${owner}: ${file}`, body.slice(-40), owner), secret(`${owner}: ${file}`, Buffer.from(String(jwk.d), "base64url"), owner)];
    });
    const secrets = [
      secret("API key", topology.apiKey.split(".").at(-1) ?? ""), ...topology.tokens.map((t) => secret("enrolment token", t.split(".")[2] ?? "")),
      ...parties.flatMap((name) => keys(enclavePaths(topology.folder(name)).keys, ["identity.key", "tls.key"], name)),
      ...parties.map((name) => secret(`${name}: state key`, readFileSync(enclavePaths(topology.folder(name)).box), name)),
      ...keys(topology.platformFolder, ["ca.key", "server.key"], "platform"), secret("sealing key", String(topology.key.privateJwk.d)), ...seeds,
    ];
    const by = new Search(secrets);
    assert.isAtLeast(secrets.length, 25);
    const all = places().map((p) => (p.path.startsWith(topology.platformFolder) ? { ...p, owner: "platform" } : p));
    assert.deepEqual(found(all, by), []);
    assert.deepEqual(violations(by.in(Buffer.from(commandLines, "latin1")), undefined), []);
    // The search sees them: each party's keys are in its own folder.
    for (const name of parties) assert.isNotEmpty(by.inFile(join(enclavePaths(topology.folder(name)).keys, "identity.key")));
  });

  it("says nothing of a key when a command fails", () => {
    const profile = join(topology.work, "profile.json");
    const { kty, crv, x, d } = topology.key.privateJwk;
    writeFileSync(profile, JSON.stringify({ url: "https://127.0.0.1:9", apiKey: topology.apiKey, ca: readFileSync(join(topology.platformFolder, "ca.pem"), "utf8"), guest: "bank", sealKey: { kty, crv, x, d } }), { mode: 0o600 });
    for (const args of [["job", "list", "--profile", profile], ["job", "report", trained, "--profile", join(topology.work, "none")], ["job", "list", "--profile", profile, "--json"]]) {
      const { status, output } = topology.cliFailing(args);
      assert.notEqual(status, 0);
      assert.isNotEmpty(output);
      for (const secret of [topology.apiKey.split(".").at(-1) ?? "", String(d)]) assert.notInclude(output, secret);
    }
  });

  it("keeps every file and folder of platform, parties and logs to its owner", () => {
    const loose = [topology.platformFolder, join(topology.work, "parties"), join(topology.work, "logs")].flatMap((folder) => walk(folder))
      .filter((f) => f.mode !== (f.isFolder ? 0o700 : 0o600)).map((f) => `${f.path} ${f.mode.toString(8)}`);
    assert.deepEqual(loose, []);
  });

  it("goes out only: no enclave listens anywhere, the platform on its two ports", () => {
    assert.deepEqual(ports, { platform: 2, bank: 0, tax: 0, power: 0 });
  });

  it("prints which protections were active, and does not claim the one that was off", async () => {
    for (const name of parties) {
      const line = JSON.parse(topology.log(name).split("\n")[0] ?? "{}") as Record<string, unknown>;
      assert.deepInclude(line, { "event": "protection", "node-permission-model": true, "bubblewrap": false });
    }
    const report = await topology.report(trained);
    for (const { process: name, layers } of report.protections ?? []) assert.deepInclude(layers, { name: "bubblewrap", active: false }, name);
    assert.lengthOf(report.protections ?? [], 3);
  });
});
