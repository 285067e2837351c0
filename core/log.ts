// The log of a process: JSON lines on stderr. Callers put no data into facts (env.ts).
import { pino } from "pino";
import type { Log } from "./env.ts";

/** level: of pino, e.g. "info". */
export function stderrLog(level: string): Log {
  const logger = pino({ base: null, level, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }));
  return {
    info: (event, facts = {}) => logger.info({ event, ...facts }),
    warn: (event, facts = {}) => logger.warn({ event, ...facts }),
    error: (event, facts = {}) => logger.error({ event, ...facts }),
  };
}
