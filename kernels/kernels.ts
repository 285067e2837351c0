// Puts the kernels on a worker pool.
import { AppError } from "../core/errors.ts";
import type { Kernels } from "./api.ts";
import { openHost } from "./host.ts";
import { sumsParams } from "./params.ts";
import { Pool } from "./pool.ts";
import { openQuerier } from "./querier.ts";

const gramUrl = new URL("./workers/gram.ts", import.meta.url);

/** Kernels on a pool of the caller, or on one of their own (then it is ended with them). */
export function createKernels(options: { readonly pool?: Pool; readonly threads?: number } = {}): Kernels {
  const pool = options.pool ?? new Pool(options.threads === undefined ? {} : { threads: options.threads });
  // Objects go to the threads in turn.
  let next = 0;
  return {
    host: (hostOptions) => openHost(pool, hostOptions),
    querier: (querierOptions) => openQuerier(pool, querierOptions),
    gram: (columns) => gram(pool, columns),
    open: (moduleUrl, name, args) => pool.open(next++, moduleUrl, name, args),
    async [Symbol.asyncDispose]() {
      if (!options.pool) await pool[Symbol.asyncDispose]();
    },
  };
}

async function gram(pool: Pool, columns: readonly Int8Array[]): Promise<Float64Array> {
  const rows = columns[0]?.length ?? 0;
  const rectangular = rows > 0 && rows <= sumsParams.maxRows && columns.every((c) => c.length === rows);
  if (!rectangular) throw new AppError("KERNEL_COLUMNS", { rows, columns: columns.length });
  const shared = new Int8Array(new SharedArrayBuffer(rows * columns.length));
  for (const [k, column] of columns.entries()) shared.set(column, k * rows);
  const share = Math.ceil(rows / pool.size);
  const starts = Array.from({ length: pool.size }, (_, i) => i * share).filter((from) => from < rows);
  const ofRows = (from: number) => pool.run<Float64Array>(gramUrl, "gramOfRows", [shared, rows, from, Math.min(rows, from + share)]);
  const parts = await Promise.all(starts.map(ofRows));
  const d = columns.length;
  const padded = Math.ceil(d / 4) * 4;
  const out = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = i; j < d; j++) {
      const total = parts.reduce((sum, part) => sum + (part[i * padded + j] ?? 0), 0);
      out[i * d + j] = total;
      out[j * d + i] = total;
    }
  }
  return out;
}
