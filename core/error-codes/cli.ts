// Error codes of the command line.
import type { ErrorSpec } from "../errors.ts";

export const cliErrors = {
  CLI_PROCESS: { status: 500, en: "A process did not start or stopped early. Its log file tells why.", zh: "进程未能启动或提前退出，原因见其日志文件。" },
  CLI_ARGUMENT: { status: 400, en: "An argument is missing or wrong. See --help.", zh: "参数缺失或错误，请查看 --help。" },
  CLI_OUTPUT: { status: 507, en: "The output folder cannot be written.", zh: "输出目录无法写入。" },
  CLI_JOB_FAILED: { status: 500, en: "The job did not end well; the code before this line tells why.", zh: "任务未成功完成，原因见上一行的错误码。" },
} as const satisfies Record<string, ErrorSpec>;
