-- CreateTable
CREATE TABLE "Counter" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "value" INTEGER NOT NULL
);

-- CreateTable
CREATE TABLE "Party" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "state" TEXT NOT NULL,
    "tlsCertificate" TEXT,
    "tlsFingerprint" TEXT,
    "identityCertificate" TEXT,
    "dataset" TEXT,
    "datasetAt" DATETIME,
    "createdAt" DATETIME NOT NULL,
    "enrolledAt" DATETIME
);

-- CreateTable
CREATE TABLE "EnrolToken" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "partyId" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "usedAt" DATETIME,
    "requestDigest" TEXT
);

-- CreateTable
CREATE TABLE "Institution" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "keyDigest" TEXT NOT NULL,
    "tlsFingerprint" TEXT,
    "sealTo" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "Job" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "institutionId" TEXT NOT NULL,
    "guest" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "plan" TEXT NOT NULL,
    "planDigest" TEXT NOT NULL,
    "idempotencyKey" TEXT,
    "requestDigest" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "startedAt" DATETIME,
    "guestDoneAt" DATETIME,
    "endedAt" DATETIME,
    "failureCode" TEXT,
    "failureParty" TEXT,
    "failureStep" TEXT,
    "sweptAt" DATETIME
);

-- CreateTable
CREATE TABLE "JobParty" (
    "jobId" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "approval" TEXT,
    "approvedAt" DATETIME,
    "refusalCode" TEXT,
    "finishedAt" DATETIME,
    "status" TEXT,
    "change" INTEGER NOT NULL,

    PRIMARY KEY ("jobId", "partyId")
);

-- CreateTable
CREATE TABLE "JobEvent" (
    "jobId" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "at" DATETIME NOT NULL,
    "type" TEXT NOT NULL,
    "partyId" TEXT,
    "body" TEXT NOT NULL,

    PRIMARY KEY ("jobId", "n")
);

-- CreateTable
CREATE TABLE "RelayChannel" (
    "jobId" TEXT NOT NULL,
    "sender" TEXT NOT NULL,
    "receiver" TEXT NOT NULL,
    "next" INTEGER NOT NULL,
    "bytes" BIGINT NOT NULL,

    PRIMARY KEY ("jobId", "sender", "receiver")
);

-- CreateTable
CREATE TABLE "RelayFrame" (
    "jobId" TEXT NOT NULL,
    "sender" TEXT NOT NULL,
    "receiver" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "bytes" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,

    PRIMARY KEY ("jobId", "sender", "receiver", "seq")
);

-- CreateTable
CREATE TABLE "JobResult" (
    "jobId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,

    PRIMARY KEY ("jobId", "name")
);

-- CreateTable
CREATE TABLE "Model" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "jobId" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "digests" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL
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
