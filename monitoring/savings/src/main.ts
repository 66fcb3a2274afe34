// The savings page: figures, charts, table and evidence, for one choice of filters.
import { type Count, type Counts, type FigureRow, type Figures, type Filter, type Report, type ReportRow, STATES, type State, address, get } from "./api";
import { drawModalities, drawMonths, drawTenants, share } from "./charts";
import { showEvidence, startPaging } from "./evidence";
import { byId, capital, dollars, exams, integer, make, minute, wholeDollars } from "./format";

const COLUMNS = ["gross", ...STATES] as const;
const form = byId<HTMLFormElement>("filters");
let figures: Figures | null = null;
let report: Report | null = null;

function problem(error: unknown): void {
  const place = byId("problem");
  place.textContent = error instanceof Error ? error.message : String(error);
  place.hidden = false;
}

function filterNow(): Filter {
  const data = new FormData(form);
  const text = (name: string): string => String(data.get(name) ?? "");
  const date = text("as_of");
  return {
    tenant: text("tenant"), side: text("side") as Filter["side"], modality: text("modality"), month: "", state: "",
    // What was known at the end of that day.
    as_of: date === "" ? "" : `${date}T23:59:59.999Z`,
  };
}

function matches(row: FigureRow, filter: Filter): boolean {
  if (filter.modality !== "" && row.modality !== filter.modality) return false;
  if (filter.tenant === "") return true;
  return (filter.side !== "source" && row.ordering === filter.tenant) || (filter.side !== "ordering" && row.source === filter.tenant);
}

function counted(rows: FigureRow[], side: Filter["side"]): Counts {
  const none = (): Count => ({ exams: 0, cents: 0 });
  const counts: Counts = { gross: none(), pending: none(), confirmed: none(), reversed: none(), censored: none() };
  for (const row of rows) {
    for (const key of ["gross", row.state] as const) {
      counts[key].exams += row.exams;
      counts[key].cents += share(row, side);
    }
  }
  return counts;
}

function openEvidence(filter: Filter): void {
  showEvidence(filter).then(() => byId("evidence").scrollIntoView({ behavior: "smooth" }), problem);
}

function tile(name: string, count: Count, note: string, filter: Filter): HTMLElement {
  const button = make("button", { type: "button", class: `tile ${name}` },
    make("span", { class: "name" }, capital(name)),
    make("span", { class: "value" }, wholeDollars(count.cents)),
    make("span", { class: "muted" }, exams(count.exams)),
    make("span", { class: "muted small" }, note));
  button.addEventListener("click", () => openEvidence({ ...filter, state: name as State }));
  return button;
}

function still(name: string, value: string, note: string): HTMLElement {
  return make("div", { class: "tile still" }, make("span", { class: "name" }, name), make("span", { class: "value words" }, value),
    make("span", { class: "muted small" }, note));
}

function marked(rows: FigureRow[], filter: Filter): string {
  const part = (word: FigureRow["word"]): string => {
    const { gross } = counted(rows.filter((row) => row.word === word), filter.side);
    return `${exams(gross.exams)}, ${wholeDollars(gross.cents)}`;
  };
  return `Countersigned by the ordering tenants' own nodes: ${part("countersigned")} of gross; disputed: ${part("disputed")}.`;
}

function drawTiles(rows: FigureRow[], filter: Filter): void {
  const counts = counted(rows, filter.side);
  byId("headline").replaceChildren(
    tile("gross", counts.gross, "all accepted suggestions that opened an avoidance", filter),
    tile("confirmed", counts.confirmed, "not performed again within the network", filter),
    still("Attributable", "unattributed", "no silent-card control runs"),
    still("Net", "not yet estimated", "no-shows and exams outside the network are unknown"));
  byId("states").replaceChildren(
    tile("pending", counts.pending, "window still open, or a feed is behind", filter),
    tile("reversed", counts.reversed, "performed again, or withdrawn", filter),
    tile("censored", counts.censored, "cannot be observed to the end", filter));
  const what = filter.side === "" ? "Whole price, once per exam" : `The ${filter.side} side's share`;
  byId("basis").textContent = `${what}, in US dollars at the ordering tenant's price on the day of acceptance. ` +
    `Gross = pending + confirmed + reversed + censored. Choose a figure to see the exams behind it. ${marked(rows, filter)}`;
}

function drawTable(rows: ReportRow[], total: Counts | null, filter: Filter): void {
  const figure = (row: ReportRow | null, counts: Counts, column: (typeof COLUMNS)[number]): HTMLElement => {
    const count = counts[column];
    const cell = make("td", { class: "number" });
    if (count.exams === 0) {
      cell.append(make("span", { class: "muted" }, "–"));
      return cell;
    }
    const who = row ? `${row.tenant}, ${row.modality}, ${row.side}` : "total";
    const button = make("button", { type: "button", class: "figure", "aria-label": `${column}, ${who}: ${exams(count.exams)}, ${dollars(count.cents)}` },
      make("span", {}, dollars(count.cents)), make("span", { class: "muted small" }, exams(count.exams)));
    button.addEventListener("click", () => openEvidence({
      ...filter, state: column, ...(row ? { tenant: row.tenant, modality: row.modality, side: row.side } : {}),
    }));
    cell.append(button);
    return cell;
  };
  const head = make("thead", {}, make("tr", {}, ...["Tenant", "Modality", "Side"].map((name) => make("th", { scope: "col" }, name)),
    ...COLUMNS.map((name) => make("th", { scope: "col", class: "number" }, capital(name)))));
  const body = make("tbody", {}, ...rows.map((row) => make("tr", {},
    make("th", { scope: "row" }, row.tenant), make("td", {}, row.modality), make("td", {}, row.side),
    ...COLUMNS.map((column) => figure(row, row, column)))));
  const table = byId("table");
  table.replaceChildren(make("caption", { class: "hidden" }, "Dollars and exams by tenant, modality and side"), head, body);
  if (total) {
    table.append(make("tfoot", {}, make("tr", {}, make("th", { scope: "row", colspan: "3" }, "Network, once per exam"),
      ...COLUMNS.map((column) => figure(null, total, column)))));
  }
}

function draw(): void {
  if (!figures || !report) return;
  const filter = filterNow();
  const rows = figures.rows.filter((row) => matches(row, filter));
  drawTiles(rows, filter);
  drawMonths(rows, filter.side);
  drawModalities(rows, filter.side);
  drawTenants(rows, filter);
  const shown = report.rows.filter((row) => (filter.tenant === "" || row.tenant === filter.tenant) &&
    (filter.modality === "" || row.modality === filter.modality) && (filter.side === "" || row.side === filter.side));
  drawTable(shown, filter.tenant === "" && filter.modality === "" && filter.side === "" ? report.total : null, filter);
  byId<HTMLAnchorElement>("csv").href = address("report.csv", { as_of: filter.as_of });
}

function fill(name: string, values: string[], label: (value: string) => string): void {
  const select = form.elements.namedItem(name) as HTMLSelectElement;
  const chosen = select.value;
  select.replaceChildren(make("option", { value: "" }, "All"), ...values.map((value) => make("option", { value }, label(value))));
  select.value = values.includes(chosen) ? chosen : "";
}

async function load(): Promise<void> {
  const { as_of } = filterNow();
  [figures, report] = await Promise.all([get<Figures>("figures", { as_of }), get<Report>("report", { as_of })]);
  byId("problem").hidden = true;
  const found = figures;
  byId("as-of").textContent = `What happened and was known by ${minute(found.as_of)} · ${integer(Object.keys(found.tenants).length)} tenants`;
  fill("tenant", Object.keys(found.tenants).sort(), (name) => found.tenants[name] ?? name);
  fill("modality", [...new Set(found.rows.map((row) => row.modality))].sort(), (name) => name);
  draw();
  await showEvidence(filterNow());
}

function start(): void {
  startPaging(problem);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    if ((event.target as HTMLInputElement).name === "as_of") {
      load().catch(problem);
      return;
    }
    draw();
    showEvidence(filterNow()).catch(problem);
  });
  // The form's values are cleared only after this event.
  form.addEventListener("reset", () => setTimeout(() => load().catch(problem)));
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (width === window.innerWidth) return;
    width = window.innerWidth;
    draw();
  });
  load().catch(problem);
}

start();
