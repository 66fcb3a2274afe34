// The three charts, drawn anew at each change of data or width. Colours are CSS variables, so that they follow the scheme.
import * as Plot from "@observablehq/plot";

import { type FigureRow, type Filter, type Side, type State } from "./api";
import { byId, capital, dollars, exams, make, wholeDollars } from "./format";

const SIDES: Side[] = ["ordering", "source"];
// What is certain lies at the foot of a bar.
const STACK: State[] = ["confirmed", "pending", "reversed", "censored"];
const colour = (name: string): string => `var(--${name})`;

export function share(row: FigureRow, side: Filter["side"]): number {
  if (side === "source") return row.source_cents;
  return side === "ordering" ? row.cents - row.source_cents : row.cents;
}

interface Bar {
  name: string;
  group: string;
  cents: number;
  exams: number;
}

function summed(rows: FigureRow[], name: (row: FigureRow) => string, group: (row: FigureRow) => string, cents: (row: FigureRow) => number): Bar[] {
  const bars = new Map<string, Bar>();
  for (const row of rows) {
    const key = `${name(row)}\n${group(row)}`;
    const bar = bars.get(key) ?? { name: name(row), group: group(row), cents: 0, exams: 0 };
    bar.cents += cents(row);
    bar.exams += row.exams;
    bars.set(key, bar);
  }
  return [...bars.values()];
}

const title = (bar: Bar): string => `${bar.name}\n${capital(bar.group)}: ${dollars(bar.cents)}\n${exams(bar.exams)}`;
const axisMoney = (cents: number): string => wholeDollars(cents);

function width(id: string): number {
  return Math.max(260, byId(id).clientWidth);
}

function show(id: string, label: string, plot: (SVGSVGElement | HTMLElement) | null): void {
  const place = byId(id);
  place.replaceChildren(plot ?? make("p", { class: "muted empty" }, "Nothing to show yet."));
  const svg = place.querySelector("svg");
  svg?.setAttribute("role", "img");
  svg?.setAttribute("aria-label", `${label}. The table below holds the same figures.`);
}

function legend(id: string, names: readonly string[]): void {
  byId(id).replaceChildren(...names.map((name) => {
    const swatch = make("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = colour(name);
    return make("span", {}, swatch, capital(name));
  }));
}

// Every month from the first to the last, so that an empty one shows as empty.
export function months(rows: FigureRow[]): string[] {
  const known = rows.map((row) => row.month).sort();
  const result: string[] = [];
  let [year, month] = (known[0] ?? "").split("-").map(Number) as [number, number];
  const last = known.at(-1) ?? "";
  while (known.length > 0) {
    const name = `${year}-${String(month).padStart(2, "0")}`;
    result.push(name);
    if (name >= last || result.length > 240) break;
    month += 1;
    if (month > 12) [year, month] = [year + 1, 1];
  }
  return result;
}

const monthLabel = (month: string, i: number): string => {
  const date = new Date(`${month}-01T00:00:00Z`);
  const name = date.toLocaleDateString("en-GB", { month: "short", timeZone: "UTC" });
  return date.getUTCMonth() === 0 || i === 0 ? `${name}\n${date.getUTCFullYear()}` : name;
};

export function drawMonths(rows: FigureRow[], side: Filter["side"]): void {
  legend("legend-states", STACK);
  const names = months(rows);
  const bars = summed(rows, (row) => row.month, (row) => row.state, (row) => share(row, side));
  const available = width("chart-months");
  // As many labels as fit without touching.
  const every = Math.ceil(names.length / Math.max(1, Math.floor((available - 70) / 42)));
  show("chart-months", "Dollars of exams avoided by month of acceptance and state", rows.length === 0 ? null : Plot.plot({
    width: available, height: 260, marginLeft: 64, marginBottom: 40,
    x: { domain: names, label: null, tickFormat: monthLabel, ticks: names.filter((_, i) => i % every === 0), padding: 0.35 },
    y: { grid: true, label: null, tickFormat: axisMoney, ticks: 5 },
    color: { domain: STACK, range: STACK.map(colour) },
    marks: [
      Plot.barY(bars, { x: "name", y: "cents", fill: "group", order: STACK, title, tip: true, insetTop: 0.5, insetBottom: 0.5 }),
      Plot.ruleY([0], { stroke: colour("rule") }),
    ],
  }));
}

export function drawModalities(rows: FigureRow[], side: Filter["side"]): void {
  const bars = summed(rows, (row) => row.modality, (row) => row.state, (row) => share(row, side));
  const names = [...new Set(bars.map((bar) => bar.name))];
  show("chart-modalities", "Dollars of exams avoided by modality and state", rows.length === 0 ? null : Plot.plot({
    width: width("chart-modalities"), height: 60 + names.length * 38, marginLeft: 52, marginRight: 24,
    x: { grid: true, label: null, tickFormat: axisMoney, ticks: 4 },
    y: { label: null, padding: 0.35, tickSize: 0 },
    color: { domain: STACK, range: STACK.map(colour) },
    marks: [
      Plot.barX(bars, {
        y: "name", x: "cents", fill: "group", order: STACK, title, tip: true, insetLeft: 0.5, insetRight: 0.5,
        sort: { y: "-x" },
      }),
      Plot.ruleX([0], { stroke: colour("rule") }),
    ],
  }));
}

export function drawTenants(rows: FigureRow[], filter: Filter): void {
  legend("legend-sides", SIDES);
  const wanted = (tenant: string): boolean => filter.tenant === "" || filter.tenant === tenant;
  const bars = SIDES.filter((side) => filter.side === "" || filter.side === side).flatMap((side) =>
    summed(rows, (row) => (side === "ordering" ? row.ordering : row.source), () => side, (row) => share(row, side)).filter((bar) => wanted(bar.name)));
  const names = [...new Set(bars.map((bar) => bar.name))].sort();
  const longest = Math.max(0, ...names.map((name) => name.length));
  show("chart-tenants", "Gross dollars of exams avoided by tenant and side", bars.length === 0 ? null : Plot.plot({
    width: width("chart-tenants"), height: 60 + names.length * 52, marginLeft: 18 + Math.min(longest, 16) * 7, marginRight: 24,
    x: { grid: true, label: null, tickFormat: axisMoney, ticks: 4 },
    y: { axis: null, domain: SIDES, padding: 0.1 },
    fy: { label: null, domain: names, padding: 0.3, axis: "left" },
    color: { domain: SIDES, range: SIDES.map(colour) },
    marks: [
      Plot.barX(bars, { fy: "name", y: "group", x: "cents", fill: "group", title, tip: true }),
      Plot.ruleX([0], { stroke: colour("rule") }),
    ],
  }));
}
