-- CreateTable
CREATE TABLE "Alert" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "institutionId" TEXT NOT NULL,
    "service" TEXT NOT NULL,
    "sealed" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "acknowledgedAt" DATETIME,
    "acknowledgedBy" TEXT
);

-- CreateTable
CREATE TABLE "StabilityReport" (
    "modelId" TEXT NOT NULL,
    "party" TEXT NOT NULL,
    "month" TEXT NOT NULL,
    "report" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "changedAt" DATETIME NOT NULL,

    PRIMARY KEY ("modelId", "party", "month")
);

-- CreateIndex
CREATE INDEX "Alert_institutionId_createdAt_id_idx" ON "Alert"("institutionId", "createdAt", "id");

-- CreateIndex
CREATE INDEX "Alert_createdAt_idx" ON "Alert"("createdAt");

-- CreateIndex
CREATE INDEX "StabilityReport_changedAt_idx" ON "StabilityReport"("changedAt");
