-- CreateTable
CREATE TABLE "PublicDelivered" (
    "subscriptionId" TEXT NOT NULL,
    "recordId" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "subject" TEXT NOT NULL,
    "times" INTEGER NOT NULL,
    "firstAt" DATETIME NOT NULL,
    "lastAt" DATETIME NOT NULL,

    PRIMARY KEY ("subscriptionId", "recordId", "version")
);

-- CreateIndex
CREATE INDEX "PublicDelivered_subject_idx" ON "PublicDelivered"("subject");
