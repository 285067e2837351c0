// The doors through which randomness, time and logging come in. Only process entry points build the real ones.

/** Returns `bytes` fresh random bytes. */
export type Rng = (bytes: number) => Uint8Array<ArrayBuffer>;
/** Milliseconds since the Unix epoch. */
export type Clock = () => number;
/** Structured log. `facts` are numbers, booleans and public names: never a value, id, key or token of anybody's data. */
export type Log = {
  info(event: string, facts?: Readonly<Record<string, number | boolean | string>>): void;
  warn(event: string, facts?: Readonly<Record<string, number | boolean | string>>): void;
  error(event: string, facts?: Readonly<Record<string, number | boolean | string>>): void;
};
export type Env = { readonly rng: Rng; readonly now: Clock; readonly log: Log };

export const silentLog: Log = { info() {}, warn() {}, error() {} };
