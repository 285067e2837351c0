// What a lying provider (lying-enclave.ts) may seal in place of an answer.
export const lies = ["wrong-key", "unknown-type", "other-direction", "value-out-of-range", "no-frame", "short", "long", "of-another-question", "said-before"] as const;
export type Lie = (typeof lies)[number];
