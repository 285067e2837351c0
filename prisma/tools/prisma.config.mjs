// For `prisma generate`: it runs on WASM, but the CLI first insists that a native engine exists; any existing file
// stops it from looking for a download.
import { defineConfig } from "prisma/config";

process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= import.meta.filename;
const provider = process.env.YUNEI_DB ?? "sqlite";
export default defineConfig({
  schema: `../${provider}`,
  migrations: { path: `../${provider}/migrations` },
  datasource: { url: "file:./unused.db" },
});
