-- CreateTable
CREATE TABLE "EvaluationScorecard" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "institutionId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_EvaluationRun" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "institutionId" TEXT NOT NULL,
    "guest" TEXT NOT NULL,
    "cause" TEXT NOT NULL,
    "basis" TEXT NOT NULL,
    "asOf" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "away" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "retryCode" TEXT,
    "retryAt" DATETIME,
    "jobId" TEXT,
    "fullId" TEXT,
    "failureCode" TEXT,
    "failureParty" TEXT,
    "figures" TEXT,
    "idempotencyKey" TEXT,
    "createdAt" DATETIME NOT NULL,
    "startedAt" DATETIME,
    "endedAt" DATETIME
);
INSERT INTO "new_EvaluationRun" ("asOf", "attempt", "away", "basis", "cause", "createdAt", "endedAt", "failureCode", "failureParty", "figures", "fullId", "guest", "id", "idempotencyKey", "institutionId", "jobId", "startedAt", "state", "terms") SELECT "asOf", "attempt", "away", "basis", "cause", "createdAt", "endedAt", "failureCode", "failureParty", "figures", "fullId", "guest", "id", "idempotencyKey", "institutionId", "jobId", "startedAt", "state", "terms" FROM "EvaluationRun";
DROP TABLE "EvaluationRun";
ALTER TABLE "new_EvaluationRun" RENAME TO "EvaluationRun";
CREATE INDEX "EvaluationRun_state_idx" ON "EvaluationRun"("state");
CREATE INDEX "EvaluationRun_createdAt_idx" ON "EvaluationRun"("createdAt");
CREATE UNIQUE INDEX "EvaluationRun_institutionId_idempotencyKey_key" ON "EvaluationRun"("institutionId", "idempotencyKey");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE INDEX "EvaluationScorecard_createdAt_idx" ON "EvaluationScorecard"("createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "EvaluationScorecard_name_version_key" ON "EvaluationScorecard"("name", "version");
