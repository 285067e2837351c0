// Says that a section, or a baseline within it, cannot be measured here: no data, a package that is missing, an option to come.

export class NotMeasured extends Error {}

/** The result of `work`, or nothing and the reason to `say` when it cannot be measured here. */
export async function orNothing<T>(work: () => Promise<T>, say: (reason: string) => void): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NotMeasured)) throw error;
    say(error.message);
    return undefined;
  }
}
