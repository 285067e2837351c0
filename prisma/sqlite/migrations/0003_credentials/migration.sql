-- CreateTable
CREATE TABLE "Credential" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "role" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "institutionId" TEXT,
    "partyId" TEXT,
    "keyDigest" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "replaces" TEXT
);

-- CreateIndex
CREATE UNIQUE INDEX "Credential_keyDigest_key" ON "Credential"("keyDigest");

-- CreateIndex
CREATE INDEX "Credential_institutionId_idx" ON "Credential"("institutionId");

-- CreateIndex
CREATE INDEX "Credential_partyId_idx" ON "Credential"("partyId");
