// Error codes of the area "kernel". Each says what happened and the way out, in English and Chinese.
import type { ErrorSpec } from "../errors.ts";

export const kernelErrors = {
  KERNEL_PARAMS: { status: 400, en: "A parameter set or seed of the encrypted-sums kernel is not the reviewed one; it was refused. Use the set in kernels/params.ts.", zh: "加密求和内核的参数集或种子不是经审查的那一组，已拒绝。请使用 kernels/params.ts 中的参数集。" },
  KERNEL_RANGE: { status: 400, en: "Values, rows or the plaintext modulus are outside the kernel's exact range; scale the values down or use fewer rows.", zh: "数值、行数或明文模数超出内核的精确范围；请缩小数值或减少行数。" },
  KERNEL_COLUMNS: { status: 400, en: "Columns for the kernel are not rectangular, or a bin number is not below its bin count; check the binning.", zh: "送入内核的列长度不一致，或分箱编号不小于分箱数；请检查分箱结果。" },
  KERNEL_SUM_IMPOSSIBLE: { status: 409, en: "An opened sum is larger than the query allows: hint, answer and seed do not belong together. Start a new job after the cause is known.", zh: "解密所得的和超出该查询的可能范围：提示、应答与种子不匹配。查明原因后重新发起任务。" },
  KERNEL_TEXT: { status: 400, en: "Bytes that should be a key or an encrypted model or score are not one of the agreed parameters; nothing was computed. The sender must seal the model again.", zh: "收到的密钥、加密模型或加密评分不符合约定参数，未进行计算；请发送方重新加密模型。" },
  KERNEL_MEMORY: { status: 413, en: "The hints or columns of this job need more than 2 GB on one thread; use fewer features or bins, or more worker threads.", zh: "该任务的提示或数据列在单个线程上所需内存超过 2 GB；请减少特征或分箱，或增加工作线程。" },
  KERNEL_FLOOD_BUDGET: { status: 403, en: "The plan asks for more encrypted sums than the flood hides at 2^-40; use fewer queries, cells or rows.", zh: "计划所需的加密求和次数超出噪声掩盖能力（2^-40）；请减少查询、单元或行数。" },
  KERNEL_DISPOSED: { status: 500, en: "A kernel object was used after its release. This is a fault of the program; restart the job.", zh: "内核对象在释放之后仍被使用，属程序错误；请重启任务。" },
  KERNEL_WORKER_LOST: { status: 500, en: "A worker thread ended in the middle of its work, often for lack of memory; the job resumes from its last step after a restart.", zh: "工作线程在任务中途退出，常因内存不足；重启后任务从上一步继续。" },
  KERNEL_WORKER_FAILED: { status: 500, en: "A computation on a worker thread failed; the cause is in the local log. Restart the job after it is removed.", zh: "工作线程上的计算失败，原因见本地日志；排除后请重启任务。" },
} as const satisfies Record<string, ErrorSpec>;
