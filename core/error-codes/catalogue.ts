// Error codes of the sharing catalogue: what an item may be used for, and what an enclave says that its tables hold. Facts are
// positions (from 1: `table`, `column`, `indicator` in the order of the definition), ids of items and of clauses of the texts.
import type { ErrorSpec } from "../errors.ts";

export const catalogueErrors = {
  CATALOGUE_DATA: { status: 500, en: "A list of the sharing catalogue is damaged or contradicts itself. Restore the file from the release.", zh: "共享目录清单文件损坏或自相矛盾。请从发行版恢复该文件。" },
  CATALOGUE_VERSION: { status: 400, en: "There is no such version of the sharing catalogue here. Name one that this program has, or update the program.", zh: "本程序没有该版本的共享目录。请使用已有版本，或更新程序。" },
  CATALOGUE_UNKNOWN_ITEM: { status: 404, en: "The sharing catalogue has no such item, or the name stands for several. Search the catalogue and use the item's id.", zh: "共享目录中没有该信息项，或名称对应多项。请检索目录并使用信息项编号。" },
  CATALOGUE_UNKNOWN_FIELD: { status: 404, en: "The item has no such field in the sharing catalogue. See the item's fields, or name the item alone.", zh: "共享目录中该信息项没有此数据项。请查看其数据项，或只填写信息项。" },
  CATALOGUE_DECLARATION: { status: 400, en: "The declaration of what the tables hold does not fit its schema; correct the named number of problems.", zh: "数据表的目录声明不符合其结构要求；请按问题数逐项修正。" },
  CATALOGUE_COLUMN_UNDECLARED: { status: 403, en: "A column has no item of the sharing catalogue, so nothing may be computed with its table. Declare it, or leave it out of the table.", zh: "某列没有对应的共享目录信息项，其所在表不得参与计算。请为其声明信息项，或从表中去除。" },
  CATALOGUE_UNDECLARED: { status: 403, en: "The data set names companies by their credit codes, has no outcomes and does not say which items of the sharing catalogue it holds. Add `catalogue` to its definition, or `ownData` to enclave.json if it is no information of the sharing lists.", zh: "数据集以统一社会信用代码标识企业、不含结果标签，且未声明所含的共享目录信息项。请在数据集定义中填写 catalogue；若并非清单内信息，请在 enclave.json 中设置 ownData。" },
  CATALOGUE_COLUMN_MISSING: { status: 400, en: "The declaration names a table or column that the data do not have. Correct the name.", zh: "声明中的表或列在数据中不存在。请更正名称。" },
  CATALOGUE_MODE: { status: 403, en: "The way in which this item is shared does not allow this use; the clause says why. Use another item, or ask for what the clause allows.", zh: "该信息项的共享方式不允许此用途，依据见所列条款。请改用其他信息项，或按条款允许的方式使用。" },
  CATALOGUE_AUTHORISATION: { status: 403, en: "This use of the item needs the authorisation of the company; the clause says so. Obtain it first.", zh: "对该信息项的此用途须经信息主体授权，依据见所列条款。请先取得授权。" },
  CATALOGUE_INDICATOR_SOURCE: { status: 403, en: "An indicator names no item, or reads a column that holds another item than those it names. Correct its source items.", zh: "指标没有标明来源信息项，或读取了其他信息项的列。请更正其来源信息项。" },
  CATALOGUE_PURPOSE: { status: 403, en: "The purpose is not on the closed list of financing purposes. Information may be used to finance companies only.", zh: "用途不在融资用途清单之内。所获信息只能用于为企业提供融资支持。" },
  CATALOGUE_UNNECESSARY: { status: 403, en: "The purpose does not need this item (minimum and necessary). Leave it out, or state the purpose that needs it.", zh: "该用途不需要此信息项（最小、必要）。请去除该信息项，或如实填写需要它的用途。" },
  CATALOGUE_COUNT: { status: 403, en: "A figure covers fewer companies than its grade allows to be published. Widen the group.", zh: "统计数字涉及的企业数低于其级别允许公布的下限。请扩大统计范围。" },
  CATALOGUE_EXPORT: { status: 403, en: "The grade of this item does not allow its values to leave. Use a score or a verification result instead.", zh: "该信息项的级别不允许其数值对外提供。请改用评分或核验结果。" },
} as const satisfies Record<string, ErrorSpec>;
