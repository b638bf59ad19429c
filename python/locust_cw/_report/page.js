// Shows the values at the pointer in all charts, because they share the time axis.
"use strict";
(() => {
  const charts = [...document.querySelectorAll("svg[data-chart]")].map((svg) => {
    const figure = svg.closest("figure");
    const chart = JSON.parse(svg.dataset.chart);
    return {
      svg, ...chart, cursor: svg.querySelector(".cursor"), time: figure.querySelector("time"),
      outputs: [...figure.querySelectorAll("output")],
    };
  });

  const nearest = (times, at) => {
    let low = 0, high = times.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= at) low = middle; else high = middle;
    }
    return Math.abs(times[low] - at) <= Math.abs(times[high] - at) ? low : high;
  };

  const shown = (value, unit) => {
    const bytes = unit.startsWith("B");
    let prefix = "";
    if (bytes) for (const next of ["k", "M", "G", "T"]) if (Math.abs(value) >= 1000) { value /= 1000; prefix = next; }
    const digits = Math.abs(value) >= 10 || Number.isInteger(value) ? 0 : unit === "ms" || unit === "%" || bytes ? 1 : 2;
    const number = value.toLocaleString("en", { maximumFractionDigits: digits });
    return `${number}${unit === "%" ? "" : " "}${bytes ? prefix : ""}${unit}`.trim();
  };

  const elapsed = (seconds) => {
    const whole = Math.max(0, Math.round(seconds)), pad = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole % 3600 / 60);
    return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
  };

  const point = (at, source) => {
    for (const chart of charts) {
      const x = chart.left + chart.width * (at - chart.from) / (chart.to - chart.from);
      chart.cursor.setAttribute("x1", x);
      chart.cursor.setAttribute("x2", x);
      chart.svg.classList.add("pointed");
      chart.lines.forEach(([times, values], index) => {
        const output = chart.outputs[index];
        if (output && times.length) output.textContent = shown(values[nearest(times, at)], chart.unit);
      });
      const utc = new Date(1000 * (chart.started + at)).toISOString().slice(11, 19);
      if (chart.time) chart.time.textContent = chart === source ? `${elapsed(at)} · ${utc} UTC` : "";
    }
  };

  const leave = () => {
    for (const chart of charts) {
      chart.svg.classList.remove("pointed");
      for (const output of chart.outputs) output.textContent = "";
      if (chart.time) chart.time.textContent = "";
    }
  };

  for (const chart of charts) {
    let at = Math.max(0, chart.from);
    const follow = (event) => {
      const box = chart.svg.getBoundingClientRect();
      const x = (event.clientX - box.left) * chart.svg.viewBox.baseVal.width / box.width;
      const share = Math.min(1, Math.max(0, (x - chart.left) / chart.width));
      at = chart.from + share * (chart.to - chart.from);
      point(at, chart);
    };
    chart.svg.addEventListener("pointermove", follow);
    chart.svg.addEventListener("pointerdown", follow);
    chart.svg.addEventListener("pointerleave", leave);
    chart.svg.addEventListener("blur", leave);
    chart.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      at = Math.min(chart.to, Math.max(chart.from, at + step * (chart.to - chart.from) / 100));
      point(at, chart);
    });
  }
})();
