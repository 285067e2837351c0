-- CreateTable
CREATE TABLE "SubjectLogin" (
    "digest" TEXT NOT NULL,
    "stateDigest" TEXT NOT NULL,
    "nonce" TEXT NOT NULL,
    "redirectUri" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "usedAt" TIMESTAMP(3),

    CONSTRAINT "SubjectLogin_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "SubjectSession" (
    "id" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "keyDigest" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "assurance" TEXT NOT NULL,
    "authority" TEXT NOT NULL,
    "person" TEXT NOT NULL,
    "realNameAt" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,
    "revokedAt" TIMESTAMP(3),

    CONSTRAINT "SubjectSession_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Consent" (
    "id" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "subject" TEXT NOT NULL,
    "grantee" TEXT NOT NULL,
    "registrar" TEXT NOT NULL,
    "jws" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "notBefore" TIMESTAMP(3) NOT NULL,
    "notAfter" TIMESTAMP(3) NOT NULL,
    "withdrawnAt" TIMESTAMP(3),
    "requester" TEXT,
    "idempotencyKey" TEXT,
    "requestDigest" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Consent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "SubjectKey" (
    "kid" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "registrar" TEXT NOT NULL,
    "statement" TEXT NOT NULL,
    "notAfter" TIMESTAMP(3) NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "withdrawnAt" TIMESTAMP(3),

    CONSTRAINT "SubjectKey_pkey" PRIMARY KEY ("kid")
);

-- CreateTable
CREATE TABLE "WithdrawnKey" (
    "digest" TEXT NOT NULL,
    "registrar" TEXT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,
    "until" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "WithdrawnKey_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "RevocationList" (
    "registrar" TEXT NOT NULL,
    "sequence" INTEGER NOT NULL,
    "issuedAt" TIMESTAMP(3) NOT NULL,
    "jws" TEXT NOT NULL,

    CONSTRAINT "RevocationList_pkey" PRIMARY KEY ("registrar","sequence")
);

-- CreateTable
CREATE TABLE "WrittenConsent" (
    "id" TEXT NOT NULL,
    "institutionId" TEXT NOT NULL,
    "terms" TEXT NOT NULL,
    "form" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "enteredBy" TEXT NOT NULL,
    "enteredHolder" TEXT NOT NULL,
    "enteredAt" TIMESTAMP(3) NOT NULL,
    "decidedBy" TEXT,
    "decidedHolder" TEXT,
    "decidedAt" TIMESTAMP(3),
    "consentId" TEXT,
    "idempotencyKey" TEXT NOT NULL,
    "requestDigest" TEXT NOT NULL,

    CONSTRAINT "WrittenConsent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "UsesRequest" (
    "id" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "subject" TEXT NOT NULL,
    "jws" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "expiresAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "UsesRequest_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "UsesAnswer" (
    "requestId" TEXT NOT NULL,
    "partyId" TEXT NOT NULL,
    "bytes" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "UsesAnswer_pkey" PRIMARY KEY ("requestId","partyId")
);

-- CreateTable
CREATE TABLE "Objection" (
    "id" TEXT NOT NULL,
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
    "lodgedAt" TIMESTAMP(3) NOT NULL,
    "acceptBy" TIMESTAMP(3) NOT NULL,
    "dueAt" TIMESTAMP(3) NOT NULL,
    "endedAt" TIMESTAMP(3),
    "idempotencyKey" TEXT NOT NULL,
    "requestDigest" TEXT NOT NULL,

    CONSTRAINT "Objection_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ObjectionStep" (
    "objectionId" TEXT NOT NULL,
    "n" INTEGER NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,
    "type" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "body" TEXT NOT NULL,

    CONSTRAINT "ObjectionStep_pkey" PRIMARY KEY ("objectionId","n")
);

-- CreateTable
CREATE TABLE "ObjectionNotice" (
    "partyId" TEXT NOT NULL,
    "objectionId" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "change" INTEGER NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL,
    "takenAt" TIMESTAMP(3),

    CONSTRAINT "ObjectionNotice_pkey" PRIMARY KEY ("partyId","objectionId","role")
);

-- CreateTable
CREATE TABLE "SubjectNotice" (
    "id" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "about" TEXT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "SubjectNotice_pkey" PRIMARY KEY ("id")
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
