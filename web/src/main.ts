// The charts of the CloudWatch tab: requests new values every second while they are visible, and shows them.

import "uplot/dist/uPlot.min.css";

import { Chart, type Shared } from "./chart";
import { element, Style } from "./dom";
import { timeOfDay } from "./format";
import type { ChartSpec, Mark, Message, Targets } from "./message";
import { addSeconds, type Columns, emptyColumns, joined } from "./series";

const EVERY_MS = 1000;
const SLOWEST_MS = 15_000;
const AFTER_STOP_MS = 2000;
const STATUS_EVERY_MS = 2000;
const WINDOW_S = 3600;
const SHORTEST_S = 120;
// The values of targets before the test, to compare with.
const BEFORE_START_S = 150;

const section = (title: string) => ({ heading: element("h3", "", title), charts: element("div", "cw-charts") });

/** Shows charts in an element, with values from an address. */
export class Charts {
  private readonly root: HTMLElement;
  private readonly address: string;
  private readonly onStatus: (status: object) => void;
  private first: Promise<Response | null> | null;
  private readonly marks = element("ol", "cw-marks");
  private readonly problem = element("p", "cw-problem");
  private readonly missing = element("p", "cw-missing");
  private charts: Chart[] = [];
  private readonly loadSection = section("Load");
  private readonly targetSection = section("Targets");
  private load: Columns = emptyColumns();
  private targets = new Map<string, Columns>();
  private run: string | null = null;
  private revision: number | null = null;
  private targetsRevision: number | null = null;
  private timer: number | undefined;
  private wait = EVERY_MS;
  private statusAt = 0;
  private readonly shared: Shared = {
    range: [0, SHORTEST_S],
    overlay: { verdicts: new Map(), marks: [], style: new Style() },
    point: (time) => this.charts.forEach((chart) => chart.point(time)),
  };

  /**
   * `onStatus` gets what the rest of the tab shows: one request for both costs Locust half as much as two. `first` is the
   * response to a request without arguments, which may still be under way.
   */
  constructor(root: HTMLElement, address: string, onStatus: (status: object) => void, first: Promise<Response | null>) {
    this.root = root;
    this.first = first;
    this.address = address;
    this.onStatus = onStatus;
    this.problem.setAttribute("role", "status");
  }

  /** Requests values from now on. */
  start(): void {
    if (this.timer === undefined) this.schedule(0);
  }

  /** Requests no more values. What is shown stays. */
  stop(): void {
    window.clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** The states of the checks, by their expressions. */
  set verdicts(verdicts: Map<string, string>) {
    const before = this.shared.overlay.verdicts;
    if (before.size === verdicts.size && [...verdicts].every(([check, verdict]) => before.get(check) === verdict)) return;
    this.shared.overlay.verdicts = verdicts;
    this.charts.forEach((chart) => chart.redraw());
  }

  /** Draws again, with the colors of another theme. */
  redraw(): void {
    this.shared.overlay.style.reset();
    this.charts.forEach((chart) => chart.redraw());
  }

  private schedule(wait: number): void {
    this.timer = window.setTimeout(() => void this.request(), wait);
  }

  private async request(): Promise<void> {
    const started = Date.now();
    const message = await this.fetch();
    // It may have been stopped meanwhile.
    if (this.timer === undefined) return;
    if (message === null) {
      // Locust is gone, or about to be: what is shown stays.
      this.wait = Math.min(this.wait * 2, SLOWEST_MS);
    } else {
      this.show(message);
      if (message.status) this.onStatus(message.status);
      this.wait = message.run === null || message.stopped !== null ? AFTER_STOP_MS : EVERY_MS;
    }
    this.schedule(Math.max(0, this.wait - (Date.now() - started)));
  }

  private async fetch(): Promise<Message | null> {
    const known = new URLSearchParams();
    if (this.run !== null) known.set("run", this.run);
    if (this.revision !== null) known.set("since", String(this.revision));
    if (this.targetsRevision !== null) known.set("targets", String(this.targetsRevision));
    // Timers are not exact.
    if (Date.now() - this.statusAt > STATUS_EVERY_MS - EVERY_MS / 2) {
      this.statusAt = Date.now();
      known.set("status", "1");
    }
    const first = this.first;
    this.first = null;
    try {
      const answer = (await first) ?? (await fetch(`${this.address}?${known}`));
      return answer.ok && !answer.redirected ? ((await answer.json()) as Message) : null;
    } catch {
      return null;
    }
  }

  private show(message: Message): void {
    if (message.run === null) {
      this.clear();
      return;
    }
    if (message.charts) this.create(message.run, message.charts);
    addSeconds(this.load, message.load);
    this.revision = message.load.revision;
    if (message.targets) this.showTargets(message.targets);
    const end = message.stopped ?? message.now;
    const before = this.charts.some((chart) => chart.isOfTarget && !chart.isEmpty) ? BEFORE_START_S : 0;
    const start = Math.max(message.started - before, end - WINDOW_S);
    this.shared.range = [start, Math.max(end, start + SHORTEST_S)];
    this.showMarks(message.marks);
    for (const chart of this.charts) {
      chart.show(chart.isOfTarget ? (this.targets.get(chart.spec.key) ?? emptyColumns()) : this.load);
    }
    this.targetSection.heading.hidden = this.charts.every((chart) => !chart.isOfTarget || chart.root.hidden);
    const missing = this.charts.filter((chart) => chart.root.hidden).map(({ spec }) => `${spec.group}: ${spec.title}`);
    this.missing.textContent = missing.length > 0 ? `No data from CloudWatch yet: ${missing.join(" \u00b7 ")}` : "";
  }

  private clear(): void {
    this.charts.forEach((chart) => chart.remove());
    this.charts = [];
    this.load = emptyColumns();
    this.targets = new Map();
    this.run = this.revision = this.targetsRevision = null;
    this.root.replaceChildren();
  }

  private create(run: string, specs: ChartSpec[]): void {
    this.clear();
    this.run = run;
    for (const section of [this.loadSection, this.targetSection]) section.charts.replaceChildren();
    for (const spec of specs) {
      const chart = new Chart(spec, this.shared);
      (chart.isOfTarget ? this.targetSection : this.loadSection).charts.append(chart.root);
      this.charts.push(chart);
    }
    const { loadSection, targetSection } = this;
    this.root.append(loadSection.heading, loadSection.charts, this.problem, targetSection.heading, targetSection.charts);
    this.root.append(this.missing, this.marks);
  }

  private showTargets(targets: Targets): void {
    this.targetsRevision = targets.revision;
    this.problem.textContent = targets.problem === null ? "" : `The metrics of targets could not be read: ${targets.problem}`;
    if (Object.keys(targets.values).length > 0) {
      this.targets = new Map(Object.entries(targets.values).map(([key, lines]) => [key, joined(lines)]));
    }
  }

  private showMarks(marks: Mark[]): void {
    const before = this.shared.overlay.marks;
    if (before.length === marks.length && before.every((mark, index) => mark.label === marks[index]?.label)) return;
    this.shared.overlay.marks = marks;
    this.marks.replaceChildren(...marks.map(({ time, label }) => element("li", "", `${timeOfDay(time)} ${label}`)));
  }
}
