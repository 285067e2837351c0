-- CreateTable
CREATE TABLE "PublicSource" (
    "partyId" TEXT NOT NULL,
    "item" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,

    PRIMARY KEY ("partyId", "item")
);

-- CreateTable
CREATE TABLE "PublicBatch" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "partyId" TEXT NOT NULL,
    "item" TEXT NOT NULL,
    "catalogue" TEXT NOT NULL,
    "asOf" TEXT NOT NULL,
    "records" INTEGER NOT NULL,
    "added" INTEGER NOT NULL,
    "corrected" INTEGER NOT NULL,
    "withdrawn" INTEGER NOT NULL,
    "repeated" INTEGER NOT NULL,
    "bytes" INTEGER NOT NULL,
    "statement" TEXT NOT NULL,
    "receivedAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "PublicItem" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "partyId" TEXT NOT NULL,
    "item" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "recordKey" TEXT NOT NULL,
    "region" TEXT NOT NULL,
    "sector" TEXT,
    "values" TEXT,
    "digest" TEXT NOT NULL,
    "asOf" TEXT NOT NULL,
    "until" TEXT,
    "version" INTEGER NOT NULL,
    "batch" TEXT NOT NULL,
    "change" INTEGER NOT NULL,
    "publishedAt" DATETIME NOT NULL,
    "changedAt" DATETIME NOT NULL,
    "withdrawnAt" DATETIME,
    "reason" TEXT
);

-- CreateTable
CREATE TABLE "PublicItemVersion" (
    "recordId" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "values" TEXT,
    "digest" TEXT NOT NULL,
    "asOf" TEXT NOT NULL,
    "batch" TEXT NOT NULL,
    "change" INTEGER NOT NULL,
    "changedAt" DATETIME NOT NULL,

    PRIMARY KEY ("recordId", "version")
);

-- CreateTable
CREATE TABLE "PublicSubscription" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "institutionId" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "items" TEXT NOT NULL,
    "regions" TEXT NOT NULL,
    "sectors" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "endedAt" DATETIME
);

-- CreateTable
CREATE TABLE "PublicDelivery" (
    "subscriptionId" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "first" INTEGER NOT NULL,
    "last" INTEGER NOT NULL,
    "head" INTEGER NOT NULL,
    "records" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "at" DATETIME NOT NULL,

    PRIMARY KEY ("subscriptionId", "n")
);

-- CreateTable
CREATE TABLE "CreditReport" (
    "number" TEXT NOT NULL PRIMARY KEY,
    "subject" TEXT NOT NULL,
    "institutionId" TEXT,
    "purpose" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "body" TEXT,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "PublicBatch_partyId_receivedAt_idx" ON "PublicBatch"("partyId", "receivedAt");

-- CreateIndex
CREATE UNIQUE INDEX "PublicItem_change_key" ON "PublicItem"("change");

-- CreateIndex
CREATE INDEX "PublicItem_subject_item_idx" ON "PublicItem"("subject", "item");

-- CreateIndex
CREATE INDEX "PublicItem_until_idx" ON "PublicItem"("until");

-- CreateIndex
CREATE INDEX "PublicSubscription_institutionId_createdAt_idx" ON "PublicSubscription"("institutionId", "createdAt");

-- CreateIndex
CREATE INDEX "CreditReport_subject_createdAt_idx" ON "CreditReport"("subject", "createdAt");

-- CreateIndex
CREATE INDEX "CreditReport_institutionId_createdAt_idx" ON "CreditReport"("institutionId", "createdAt");

-- CreateIndex
CREATE INDEX "CreditReport_expiresAt_idx" ON "CreditReport"("expiresAt");
