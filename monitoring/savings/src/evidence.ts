// The list of avoided exams behind a figure, each with its ledger entries and their receipts.
import { type Avoidance, type AvoidancePage, type Entry, type Filter, address, get } from "./api";
import { byId, capital, day, dollars, make, minute } from "./format";

const WHY: Record<string, string> = {
  redo: "performed again within the window",
  withdrawn: "the card was overridden after all",
  "prior-withdrawn": "the result that was relied on was withdrawn",
  unlink: "the patients were not one person",
  death: "the patient died within the window",
  erasure: "the patient's records were erased",
  departure: "a tenant left",
  gap: "a result feed had a gap",
};

function entryItem(entry: Entry): HTMLElement {
  const item = make("li", {}, make("span", { class: "what" }, capital(entry.what)));
  if (entry.cents !== undefined) item.append(make("span", { class: "number" }, dollars(entry.cents)));
  if (entry.index === undefined) {
    item.append(make("span", { class: "muted" }, `${entry.log}, being admitted`));
  } else {
    item.append(make("span", { class: "muted" }, `${entry.log}, entry ${entry.index}`));
    item.append(make("a", {
      href: address("receipt", { origin: entry.origin, index: entry.index }),
      download: "",
      "aria-label": `Receipt of entry ${entry.index} in the log of ${entry.log}`,
    }, "receipt"));
  }
  return item;
}

function item(avoidance: Avoidance): HTMLElement {
  const summary = make("summary", {},
    make("span", { class: `state ${avoidance.state}` }, capital(avoidance.state)),
    make("span", { class: "class" }, avoidance.class),
    make("span", { class: "muted" }, `${avoidance.ordering} ← ${avoidance.source}`),
    make("span", { class: "muted" }, day(avoidance.accepted)),
    make("span", { class: "number" }, dollars(avoidance.cents)));
  const why = WHY[avoidance.why];
  return make("li", {}, make("details", {}, summary,
    make("p", { class: "small muted" },
      `Accepted ${minute(avoidance.accepted)}; observed until ${minute(avoidance.window_ends)}.${why ? ` ${capital(avoidance.state)}: ${why}.` : ""}`),
    make("ul", { class: "entries" }, ...avoidance.entries.map(entryItem))));
}

function described(filter: Filter): string {
  const parts = [filter.state === "gross" ? "" : filter.state, filter.modality, filter.tenant, filter.side && `${filter.side} side`, filter.month];
  const text = parts.filter((part) => part !== "").join(" · ");
  return text === "" ? "All, newest first" : `${capital(text)}, newest first`;
}

let page = 1;
let shown: Filter | null = null;
let generation = 0;

async function load(): Promise<void> {
  if (!shown) return;
  const filter = shown;
  const mine = ++generation;
  const answer = await get<AvoidancePage>("avoidances", { ...filter, state: filter.state === "gross" ? "" : filter.state, page });
  // A newer choice was made meanwhile.
  if (mine !== generation) return;
  byId("list-filter").textContent = described(filter);
  byId("list").replaceChildren(...answer.rows.map(item));
  if (answer.rows.length === 0) byId("list").append(make("li", { class: "muted empty" }, "No exams match."));
  byId("page").textContent = page === 1 && !answer.more ? "" : `Page ${page}`;
  byId<HTMLButtonElement>("previous").hidden = page === 1;
  byId<HTMLButtonElement>("next").hidden = !answer.more;
}

export function showEvidence(filter: Filter): Promise<void> {
  page = 1;
  shown = filter;
  return load();
}

export function startPaging(onProblem: (error: unknown) => void): void {
  const move = (by: number) => (): void => {
    page += by;
    load().then(() => byId("evidence").scrollIntoView(), onProblem);
  };
  byId("previous").addEventListener("click", move(-1));
  byId("next").addEventListener("click", move(1));
}
