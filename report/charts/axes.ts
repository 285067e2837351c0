// The look that all charts share: axes, grid, type. Colours are the page's own variables, so that dark mode and print
// restyle a chart without rendering it again.
import { bilingualLabel } from "./engine.ts";
import type { Bilingual } from "../../core/message.ts";

export const ink = "var(--ink)";
export const muted = "var(--muted)";
export const hairline = "var(--hairline)";
export const jointColour = "var(--joint)";
export const aloneColour = "var(--alone)";
export const goodColour = "var(--good)";
export const badColour = "var(--bad)";

export function partyColour(index: number): string {
  return `var(--party-${index})`;
}

type Format = (value: number) => string;

const labelStyle = { color: muted, fontSize: 12 };
const nameStyle = { color: muted, fontSize: 12 };

type Limits = { readonly min?: number; readonly max?: number; readonly interval?: number };

export function valueAxis(name: Bilingual, format: Format, limits: Limits = {}, vertical = false, gap = 12): object {
  return {
    type: "value", ...limits, name: bilingualLabel(name),
    // A vertical axis carries its name on top, level, where both languages can be read.
    ...(vertical
      ? { nameLocation: "end", nameGap: gap, nameTextStyle: { ...nameStyle, align: "left", padding: [0, 0, 0, -36] } }
      : { nameLocation: "middle", nameGap: 30, nameTextStyle: nameStyle }),
    axisLine: { show: false }, axisTick: { show: false },
    axisLabel: { ...labelStyle, formatter: format, hideOverlap: true },
    splitLine: { lineStyle: { color: hairline } },
  };
}

type CategoryOptions = { readonly inverse?: boolean; readonly interval?: number };

export function categoryAxis(names: readonly string[], name?: Bilingual, options: CategoryOptions = {}): object {
  return {
    type: "category", data: names, inverse: options.inverse ?? false,
    ...(name === undefined ? {} : { name: bilingualLabel(name), nameLocation: "middle", nameGap: 30, nameTextStyle: nameStyle }),
    axisLine: { lineStyle: { color: hairline } }, axisTick: { show: false },
    axisLabel: { ...labelStyle, interval: options.interval ?? 0 },
  };
}

export function frame(left = 48, right = 20, top = 34, bottom = 48): object {
  return { left, right, top, bottom, containLabel: false };
}

/** A number above a bar, with a halo of the ground, so that no line can strike it out. */
export const barLabel = {
  show: true, position: "top", color: ink, opacity: 1, fontSize: 11, textBorderColor: "var(--card)", textBorderWidth: 3,
} as const;

/** Bars of one colour, for several series side by side. */
export function bars(colour: string, data: readonly number[]): object {
  return {
    type: "bar", silent: true, barGap: "4%", barCategoryGap: "18%", emphasis: { disabled: true },
    itemStyle: { color: colour, borderRadius: [2, 2, 0, 0] }, data,
  };
}

type LineLook = { readonly colour: string; readonly width?: number; readonly dash?: number[]; readonly dots?: boolean };

export function line(points: readonly (readonly [number, number])[], look: LineLook): object {
  return {
    type: "line", data: points, silent: true, emphasis: { disabled: true },
    symbol: look.dots ? "circle" : "none", symbolSize: 6, showAllSymbol: true,
    itemStyle: { color: look.colour },
    lineStyle: { color: look.colour, width: look.width ?? 2, type: look.dash ?? "solid" },
  };
}

export const chance: readonly [number, number][] = [[0, 0], [1, 1]];
export const chanceLook: LineLook = { colour: muted, width: 1, dash: [3, 4] };
