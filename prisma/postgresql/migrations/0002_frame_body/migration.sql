-- AlterTable
ALTER TABLE "RelayFrame" ADD COLUMN     "body" BYTEA;
