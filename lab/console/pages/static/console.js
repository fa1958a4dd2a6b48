// Local times, chart values at a cursor, zoom, sorted columns, copy buttons, automatic refresh, keyboard shortcuts.
// Every page works without it.
"use strict";

const UNITS = {
  value: (v) => digits(v),
  sessions: (v) => `${digits(v)}`,
  per_second: (v) => `${digits(v)}\u202f/s`,
  ms: (v) => (v >= 1000 ? `${digits(v / 1000)}\u202fs` : v >= 1 || v === 0 ? `${digits(v)}\u202fms` : `${digits(v * 1000)}\u202fµs`),
};
const pad = (n, width = 2) => String(n).padStart(width, "0");

function digits(v) {
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size >= 1e7) return `${Number((v / 1e6).toPrecision(4)).toLocaleString("en")}M`;
  if (size >= 1000) return Math.round(v).toLocaleString("en");
  return String(Number(v.toPrecision(size >= 100 ? 3 : 2)));
}

function clock(at, seconds = true) {
  return `${pad(at.getHours())}:${pad(at.getMinutes())}${seconds ? `:${pad(at.getSeconds())}` : ""}`;
}

// The HTML has times in UTC; the title of each keeps it.
function localize(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
    const today = new Date().toDateString() === at.toDateString();
    const full = time.dataset.style === "full";
    time.textContent = full ? `${day} ${clock(at)}.${pad(at.getMilliseconds(), 3)}` : today ? clock(at) : `${day.slice(5)} ${clock(at)}`;
  }
  for (const word of root.querySelectorAll("text[data-ms]")) {
    const at = new Date(Number(word.dataset.ms));
    word.textContent = clock(at, at.getSeconds() !== 0);
  }
  for (const word of root.querySelectorAll("text[data-value]")) {
    word.textContent = UNITS[word.closest(".chart").dataset.unit](Number(word.dataset.value));
  }
}

// Charts: a cursor that follows the pointer or the arrow keys.
function data(chart) {
  chart.points ??= JSON.parse(chart.querySelector("script").textContent);
  return chart.points;
}

function read(chart, index) {
  const { times, series, unit, stacked, bands } = data(chart);
  if (!times.length) return;
  const at = Math.max(0, Math.min(times.length - 1, index));
  chart.index = at;
  const share = (times[at] - times[0]) / Math.max(times.at(-1) - times[0], 1);
  const cursor = chart.querySelector(".cursor");
  cursor.setAttribute("x1", `${share * 100}%`);
  cursor.setAttribute("x2", `${share * 100}%`);
  const box = chart.querySelector(".reading");
  const rows = series.map((one) => [one, one.values[at]]);
  if (stacked) rows.reverse();
  const shown = rows.filter(([, v]) => v !== null && !(stacked && v === 0));
  box.replaceChildren(line("when", "", clock(new Date(times[at])), stacked ? UNITS[unit](shown.reduce((sum, [, v]) => sum + v, 0)) : ""));
  for (const [one, v] of shown) box.append(line("", one.css, one.label, UNITS[unit](v)));
  for (const band of bands) if (band.begin <= times[at] && times[at] <= band.end) box.append(line("", "c-fault", band.label, ""));
  box.hidden = false;
  chart.classList.add("reads");
  const width = chart.querySelector(".plot").clientWidth;
  box.style.left = share < 0.5 ? `${share * width + 12}px` : "auto";
  box.style.right = share < 0.5 ? "auto" : `${(1 - share) * width + 12}px`;
}

function line(kind, css, label, value) {
  const row = document.createElement("p");
  row.className = `${kind} ${css}`;
  for (const text of [label, value]) row.append(Object.assign(document.createElement("span"), { textContent: text }));
  return row;
}

function leave(chart) {
  chart.classList.remove("reads");
  chart.querySelector(".reading").hidden = true;
}

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.(".plot");
  for (const chart of document.querySelectorAll(".chart.reads")) if (chart !== plot?.parentElement) leave(chart);
  if (!plot) return;
  const chart = plot.parentElement;
  const { times } = data(chart);
  const box = plot.getBoundingClientRect();
  const wanted = times[0] + ((event.clientX - box.left) / box.width) * (times.at(-1) - times[0]);
  let best = 0;
  times.forEach((t, i) => { if (Math.abs(t - wanted) < Math.abs(times[best] - wanted)) best = i; });
  read(chart, best);
});
document.addEventListener("focusout", (event) => { if (event.target.matches(".chart")) leave(event.target); });

// Zoom: dragging over a chart selects a time range for the page. A click on a bar opens what it counts.
let drag = null;
function share(plot, x) {
  const box = plot.getBoundingClientRect();
  return Math.max(0, Math.min(1, (x - box.left) / box.width));
}
document.addEventListener("pointerdown", (event) => {
  const plot = event.button === 0 && event.target.closest?.(".plot");
  if (!plot || event.pointerType === "touch") return;
  const mark = Object.assign(document.createElement("div"), { className: "selection" });
  drag = { plot, mark, from: event.clientX };
  event.preventDefault();
});
document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [a, b] = [share(drag.plot, drag.from), share(drag.plot, event.clientX)].sort((x, y) => x - y);
  if (!drag.mark.isConnected) drag.plot.append(drag.mark);
  drag.mark.style.left = `${a * 100}%`;
  drag.mark.style.width = `${(b - a) * 100}%`;
});
document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { plot, mark, from } = drag;
  drag = null;
  mark.remove();
  const chart = plot.parentElement;
  const { times, step } = data(chart);
  if (!times.length) return;
  const length = times.at(-1) + (step || 0) - times[0];
  const [a, b] = [from, event.clientX].map((x) => times[0] + share(plot, x) * length).sort((x, y) => x - y);
  if (Math.abs(event.clientX - from) > 5) return range(location.pathname + location.search, a, b);
  if (!chart.dataset.behind || !step) return;
  const begin = times[0] + Math.floor((a - times[0]) / step) * step;
  range(chart.dataset.behind, begin, begin + step);
});
function range(path, from, to) {
  const url = new URL(path, location.origin);
  url.searchParams.delete("window");
  url.searchParams.set("from", Math.floor(from / 1000));
  url.searchParams.set("to", Math.max(Math.ceil(to / 1000), Math.floor(from / 1000) + 1));
  location.assign(url);
}

// The time range of this page stays when a link leads to another page with a time range.
const RANGE = ["window", "from", "to"];
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  const here = new URLSearchParams(location.search);
  if (!link || !RANGE.some((name) => here.get(name))) return;
  const url = new URL(link.href);
  if (!/^\/($|map|queries|prometheus|traces$)/.test(url.pathname) || RANGE.some((name) => url.searchParams.has(name)) || link.closest(".segments")) return;
  for (const name of RANGE) if (here.get(name)) url.searchParams.set(name, here.get(name));
  link.href = url;
}, true);

// Sorted columns: by a click on a heading, by value or by text.
const SCALE = { "µs": 1e-3, ms: 1, s: 1e3, min: 6e4, h: 3.6e6, B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, k: 1e3, M: 1e6, "%": 1, "/s": 1, ns: 1e-6 };
function magnitude(text) {
  const found = /^[<>]?([+-]?[\d,]*\.?\d+)\s*([a-zA-Zµ%/]*)/u.exec(text.trim());
  return found ? Number(found[1].replaceAll(",", "")) * (SCALE[found[2]] ?? 1) : null;
}
function sort(heading) {
  const table = heading.closest("table");
  const column = [...heading.parentElement.children].indexOf(heading);
  const ascending = heading.getAttribute("aria-sort") === "descending";
  for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => {
    const text = row.cells[column]?.innerText ?? "";
    return { row, text, value: row.cells[column]?.classList.contains("n") || column ? magnitude(text) : null };
  });
  const worth = (it) => it.value ?? -Infinity;
  const order = rows.some((it) => it.value !== null) ? (a, b) => worth(b) - worth(a) : (a, b) => b.text.localeCompare(a.text);
  rows.sort((a, b) => (ascending ? -order(a, b) : order(a, b)));
  body.append(...rows.map(({ row }) => row));
}
function sortable(root) {
  for (const heading of root.querySelectorAll(".sortable thead th")) {
    heading.tabIndex = 0;
    heading.title ||= "Sort by this column";
  }
}
document.addEventListener("click", (event) => { const heading = event.target.closest?.(".sortable thead th"); if (heading) sort(heading); });
document.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches?.(".sortable thead th")) sort(event.target); });

// Copy buttons of ids, commands and SQL.
function copies(root) {
  for (const source of root.querySelectorAll(".copy, pre.sql")) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "copies", textContent: "Copy", title: "Copy" });
    button.setAttribute("aria-label", "Copy");
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(source);
      await navigator.clipboard?.writeText(source.textContent).then(() => getSelection().removeAllRanges(), () => {});
      button.textContent = "✓";
      setTimeout(() => { button.textContent = "Copy"; }, 1200);
    });
    if (source.matches("pre")) {
      const box = Object.assign(document.createElement("div"), { className: "with-copy" });
      source.replaceWith(box);
      box.append(source, button);
    } else source.after(button);
  }
}

// A countdown, by this machine's own monotonic clock: data-left has seconds.
function tick() {
  for (const part of document.querySelectorAll("[data-left]")) {
    part.until ??= performance.now() + 1000 * part.dataset.left;
    const left = Math.max(0, Math.ceil((part.until - performance.now()) / 1000));
    part.textContent = `${Math.floor(left / 60)}:${pad(left % 60)}`;
  }
}
tick();
if (document.querySelector("[data-left]")) setInterval(tick, 1000);

// Refresh: fetch the page again and replace its live parts, except a part with the focus or a selection. A page whose
// state has changed is loaded again.
let paused = false;
async function refresh() {
  if (paused || drag || document.hidden || document.querySelector(".chart.reads")) return;
  let text;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(answer.statusText);
    text = await answer.text();
  } catch {
    document.body.classList.add("away");
    return;
  }
  document.body.classList.remove("away");
  // What has begun while the page was fetched.
  if (paused || drag || document.querySelector(".chart.reads")) return;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  if (fresh.querySelector("main").dataset.state !== document.querySelector("main").dataset.state) {
    location.reload();
    return;
  }
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || part.contains(document.activeElement) || part.contains(getSelection()?.anchorNode) && !getSelection().isCollapsed) continue;
    localize(next);
    sortable(next);
    copies(next);
    part.replaceWith(next);
  }
  tick();
}

// Colours: system, light, dark.
const THEMES = ["", "light", "dark"];
function theme(change) {
  const root = document.documentElement;
  const now = (THEMES.indexOf(root.dataset.theme ?? "") + (change ? 1 : 0)) % THEMES.length;
  const name = THEMES[now];
  if (name) { root.dataset.theme = name; localStorage.setItem("colours", name); } else { delete root.dataset.theme; localStorage.removeItem("colours"); }
  const button = document.querySelector(".theme");
  button.textContent = { "": "◐", light: "☀", dark: "☾" }[name];
  button.title = `Colours: ${name || "as the system"}`;
  button.setAttribute("aria-label", button.title);
}
document.querySelector(".theme").addEventListener("click", () => theme(true));
theme(false);

// Keys: / searches, g and a letter opens a page, arrows read a chart.
const PAGES = { o: "/", t: "/traces", q: "/queries", s: "/sessions", d: "/drills", c: "/compare", l: "/tour" };
let goes = false;
document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (target.matches?.(".chart")) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) { event.preventDefault(); read(target, (target.index ?? data(target).times.length - 1) + step); return; }
    if (event.key === "Escape") { leave(target); return; }
  }
  if (event.key === "Escape" && target.matches?.("input")) target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || target.matches?.("input, select, textarea")) return;
  if (event.key === "/") { event.preventDefault(); document.querySelector(".go input").focus(); }
  else if (event.key === "g") { goes = true; setTimeout(() => { goes = false; }, 1500); }
  else if (goes && PAGES[event.key]) location.assign(PAGES[event.key]);
});

// Show that a link or a form is loading.
const wait = () => document.body.classList.add("waits");
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) wait();
});
document.addEventListener("submit", wait);
addEventListener("pageshow", () => document.body.classList.remove("waits"));

localize(document);
sortable(document);
copies(document);
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
document.querySelector(".zone").textContent = `Times in ${zone}, UTC on hover`;
const every = Number(document.querySelector("main").dataset.refresh);
const pause = document.querySelector(".pause");
pause.hidden = !every;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", paused);
  pause.textContent = paused ? "Resume" : "Pause";
  pause.title = `The page refreshes every ${every} s`;
  if (!paused) refresh();
});
if (every) setInterval(refresh, every * 1000);
