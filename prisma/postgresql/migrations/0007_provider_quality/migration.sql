-- CreateTable
CREATE TABLE "ProviderUsage" (
    "partyId" TEXT NOT NULL,
    "jobId" TEXT NOT NULL,
    "reportedAt" TIMESTAMP(3) NOT NULL,
    "body" TEXT NOT NULL,

    CONSTRAINT "ProviderUsage_pkey" PRIMARY KEY ("partyId","jobId")
);

-- CreateTable
CREATE TABLE "ProviderQuality" (
    "partyId" TEXT NOT NULL,
    "ranAt" TIMESTAMP(3) NOT NULL,
    "reportedAt" TIMESTAMP(3) NOT NULL,
    "body" TEXT NOT NULL,

    CONSTRAINT "ProviderQuality_pkey" PRIMARY KEY ("partyId")
);
