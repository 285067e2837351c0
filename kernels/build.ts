// Builds kernels/sums.wasm from kernels/assembly. The binary is committed; a test rebuilds it and compares the bytes.
// Run: node kernels/build.ts
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { main } from "assemblyscript/asc";
import { sumsWasmUrl } from "./wasm.ts";

/** Compiles the source. Throws with the compiler's messages if it has errors. */
export async function buildSums(): Promise<Uint8Array> {
  let binary: Uint8Array | undefined;
  const options = ["index.ts", "--outFile", "sums.wasm", "-O3", "--enable", "simd", "--runtime", "stub", "--noAssert", "--use", "abort="];
  const source = new URL("./assembly/", import.meta.url);
  const messages: string[] = [];
  const { error } = await main(options, {
    stderr: { write: (chunk) => messages.push(String(chunk)) },
    readFile: (name) => readFile(fileURLToPath(new URL(name, source)), "utf8").catch(() => null),
    writeFile: (name, contents) => {
      if (name === "sums.wasm" && typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error || !binary) throw new Error(messages.join(""), { cause: error });
  return binary;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await writeFile(sumsWasmUrl, await buildSums());
