-- CreateTable
CREATE TABLE "LogIssuer" (
    "certificate" TEXT NOT NULL PRIMARY KEY,
    "partyId" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "pem" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "LogReceipt" (
    "entry" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "digest" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "at" DATETIME NOT NULL,
    "issuer" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "certificate" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "Witness" (
    "partyId" TEXT NOT NULL PRIMARY KEY,
    "statement" TEXT NOT NULL,
    "publishedAt" DATETIME NOT NULL,
    "size" INTEGER,
    "cosignedAt" DATETIME,
    "refusedCode" TEXT,
    "refusedSize" INTEGER,
    "refusedHead" INTEGER,
    "refusedAt" DATETIME
);

-- CreateIndex
CREATE INDEX "LogIssuer_partyId_idx" ON "LogIssuer"("partyId");

-- CreateIndex
CREATE UNIQUE INDEX "LogReceipt_digest_key" ON "LogReceipt"("digest");

-- CreateIndex
CREATE INDEX "LogReceipt_jobId_entry_idx" ON "LogReceipt"("jobId", "entry");

-- CreateIndex
CREATE UNIQUE INDEX "LogReceipt_issuer_sequence_key" ON "LogReceipt"("issuer", "sequence");
