// The clauses that the rules cite. `text` is the wording of the document (a test finds each in its text); `en` is ours.
import type { ClauseId } from "../core/brand.ts";

type Bilingual = { readonly zh: string; readonly en: string };
export type Document = Bilingual & { readonly number: string; readonly issued: string; readonly short: string };

export const documents = {
  P19: {
    short: "信易贷通知", number: "发改财金〔2019〕1491号", issued: "2019",
    zh: "国家发展改革委 银保监会关于深入开展“信易贷”支持中小微企业融资的通知",
    en: "Notice on deepening credit-based loans in support of the financing of small and medium-sized companies",
  },
  P21: {
    short: "2021年实施方案", number: "国办发〔2021〕52号", issued: "2021-12-22",
    zh: "国务院办公厅关于印发加强信用信息共享应用促进中小微企业融资实施方案的通知",
    en: "Plan to strengthen the sharing and use of credit information and promote the financing of small and medium-sized companies",
  },
  P22: {
    short: "2022年网络建设通知", number: "发改办财金〔2022〕299号", issued: "2022",
    zh: "国家发展改革委办公厅 银保监会办公厅关于加强信用信息共享应用推进融资信用服务平台网络建设的通知",
    en: "Notice on the network of financing credit service platforms",
  },
  P24: {
    short: "2024年实施方案", number: "国办发〔2024〕15号", issued: "2024-03-28",
    zh: "国务院办公厅关于印发《统筹融资信用服务平台建设提升中小微企业融资便利水平实施方案》的通知",
    en: "Plan to coordinate the financing credit service platforms and ease the financing of small and medium-sized companies",
  },
} as const satisfies Record<string, Document>;
export type DocumentId = keyof typeof documents;

type ClauseSpec = { readonly document: DocumentId; readonly article: string; readonly text: string; readonly en: string };

const table = {
  "P19-3-2-confidentiality": {
    document: "P19", article: "三（二）", text: "签订信息保密协议，规范信息共享共用范围和方式，明确信息保密义务和责任",
    en: "Confidentiality agreements are signed that say what is shared and how, and the duties and responsibility of confidentiality.",
  },
  "P19-3-2-protection": {
    document: "P19", article: "三（二）", text: "加强数据共享传输技术保障，提升全国信用信息共享平台和金融机构数据系统的安全防护能力",
    en: "The transfer of shared data is secured, and the data systems of the platform and of financial institutions are better protected.",
  },
  "P19-3-3-log": {
    document: "P19", article: "三（三）", text: "数据传输和接收单位应当建立系统日志，完整记录数据访问、操作等信息，避免越权操作",
    en: "Those who send and receive data keep system logs that record every access and operation, and prevent access beyond one's rights.",
  },
  "P21-5-ways": {
    document: "P21", article: "（五）", text: "灵活采取物理归集、系统接口调用、数据核验等多种方式共享相关信息",
    en: "Information is shared in several ways: physical collection, calls of interfaces, data verification.",
  },
  "P21-6-report": {
    document: "P21", article: "（六）", text: "对依法公开的信息，应当整合形成标准化信用信息报告供接入机构查询",
    en: "Information that is public by law is put together into standard credit reports that institutions may query.",
  },
  "P21-6-use": {
    document: "P21", article: "（六）",
    text: "对涉及商业秘密等不宜公开的信息，未经信息主体授权不得向接入机构提供原始明细数据，主要通过数据提供单位与融资信用服务平台联合建模等方式供接入机构使用，"
      + "或经信息主体授权后提供数据查询、核验等服务，实现数据“可用不可见”",
    en: "Raw details of information unfit for publication are not given to institutions without the subject's authorisation; it is used "
      + "through joint modelling and the like, or through queries and verification once the subject has authorised them.",
  },
  "P21-7-evaluation": {
    document: "P21", article: "（七）", text: "对中小微企业开展全覆盖信用评价，供银行等接入机构参考使用",
    en: "The platforms evaluate the credit of all small and medium-sized companies for banks and other institutions to refer to.",
  },
  "P21-8-monitoring": {
    document: "P21", article: "（八）", text: "加强对获得贷款企业信用状况的动态监测，分析研判潜在风险并及时推送相关机构参考",
    en: "The credit of companies with loans is monitored, and risks are analysed and reported to the institutions in time.",
  },
  "P21-9-grading": {
    document: "P21", article: "（九）", text: "各级融资信用服务平台要建立信息分级分类管理和使用制度",
    en: "The platforms set up rules for managing and using information by class and grade.",
  },
  "P21-9-release": {
    document: "P21", article: "（九）", text: "未经脱敏处理或信息主体明确授权，不得对外提供涉及商业秘密或个人隐私的信息",
    en: "Information touching business secrets or privacy is not given out unless de-sensitised or expressly authorised by its subject.",
  },
  "P21-10-assessment": {
    document: "P21", article: "（十）", text: "对接入机构进行信息安全评估，提升信息安全风险监测、预警、处置能力",
    en: "The information security of institutions to be connected is assessed; risks are monitored, warned of and dealt with.",
  },
  "P21-10-internal": {
    document: "P21", article: "（十）", text: "接入机构要加强内部信息安全管理，严格遵守国家有关规定和融资信用服务平台信息管理要求",
    en: "Connected institutions manage information security internally and keep to the national rules and the platforms' requirements.",
  },
  "P21-10-purpose": {
    document: "P21", article: "（十）", text: "获取的信息不得用于为企业提供融资支持以外的活动",
    en: "Information obtained is not used for anything but supporting the financing of companies.",
  },
  "P21-10-unlawful": {
    document: "P21", article: "（十）", text: "严肃查处非法获取、传播、泄露、出售信息等违法违规行为",
    en: "Unlawfully obtaining, spreading, leaking or selling information is investigated and punished.",
  },
  "P21-note-2-collection": {
    document: "P21", article: "附件注2", text: "“物理归集”共享方式是指数据提供单位将相关信息传输至平台，由平台进行存储",
    en: "Physical collection: the data provider transmits the information to the platform, which stores it.",
  },
  "P21-note-2-interface": {
    document: "P21", article: "附件注2", text: "“接口调用”共享方式是指数据提供单位向平台开放数据接口，由平台根据企业授权调用信息",
    en: "Interface call: the data provider opens an interface, and the platform calls information as the company authorised.",
  },
  "P21-note-2-verification": {
    document: "P21", article: "附件注2",
    text: "“数据核验”共享方式是指平台向数据提供单位发送需要核验的信息，由数据提供单位反馈核验结果",
    en: "Data verification: the platform sends what is to be verified, and the data provider answers with the result of the verification.",
  },
  "P21-note-3": {
    document: "P21", article: "附件注3",
    text: "“经企业授权”是指在充分告知企业相关风险的前提下，通过企业书面授权或企业实名注册后线上授权等方式进行授权",
    en: "With the company's authorisation: in writing, or online after real-name registration, the company being fully told of the risks.",
  },
  "P22-4-accident": {
    document: "P22", article: "四", text: "对发生信息安全责任事故的，要依法依规严肃追究有关单位和人员的责任",
    en: "After an accident of information security, the organisations and people responsible answer for it.",
  },
  "P22-4-minimum": {
    document: "P22", article: "四", text: "要依据“最小、必要”原则进行脱敏处理，防范数据泄露风险",
    en: "Information is de-sensitised by the principle of the minimum and the necessary, to prevent leaks.",
  },
  "P22-4-nodes": {
    document: "P22", article: "四", text: "严格按照相关标准和程序对接国家平台和地方平台，加强地方平台接入前安全评估和接入后安全管理",
    en: "National and local platforms are connected by the standards and procedures, assessed before and managed after.",
  },
  "P22-4-removal": {
    document: "P22", article: "四",
    text: "对不符合信息安全条件的地方平台，一律不得接入；对接入后违反信息安全管理规定的地方平台，要督促整改甚至取消接入",
    en: "A local platform that does not meet the conditions of information security is not connected; one that breaks the rules afterwards "
      + "has to put things right or is disconnected.",
  },
  "P24-6-process": {
    document: "P24", article: "（六）", text: "加大信用报告在客户筛选、贷前调查、贷中审批、贷后管理等方面的应用力度",
    en: "Credit reports are used in the screening of customers, before a loan, in its approval and after it.",
  },
  "P24-7-modelling": {
    document: "P24", article: "（七）", text: "通过“数据不出域”等方式加强敏感数据开发应用，提升金融授信联合建模水平",
    en: "Sensitive data are put to use without leaving their domain, to raise the level of joint modelling for granting credit.",
  },
  "P24-7-development": {
    document: "P24", article: "（七）", text: "充分利用信用信息优化信贷产品研发、信用评估和风险管理等",
    en: "Credit information is used to improve loan products, credit assessment and risk management.",
  },
  "P24-9-policy": {
    document: "P24", article: "（九）", text: "推动各项金融便民惠企政策通过平台直达中小微企业等经营主体",
    en: "Financial policies in favour of companies reach small and medium-sized companies directly through the platforms.",
  },
  "P24-9-guarantee": {
    document: "P24", article: "（九）", text: "依托平台建立银行机构、政府、融资担保机构等多方合作机制，合理简化融资担保相关手续",
    en: "Banks, governments and guarantors work together through the platforms, and guarantees take fewer formalities.",
  },
  "P24-11-management": {
    document: "P24", article: "（十一）", text: "完善平台对接、机构入驻、信息归集、信息共享、数据安全等管理规范和标准体系",
    en: "Rules and standards for connecting platforms, admitting institutions, collecting and sharing information and data security.",
  },
  "P24-11-protection": {
    document: "P24", article: "（十一）", text: "强化数据共享、使用、传输、存储的安全性保障，提升安全风险监测和预警处置能力",
    en: "Sharing, use, transfer and storage of data are secured; risks are monitored and dealt with.",
  },
  "P24-11-release": {
    document: "P24", article: "（十一）",
    text: "未经脱敏处理或信息主体明确授权，各级融资信用服务平台不得对外提供涉及商业秘密或个人隐私的信息",
    en: "Platforms give out nothing touching business secrets or privacy unless de-sensitised or expressly authorised by its subject.",
  },
} as const satisfies Record<string, ClauseSpec>;

export type ClauseKey = keyof typeof table;
/** A clause of an official text, with its wording. */
export type Clause = ClauseSpec & { readonly id: ClauseId };

export const clauseKeys = Object.keys(table) as readonly ClauseKey[];

export function clause(key: ClauseKey): Clause {
  return { ...table[key], id: key as string as ClauseId };
}

/** The clause behind an error's fact; undefined when there is none of that id. */
export function findClause(id: string): Clause | undefined {
  return Object.hasOwn(table, id) ? clause(id as ClauseKey) : undefined;
}
