-- AlterTable
ALTER TABLE "EvaluationRun" ADD COLUMN     "retryAt" TIMESTAMP(3),
ADD COLUMN     "retryCode" TEXT,
ADD COLUMN     "tries" INTEGER NOT NULL DEFAULT 0;

-- CreateTable
CREATE TABLE "EvaluationScorecard" (
    "digest" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" TEXT NOT NULL,
    "text" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "EvaluationScorecard_pkey" PRIMARY KEY ("digest")
);

-- CreateIndex
CREATE INDEX "EvaluationScorecard_createdAt_idx" ON "EvaluationScorecard"("createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "EvaluationScorecard_name_version_key" ON "EvaluationScorecard"("name", "version");
