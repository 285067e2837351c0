// Error codes of the area "demo" (the generator of demo data). Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const demoErrors = {
  DEMO_BAD_OPTIONS: { status: 400, en: "The demo data cannot be made with these options: companies must be 500 to 5,000,000, months 12 to 60, the seed a non-negative integer. Correct the option and run again.", zh: "演示数据参数有误：企业数须为500至5,000,000，月数须为12至60，种子须为非负整数。请更正后重试。" },
  DEMO_DIRECTORY_NOT_EMPTY: { status: 409, en: "The directory for the demo data is not empty; nothing was written. Name an empty directory, or pass force to overwrite an earlier run.", zh: "演示数据目录非空，未写入任何内容。请指定空目录，或使用 force 覆盖先前的结果。" },
  DEMO_DISK_FULL: { status: 507, en: "The disk is full (or a quota is reached); the files begun by this run were removed. Free some space or name a directory on another disk.", zh: "磁盘已满或配额用尽，本次生成的文件已删除。请释放空间，或改用其他磁盘上的目录。" },
  DEMO_WRITE_FAILED: { status: 500, en: "The demo data could not be written (permission, read-only disk or a wrong path); the files begun by this run were removed. Check the directory and run again.", zh: "演示数据写入失败（无权限、只读磁盘或路径有误），本次生成的文件已删除。请检查目录后重试。" },
} as const satisfies Record<string, ErrorSpec>;
