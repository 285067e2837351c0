// Builds the WASM binaries from kernels/assembly. They are committed; a test rebuilds them and compares the bytes.
// Run: node kernels/build.ts
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { main } from "assemblyscript/asc";
import { obliviousWasmUrl } from "./oblivious/wasm.ts";
import { sumsWasmUrl } from "./wasm.ts";

/** Every committed binary, and the folder of its source. */
export const wasmBuilds: readonly { readonly wasm: URL; readonly source: URL }[] = [
  { wasm: sumsWasmUrl, source: new URL("./assembly/", import.meta.url) },
  { wasm: obliviousWasmUrl, source: new URL("./assembly/oblivious/", import.meta.url) },
];

/** Compiles the source of a binary (its `index.ts`). Throws with the compiler's messages if it has errors. */
export async function buildWasm(source: URL): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const options = ["index.ts", "--outFile", "out.wasm", "-O3", "--enable", "simd", "--runtime", "stub", "--noAssert", "--use", "abort="];
  const messages: string[] = [];
  const { error } = await main(options, {
    stderr: { write: (chunk) => messages.push(String(chunk)) },
    readFile: (name) => readFile(fileURLToPath(new URL(name, source)), "utf8").catch(() => null),
    writeFile: (name, contents) => {
      if (name === "out.wasm" && typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(messages.join(""), { cause: error });
  return binary;
}

/** Compiles the kernel of the encrypted sums. */
export function buildSums(): Promise<Uint8Array> {
  return buildWasm(new URL("./assembly/", import.meta.url));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { wasm, source } of wasmBuilds) await writeFile(wasm, await buildWasm(source));
}
