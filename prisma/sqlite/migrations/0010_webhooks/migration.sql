-- CreateTable
CREATE TABLE "Webhook" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "institutionId" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "events" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "reason" TEXT,
    "nextSequence" INTEGER NOT NULL,
    "nextDueAt" DATETIME,
    "createdAt" DATETIME NOT NULL,
    "endedAt" DATETIME
);

-- CreateTable
CREATE TABLE "WebhookDelivery" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "webhookId" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "dueAt" DATETIME NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "endedAt" DATETIME,
    "failure" TEXT,
    "status" INTEGER
);

-- CreateTable
CREATE TABLE "WebhookKey" (
    "institutionId" TEXT NOT NULL PRIMARY KEY,
    "current" INTEGER NOT NULL,
    "previous" INTEGER,
    "previousUntil" DATETIME
);

-- CreateIndex
CREATE INDEX "Webhook_institutionId_createdAt_idx" ON "Webhook"("institutionId", "createdAt");

-- CreateIndex
CREATE INDEX "Webhook_state_nextDueAt_idx" ON "Webhook"("state", "nextDueAt");

-- CreateIndex
CREATE INDEX "WebhookDelivery_webhookId_state_sequence_idx" ON "WebhookDelivery"("webhookId", "state", "sequence");

-- CreateIndex
CREATE INDEX "WebhookDelivery_endedAt_idx" ON "WebhookDelivery"("endedAt");

-- CreateIndex
CREATE UNIQUE INDEX "WebhookDelivery_webhookId_sequence_key" ON "WebhookDelivery"("webhookId", "sequence");
