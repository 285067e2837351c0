// Loads a package of bench/package.json, which users never install: by name at run time, so that types and checks of the
// repository do without it.
import { NotMeasured } from "../not-measured.ts";

/** The module namespace of `name`, seen as `T` (the few members that a baseline uses). Throws NotMeasured without the package. */
export async function baselineModule<T>(name: string): Promise<T> {
  let url: string;
  try {
    url = import.meta.resolve(name);
  } catch {
    throw new NotMeasured(`${name} is not installed; make bench installs it`);
  }
  return (await import(url)) as T;
}
