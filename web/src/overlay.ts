// What is drawn over the lines of a chart: limits of checks, and marks. Their labels are beside the lines, never over them.

import type uPlot from "uplot";

import type { Style } from "./dom";
import { short } from "./format";
import type { Limit, Mark } from "./message";

const MAX_LABEL = 36;
const FONT_PX = 11;
const GAP_PX = 8;
const DASHES = { limit: [6, 4], mark: [3, 3] };

/** The margin above a plot, for the labels of marks. */
export const LABEL_HEIGHT = 20;
/** The margin on the right of a plot, for the values of limits. */
export const LIMIT_WIDTH = 34;

export interface Overlay {
  limits: Limit[];
  unit: string;
  verdicts: Map<string, string>;
  marks: Mark[];
  style: Style;
}

const shortened = (text: string): string => (text.length > MAX_LABEL ? `${text.slice(0, MAX_LABEL - 1)}…` : text);

const line = (context: CanvasRenderingContext2D, dash: number[], from: [number, number], to: [number, number]) => {
  context.setLineDash(dash.map((length) => length * devicePixelRatio));
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
};

/** Draws marks, with labels above the plot. A label without room is left out: it is in the list below the charts. */
const drawMarks = (plot: uPlot, { marks, style }: Overlay): void => {
  const { ctx: context, bbox: box } = plot;
  const gap = GAP_PX * devicePixelRatio;
  context.strokeStyle = style.get("--cw-mark", plot.root);
  context.fillStyle = style.get("--cw-muted", plot.root);
  context.textBaseline = "bottom";
  context.textAlign = "left";
  let end = -Infinity;
  for (const mark of marks) {
    const x = Math.round(plot.valToPos(mark.time, "x", true));
    if (x < box.left || x > box.left + box.width) continue;
    line(context, DASHES.mark, [x, box.top], [x, box.top + box.height]);
    const text = shortened(mark.label);
    const { width } = context.measureText(text);
    const right = box.left + box.width + LIMIT_WIDTH * devicePixelRatio - width;
    const left = Math.max(box.left, Math.min(x - width / 2, right));
    if (left < end) continue;
    end = left + width + gap;
    context.fillText(text, left, box.top - 3 * devicePixelRatio);
  }
};

/** Draws the limits of checks, with their values on the right of the plot. The expressions are in the legend. */
const drawLimits = (plot: uPlot, { limits, unit, verdicts, style }: Overlay): void => {
  const { ctx: context, bbox: box } = plot;
  context.textBaseline = "middle";
  context.textAlign = "left";
  const height = (FONT_PX + 2) * devicePixelRatio;
  const labelled: number[] = [];
  for (const limit of limits) {
    const y = Math.round(plot.valToPos(limit.value, "y", true));
    if (y < box.top || y > box.top + box.height) continue;
    const color = style.get(`--cw-${verdicts.get(limit.check) ?? "undecided"}`, plot.root);
    context.strokeStyle = context.fillStyle = color;
    line(context, DASHES.limit, [box.left, y], [box.left + box.width, y]);
    if (labelled.some((other) => Math.abs(other - y) < height)) continue;
    labelled.push(y);
    context.fillText(short(limit.value, unit), box.left + box.width + 4 * devicePixelRatio, y);
  }
};

export const drawOverlay = (plot: uPlot, overlay: Overlay): void => {
  const { ctx: context } = plot;
  context.save();
  context.lineWidth = devicePixelRatio;
  context.font = `${FONT_PX * devicePixelRatio}px system-ui, sans-serif`;
  drawMarks(plot, overlay);
  drawLimits(plot, overlay);
  context.restore();
};
