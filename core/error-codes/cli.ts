// Error codes of the command line.
import type { ErrorSpec } from "../errors.ts";

export const cliErrors = {
  CLI_PROCESS: { status: 500, en: "A process did not start or stopped early. Its log file tells why.", zh: "进程未能启动或提前退出，原因见其日志文件。" },
  CLI_ARGUMENT: { status: 400, en: "An argument is missing or wrong. See --help.", zh: "参数缺失或错误，请查看 --help。" },
  CLI_FILE: { status: 404, en: "A file or folder named on the command line is not there or cannot be read. Check the path.", zh: "命令行所指的文件或目录不存在或无法读取，请检查路径。" },
  CLI_JSON: { status: 400, en: "A file or argument should be JSON and is not. Check quotes, commas and brackets.", zh: "文件或参数应为 JSON 格式，请检查引号、逗号与括号。" },
  CLI_EXISTS: { status: 409, en: "The file or enclave to be made is already there; nothing was changed. Name another place.", zh: "要生成的文件或节点已存在，未作任何更改。请指定其他位置。" },
  CLI_UNREACHABLE: { status: 503, en: "The platform does not answer at the address in the profile, or its certificate is not of the profile's CA. Check the address and that it runs.", zh: "无法连接配置文件中的平台地址，或其证书并非由配置文件中的 CA 签发。请检查地址以及平台是否运行。" },
  CLI_PROFILE: { status: 400, en: "The institution profile is missing, incomplete or damaged. `yunei profile create` and `yunei profile admit` make one.", zh: "机构配置文件缺失、不完整或已损坏。请用 yunei profile create 与 yunei profile admit 生成。" },
  CLI_SEAL: { status: 400, en: "The result is not sealed to the key in this profile. Use the profile with which the institution was registered.", zh: "结果并非密封给该配置文件中的密钥。请使用机构注册时的配置文件。" },
  CLI_NO_HOST: { status: 503, en: "None of the model's data providers answered in time; nothing was scored. Check that their enclaves run, or wait longer with --wait.", zh: "模型的数据方均未在时限内响应，未进行评分。请检查其节点，或用 --wait 延长等待。" },
} as const satisfies Record<string, ErrorSpec>;
