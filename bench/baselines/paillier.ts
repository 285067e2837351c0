// Measures single Paillier operations: native through python3 and gmpy2 where both are there, and npm's paillier-bigint. The cost of a
// tree follows in paillier-cost.ts.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { NotMeasured } from "../not-measured.ts";
import { timed } from "../measure.ts";
import { baselineModule } from "./module.ts";
import { pairBits, type UnitCosts } from "./paillier-cost.ts";

const run = promisify(execFile);
const seconds = z.number().positive();
const printed = z.strictObject({
  exact: z.literal(true), keyBits: z.int(), samples: z.int(), encrypt: seconds, encryptShort: seconds, add: seconds, subtract: seconds,
  shift: seconds, decrypt: seconds,
});

/** Interpreters to try: the system's first, since gmpy2 is a system package. */
const interpreters = ["/usr/bin/python3", "python3"] as const;

async function interpreter(): Promise<string> {
  for (const python of interpreters) {
    try {
      await run(python, ["-c", "import gmpy2"]);
      return python;
    } catch {
      // Not there, or without gmpy2: the next one.
    }
  }
  throw new NotMeasured("python3 with gmpy2 is not on this machine");
}

/** Costs in native big integers. Its own check (sums of a small packed histogram, exact) must hold. Throws NotMeasured without gmpy2. */
export async function gmpy2Costs(keyBits: number, rows: number, samples: number): Promise<UnitCosts> {
  const script = join(import.meta.dirname, "paillier-gmpy2.py");
  const { stdout } = await run(await interpreter(), [script, String(keyBits), String(samples), String(pairBits(rows))]);
  const { exact: _, ...costs } = printed.parse(JSON.parse(stdout));
  return costs;
}

type PublicKey = {
  readonly n: bigint; readonly _n2: bigint; encrypt(m: bigint): bigint; addition(...ciphertexts: bigint[]): bigint; multiply(c: bigint, k: bigint): bigint;
};
type PrivateKey = { decrypt(c: bigint): bigint };
type Library = { generateRandomKeys(bits: number): Promise<{ readonly publicKey: PublicKey; readonly privateKey: PrivateKey }> };

/** Additions are short: so many for each other operation. */
const additionsPerSample = 100;

/** Costs of npm's paillier-bigint. Throws NotMeasured without the package, Error when a sum is wrong. */
export async function bigintCosts(keyBits: number, rows: number, samples: number): Promise<UnitCosts> {
  const paillier = await baselineModule<Library>("paillier-bigint");
  const { publicKey, privateKey } = await paillier.generateRandomKeys(keyBits);
  const each = async (count: number, work: (i: number) => void): Promise<number> => {
    const { spent } = await timed(() => {
      for (let i = 0; i < count; i++) work(i);
    });
    return spent.cpuSeconds / count;
  };
  const ciphertexts: bigint[] = [];
  const encrypt = await each(samples, (i) => void ciphertexts.push(publicKey.encrypt(BigInt(i) << 70n)));
  const at = (i: number): bigint => ciphertexts[i % samples] ?? 1n;
  const sum = ciphertexts.reduce((a, b) => publicKey.addition(a, b));
  if (privateKey.decrypt(sum) !== BigInt((samples * (samples - 1)) / 2) << 70n) throw new Error("paillier-bigint gave a wrong sum");
  let total = at(0);
  const add = await each(additionsPerSample * samples, (i) => {
    total = publicKey.addition(total, at(i));
  });
  const shift = 1n << BigInt(pairBits(rows));
  return {
    keyBits, samples, encrypt, add,
    // It has no subtraction; a factor of -1 gives the inverse.
    subtract: await each(samples, (i) => void publicKey.addition(at(i), publicKey.multiply(at(i + 1), -1n))),
    shift: await each(samples, (i) => void publicKey.multiply(at(i), shift)),
    decrypt: await each(samples, (i) => void privateKey.decrypt(at(i))),
  };
}
