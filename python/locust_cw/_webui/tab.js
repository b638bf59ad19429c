// The CloudWatch tab: the state of the delivery, live charts if they were built, checks, the delivery in detail, and links.
// Locust's page polls only while users run, a tab has one table, and tables have no links: its own table of the delivery is
// hidden while this script shows a better one. Names come from the load and from AWS: all texts are set as text, never as
// markup.
(() => {
  "use strict";
  const KEY = "cloudwatch";
  const EVERY_MS = 2000;
  const LOOK_EVERY_MS = 250;
  const HAS_CHARTS = "charts" in document.currentScript.dataset;
  // A state of the delivery that needs no attention. The details are closed then.
  const QUIET = ["healthy", "waiting", "recording", "draining", "complete"];
  const COUNTS = ["observed", "delivered", "waiting", "lost", "uncertain", "logs", "delay", "calls", "retries", "spool", "cost", "hourly"];

  const element = (name, className = "", text = "") => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.textContent = text;
    return made;
  };

  const panel = element("section");
  panel.id = "locust-cw";
  panel.setAttribute("aria-label", "CloudWatch");
  const state = element("p", "cw-state");
  state.setAttribute("role", "status");
  const figures = element("p", "cw-figures");
  const graphs = element("div", "cw-live");
  const checks = element("div", "cw-checks");
  const comparison = element("p", "cw-comparison");
  const details = element("details", "cw-details");
  const delivery = element("div", "cw-scroll");
  delivery.tabIndex = 0;
  delivery.setAttribute("role", "region");
  delivery.setAttribute("aria-label", "Delivery");
  const links = element("p", "cw-links");
  details.append(element("summary", "", "Delivery"), delivery);
  panel.append(state, figures, comparison, graphs, checks, details, links);

  // The charts.

  let charts = null;
  let attempts = 0;
  let isLoading = false;
  const style = element("link");
  style.rel = "stylesheet";
  style.href = `./${KEY}/live.css`;
  const loadCharts = async () => {
    isLoading = true;
    document.head.append(style);
    attempts += 1;
    const address = `./${KEY}/live`;
    // The first values arrive while the script is loaded.
    const first = attempts === 1 ? fetch(`${address}?status=1`).catch(() => null) : Promise.resolve(null);
    try {
      // A browser does not request a module again that it could not load.
      const { Charts } = await import(attempts > 1 ? `./live.js?attempt=${attempts}` : "./live.js");
      charts = new Charts(graphs, address, draw, first);
      look();
    } catch (error) {
      console.warn("The charts could not be loaded:", error);
      if (attempts === 1) requestedAt = 0;
    }
    isLoading = false;
  };

  // Locust's theme is in a store of its page, and may differ from the browser's. The color of its text shows it.
  const setTheme = () => {
    const [red, green, blue] = getComputedStyle(panel.parentNode).color.match(/[\d.]+/g) || [0, 0, 0];
    const theme = Number(red) + Number(green) + Number(blue) > 380 ? "dark" : "light";
    if (panel.dataset.theme === theme) return;
    panel.dataset.theme = theme;
    if (charts) charts.redraw();
  };

  // The tables.

  const written = (value) => (typeof value === "number" ? value.toLocaleString("en-US", { maximumFractionDigits: 4 }) : value);

  const table = (className, titles, rows) => {
    const made = element("table", className);
    const head = made.createTHead().insertRow();
    for (const title of titles) {
      const cell = element("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    made.createTBody().append(...rows);
    return made;
  };

  const row = (cells) => {
    const made = element("tr");
    made.append(...cells);
    return made;
  };

  const marked = (word) => {
    const cell = element("td", "cw-word");
    const dot = element("span", "cw-dot", "\u25cf ");
    dot.dataset.state = word;
    dot.setAttribute("aria-hidden", "true");
    cell.append(dot, word);
    return cell;
  };

  const drawDelivery = (columns, rows) => {
    const cell = (status, key) => {
      if (key === "health") return marked(status.health);
      const text = written(status[key]);
      return element("td", COUNTS.includes(key) ? "cw-number" : "", text === null || text === undefined ? "" : text);
    };
    const shown = rows.map((status) => row(columns.map(([key]) => cell(status, key))));
    const made = table("cw-delivery", columns.map(([, title]) => title), shown);
    columns.forEach(([key], index) => {
      if (COUNTS.includes(key)) made.tHead.rows[0].cells[index].className = "cw-number";
    });
    delivery.replaceChildren(made);
  };

  let attention = null;
  const drawState = (status) => {
    const [whole] = status.rows;
    if (!whole) {
      state.replaceChildren(element("span", "", "No test has run yet."));
      figures.textContent = "";
      return;
    }
    const word = element("b", "", whole.health);
    const dot = element("span", "cw-dot", "\u25cf ");
    dot.dataset.state = whole.health;
    dot.setAttribute("aria-hidden", "true");
    state.replaceChildren(dot, word, ` ${status.meaning}`);
    const parts = [whole.process];
    if (whole.observed !== null) {
      parts.push(`${written(whole.observed)} requests`, `${written(whole.delivered)} delivered`);
      if (whole.lost) parts.push(`${written(whole.lost)} lost`);
      if (whole.cost !== null) parts.push(`about USD ${written(whole.cost)}`);
    }
    if (whole.problem && !QUIET.includes(whole.health)) parts.push(whole.problem);
    figures.textContent = parts.join(" \u00b7 ");
    // Open when attention is needed, and otherwise as the user has left it.
    const isNeeded = status.rows.some((each) => !QUIET.includes(each.health));
    if (isNeeded !== attention) details.open = isNeeded;
    attention = isNeeded;
  };

  const drawChecks = (shown) => {
    if (charts) charts.verdicts = new Map(shown ? shown.rows.map(([check, verdict]) => [check, verdict]) : []);
    if (!shown) {
      checks.replaceChildren();
      return;
    }
    const rows = shown.rows.map(([check, verdict, ...values]) =>
      row([element("td", "cw-text", check), marked(verdict), ...values.map((value) => element("td", "", value))]),
    );
    const scroll = element("div", "cw-scroll");
    scroll.append(table("", shown.columns, rows));
    checks.replaceChildren(element("h3", "", shown.title), scroll);
  };

  // The links.

  const anchor = (title, url, opensNew) => {
    const link = element("a", "", title);
    link.href = url;
    if (opensNew) {
      link.target = "_blank";
      link.rel = "noopener noreferrer";
    }
    return link;
  };

  const reportLink = () => anchor("Report of this run", `./${KEY}/report`, true);

  // The result of the comparison with a baseline, once the test has ended.
  const drawComparison = (shown, hasReport) => {
    if (!shown) {
      comparison.replaceChildren();
      return;
    }
    const dot = element("span", "cw-dot", "\u25cf ");
    dot.dataset.state = { slower: "failed", faster: "passed", same: "passed" }[shown.verdict] || "undecided";
    dot.setAttribute("aria-hidden", "true");
    comparison.replaceChildren(dot, shown.text, ...(hasReport ? [" \u00b7 ", reportLink()] : []));
  };

  const draw = (status) => {
    drawState(status);
    drawComparison(status.comparison, status.has_report);
    drawDelivery(status.columns, status.rows);
    drawChecks(status.checks);
    const console_ = status.links.filter(({ url }) => url.startsWith("https://"));
    links.replaceChildren(
      ...(status.has_report && !status.comparison ? [reportLink()] : []),
      ...console_.map(({ title, url }) => anchor(title, url, true)),
      anchor("Download CSV", `./${KEY}/csv`, false),
    );
    panel.classList.add("cw-drawn");
  };

  // The course of the tab.

  let requestedAt = 0;
  const look = async () => {
    const main = document.querySelector("main");
    const shown = new URLSearchParams(window.location.search).get("tab") === KEY;
    // The start form comes without tabs, at the same address.
    if (!shown || !main || !main.querySelector('[role="tab"]')) {
      panel.remove();
      if (charts) charts.stop();
      return;
    }
    if (panel.parentNode !== main) main.append(panel);
    setTheme();
    if (document.hidden) {
      if (charts) charts.stop();
      return;
    }
    if (charts) {
      // The charts request the status, too.
      charts.start();
      return;
    }
    if (Date.now() - requestedAt < EVERY_MS) return;
    requestedAt = Date.now();
    if (HAS_CHARTS && !isLoading) loadCharts();
    // The charts get the status, unless they cannot be loaded.
    if (isLoading && attempts === 1) return;
    try {
      const answer = await fetch(`./${KEY}/status`);
      if (answer.ok && !answer.redirected) draw(await answer.json());
    } catch {
      // Locust is gone, or about to be: what is shown stays.
    }
  };
  setInterval(look, LOOK_EVERY_MS);
  // Locust's page switches tabs without navigation.
  document.addEventListener("click", () => setTimeout(look));
})();
