-- CreateTable
CREATE TABLE "EvaluationRun" (
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

-- CreateTable
CREATE TABLE "EvaluationSchedule" (
    "institutionId" TEXT NOT NULL PRIMARY KEY,
    "terms" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "nextDueAt" DATETIME NOT NULL,
    "lastDueAt" DATETIME,
    "changedAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "EvaluationSubscription" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "institutionId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "endedAt" DATETIME
);

-- CreateTable
CREATE TABLE "EvaluationPush" (
    "runId" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "part" INTEGER NOT NULL,
    "bytes" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,

    PRIMARY KEY ("runId", "institutionId", "purpose", "part")
);

-- CreateIndex
CREATE INDEX "EvaluationRun_state_idx" ON "EvaluationRun"("state");

-- CreateIndex
CREATE INDEX "EvaluationRun_createdAt_idx" ON "EvaluationRun"("createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "EvaluationRun_institutionId_idempotencyKey_key" ON "EvaluationRun"("institutionId", "idempotencyKey");

-- CreateIndex
CREATE INDEX "EvaluationSchedule_state_nextDueAt_idx" ON "EvaluationSchedule"("state", "nextDueAt");

-- CreateIndex
CREATE INDEX "EvaluationSubscription_institutionId_createdAt_idx" ON "EvaluationSubscription"("institutionId", "createdAt");

-- CreateIndex
CREATE INDEX "EvaluationSubscription_state_idx" ON "EvaluationSubscription"("state");

-- CreateIndex
CREATE INDEX "EvaluationPush_institutionId_createdAt_idx" ON "EvaluationPush"("institutionId", "createdAt");
