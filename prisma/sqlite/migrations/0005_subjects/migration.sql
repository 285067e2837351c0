-- CreateTable
CREATE TABLE "SubjectLogin" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "stateDigest" TEXT NOT NULL,
    "nonce" TEXT NOT NULL,
    "redirectUri" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "usedAt" DATETIME
);

-- CreateTable
CREATE TABLE "SubjectSession" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "subject" TEXT NOT NULL,
    "keyDigest" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "assurance" TEXT NOT NULL,
    "authority" TEXT NOT NULL,
    "person" TEXT NOT NULL,
    "realNameAt" DATETIME NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "revokedAt" DATETIME
);

-- CreateTable
CREATE TABLE "Consent" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "digest" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "subject" TEXT NOT NULL,
    "grantee" TEXT NOT NULL,
    "registrar" TEXT NOT NULL,
    "jws" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "notBefore" DATETIME NOT NULL,
    "notAfter" DATETIME NOT NULL,
    "withdrawnAt" DATETIME,
    "requester" TEXT,
    "idempotencyKey" TEXT,
    "requestDigest" TEXT,
    "createdAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "SubjectKey" (
    "kid" TEXT NOT NULL PRIMARY KEY,
    "subject" TEXT NOT NULL,
    "registrar" TEXT NOT NULL,
    "statement" TEXT NOT NULL,
    "notAfter" DATETIME NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "withdrawnAt" DATETIME
);

-- CreateTable
CREATE TABLE "WithdrawnKey" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "registrar" TEXT NOT NULL,
    "at" DATETIME NOT NULL,
    "until" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "RevocationList" (
    "registrar" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "issuedAt" DATETIME NOT NULL,
    "jws" TEXT NOT NULL,

    PRIMARY KEY ("registrar", "sequence")
);

-- CreateTable
CREATE TABLE "WrittenConsent" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "institutionId" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "form" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "enteredBy" TEXT NOT NULL,
    "enteredHolder" TEXT NOT NULL,
    "enteredAt" DATETIME NOT NULL,
    "decidedBy" TEXT,
    "decidedHolder" TEXT,
    "decidedAt" DATETIME,
    "consentId" TEXT,
    "idempotencyKey" TEXT NOT NULL,
    "requestDigest" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "UsesRequest" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "n" INTEGER NOT NULL,
    "subject" TEXT NOT NULL,
    "jws" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "UsesAnswer" (
    "requestId" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "at" DATETIME NOT NULL,

    PRIMARY KEY ("requestId", "partyId")
);

-- CreateTable
CREATE TABLE "Objection" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "kind" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "target" TEXT NOT NULL,
    "item" TEXT,
    "ground" TEXT NOT NULL,
    "evidence" TEXT,
    "state" TEXT NOT NULL,
    "outcome" TEXT,
    "reason" TEXT,
    "reply" TEXT,
    "overdue" BOOLEAN NOT NULL,
    "lodgedAt" DATETIME NOT NULL,
    "acceptBy" DATETIME NOT NULL,
    "dueAt" DATETIME NOT NULL,
    "endedAt" DATETIME,
    "idempotencyKey" TEXT NOT NULL,
    "requestDigest" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "ObjectionStep" (
    "objectionId" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "at" DATETIME NOT NULL,
    "type" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "body" TEXT NOT NULL,

    PRIMARY KEY ("objectionId", "n")
);

-- CreateTable
CREATE TABLE "ObjectionNotice" (
    "partyId" TEXT NOT NULL,
    "objectionId" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "change" INTEGER NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "takenAt" DATETIME,

    PRIMARY KEY ("partyId", "objectionId", "role")
);

-- CreateTable
CREATE TABLE "SubjectNotice" (
    "id" TEXT NOT NULL PRIMARY KEY,
    "subject" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "about" TEXT NOT NULL,
    "at" DATETIME NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "SubjectSession_keyDigest_key" ON "SubjectSession"("keyDigest");

-- CreateIndex
CREATE INDEX "SubjectSession_subject_createdAt_idx" ON "SubjectSession"("subject", "createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "Consent_digest_key" ON "Consent"("digest");

-- CreateIndex
CREATE UNIQUE INDEX "Consent_n_key" ON "Consent"("n");

-- CreateIndex
CREATE INDEX "Consent_subject_id_idx" ON "Consent"("subject", "id");

-- CreateIndex
CREATE INDEX "Consent_grantee_n_idx" ON "Consent"("grantee", "n");

-- CreateIndex
CREATE INDEX "Consent_registrar_withdrawnAt_idx" ON "Consent"("registrar", "withdrawnAt");

-- CreateIndex
CREATE UNIQUE INDEX "Consent_requester_idempotencyKey_key" ON "Consent"("requester", "idempotencyKey");

-- CreateIndex
CREATE INDEX "SubjectKey_subject_idx" ON "SubjectKey"("subject");

-- CreateIndex
CREATE INDEX "WithdrawnKey_registrar_idx" ON "WithdrawnKey"("registrar");

-- CreateIndex
CREATE INDEX "WrittenConsent_institutionId_enteredAt_idx" ON "WrittenConsent"("institutionId", "enteredAt");

-- CreateIndex
CREATE UNIQUE INDEX "WrittenConsent_institutionId_idempotencyKey_key" ON "WrittenConsent"("institutionId", "idempotencyKey");

-- CreateIndex
CREATE UNIQUE INDEX "UsesRequest_n_key" ON "UsesRequest"("n");

-- CreateIndex
CREATE INDEX "UsesRequest_subject_n_idx" ON "UsesRequest"("subject", "n");

-- CreateIndex
CREATE INDEX "Objection_subject_lodgedAt_idx" ON "Objection"("subject", "lodgedAt");

-- CreateIndex
CREATE INDEX "Objection_state_dueAt_idx" ON "Objection"("state", "dueAt");

-- CreateIndex
CREATE INDEX "Objection_partyId_idx" ON "Objection"("partyId");

-- CreateIndex
CREATE UNIQUE INDEX "Objection_subject_idempotencyKey_key" ON "Objection"("subject", "idempotencyKey");

-- CreateIndex
CREATE INDEX "ObjectionNotice_partyId_change_idx" ON "ObjectionNotice"("partyId", "change");

-- CreateIndex
CREATE INDEX "SubjectNotice_subject_at_idx" ON "SubjectNotice"("subject", "at");
