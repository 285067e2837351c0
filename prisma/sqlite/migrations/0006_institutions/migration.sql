-- AlterTable
ALTER TABLE "Job" ADD COLUMN "releasedAt" DATETIME;
ALTER TABLE "Job" ADD COLUMN "releaser" TEXT;
ALTER TABLE "Job" ADD COLUMN "releaserId" TEXT;
ALTER TABLE "Job" ADD COLUMN "submitter" TEXT;
ALTER TABLE "Job" ADD COLUMN "submitterId" TEXT;

-- CreateTable
CREATE TABLE "Member" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "sealTo" TEXT,
    "state" TEXT NOT NULL,
    "admission" TEXT NOT NULL,
    "institutionId" TEXT,
    "twoPerson" BOOLEAN NOT NULL,
    "round" INTEGER NOT NULL,
    "isOpen" BOOLEAN NOT NULL,
    "assessment" TEXT,
    "assessmentDigest" TEXT,
    "submitterId" TEXT,
    "submitter" TEXT,
    "reviewDueAt" DATETIME,
    "warnedAt" DATETIME,
    "reason" TEXT,
    "createdAt" DATETIME NOT NULL,
    "admittedAt" DATETIME
);

-- CreateTable
CREATE TABLE "MemberDecision" (
    "memberId" TEXT NOT NULL,
    "round" INTEGER NOT NULL,
    "credentialId" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "decision" TEXT NOT NULL,
    "at" DATETIME NOT NULL,

    PRIMARY KEY ("memberId", "round", "credentialId")
);

-- CreateTable
CREATE TABLE "MemberEvent" (
    "memberId" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "at" DATETIME NOT NULL,
    "type" TEXT NOT NULL,
    "credentialId" TEXT,
    "holder" TEXT,
    "what" TEXT,
    "evidence" TEXT,

    PRIMARY KEY ("memberId", "n")
);

-- RedefineTables
PRAGMA defer_foreign_keys=ON;
PRAGMA foreign_keys=OFF;
CREATE TABLE "new_Institution" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "name" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "keyDigest" TEXT NOT NULL,
    "tlsFingerprint" TEXT,
    "sealTo" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "twoPerson" BOOLEAN NOT NULL DEFAULT false,
    "previousKeyDigest" TEXT,
    "previousKeyUntil" DATETIME
);
INSERT INTO "new_Institution" ("createdAt", "id", "keyDigest", "name", "partyId", "sealTo", "state", "tlsFingerprint") SELECT "createdAt", "id", "keyDigest", "name", "partyId", "sealTo", "state", "tlsFingerprint" FROM "Institution";
DROP TABLE "Institution";
ALTER TABLE "new_Institution" RENAME TO "Institution";
CREATE UNIQUE INDEX "Institution_keyDigest_key" ON "Institution"("keyDigest");
PRAGMA foreign_keys=ON;
PRAGMA defer_foreign_keys=OFF;

-- CreateIndex
CREATE UNIQUE INDEX "Member_partyId_key" ON "Member"("partyId");

-- CreateIndex
CREATE UNIQUE INDEX "Member_institutionId_key" ON "Member"("institutionId");

-- CreateIndex
CREATE INDEX "Member_state_reviewDueAt_idx" ON "Member"("state", "reviewDueAt");

-- CreateIndex
CREATE UNIQUE INDEX "MemberDecision_memberId_round_holder_key" ON "MemberDecision"("memberId", "round", "holder");
