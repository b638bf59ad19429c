// What the server sends. `python/locust_cw/_webui/live_view.py` and `src/statistics/live.rs` write it.

export interface Line {
  key: string;
  label: string;
}

export interface Limit {
  check: string;
  label: string;
  value: number;
}

export interface ChartSpec {
  key: string;
  group: string;
  title: string;
  unit: string;
  lines: Line[];
  limits: Limit[];
}

export interface Mark {
  time: number;
  label: string;
}

export type Column = (number | null)[];

export interface Load {
  revision: number;
  is_whole: boolean;
  seconds: number[];
  [key: string]: number | boolean | Column;
}

export interface Targets {
  revision: number;
  // By the key of a chart: for each line, its times and its values.
  values: Record<string, [number[], number[]][]>;
  problem: string | null;
}

export interface Message {
  run: string | null;
  started: number;
  stopped: number | null;
  now: number;
  marks: Mark[];
  charts?: ChartSpec[];
  targets?: Targets;
  load: Load;
  // What the rest of the tab shows, if it was requested.
  status?: object;
}
