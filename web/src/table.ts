// The table behind a chart: its values as text, newest first. It is filled while it is open.

import { element } from "./dom";
import { quantity, shortUnit, timeOfDay } from "./format";
import type { ChartSpec } from "./message";
import type { Columns } from "./series";

const ROWS = 60;
const EVERY_MS = 5000;

export class ValueTable {
  readonly root = element("details", "cw-values");
  private readonly body: HTMLTableSectionElement;
  private readonly spec: ChartSpec;
  private columns: Columns | null = null;
  private drawnAt = 0;

  constructor(spec: ChartSpec) {
    this.spec = spec;
    const table = element("table");
    table.createCaption().textContent = `${spec.title}: the last ${ROWS} values, newest first`;
    const head = table.createTHead().insertRow();
    const unit = shortUnit(spec.unit);
    for (const title of ["Time", ...spec.lines.map(({ label }) => (unit ? `${label} (${unit})` : label))]) {
      const cell = element("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    this.body = table.createTBody();
    const scroll = element("div", "cw-scroll");
    // A part that scrolls must be reachable with the keyboard.
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `${spec.title}: values`);
    scroll.append(table);
    this.root.append(element("summary", "", "Values"), scroll);
    this.root.addEventListener("toggle", () => this.draw(true));
  }

  update(columns: Columns): void {
    this.columns = columns;
    this.draw(false);
  }

  private draw(isOpened: boolean): void {
    if (!this.root.open || !this.columns || (!isOpened && Date.now() - this.drawnAt < EVERY_MS)) return;
    this.drawnAt = Date.now();
    const { times, values } = this.columns;
    const rows = [];
    for (let index = times.length - 1; index >= Math.max(0, times.length - ROWS); index--) {
      const row = element("tr");
      const head = element("th", "", timeOfDay(times[index] as number));
      head.scope = "row";
      row.append(head);
      for (const { key } of this.spec.lines) {
        row.append(element("td", "", quantity(values.get(key)?.[index], this.spec.unit)));
      }
      rows.push(row);
    }
    this.body.replaceChildren(...rows);
  }
}
