// What holds an enclave process in: a program started exactly as an enclave is tries to read, write and run outside of its
// folders, by Node and by DuckDB. With bubblewrap, where this machine has it, not even an unlocked native library gets out.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "chai";
import { after, before, describe, it } from "mocha";
import { bubblewrapWorks, enclaveCommand } from "../../cli/processes.ts";
import { StateDatabase } from "../../enclave/store/database.ts";
import { temporaryFolder } from "../support/enclave.ts";

const root = join(import.meta.dirname, "..", "..");

describe("the confinement of an enclave", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let own: string;
  let data: string;
  let secrets: string[];
  before(() => {
    folder = temporaryFolder();
    own = join(folder.path, "parties", "bank");
    data = join(folder.path, "data", "bank");
    const [other, otherData] = [join(folder.path, "parties", "tax"), join(folder.path, "data", "tax")];
    for (const path of [own, data, join(other, "keys"), otherData]) mkdirSync(path, { recursive: true, mode: 0o700 });
    writeFileSync(join(data, "bank.csv"), "ent_id,y\nA,1\nB,0\n");
    writeFileSync(join(otherData, "tax.csv"), "ent_id,secret\nA,1\n");
    writeFileSync(join(other, "keys", "identity.key"), "another party's key");
    new StateDatabase(join(other, "state.db"))[Symbol.dispose]();
    secrets = [join(other, "keys", "identity.key"), join(otherData, "tax.csv"), join(other, "state.db"), "/etc/passwd", join(root, "README.md"), join(root, "cli", "main.ts"), join(root, "api", "server.ts")];
    copyFileSync(join(root, "test", "support", "probe.ts"), join(own, "probe.ts"));
  });
  after(() => folder[Symbol.dispose]());

  type Said = { results: Record<string, string>; layers: Record<string, boolean> };
  function probe(bubblewrap: boolean): Said {
    const command = enclaveCommand(own, data, { bubblewrap });
    const { file, args } = { file: command.file, args: command.args.slice(0, -2) };
    assert.deepEqual(command.args.slice(-2), [join(root, "enclave", "main.ts"), own]);
    const tries = { root, own, ownData: join(data, "bank.csv"), secrets, folders: ["/", "/etc", root, join(folder.path, "parties"), join(root, "test")], writes: [data, folder.path, join(root, "enclave"), "/var/tmp"] };
    return JSON.parse(execFileSync(file, [...args, join(own, "probe.ts"), JSON.stringify(tries)], { encoding: "utf8", env: command.env })) as Said;
  }

  function assertHeld({ results }: Said, isHeld: (name: string) => boolean): void {
    assert.equal(results["read own data"], "ent_id");
    assert.equal(results["duckdb own data"], "2");
    assert.equal(results["write own"], "done");
    assert.isTrue(existsSync(join(own, "own-file")));
    const free = ["read own data", "duckdb own data", "write own"];
    const others = Object.entries(results).filter(([name]) => !free.includes(name) && isHeld(name));
    assert.isAbove(others.length, 25);
    assert.deepEqual(others.filter(([, got]) => got !== "denied"), []);
    assert.isFalse(existsSync(join(data, "left-by-probe")) || existsSync(join(folder.path, "left-by-probe")));
  }

  // What node:sqlite and an unlocked DuckDB do is beyond Node's own permissions (see THREATS.md): bubblewrap holds them.
  const isNative = (name: string): boolean => name.startsWith("sqlite ") || name.startsWith("unlocked duckdb ");

  it("denies Node and the data engine everything outside of its folders, without bubblewrap", () => {
    const said = probe(false);
    assertHeld(said, (name) => !isNative(name));
    assert.isTrue(said.layers["node-permission-model"]);
    assert.isFalse(said.layers["bubblewrap"]);
  });

  it("is judged by a probe that does get out when nothing holds it", () => {
    const free = join(folder.path, "free");
    mkdirSync(free);
    const tries = { root, own, ownData: join(data, "bank.csv"), secrets, folders: ["/etc"], writes: [free] };
    const text = execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(own, "probe.ts"), JSON.stringify(tries)], { encoding: "utf8" });
    const { results, layers } = JSON.parse(text) as Said;
    for (const name of ["spawn", `write ${free}`]) assert.equal(results[name], "done", name);
    for (const way of ["read", "unlocked duckdb"]) assert.match(results[`${way} ${secrets[0] ?? ""}`] ?? "", /another party's key/, way);
    assert.isFalse(layers["node-permission-model"]);
    assert.equal(results[`duckdb ${secrets[0] ?? ""}`], "denied", "the engine's own lock needs no help");
  });

  it("denies it to native libraries, too, where bubblewrap works, and says which layers are active", () => {
    const works = bubblewrapWorks();
    if (works) {
      const said = probe(true);
      assertHeld(said, () => true);
      assert.deepEqual([said.layers["node-permission-model"], said.layers["bubblewrap"]], [true, true]);
    }
    // The word of the environment alone is not enough.
    const command = enclaveCommand(own, data, { bubblewrap: false });
    const tries = { root, own, ownData: join(data, "bank.csv"), secrets: [], folders: [], writes: [] };
    const text = execFileSync(command.file, [...command.args.slice(0, -2), join(own, "probe.ts"), JSON.stringify(tries)], { encoding: "utf8", env: { ...command.env, YUNEI_BUBBLEWRAP: "1" } });
    assert.isFalse((JSON.parse(text) as Said).layers["bubblewrap"]);
  });
});
