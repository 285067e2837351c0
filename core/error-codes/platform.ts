// Error codes of the area "platform". Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const platformErrors = {
} as const satisfies Record<string, ErrorSpec>;
