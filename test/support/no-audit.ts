// An audit that keeps nothing, for tests of parts that need one.
import type { RequestLog } from "../../audit/trail.ts";

export const noAudit: RequestLog = {
  record: async () => {}, note() {}, settled: async () => {}, sum() {}, company: () => "0".repeat(32), check() {}, address: () => "0".repeat(32),
};
