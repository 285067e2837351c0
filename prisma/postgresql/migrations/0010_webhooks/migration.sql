-- CreateTable
CREATE TABLE "Webhook" (
    "id" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "events" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "reason" TEXT,
    "nextSequence" INTEGER NOT NULL,
    "nextDueAt" TIMESTAMP(3),
    "createdAt" TIMESTAMP(3) NOT NULL,
    "endedAt" TIMESTAMP(3),

    CONSTRAINT "Webhook_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WebhookDelivery" (
    "id" TEXT NOT NULL,
    "webhookId" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "dueAt" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "endedAt" TIMESTAMP(3),
    "failure" TEXT,
    "status" INTEGER,

    CONSTRAINT "WebhookDelivery_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WebhookKey" (
    "institutionId" TEXT NOT NULL,
    "current" INTEGER NOT NULL,
    "previous" INTEGER,
    "previousUntil" TIMESTAMP(3),

    CONSTRAINT "WebhookKey_pkey" PRIMARY KEY ("institutionId")
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
