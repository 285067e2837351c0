// Where a company is registered and what it does, as far as figures and subscriptions tell them apart.
import { isUscc, normaliseUscc } from "../core/uscc.ts";

type Name = { readonly zh: string; readonly en: string };

/** No code, or one of no province. */
export const unknownPlace = "00";
/** No section on record, or no letter of the standard. */
export const unknownSector = "-";

/**
 * First two digits of GB/T 2260. 10 is the registrar of the whole country: companies that it registers itself have 100000 in their codes.
 */
export const provinces: Readonly<Record<string, Name>> = {
  "10": { zh: "国家登记机关", en: "National registrar" },
  11: { zh: "北京", en: "Beijing" }, 12: { zh: "天津", en: "Tianjin" }, 13: { zh: "河北", en: "Hebei" }, 14: { zh: "山西", en: "Shanxi" },
  15: { zh: "内蒙古", en: "Inner Mongolia" }, 21: { zh: "辽宁", en: "Liaoning" }, 22: { zh: "吉林", en: "Jilin" }, 23: { zh: "黑龙江", en: "Heilongjiang" },
  31: { zh: "上海", en: "Shanghai" }, 32: { zh: "江苏", en: "Jiangsu" }, 33: { zh: "浙江", en: "Zhejiang" }, 34: { zh: "安徽", en: "Anhui" },
  35: { zh: "福建", en: "Fujian" }, 36: { zh: "江西", en: "Jiangxi" }, 37: { zh: "山东", en: "Shandong" }, 41: { zh: "河南", en: "Henan" },
  42: { zh: "湖北", en: "Hubei" }, 43: { zh: "湖南", en: "Hunan" }, 44: { zh: "广东", en: "Guangdong" }, 45: { zh: "广西", en: "Guangxi" },
  46: { zh: "海南", en: "Hainan" }, 50: { zh: "重庆", en: "Chongqing" }, 51: { zh: "四川", en: "Sichuan" }, 52: { zh: "贵州", en: "Guizhou" },
  53: { zh: "云南", en: "Yunnan" }, 54: { zh: "西藏", en: "Tibet" }, 61: { zh: "陕西", en: "Shaanxi" }, 62: { zh: "甘肃", en: "Gansu" },
  63: { zh: "青海", en: "Qinghai" }, 64: { zh: "宁夏", en: "Ningxia" }, 65: { zh: "新疆", en: "Xinjiang" }, 71: { zh: "台湾", en: "Taiwan" },
  81: { zh: "香港", en: "Hong Kong" }, 82: { zh: "澳门", en: "Macao" },
  [unknownPlace]: { zh: "不明", en: "Unknown" },
};

/** Sections of GB/T 4754-2017. */
export const sections: Readonly<Record<string, Name>> = {
  A: { zh: "农、林、牧、渔业", en: "Agriculture, forestry, husbandry, fishery" }, B: { zh: "采矿业", en: "Mining" }, C: { zh: "制造业", en: "Manufacturing" },
  D: { zh: "电力、热力、燃气及水生产和供应业", en: "Electricity, heat, gas and water" }, E: { zh: "建筑业", en: "Construction" },
  F: { zh: "批发和零售业", en: "Wholesale and retail" }, G: { zh: "交通运输、仓储和邮政业", en: "Transport, storage and post" },
  H: { zh: "住宿和餐饮业", en: "Accommodation and catering" }, I: { zh: "信息传输、软件和信息技术服务业", en: "Information and software" },
  J: { zh: "金融业", en: "Finance" }, K: { zh: "房地产业", en: "Real estate" }, L: { zh: "租赁和商务服务业", en: "Leasing and business services" },
  M: { zh: "科学研究和技术服务业", en: "Research and technical services" }, N: { zh: "水利、环境和公共设施管理业", en: "Water, environment and public facilities" },
  O: { zh: "居民服务、修理和其他服务业", en: "Household services, repair and others" }, P: { zh: "教育", en: "Education" },
  Q: { zh: "卫生和社会工作", en: "Health and social work" }, R: { zh: "文化、体育和娱乐业", en: "Culture, sports and entertainment" },
  S: { zh: "公共管理、社会保障和社会组织", en: "Public administration and social organisations" }, T: { zh: "国际组织", en: "International organisations" },
  [unknownSector]: { zh: "不明", en: "Unknown" },
};

/**
 * Province of the registrar: characters 3 to 8 of a USCC are its code by GB/T 2260 (GB 32100-2015). It stays when a company moves, so it
 * says where the code was given. `unknownPlace` for a text that is no USCC or has a code of no province.
 */
export function provinceOf(uscc: string): string {
  const code = normaliseUscc(uscc);
  if (!isUscc(code)) return unknownPlace;
  const place = code.slice(2, 8);
  const province = place.slice(0, 2);
  return /^\d{6}$/.test(place) && Object.hasOwn(provinces, province) ? province : unknownPlace;
}

/** Section letter of what a register says of the sector: the letter alone or before a division ("C", "c34", "I-65"). */
export function sectionOf(sector: string | undefined): string {
  const letter = /^\s*([A-T])(?:$|[\s\d-])/i.exec(sector ?? "")?.[1]?.toUpperCase();
  return letter ?? unknownSector;
}
