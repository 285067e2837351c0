-- CreateTable
CREATE TABLE "LogIssuer" (
    "certificate" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "issuer" TEXT NOT NULL,
    "pem" TEXT NOT NULL,

    CONSTRAINT "LogIssuer_pkey" PRIMARY KEY ("certificate")
);

-- CreateTable
CREATE TABLE "LogReceipt" (
    "entry" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "purpose" TEXT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,
    "issuer" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "certificate" TEXT NOT NULL,

    CONSTRAINT "LogReceipt_pkey" PRIMARY KEY ("entry")
);

-- CreateTable
CREATE TABLE "Witness" (
    "partyId" TEXT NOT NULL,
    "statement" TEXT NOT NULL,
    "publishedAt" TIMESTAMP(3) NOT NULL,
    "size" INTEGER,
    "cosignedAt" TIMESTAMP(3),
    "refusedCode" TEXT,
    "refusedSize" INTEGER,
    "refusedHead" INTEGER,
    "refusedAt" TIMESTAMP(3),

    CONSTRAINT "Witness_pkey" PRIMARY KEY ("partyId")
);

-- CreateIndex
CREATE INDEX "LogIssuer_partyId_idx" ON "LogIssuer"("partyId");

-- CreateIndex
CREATE UNIQUE INDEX "LogReceipt_digest_key" ON "LogReceipt"("digest");

-- CreateIndex
CREATE INDEX "LogReceipt_jobId_entry_idx" ON "LogReceipt"("jobId", "entry");

-- CreateIndex
CREATE UNIQUE INDEX "LogReceipt_issuer_sequence_key" ON "LogReceipt"("issuer", "sequence");
