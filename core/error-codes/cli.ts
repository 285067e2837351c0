// Error codes of the command line.
import type { ErrorSpec } from "../errors.ts";

export const cliErrors = {
  CLI_PROCESS: { status: 500, en: "A process did not start or stopped early. Its log file tells why.", zh: "进程未能启动或提前退出，原因见其日志文件。" },
  CLI_ARGUMENT: { status: 400, en: "An argument is missing or wrong. See --help.", zh: "参数缺失或错误，请查看 --help。" },
  CLI_PROFILE: { status: 400, en: "The institution profile cannot be read. `yunei platform institution` writes one.", zh: "无法读取机构配置文件。请用 yunei platform institution 生成。" },
  CLI_NO_HOST: { status: 503, en: "None of the model's data providers answered in time; nothing was scored. Check that their enclaves run, or wait longer with --wait.", zh: "模型的数据方均未在时限内响应，未进行评分。请检查其节点，或用 --wait 延长等待。" },
} as const satisfies Record<string, ErrorSpec>;
