// Error codes of the area "kernel". Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const kernelErrors = {
} as const satisfies Record<string, ErrorSpec>;
