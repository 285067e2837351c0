-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "public";

-- CreateTable
CREATE TABLE "Counter" (
    "name" TEXT NOT NULL,
    "value" INTEGER NOT NULL,

    CONSTRAINT "Counter_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "Party" (
    "id" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "tlsCertificate" TEXT,
    "tlsFingerprint" TEXT,
    "identityCertificate" TEXT,
    "dataset" TEXT,
    "datasetAt" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL,
    "enrolledAt" TIMESTAMP(3),

    CONSTRAINT "Party_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EnrolToken" (
    "digest" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "usedAt" TIMESTAMP(3),
    "requestDigest" TEXT,

    CONSTRAINT "EnrolToken_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "Institution" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "keyDigest" TEXT NOT NULL,
    "tlsFingerprint" TEXT,
    "sealTo" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Institution_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Job" (
    "id" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "guest" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "plan" TEXT NOT NULL,
    "planDigest" TEXT NOT NULL,
    "idempotencyKey" TEXT,
    "requestDigest" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "startedAt" TIMESTAMP(3),
    "guestDoneAt" TIMESTAMP(3),
    "endedAt" TIMESTAMP(3),
    "failureCode" TEXT,
    "failureParty" TEXT,
    "failureStep" TEXT,
    "sweptAt" TIMESTAMP(3),

    CONSTRAINT "Job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "JobParty" (
    "jobId" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "approval" TEXT,
    "approvedAt" TIMESTAMP(3),
    "refusalCode" TEXT,
    "finishedAt" TIMESTAMP(3),
    "status" TEXT,
    "change" INTEGER NOT NULL,

    CONSTRAINT "JobParty_pkey" PRIMARY KEY ("jobId","partyId")
);

-- CreateTable
CREATE TABLE "JobEvent" (
    "jobId" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,
    "type" TEXT NOT NULL,
    "partyId" TEXT,
    "body" TEXT NOT NULL,

    CONSTRAINT "JobEvent_pkey" PRIMARY KEY ("jobId","n")
);

-- CreateTable
CREATE TABLE "RelayChannel" (
    "jobId" TEXT NOT NULL,
    "sender" TEXT NOT NULL,
    "receiver" TEXT NOT NULL,
    "next" INTEGER NOT NULL,
    "bytes" BIGINT NOT NULL,

    CONSTRAINT "RelayChannel_pkey" PRIMARY KEY ("jobId","sender","receiver")
);

-- CreateTable
CREATE TABLE "RelayFrame" (
    "jobId" TEXT NOT NULL,
    "sender" TEXT NOT NULL,
    "receiver" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "bytes" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,

    CONSTRAINT "RelayFrame_pkey" PRIMARY KEY ("jobId","sender","receiver","seq")
);

-- CreateTable
CREATE TABLE "JobResult" (
    "jobId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "JobResult_pkey" PRIMARY KEY ("jobId","name")
);

-- CreateTable
CREATE TABLE "Model" (
    "id" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "digests" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Model_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Institution_keyDigest_key" ON "Institution"("keyDigest");

-- CreateIndex
CREATE INDEX "Job_institutionId_createdAt_idx" ON "Job"("institutionId", "createdAt");

-- CreateIndex
CREATE INDEX "Job_state_idx" ON "Job"("state");

-- CreateIndex
CREATE UNIQUE INDEX "Job_institutionId_idempotencyKey_key" ON "Job"("institutionId", "idempotencyKey");

-- CreateIndex
CREATE INDEX "JobParty_partyId_change_idx" ON "JobParty"("partyId", "change");

-- CreateIndex
CREATE INDEX "Model_institutionId_createdAt_idx" ON "Model"("institutionId", "createdAt");

-- CreateIndex
CREATE INDEX "Model_jobId_idx" ON "Model"("jobId");
