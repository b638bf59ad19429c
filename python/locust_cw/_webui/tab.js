// The CloudWatch tab, where Locust's page leaves off: it polls only while users run, a tab has one table, and tables have
// no links. If a part of that page is not as expected, it is left unchanged: its table works without this script.
(() => {
  "use strict";
  const KEY = "cloudwatch";
  const EVERY_MS = 2000;
  const LOOK_EVERY_MS = 250;

  const panel = document.createElement("section");
  panel.id = "locust-cw";
  panel.style.cssText = "margin: 16px 24px 32px; font: 0.95rem/1.6 Roboto, Helvetica, Arial, sans-serif; color: inherit";
  const meaning = document.createElement("p");
  meaning.style.margin = "0";
  meaning.setAttribute("role", "status");
  const links = document.createElement("p");
  links.style.margin = "4px 0 0";
  // Room for all columns.
  const style = document.createElement("style");
  style.textContent =
    `main:has(> #${panel.id}) :is(th, td) { padding: 12px 6px }` +
    `main:has(> #${panel.id}) td:first-child { min-width: 160px; overflow-wrap: anywhere }` +
    `main:has(> #${panel.id}) td:last-child { min-width: 230px; overflow-wrap: anywhere }`;
  const checks = document.createElement("div");
  panel.append(style, meaning, links, checks);

  // The store that Locust's page draws from.
  const findStore = () => {
    const root = document.getElementById("root");
    const name = root && Object.keys(root).find((key) => key.startsWith("__reactContainer$"));
    let fiber = name && root[name].stateNode && root[name].stateNode.current;
    for (let depth = 0; fiber && depth < 20; depth++, fiber = fiber.child) {
      const store = fiber.memoizedProps && fiber.memoizedProps.store;
      if (store && store.dispatch && store.getState) return store;
    }
    return null;
  };

  // True where the table is up to date.
  const refresh = (rows) => {
    const store = findStore();
    const state = store && store.getState();
    if (!state || !state.ui || !state.swarm) return false;
    if (state.swarm.state === "running" || state.swarm.state === "spawning") return true;
    const others = (state.ui.extendedStats || []).filter((entry) => entry.key !== KEY);
    store.dispatch({ type: "ui/setUi", payload: { extendedStats: [...others, { key: KEY, data: rows }] } });
    return true;
  };

  const anchor = (title, url, opensNew) => {
    const link = document.createElement("a");
    link.textContent = title;
    link.href = url;
    link.style.cssText = "color: inherit; margin-right: 24px";
    if (opensNew) {
      link.target = "_blank";
      link.rel = "noopener noreferrer";
    }
    return link;
  };

  const MARKS = { passed: "#2e9d4d", failed: "#e5484d", undecided: "#d9930d" };

  const element = (name, text, style = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    made.style.cssText = style;
    return made;
  };

  // Expressions contain names of requests: all texts are set as text, never as markup.
  const drawChecks = (shown) => {
    if (!shown) {
      checks.replaceChildren();
      return;
    }
    const CELL = "padding: 6px 24px 6px 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; ";
    const table = element("table", "", "border-collapse: collapse");
    const head = table.createTHead().insertRow();
    head.append(...shown.columns.map((title) => element("th", title, CELL)));
    const body = table.createTBody();
    for (const [check, verdict, ...values] of shown.rows) {
      const result = element("td", "", `${CELL}white-space: nowrap`);
      result.append(element("span", "\u25cf ", `color: ${MARKS[verdict] || "inherit"}`), verdict);
      body.insertRow().append(
        element("td", check, `${CELL}overflow-wrap: anywhere`),
        result,
        ...values.map((value) => element("td", value, CELL)),
      );
    }
    checks.replaceChildren(element("h3", shown.title, "margin: 20px 0 4px; font-size: 1.1rem"), table);
  };

  const draw = (status) => {
    const current = refresh(status.rows);
    meaning.textContent = status.meaning + (current ? "" : " Reload the page for newer figures once the test stopped.");
    drawChecks(status.checks);
    const console_ = status.links.filter(({ url }) => url.startsWith("https://"));
    links.replaceChildren(
      ...(status.has_report ? [anchor("Report of this run", `./${KEY}/report`, true)] : []),
      ...console_.map(({ title, url }) => anchor(title, url, true)),
      anchor("Download CSV", `./${KEY}/csv`, false),
    );
  };

  let requestedAt = 0;
  const look = async () => {
    const main = document.querySelector("main");
    const shown = new URLSearchParams(window.location.search).get("tab") === KEY;
    // The start form comes without tabs, at the same address.
    if (!shown || !main || !main.querySelector('[role="tab"]')) {
      panel.remove();
      return;
    }
    if (panel.parentNode !== main) main.append(panel);
    if (document.hidden || Date.now() - requestedAt < EVERY_MS) return;
    requestedAt = Date.now();
    try {
      const answer = await fetch(`./${KEY}/status`);
      if (answer.ok && !answer.redirected) draw(await answer.json());
    } catch {
      // Locust is gone, or about to be: what is shown stays.
    }
  };
  setInterval(look, LOOK_EVERY_MS);
})();
