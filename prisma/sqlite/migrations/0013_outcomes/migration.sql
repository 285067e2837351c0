-- CreateTable
CREATE TABLE "LoanOutcomes" (
    "partyId" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "reportedAt" DATETIME NOT NULL,
    "body" TEXT NOT NULL,

    PRIMARY KEY ("partyId", "model")
);

-- CreateTable
CREATE TABLE "ServedModels" (
    "partyId" TEXT NOT NULL,
    "deployment" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "reportedAt" DATETIME NOT NULL,
    "body" TEXT NOT NULL,

    PRIMARY KEY ("partyId", "deployment")
);
