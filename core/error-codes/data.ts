// Error codes of the area "data". Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const dataErrors = {
} as const satisfies Record<string, ErrorSpec>;
