// The worker's side of pdf-pool.ts: one report in, one PDF out.
import { parentPort, workerData } from "node:worker_threads";
import { renderPdf } from "./pdf.ts";
import type { CreditReport } from "./schema.ts";

const { report, digest } = workerData as { report: CreditReport; digest: string };
const bytes = await renderPdf(report, digest);
parentPort?.postMessage(bytes, [bytes.buffer as ArrayBuffer]);
