// Numbers with units, and times, as readers know them. Pure.

const PREFIXES = ["", "k", "M", "G", "T", "P"];
const UNITS: Record<string, string> = {
  Bytes: "B",
  "Bytes/s": "B/s",
  Count: "",
  Milliseconds: "ms",
  Microseconds: "µs",
  None: "",
  Percent: "%",
  Seconds: "s",
  "1/s": "/s",
};

export const shortUnit = (unit: string): string => UNITS[unit] ?? unit.replace(/^(\w+)\/s$/, (all) => all.toLowerCase());

const digits = (value: number, decimals: number): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: decimals });

const decimals = (value: number): number => {
  const size = Math.abs(value);
  return size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
};

/** A number on an axis: short. */
export const short = (value: number, unit: string): string => {
  const isBytes = unit === "Bytes" || unit === "Bytes/s";
  let [scaled, index] = [value, 0];
  while (Math.abs(scaled) >= (isBytes ? 1000 : 10_000) && index < PREFIXES.length - 1) {
    scaled /= 1000;
    index += 1;
  }
  return `${digits(scaled, 3)}${isBytes ? ` ${PREFIXES[index]}B` : PREFIXES[index]}`;
};

/** A value with its unit. */
export const quantity = (value: number | null | undefined, unit: string): string => {
  if (value === null || value === undefined) return "–";
  if (unit === "Bytes" || unit === "Bytes/s") {
    const rounded = Number(value.toPrecision(3));
    return short(rounded, unit) + (unit === "Bytes/s" ? "/s" : "");
  }
  const written = shortUnit(unit);
  const separator = written && written !== "%" && !written.startsWith("/") ? " " : "";
  return `${digits(value, decimals(value))}${separator}${written}`;
};

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const clockWithoutSeconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** A time of the day in the browser's time zone; times are in seconds since the epoch. */
export const timeOfDay = (time: number): string => clock.format(time * 1000);

// Distances of the labels of a time axis, in seconds. uPlot's own jump from one minute to five: too few.
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600];
// The widths that labels need.
const SPACE_PX = { minutes: 56, seconds: 76 };

/** The times with labels on an axis of this width. */
export const timeTicks = (start: number, end: number, width: number): number[] => {
  const hasRoom = (step: number) => (step / (end - start)) * width >= (step % 60 === 0 ? SPACE_PX.minutes : SPACE_PX.seconds);
  const step = TIME_STEPS.find(hasRoom) ?? 3600;
  const ticks = [];
  for (let tick = Math.ceil(start / step) * step; tick <= end; tick += step) ticks.push(tick);
  return ticks;
};

/** The labels of a time axis. */
export const axisTimes = (times: number[]): string[] => {
  const format = times.every((time) => time % 60 === 0) ? clockWithoutSeconds : clock;
  return times.map((time) => format.format(time * 1000));
};
