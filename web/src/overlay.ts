// What is drawn over the lines of a chart: limits of checks, and marks.

import type uPlot from "uplot";

import { property } from "./dom";
import type { Limit, Mark } from "./message";

const MAX_LABEL = 36;
const ROWS = 3;
const DASHES = { limit: [6, 4], mark: [3, 3] };

export interface Overlay {
  limits: Limit[];
  verdicts: Map<string, string>;
  marks: Mark[];
}

const shortened = (text: string): string => (text.length > MAX_LABEL ? `${text.slice(0, MAX_LABEL - 1)}…` : text);

/** A label with a background, so that it can be read over lines. */
const label = (context: CanvasRenderingContext2D, text: string, x: number, y: number, color: string, page: string) => {
  const { width } = context.measureText(text);
  const height = 14 * devicePixelRatio;
  context.globalAlpha = 0.8;
  context.fillStyle = page;
  context.fillRect(x - 2, y, width + 4, height);
  context.globalAlpha = 1;
  context.fillStyle = color;
  context.fillText(text, x, y + 1);
};

const line = (context: CanvasRenderingContext2D, dash: number[], from: [number, number], to: [number, number]) => {
  context.setLineDash(dash.map((length) => length * devicePixelRatio));
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
};

export const drawOverlay = (plot: uPlot, overlay: Overlay): void => {
  const { ctx: context, bbox: box } = plot;
  const style = (name: string) => property(plot.root, name);
  const page = style("--cw-page");
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
  context.lineWidth = devicePixelRatio;
  context.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  context.textBaseline = "top";
  context.textAlign = "left";
  const rowEnds = new Array<number>(ROWS).fill(-Infinity);
  for (const mark of overlay.marks) {
    const x = Math.round(plot.valToPos(mark.time, "x", true));
    if (x < box.left || x > box.left + box.width) continue;
    context.strokeStyle = style("--cw-mark");
    line(context, DASHES.mark, [x, box.top], [x, box.top + box.height]);
    const text = shortened(mark.label);
    const { width } = context.measureText(text);
    const left = Math.min(x + 4, box.left + box.width - width - 4);
    // Labels of marks that are close together are below each other.
    const row = Math.max(0, rowEnds.findIndex((end) => end < left));
    rowEnds[row] = left + width + 8;
    label(context, text, left, box.top + 2 + row * 15 * devicePixelRatio, style("--cw-muted"), page);
  }
  for (const limit of overlay.limits) {
    const y = Math.round(plot.valToPos(limit.value, "y", true));
    if (y < box.top || y > box.top + box.height) continue;
    const color = style(`--cw-${overlay.verdicts.get(limit.check) ?? "undecided"}`);
    context.strokeStyle = color;
    line(context, DASHES.limit, [box.left, y], [box.left + box.width, y]);
    const text = shortened(limit.label);
    const above = y - 16 * devicePixelRatio;
    const top = above > box.top ? above : y + 2;
    label(context, text, box.left + box.width - context.measureText(text).width - 4, top, color, page);
  }
  context.restore();
};
