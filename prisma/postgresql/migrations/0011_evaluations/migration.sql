-- CreateTable
CREATE TABLE "EvaluationRun" (
    "id" TEXT NOT NULL,
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
    "createdAt" TIMESTAMP(3) NOT NULL,
    "startedAt" TIMESTAMP(3),
    "endedAt" TIMESTAMP(3),

    CONSTRAINT "EvaluationRun_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EvaluationSchedule" (
    "institutionId" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "nextDueAt" TIMESTAMP(3) NOT NULL,
    "lastDueAt" TIMESTAMP(3),
    "changedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "EvaluationSchedule_pkey" PRIMARY KEY ("institutionId")
);

-- CreateTable
CREATE TABLE "EvaluationSubscription" (
    "id" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "endedAt" TIMESTAMP(3),

    CONSTRAINT "EvaluationSubscription_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EvaluationPush" (
    "runId" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "part" INTEGER NOT NULL,
    "bytes" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "EvaluationPush_pkey" PRIMARY KEY ("runId","institutionId","purpose","part")
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
