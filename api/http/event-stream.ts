// A job's events as server-sent events. Kept events carry their number as id, so that a client that was cut off goes on
// where it was; statuses carry none, they are replaced by the next. The stream ends when the job has ended.
import type { Response } from "express";
import type { JobId } from "../../core/brand.ts";
import { jobEventSchema, type JobEvent } from "../contract.ts";
import { hasEnded } from "../job-state.ts";
import type { Platform } from "../platform.ts";
import { readStatus } from "../services/jobs.ts";
import { findJob, findJobParties, listEvents } from "../store/jobs.ts";
import { parseReply } from "./route.ts";

const heartbeatMs = 15_000;
const batch = 200;

type Batch = { events: JobEvent[]; hasEnded: boolean };

export async function sendEvents(platform: Platform, id: JobId, after: number, response: Response, signal: AbortSignal): Promise<void> {
  response.status(200).setHeader("Content-Type", "text/event-stream; charset=utf-8");
  response.flushHeaders();
  let last = after;
  const statuses = new Map<string, string>();
  // What is new since `last`; undefined while there is nothing to say.
  const look = async (): Promise<Batch | undefined> => {
    const job = await findJob(platform.db.read, id);
    const events = await listEvents(platform.db.read, id, last, batch);
    if (events.length === 0) {
      for (const row of await findJobParties(platform.db.read, id)) {
        const status = readStatus(row.status);
        if (status === null || statuses.get(row.party) === row.status) continue;
        statuses.set(row.party, row.status ?? "");
        events.push({ n: null, at: status.at, type: "status", party: row.party, status });
      }
    }
    const isOver = job === undefined || hasEnded(job.state);
    return events.length === 0 && !isOver ? undefined : { events, hasEnded: isOver };
  };
  while (!signal.aborted && !platform.wakeups.isClosed) {
    const found = await platform.wakeups.until(`job:${id}`, heartbeatMs, signal, look);
    if (found === undefined) {
      await write(response, ": waiting\n\n", signal);
      continue;
    }
    for (const event of found.events) {
      await write(response, format(event), signal);
      if (event.n !== null) last = event.n;
    }
    if (found.hasEnded && found.events.length === 0) break;
  }
  response.end();
}

function format(event: JobEvent): string {
  const checked = parseReply(jobEventSchema, event);
  return `${event.n === null ? "" : `id: ${event.n}\n`}event: ${event.type}\ndata: ${JSON.stringify(checked)}\n\n`;
}

/** Waits for a slow reader instead of filling memory. */
async function write(response: Response, text: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || response.write(text)) return;
  await new Promise<void>((resolve) => {
    response.once("drain", resolve);
    response.once("close", resolve);
  });
}
