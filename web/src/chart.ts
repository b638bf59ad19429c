// A chart: lines over time, with a legend that toggles them and shows the values at the pointer.

import uPlot from "uplot";

import { element } from "./dom";
import { axisTimes, quantity, short, shortUnit, timeOfDay, timeTicks } from "./format";
import type { ChartSpec } from "./message";
import { drawOverlay, LABEL_HEIGHT, LIMIT_WIDTH, type Overlay } from "./overlay";
import { type Columns, emptyColumns, position } from "./series";
import { ValueTable } from "./table";

const HEIGHT = 200;
const Y_AXIS_WIDTH = 58;
const COLORS = 6;
// A limit that is farther away would flatten the lines: it is in the legend only.
const FARTHEST_LIMIT = 4;
// With more values, their points would hide the line.
const MOST_POINTS = 40;
// How near the pointer must be to a mark to show its label.
const NEAR_PX = 5;
// Without data, an axis shows this.
const EMPTY_TOP = 1;

/** What all charts share. */
export interface Shared {
  range: [number, number];
  overlay: Omit<Overlay, "limits" | "unit">;
  /** Moves the pointers of all charts to a time; null hides them. */
  point(time: number | null): void;
}

export class Chart {
  readonly root = element("figure", "cw-chart");
  readonly spec: ChartSpec;
  private readonly shared: Shared;
  private readonly plot: uPlot;
  private readonly time = element("time");
  private readonly outputs: HTMLOutputElement[] = [];
  private readonly limits: HTMLElement[] = [];
  private readonly table: ValueTable;
  private readonly area = element("div", "cw-plot");
  private readonly resized: ResizeObserver;
  private readonly scrolled: IntersectionObserver;
  // A chart outside the window is drawn when it is scrolled into view: a page can have dozens.
  private isInWindow = false;
  private isDrawn = true;
  private drawn: { end: number; marks: Overlay["marks"] } = { end: 0, marks: [] };
  private columns: Columns = emptyColumns();
  private pointed: number | null = null;

  constructor(spec: ChartSpec, shared: Shared) {
    this.spec = spec;
    this.shared = shared;
    this.table = new ValueTable(spec);
    this.root.append(this.caption(), this.area, this.table.root);
    this.colorLimits();
    this.area.tabIndex = 0;
    this.area.setAttribute("role", "img");
    this.area.addEventListener("keydown", (event) => this.move(event));
    this.area.addEventListener("blur", () => this.shared.point(null));
    this.plot = new uPlot(this.options(), [[]], this.area);
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(this.area);
    this.scrolled = new IntersectionObserver((entries) => {
      this.isInWindow = entries[entries.length - 1]?.isIntersecting ?? false;
      if (this.isInWindow && !this.isDrawn) this.draw();
    });
    this.scrolled.observe(this.root);
  }

  /** Shows other values. */
  show(columns: Columns): void {
    const isNew = columns !== this.columns || !this.isOfTarget || this.hasMoved();
    this.columns = columns;
    if (isNew) {
      this.isDrawn = false;
      if (this.isInWindow) this.draw();
      this.write();
      this.table.update(columns);
    }
    // Many services publish some of their metrics only on occasion.
    this.root.hidden = this.isOfTarget && this.isEmpty;
  }

  get isOfTarget(): boolean {
    return this.spec.key.startsWith("target");
  }

  get isEmpty(): boolean {
    return this.columns.times.length === 0;
  }

  private draw(): void {
    const { times, values } = this.columns;
    const lines = this.spec.lines.map(({ key }) => values.get(key) ?? new Array<null>(times.length).fill(null));
    this.plot.setData([times, ...lines] as uPlot.AlignedData, false);
    this.plot.setScale("x", { min: this.shared.range[0], max: this.shared.range[1] });
    this.isDrawn = true;
    this.drawn = { end: this.shared.range[1], marks: this.shared.overlay.marks };
  }

  /** Whether the time axis has moved visibly, or has other marks: targets have new values only once a minute. */
  private hasMoved(): boolean {
    const [start, end] = this.shared.range;
    const pixel = (end - start) / Math.max(1, this.plot.bbox.width);
    return this.drawn.marks !== this.shared.overlay.marks || end - this.drawn.end >= pixel / 2;
  }

  /** Draws again, with other colors or marks. */
  redraw(): void {
    this.colorLimits();
    if (this.isInWindow) this.plot.redraw(false, true);
    else this.isDrawn = false;
  }

  private colorLimits(): void {
    for (const [index, limit] of this.spec.limits.entries()) {
      const verdict = this.shared.overlay.verdicts.get(limit.check) ?? "undecided";
      this.limits[index]?.setAttribute("data-verdict", verdict);
    }
  }

  /** Moves the pointer to a time. */
  point(time: number | null): void {
    this.pointed = time;
    if (!this.isInWindow && time !== null) return;
    const left = time === null ? -1 : this.plot.valToPos(time, "x");
    this.plot.setCursor({ left, top: time === null ? -1 : 0 }, false);
    this.write();
  }

  remove(): void {
    this.resized.disconnect();
    this.scrolled.disconnect();
    this.plot.destroy();
    this.root.remove();
  }

  private caption(): HTMLElement {
    const caption = element("figcaption");
    const unit = shortUnit(this.spec.unit);
    const title = element("span", "cw-title", this.spec.title);
    if (this.isOfTarget) caption.append(element("span", "cw-target", this.spec.group));
    if (unit) title.append(element("small", "", ` ${unit.startsWith("/") ? "per second" : unit}`));
    caption.append(title, this.time);
    const legend = element("div", "cw-legend");
    this.spec.lines.forEach(({ label }, index) => {
      const button = element("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.title = "Show or hide this line";
      const swatch = element("i");
      swatch.style.background = `var(${this.color(index)})`;
      const output = element("output");
      // Screen readers would read each new value.
      output.setAttribute("aria-live", "off");
      button.append(swatch, label, output);
      button.addEventListener("click", () => {
        const isShown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(isShown));
        this.plot.setSeries(index + 1, { show: isShown });
      });
      this.outputs.push(output);
      legend.append(button);
    });
    for (const { label } of this.spec.limits) {
      const limit = element("span", "cw-limit", `check: ${label}`);
      this.limits.push(limit);
      legend.append(limit);
    }
    caption.append(legend);
    return caption;
  }

  private color(index: number): string {
    return this.spec.lines[index]?.key === "failures" ? "--cw-bad" : `--cw-line${index % COLORS}`;
  }

  private options(): uPlot.Options {
    const style = (name: string) => this.shared.overlay.style.get(name, this.root);
    const axis = { stroke: () => style("--cw-muted"), grid: { stroke: () => style("--cw-grid"), width: 1 }, ticks: { show: false } };
    const { unit } = this.spec;
    return {
      width: 400,
      height: HEIGHT,
      legend: { show: false },
      padding: [LABEL_HEIGHT, LIMIT_WIDTH, 0, 0],
      scales: {
        x: { time: true, range: () => this.shared.range },
        y: { range: (_plot, _min, max) => this.yRange(max) },
      },
      axes: [
        {
          ...axis,
          size: 28,
          splits: (plot, _axis, min, max) => timeTicks(min, max, plot.bbox.width / devicePixelRatio),
          values: (_plot, times) => axisTimes(times),
        },
        { ...axis, size: Y_AXIS_WIDTH, space: 36, values: (_plot, values) => values.map((value) => short(value, unit)) },
      ],
      series: [
        {},
        ...this.spec.lines.map(
          ({ label }, index): uPlot.Series => ({
            label,
            stroke: () => style(this.color(index)),
            width: 1.5,
            // Lines of single minutes.
            points: { show: (_plot, _series, from, to) => to - from < MOST_POINTS && this.isOfTarget, size: 5 },
            spanGaps: false,
          }),
        ),
      ],
      cursor: {
        drag: { x: false, y: false },
        points: { size: 7, fill: (_plot, series) => style(this.color(series - 1)) },
        y: false,
        bind: {
          // All charts follow the pointer of one.
          mousemove: (plot, _target, handler) => (event) => {
            handler(event);
            const { left } = plot.cursor;
            this.shared.point(left === undefined || left < 0 ? null : plot.posToVal(left, "x"));
            return null;
          },
          mouseleave: (_plot, _target, handler) => (event) => {
            handler(event);
            this.shared.point(null);
            return null;
          },
        },
      },
      hooks: { draw: [(plot) => drawOverlay(plot, { ...this.shared.overlay, limits: this.spec.limits, unit })] },
    };
  }

  private yRange(max: number | null): [number, number] {
    const highest = max && max > 0 ? max : EMPTY_TOP;
    const limits = this.spec.limits.map(({ value }) => value).filter((value) => value <= highest * FARTHEST_LIMIT);
    return [0, Math.max(highest, ...limits) * 1.1];
  }

  private resize(): void {
    const width = Math.floor(this.area.clientWidth);
    if (width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
  }

  /** The position of the shown values: those at the pointer, or the newest. */
  private shownAt(): number {
    const { times } = this.columns;
    if (this.pointed === null) return times.length - 1;
    const after = position(times, this.pointed);
    const before = Math.max(0, after - 1);
    const isAfter = after < times.length && (times[after] as number) - this.pointed < this.pointed - (times[before] as number);
    return isAfter ? after : before;
  }

  /** Writes the values into the legend, and for screen readers. */
  private write(): void {
    const at = this.shownAt();
    const time = this.columns.times[at];
    const shownTime = time === undefined ? "no data yet" : timeOfDay(time);
    const mark = this.markAtPointer();
    this.time.textContent = mark ? `${shownTime} \u00b7 ${mark}` : shownTime;
    const texts = this.spec.lines.map(({ key, label }, index) => {
      const text = quantity(this.columns.values.get(key)?.[at], this.spec.unit);
      const output = this.outputs[index];
      if (output && output.textContent !== text) output.textContent = text;
      return `${label} ${text}`;
    });
    const limits = this.spec.limits.map(({ label }) => `, check ${label}`).join("");
    const values = texts.join(", ") + limits + (mark && `, mark ${mark}`);
    this.area.setAttribute("aria-label", `${this.spec.group}, ${this.spec.title} at ${shownTime}: ${values}`);
  }

  /** The label of a mark at the pointer. */
  private markAtPointer(): string {
    const pointed = this.pointed;
    if (pointed === null) return "";
    const [start, end] = this.shared.range;
    const near = (NEAR_PX * (end - start)) / Math.max(1, this.plot.bbox.width / devicePixelRatio);
    const mark = this.shared.overlay.marks.find(({ time }) => Math.abs(time - pointed) <= near);
    return mark?.label ?? "";
  }

  private move(event: KeyboardEvent): void {
    const { times } = this.columns;
    const last = times.length - 1;
    const step = event.shiftKey ? 10 : 1;
    const moves: Record<string, number> = {
      ArrowLeft: this.shownAt() - step,
      ArrowRight: this.shownAt() + step,
      Home: position(times, this.shared.range[0]),
      End: last,
    };
    const to = moves[event.key];
    if (event.key === "Escape") this.shared.point(null);
    else if (to !== undefined && last >= 0) this.shared.point(times[Math.min(last, Math.max(0, to))] as number);
    else return;
    event.preventDefault();
  }
}
