// Error codes of the area "job". Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const jobErrors = {
} as const satisfies Record<string, ErrorSpec>;
