// The budgets of an enclave as its worker opens them: the present policy, read again when its file changes, and the audit log that hears of signs of probing.
import { statSync } from "node:fs";
import type { Clock } from "../../core/env.ts";
import { AppError } from "../../core/errors.ts";
import type { JobAudit } from "../audit/job-audit.ts";
import { Budgets } from "../budgets.ts";
import { readPolicy } from "../policy.ts";
import type { StateDatabase } from "../store/database.ts";
import { standardBudgets, type BudgetsPolicy } from "./policy.ts";

/** How long a policy is taken as read. */
const readAgainMs = 1_000;

export function openBudgets(options: { readonly db: StateDatabase; readonly now: Clock; readonly key: Uint8Array; readonly audit: JobAudit; readonly policyFile: string }): Budgets {
  const { db, now, key, audit } = options;
  return new Budgets(db, now, key, (charge) => audit.charged(charge), {
    policy: presentPolicy(options), onSighting: (sighting) => audit.probed(sighting), onUse: (institution, use) => audit.usedQuota(institution, use),
    onRefusal: (institution, refusal) => audit.overdrawn(institution, refusal),
  });
}

/** The section `budgets` of the policy file; the same object while the file has not changed. Throws BUDGET_POLICY while it cannot be read, or is gone after it was there:
 *  no budget and no noise ends because a file is lost. */
export function presentPolicy({ policyFile, now }: { readonly policyFile: string; readonly now: Clock }): () => BudgetsPolicy {
  let at = -Infinity;
  let stamp = "";
  let policy: BudgetsPolicy | undefined;
  let wasThere = false;
  return () => {
    const time = now();
    if (time < at || time - at >= readAgainMs) {
      at = time;
      const found = stampOf(policyFile);
      if (found !== stamp) {
        stamp = found;
        policy = undefined;
        try {
          const read = readPolicy(policyFile);
          if (read !== undefined || !wasThere) policy = read?.budgets ?? standardBudgets;
          wasThere ||= read !== undefined;
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
        }
      }
    }
    if (policy === undefined) throw new AppError("BUDGET_POLICY");
    return policy;
  };
}

function stampOf(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "none" : `${found.ino} ${found.size} ${found.mtimeMs}`;
}
