// Local times, chart values at a cursor, automatic refresh, keyboard shortcuts.
// Every page works without it.
"use strict";

const UNITS = {
  sessions: (v) => `${digits(v)}`,
  per_second: (v) => `${digits(v)}\u202f/s`,
  ms: (v) => (v >= 1000 ? `${digits(v / 1000)}\u202fs` : v >= 1 || v === 0 ? `${digits(v)}\u202fms` : `${digits(v * 1000)}\u202fµs`),
};
const pad = (n, width = 2) => String(n).padStart(width, "0");

function digits(v) {
  if (v === 0) return "0";
  const size = Math.abs(v);
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

// Refresh: fetch the page again and replace its live parts, except a part with the focus or a selection.
async function refresh() {
  if (document.hidden || document.querySelector(".chart.reads")) return;
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
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || part.contains(document.activeElement) || part.contains(getSelection()?.anchorNode) && !getSelection().isCollapsed) continue;
    localize(next);
    part.replaceWith(next);
  }
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
const PAGES = { o: "/", t: "/traces", q: "/queries", s: "/sessions", d: "/drills", c: "/compare" };
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

// A click on an id selects all of it.
document.addEventListener("click", (event) => {
  const id = event.target.closest?.(".copy");
  if (id) getSelection().selectAllChildren(id);
});

localize(document);
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
document.querySelector(".zone").textContent = `Times in ${zone}, UTC on hover`;
const every = Number(document.querySelector("main").dataset.refresh);
if (every) setInterval(refresh, every * 1000);
