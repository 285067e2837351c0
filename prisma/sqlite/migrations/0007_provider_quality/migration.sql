-- CreateTable
CREATE TABLE "ProviderUsage" (
    "partyId" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,
    "reportedAt" DATETIME NOT NULL,
    "body" TEXT NOT NULL,

    PRIMARY KEY ("partyId", "jobId")
);

-- CreateTable
CREATE TABLE "ProviderQuality" (
    "partyId" TEXT NOT NULL PRIMARY KEY,
    "ranAt" DATETIME NOT NULL,
    "reportedAt" DATETIME NOT NULL,
    "body" TEXT NOT NULL
);
