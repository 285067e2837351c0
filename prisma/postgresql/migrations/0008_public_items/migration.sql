-- CreateTable
CREATE TABLE "PublicSource" (
    "partyId" TEXT NOT NULL,
    "item" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "PublicSource_pkey" PRIMARY KEY ("partyId","item")
);

-- CreateTable
CREATE TABLE "PublicBatch" (
    "digest" TEXT NOT NULL,
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
    "receivedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "PublicBatch_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "PublicItem" (
    "id" TEXT NOT NULL,
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
    "publishedAt" TIMESTAMP(3) NOT NULL,
    "changedAt" TIMESTAMP(3) NOT NULL,
    "withdrawnAt" TIMESTAMP(3),
    "reason" TEXT,

    CONSTRAINT "PublicItem_pkey" PRIMARY KEY ("id")
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
    "changedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "PublicItemVersion_pkey" PRIMARY KEY ("recordId","version")
);

-- CreateTable
CREATE TABLE "PublicSubscription" (
    "id" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "items" TEXT NOT NULL,
    "regions" TEXT NOT NULL,
    "sectors" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "endedAt" TIMESTAMP(3),

    CONSTRAINT "PublicSubscription_pkey" PRIMARY KEY ("id")
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
    "at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "PublicDelivery_pkey" PRIMARY KEY ("subscriptionId","n")
);

-- CreateTable
CREATE TABLE "CreditReport" (
    "number" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "institutionId" TEXT,
    "purpose" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "body" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "CreditReport_pkey" PRIMARY KEY ("number")
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
