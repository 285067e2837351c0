// Sectors (sections of GB/T 4754-2017) and regions (county codes of GB/T 2260) of the demo's companies. Shares and
// intensities are rounded guesses that give plausible orders of magnitude; they are not statistics.

export type Sector = {
  /** Section letter of GB/T 4754-2017. */
  readonly code: string;
  /** Word used in made-up company names. */
  readonly word: string;
  /** Relative frequency among individual businesses, cooperatives, companies. */
  readonly share: readonly [individual: number, cooperative: number, company: number];
  /** Yuan of revenue a year per employee. */
  readonly revenuePerHead: number;
  /** VAT rate of a general taxpayer. */
  readonly vatRate: number;
  /** Value added as a share of revenue. */
  readonly valueAdded: number;
  /** Electricity (kWh) and water (cubic metres) per 10,000 yuan of revenue. */
  readonly kwh: number;
  readonly water: number;
  /** Probability of a gas connection. */
  readonly gas: number;
  /** Season of revenue: amplitude of a yearly cosine in logs, its peak month (1-12), and the drop around Spring Festival. */
  readonly season: readonly [amplitude: number, peakMonth: number, festivalDip: number];
  /** Added to the log hazard of default. */
  readonly risk: number;
};

export const sectors: readonly [Sector, ...Sector[]] = [
  {
    code: "F", word: "商贸", share: [0.48, 0, 0.3], revenuePerHead: 1_500_000, vatRate: 0.13, valueAdded: 0.18,
    kwh: 30, water: 0.8, gas: 0.05, season: [0.12, 12, -0.1], risk: 0,
  },
  {
    code: "C", word: "机械", share: [0.08, 0, 0.22], revenuePerHead: 800_000, vatRate: 0.13, valueAdded: 0.28,
    kwh: 420, water: 3, gas: 0.45, season: [0.08, 11, 0.4], risk: 0.05,
  },
  {
    code: "H", word: "餐饮", share: [0.17, 0, 0.04], revenuePerHead: 220_000, vatRate: 0.06, valueAdded: 0.45,
    kwh: 330, water: 22, gas: 0.85, season: [0.2, 8, 0.15], risk: 0.25,
  },
  {
    code: "E", word: "建筑工程", share: [0.04, 0, 0.09], revenuePerHead: 600_000, vatRate: 0.09, valueAdded: 0.25,
    kwh: 70, water: 1.5, gas: 0.04, season: [0.35, 10, 0.55], risk: 0.25,
  },
  {
    code: "L", word: "商务服务", share: [0.03, 0, 0.09], revenuePerHead: 420_000, vatRate: 0.06, valueAdded: 0.5,
    kwh: 40, water: 1, gas: 0.04, season: [0.15, 12, 0.2], risk: 0.05,
  },
  {
    code: "I", word: "软件", share: [0.01, 0, 0.08], revenuePerHead: 600_000, vatRate: 0.06, valueAdded: 0.6,
    kwh: 45, water: 0.6, gas: 0.02, season: [0.3, 12, 0.15], risk: -0.1,
  },
  {
    code: "G", word: "物流", share: [0.07, 0, 0.05], revenuePerHead: 500_000, vatRate: 0.09, valueAdded: 0.3,
    kwh: 40, water: 0.8, gas: 0.08, season: [0.1, 11, 0.3], risk: 0.1,
  },
  {
    code: "M", word: "检测技术", share: [0, 0, 0.05], revenuePerHead: 450_000, vatRate: 0.06, valueAdded: 0.6,
    kwh: 80, water: 1, gas: 0.05, season: [0.35, 12, 0.15], risk: -0.2,
  },
  {
    code: "A", word: "种植", share: [0.04, 1, 0.04], revenuePerHead: 260_000, vatRate: 0.09, valueAdded: 0.35,
    kwh: 110, water: 8, gas: 0.05, season: [0.45, 10, 0], risk: 0.1,
  },
  {
    code: "O", word: "家政服务", share: [0.1, 0, 0.02], revenuePerHead: 180_000, vatRate: 0.06, valueAdded: 0.55,
    kwh: 180, water: 18, gas: 0.35, season: [0.1, 1, 0.05], risk: 0.05,
  },
  {
    code: "K", word: "物业管理", share: [0, 0, 0.03], revenuePerHead: 380_000, vatRate: 0.06, valueAdded: 0.5,
    kwh: 160, water: 6, gas: 0.2, season: [0.2, 12, 0.1], risk: 0.3,
  },
  {
    code: "R", word: "文化传媒", share: [0.02, 0, 0.02], revenuePerHead: 350_000, vatRate: 0.06, valueAdded: 0.5,
    kwh: 120, water: 3, gas: 0.05, season: [0.25, 7, -0.05], risk: 0.15,
  },
  {
    code: "Q", word: "诊疗", share: [0.01, 0, 0.01], revenuePerHead: 400_000, vatRate: 0.06, valueAdded: 0.5,
    kwh: 130, water: 8, gas: 0.15, season: [0.06, 1, 0.1], risk: -0.15,
  },
  {
    code: "P", word: "培训", share: [0, 0, 0.01], revenuePerHead: 280_000, vatRate: 0.06, valueAdded: 0.6,
    kwh: 90, water: 4, gas: 0.1, season: [0.3, 9, 0.2], risk: 0.2,
  },
  {
    code: "B", word: "矿业", share: [0, 0, 0.01], revenuePerHead: 700_000, vatRate: 0.13, valueAdded: 0.4,
    kwh: 800, water: 9, gas: 0.1, season: [0.1, 11, 0.35], risk: 0.2,
  },
];

const springFestival = [0.5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] as const;

/** Log seasonal factor of a sector's revenue for each month of the year (index 0 = January), mean 0. */
export function seasonOf(sector: Sector): Float64Array {
  const [amplitude, peak, dip] = sector.season;
  const season = Float64Array.from(springFestival, (drop, m) => amplitude * Math.cos((2 * Math.PI * (m + 1 - peak)) / 12) - dip * drop);
  const mean = season.reduce((sum, x) => sum + x, 0) / 12;
  return season.map((x) => x - mean);
}

export type Region = {
  /** County-level code of GB/T 2260. */
  readonly code: string;
  readonly name: string;
  readonly share: number;
  /** Winter heating and summer cooling as log swings of energy use. */
  readonly winter: number;
  readonly summer: number;
  /** Added to yearly log growth. */
  readonly growth: number;
};

export const regions: readonly [Region, ...Region[]] = [
  { code: "330106", name: "杭州西湖", share: 9, winter: 0.12, summer: 0.32, growth: 0.03 },
  { code: "440305", name: "深圳南山", share: 9, winter: 0, summer: 0.35, growth: 0.03 },
  { code: "310115", name: "上海浦东", share: 9, winter: 0.12, summer: 0.3, growth: 0.02 },
  { code: "320508", name: "苏州姑苏", share: 8, winter: 0.12, summer: 0.3, growth: 0.02 },
  { code: "110108", name: "北京海淀", share: 8, winter: 0.25, summer: 0.25, growth: 0.02 },
  { code: "440106", name: "广州天河", share: 8, winter: 0, summer: 0.35, growth: 0.02 },
  { code: "330212", name: "宁波鄞州", share: 6, winter: 0.12, summer: 0.3, growth: 0.02 },
  { code: "510107", name: "成都武侯", share: 6, winter: 0.1, summer: 0.25, growth: 0.01 },
  { code: "370102", name: "济南历下", share: 5, winter: 0.3, summer: 0.25, growth: 0 },
  { code: "420106", name: "武汉武昌", share: 5, winter: 0.15, summer: 0.35, growth: 0.01 },
  { code: "410105", name: "郑州金水", share: 5, winter: 0.25, summer: 0.28, growth: 0 },
  { code: "340104", name: "合肥蜀山", share: 4, winter: 0.15, summer: 0.3, growth: 0.02 },
  { code: "350203", name: "厦门思明", share: 4, winter: 0, summer: 0.32, growth: 0.01 },
  { code: "430102", name: "长沙芙蓉", share: 4, winter: 0.15, summer: 0.33, growth: 0 },
  { code: "610113", name: "西安雁塔", share: 3, winter: 0.28, summer: 0.25, growth: 0 },
  { code: "210102", name: "沈阳和平", share: 3, winter: 0.4, summer: 0.12, growth: -0.02 },
  { code: "230403", name: "鹤岗工农", share: 2, winter: 0.5, summer: 0.05, growth: -0.04 },
  { code: "620102", name: "兰州城关", share: 2, winter: 0.35, summer: 0.1, growth: -0.01 },
];

/** Log swing of energy use in each month of the year for a region (index 0 = January). */
export function climateOf(region: Region): Float64Array {
  const cold = [1, 0.8, 0.3, 0, 0, 0, 0, 0, 0, 0.1, 0.5, 0.9];
  const hot = [0, 0, 0, 0, 0.2, 0.6, 1, 1, 0.6, 0.1, 0, 0];
  return Float64Array.from(cold, (c, m) => region.winter * c + region.summer * (hot[m] ?? 0));
}
