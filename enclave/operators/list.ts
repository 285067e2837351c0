// The operators of an enclave: people who sign decisions on plans with keys of their own, where a rule of the policy wants four eyes.
// The list holds names and public keys (Ed25519); who may write the enclave's folder says who is on it.
import { existsSync } from "node:fs";
import { z } from "zod";
import { AppError } from "../../core/errors.ts";
import { readBytes, writeDurably } from "../../core/files.ts";

/** A staff number or a function. Lower case, so that one person is not two. */
export const operatorNameSchema = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,31}$/);
const publicKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const listSchema = z.strictObject({
  version: z.literal(1),
  operators: z.array(z.strictObject({ name: operatorNameSchema, key: publicKey })).max(64)
    .refine((all) => new Set(all.map((o) => o.name)).size === all.length && new Set(all.map((o) => o.key)).size === all.length, "names and keys are different"),
});
export type Operator = z.output<typeof listSchema>["operators"][number];

/** Nobody when there is no list. Throws ENCLAVE_CONFIG. */
export function readOperators(path: string): readonly Operator[] {
  if (!existsSync(path)) return [];
  try {
    return listSchema.parse(JSON.parse(Buffer.from(readBytes(path)).toString("utf8"))).operators;
  } catch (cause) {
    throw new AppError("ENCLAVE_CONFIG", {}, { cause });
  }
}

/** Throws OPERATOR_EXISTS when a name or a key is there twice. */
export function writeOperators(path: string, operators: readonly Operator[]): void {
  const list = listSchema.safeParse({ version: 1, operators });
  if (!list.success) throw new AppError("OPERATOR_EXISTS", { operators: operators.length });
  writeDurably(path, `${JSON.stringify(list.data, undefined, 2)}\n`);
}
