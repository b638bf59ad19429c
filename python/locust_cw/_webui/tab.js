// The CloudWatch tab, where Locust's page leaves off: it polls only while users run, and its tables have no links.
// If a part of that page is not as expected, it is left unchanged: the table works without this script.
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
  panel.append(style, meaning, links);

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

  const draw = (status) => {
    const current = refresh(status.rows);
    meaning.textContent = status.meaning + (current ? "" : " Reload the page for newer figures once the test stopped.");
    const console_ = status.links.filter(({ url }) => url.startsWith("https://"));
    links.replaceChildren(
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
