// The values of charts: columns with a common time axis. Pure.

import type { Column, Load } from "./message";

// The last hour, and what a time block may be before it.
const KEPT_S = 3700;

export interface Columns {
  times: number[];
  values: Map<string, Column>;
}

export const emptyColumns = (): Columns => ({ times: [], values: new Map() });

/** The position of a time, or the one where it would be inserted. */
export const position = (times: number[], time: number): number => {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] as number) < time) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** Adds seconds. A second that is there already is replaced. */
export const addSeconds = (columns: Columns, load: Load): void => {
  if (load.is_whole) {
    columns.times = [];
    columns.values.clear();
  }
  const keys = Object.keys(load).filter((key) => Array.isArray(load[key]) && key !== "seconds");
  for (const key of keys) {
    if (!columns.values.has(key)) columns.values.set(key, new Array<null>(columns.times.length).fill(null));
  }
  load.seconds.forEach((second, index) => {
    const at = position(columns.times, second);
    const replaced = columns.times[at] === second ? 1 : 0;
    if (!replaced) columns.times.splice(at, 0, second);
    for (const key of keys) {
      columns.values.get(key)?.splice(at, replaced, (load[key] as Column)[index] ?? null);
    }
  });
  const old = position(columns.times, (columns.times[columns.times.length - 1] ?? 0) - KEPT_S);
  if (old > 0) {
    columns.times.splice(0, old);
    columns.values.forEach((column) => column.splice(0, old));
  }
};

/** The columns of lines that each have their own times. */
export const joined = (lines: [number[], number[]][]): Columns => {
  const times = [...new Set(lines.flatMap(([own]) => own))].sort((a, b) => a - b);
  const values = lines.map(([own, numbers], line): [string, Column] => {
    const column: Column = new Array<null>(times.length).fill(null);
    own.forEach((time, index) => {
      column[position(times, time)] = numbers[index] ?? null;
    });
    return [String(line), column];
  });
  return { times, values: new Map(values) };
};
