// Numbers, dates and small pieces of DOM. Text is only ever set as text.

const WHOLE_DOLLARS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });
const DOLLARS = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const INTEGER = new Intl.NumberFormat("en-US");
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const MINUTE = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC",
});

export const dollars = (cents: number): string => DOLLARS.format(cents / 100);
export const wholeDollars = (cents: number): string => WHOLE_DOLLARS.format(cents / 100);
export const integer = (value: number): string => INTEGER.format(value);
export const exams = (count: number): string => `${integer(count)} ${count === 1 ? "exam" : "exams"}`;
export const day = (time: string): string => DAY.format(new Date(time));
export const minute = (time: string): string => `${MINUTE.format(new Date(time))} UTC`;
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

type Child = Node | string;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Record<string, string> = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as T;
}
