-- AlterTable
ALTER TABLE "Institution" ADD COLUMN     "previousKeyDigest" TEXT,
ADD COLUMN     "previousKeyUntil" TIMESTAMP(3),
ADD COLUMN     "twoPerson" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "Job" ADD COLUMN     "releasedAt" TIMESTAMP(3),
ADD COLUMN     "releaser" TEXT,
ADD COLUMN     "releaserId" TEXT,
ADD COLUMN     "submitter" TEXT,
ADD COLUMN     "submitterId" TEXT;

-- CreateTable
CREATE TABLE "Member" (
    "id" TEXT NOT NULL,
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
    "reviewDueAt" TIMESTAMP(3),
    "warnedAt" TIMESTAMP(3),
    "reason" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "admittedAt" TIMESTAMP(3),

    CONSTRAINT "Member_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "MemberDecision" (
    "memberId" TEXT NOT NULL,
    "round" INTEGER NOT NULL,
    "credentialId" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "decision" TEXT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "MemberDecision_pkey" PRIMARY KEY ("memberId","round","credentialId")
);

-- CreateTable
CREATE TABLE "MemberEvent" (
    "memberId" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,
    "type" TEXT NOT NULL,
    "credentialId" TEXT,
    "holder" TEXT,
    "what" TEXT,
    "evidence" TEXT,

    CONSTRAINT "MemberEvent_pkey" PRIMARY KEY ("memberId","n")
);

-- CreateIndex
CREATE UNIQUE INDEX "Member_partyId_key" ON "Member"("partyId");

-- CreateIndex
CREATE UNIQUE INDEX "Member_institutionId_key" ON "Member"("institutionId");

-- CreateIndex
CREATE INDEX "Member_state_reviewDueAt_idx" ON "Member"("state", "reviewDueAt");

-- CreateIndex
CREATE UNIQUE INDEX "MemberDecision_memberId_round_holder_key" ON "MemberDecision"("memberId", "round", "holder");
