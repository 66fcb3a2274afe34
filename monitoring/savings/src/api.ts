// What /savings/api answers (services/savings/page_service.h), and how it is asked.

export const STATES = ["pending", "confirmed", "reversed", "censored"] as const;
export type State = (typeof STATES)[number];
export type Side = "ordering" | "source";

export interface Count {
  exams: number;
  cents: number;
}
export type Counts = Record<"gross" | State, Count>;

export interface ReportRow extends Counts {
  tenant: string;
  modality: string;
  side: Side;
}
export interface Report {
  as_of: string;
  rows: ReportRow[];
  total: Counts;
}

export interface FigureRow {
  ordering: string;
  source: string;
  modality: string;
  month: string;
  state: State;
  exams: number;
  cents: number;
  source_cents: number;
  /** What the ordering tenant's own node says of the acceptances. */
  word: "" | "countersigned" | "disputed";
}
export interface Figures {
  as_of: string;
  rows: FigureRow[];
  tenants: Record<string, string>;
}

export interface Entry {
  what: string;
  log: string;
  origin: string;
  index?: number;
  cents?: number;
}
export interface Avoidance {
  id: string;
  accepted: string;
  window_ends: string;
  class: string;
  modality: string;
  ordering: string;
  source: string;
  cents: number;
  state: State;
  why: string;
  entries: Entry[];
}
export interface AvoidancePage {
  page: number;
  more: boolean;
  rows: Avoidance[];
}

// Empty strings stand for no filter.
export interface Filter {
  tenant: string;
  side: "" | Side;
  modality: string;
  month: string;
  state: "" | "gross" | State;
  as_of: string;
}

export function address(name: string, parameters: Record<string, string | number>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) if (value !== "") query.set(key, String(value));
  const text = query.toString();
  return text ? `api/${name}?${text}` : `api/${name}`;
}

export async function get<T>(name: string, parameters: Record<string, string | number>): Promise<T> {
  const response = await fetch(address(name, parameters), { credentials: "same-origin", headers: { Accept: "application/json" } });
  if (response.status === 401) throw new Error("This session has ended. Ask for a new link: custodian status --link");
  if (!response.ok) {
    const body: unknown = await response.json().catch(() => null);
    const reason = body && typeof body === "object" && "error" in body ? String(body.error) : `status ${response.status}`;
    throw new Error(`The figures cannot be shown: ${reason}`);
  }
  return (await response.json()) as T;
}
