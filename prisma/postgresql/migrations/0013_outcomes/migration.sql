-- CreateTable
CREATE TABLE "LoanOutcomes" (
    "partyId" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "reportedAt" TIMESTAMP(3) NOT NULL,
    "body" TEXT NOT NULL,

    CONSTRAINT "LoanOutcomes_pkey" PRIMARY KEY ("partyId","model")
);

-- CreateTable
CREATE TABLE "ServedModels" (
    "partyId" TEXT NOT NULL,
    "deployment" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "reportedAt" TIMESTAMP(3) NOT NULL,
    "body" TEXT NOT NULL,

    CONSTRAINT "ServedModels_pkey" PRIMARY KEY ("partyId","deployment")
);
