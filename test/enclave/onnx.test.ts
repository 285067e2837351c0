// ONNX Runtime behind its one door: it computes, it refuses, and it tells nobody that it was used.
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { assert } from "chai";
import { describe, it } from "mocha";
import { openModel } from "../../enclave/onnx.ts";
import { temporaryFolder } from "../support/enclave.ts";
import { sumModel } from "../support/onnx-model.ts";
import { codeOf } from "../support/world.ts";

const run = promisify(execFile);

type Traces = { readonly sum: number[]; readonly setting: string | null; readonly newSockets: number; readonly files: string[] };

/** Runs a program in a process of its own, with a home and a folder for temporary files that nobody has used. */
async function tracesOf(program: string): Promise<Traces> {
  using folder = temporaryFolder();
  const [home, temporary] = [join(folder.path, "home"), join(folder.path, "temporary")];
  for (const path of [home, temporary]) mkdirSync(path);
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
  const { stdout } = await run(process.execPath, ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, "..", "support", program)], {
    env: { ...env, HOME: home, TMPDIR: temporary, XDG_CACHE_HOME: join(home, ".cache") }, cwd: temporary,
  });
  const said = JSON.parse(stdout) as Omit<Traces, "files">;
  return { ...said, files: [home, temporary].flatMap((path) => readdirSync(path, { recursive: true }).map(String)) };
}

describe("ONNX Runtime", () => {
  it("runs a model that it is given as bytes", async () => {
    await using model = await openModel(sumModel());
    assert.deepEqual([model.inputs, model.outputs], [["a", "b"], ["sum"]]);
    const three = (data: number[]) => ({ type: "float32", data: Float32Array.from(data), dims: [3] }) as const;
    const { sum } = await model.run({ a: three([1, 2, 3]), b: three([0.5, 0.25, -3]) });
    assert.deepEqual([...(sum?.data ?? [])], [1.5, 2.25, 0]);
  });

  it("refuses what is no model, and inputs that do not fit it", async () => {
    assert.equal(await codeOf(openModel(new TextEncoder().encode("no model"))), "MODEL_ONNX");
    assert.equal(await codeOf(openModel(sumModel().subarray(0, -4))), "MODEL_ONNX");
    await using model = await openModel(sumModel());
    const a = { type: "float32", data: Float32Array.of(1, 2, 3), dims: [3] } as const;
    assert.equal(await codeOf(model.run({ a })), "MODEL_ONNX");
    assert.equal(await codeOf(model.run({ a, b: { type: "float32", data: Float32Array.of(1), dims: [2] } })), "MODEL_ONNX");
  });

  it("writes nothing and opens no socket where it has never run before, although nobody set its switch outside", async () => {
    const traces = await tracesOf("onnx-child.ts");
    assert.deepEqual(traces, { sum: [5, 7, 9], setting: "1", newSockets: 0, files: [] });
  });

  it("would be caught: a program that writes to its cache and connects leaves both traces", async () => {
    const traces = await tracesOf("telling-child.ts");
    assert.deepEqual(traces.files, [".cache", ".cache/deviceid"]);
    assert.equal(traces.newSockets > 0, existsSync("/proc/self/fd"), "sockets are seen where the system shows them");
  });
});
