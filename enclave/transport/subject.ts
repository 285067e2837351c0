// What an enclave needs of the platform for the rights of companies. `http.ts` is the real one; tests use their own.
import type { ObjectionAnswer, ObjectionNotice } from "../../api/contract/subject.ts";

export interface SubjectPlatform {
  /** Companies' requests to see their uses that this party has not answered, after number `after`; waits up to `waitSeconds`. */
  usesRequests(after: number, waitSeconds: number, signal: AbortSignal): Promise<{ readonly next: number; readonly requests: readonly { readonly n: number; readonly id: string; readonly jws: string }[] }>;
  /** An answer that is sealed to the company (compact JWE). */
  answerUses(id: string, jwe: string, signal: AbortSignal): Promise<void>;
  /** Objections that this party decides or has to mark, changed after `after`; waits up to `waitSeconds`. */
  objections(after: number, waitSeconds: number, signal: AbortSignal): Promise<{ readonly next: number; readonly notices: readonly ObjectionNotice[] }>;
  answerObjection(id: string, answer: ObjectionAnswer, signal: AbortSignal): Promise<void>;
}
