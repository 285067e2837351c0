-- CreateTable
CREATE TABLE "Credential" (
    "id" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "institutionId" TEXT,
    "partyId" TEXT,
    "keyDigest" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "replaces" TEXT,

    CONSTRAINT "Credential_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Credential_keyDigest_key" ON "Credential"("keyDigest");

-- CreateIndex
CREATE INDEX "Credential_institutionId_idx" ON "Credential"("institutionId");

-- CreateIndex
CREATE INDEX "Credential_partyId_idx" ON "Credential"("partyId");
