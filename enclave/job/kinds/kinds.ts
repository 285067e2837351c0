// The kinds of jobs that this enclave can run.
import type { JobPlan } from "../../../federation/plan-schema.ts";
import type { JobKind } from "../context.ts";
import { crossboostKind } from "./crossboost.ts";
import { evaluateKind } from "./evaluate.ts";
import { exportKind } from "./export.ts";
import { gbdtKind } from "./gbdt.ts";
import { scoreKind } from "./score.ts";
import { serveKind } from "./serve.ts";
import { watchKind } from "./watch.ts";
import { verifyKind } from "./verify.ts";
import { scorecardKind } from "./scorecard.ts";

export const jobKinds: Readonly<Record<JobPlan["kind"], JobKind>> = { scorecard: scorecardKind, crossboost: crossboostKind, gbdt: gbdtKind, score: scoreKind, export: exportKind, evaluate: evaluateKind, serve: serveKind, watch: watchKind, verify: verifyKind };
