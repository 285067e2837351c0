// Reads a platform's public log as anybody can: the authority's certificate, and no key.
import { Agent, request } from "undici";
import type { z } from "zod";
import { pathOf, problemSchema, type Endpoint } from "../api/contract/endpoint.ts";
import { receiptBankEndpoints } from "../api/contract/receipts.ts";
import { AppError } from "../core/errors.ts";

export type LogView = z.output<typeof receiptBankEndpoints.getLog.reply>;

export async function readLog(options: { url: string; ca: string }): Promise<LogView> {
  const endpoint: Endpoint = receiptBankEndpoints.getLog;
  const agent = new Agent({ connect: { ca: options.ca, minVersion: "TLSv1.3" } });
  try {
    const reply = await request(new URL(pathOf(endpoint), options.url), { dispatcher: agent });
    const body: unknown = await reply.body.json();
    if (reply.statusCode >= 400) {
      const problem = problemSchema.safeParse(body);
      throw new AppError(problem.success ? problem.data.code : "PLATFORM_REFUSED", { status: reply.statusCode });
    }
    const view = receiptBankEndpoints.getLog.reply.safeParse(body);
    if (!view.success) throw new AppError("PROTOCOL_MALFORMED", { status: reply.statusCode });
    return view.data;
  } catch (cause) {
    throw cause instanceof AppError ? cause : new AppError("CLI_UNREACHABLE", {}, { cause });
  } finally {
    await agent.destroy();
  }
}
