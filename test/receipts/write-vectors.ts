// Writes the vectors: `node test/receipts/write-vectors.ts`. A test compares the committed files with what this would write.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeVectors, type Vectors } from "./make-vectors.ts";

export const vectorFolder = join(import.meta.dirname, "vectors");

/** File names and texts. */
export function vectorFiles({ trust, bundles, witness }: Vectors): Map<string, string> {
  const text = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;
  return new Map([["trust.json", trust], ["witness.json", text(witness)], ...bundles.map((vector) => [`${vector.name}.json`, text(vector)] as const)]);
}

if (import.meta.main) {
  rmSync(vectorFolder, { recursive: true, force: true });
  mkdirSync(vectorFolder, { recursive: true });
  for (const [name, text] of vectorFiles(await makeVectors())) writeFileSync(join(vectorFolder, name), text);
}
