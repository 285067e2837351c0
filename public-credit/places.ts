// Where a company is and what it does: codes of administrative regions (GB/T 2260) and sections of economic activity (GB/T 4754-2017).

/** Six digits: province, prefecture, county. */
export const regionForm = /^[1-9][0-9]{5}$/;
/** The first two, four or six digits: a province, a prefecture, a county. */
export const regionPrefixForm = /^[1-9][0-9](?:[0-9]{2}){0,2}$/;

/** GB/T 4754-2017, sections (门类). */
export const sections = {
  A: "农、林、牧、渔业", B: "采矿业", C: "制造业", D: "电力、热力、燃气及水生产和供应业", E: "建筑业", F: "批发和零售业",
  G: "交通运输、仓储和邮政业", H: "住宿和餐饮业", I: "信息传输、软件和信息技术服务业", J: "金融业", K: "房地产业", L: "租赁和商务服务业",
  M: "科学研究和技术服务业", N: "水利、环境和公共设施管理业", O: "居民服务、修理和其他服务业", P: "教育", Q: "卫生和社会工作",
  R: "文化、体育和娱乐业", S: "公共管理、社会保障和社会组织", T: "国际组织",
} as const;
export type Section = keyof typeof sections;
export const sectionCodes = Object.keys(sections) as [Section, ...Section[]];

/** The region of the authority that gave the code: characters 3 to 8 (GB 32100-2015, 4.2). Undefined where they are none, which a right check character allows. */
export function regionOf(uscc: string): string | undefined {
  const region = uscc.slice(2, 8);
  return regionForm.test(region) ? region : undefined;
}

const dayMs = 86_400_000;
const shanghaiMs = 8 * 3_600_000;

/** The day (ISO) in China at an instant: terms of publication end with a day there. */
export function dayAt(ms: number): string {
  return new Date(ms + shanghaiMs).toISOString().slice(0, 10);
}

/** The day so many days later. */
export function addDays(day: string, days: number): string {
  return new Date(Date.parse(day) + days * dayMs).toISOString().slice(0, 10);
}
