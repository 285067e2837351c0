// Error codes of the area "enclave". Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const enclaveErrors = {
} as const satisfies Record<string, ErrorSpec>;
