// What an operation that must fail fails with.
import { isAppError, type Code } from "../../core/errors.ts";

/** The code of the error, or "none" when there is none. Other errors come out as they are. */
export async function codeOf(work: () => unknown): Promise<Code | "none"> {
  try {
    await work();
    return "none";
  } catch (error) {
    if (isAppError(error)) return error.code;
    throw error;
  }
}
