// Error codes of what every process does.
import type { ErrorSpec } from "../errors.ts";

export const coreErrors = {
  DISK_FAILED: { status: 507, en: "A file could not be written or read durably; nothing was acknowledged. Free space or check permissions, then restart.", zh: "文件无法可靠写入或读取，未作任何确认。请释放空间或检查权限后重启。" },
} as const satisfies Record<string, ErrorSpec>;
