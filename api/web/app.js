// The live page: lays itself out from the catalogue, then asks for figures every second while it can be seen.
import { chart } from "/web/chart.js";
import { byId, make, say } from "/web/dom.js";
import * as format from "/web/format.js";
import { Rankings } from "/web/rankings.js";
import { ask, Tagged } from "/web/source.js";
import { languages, locale, texts } from "/web/texts.js";
import { Tiles } from "/web/tiles.js";

const LIVE_MS = 1_000, RANKINGS_MS = 5_000, TREND_MS = 10_000, KEYS_MS = 60_000, ROWS = 8;
const WINDOWS = ["today", "1h", "5m", "1m"];

const state = { language: chosenLanguage(), window: "today", key: "", catalogue: null, metrics: new Map(), names: new Map(), live: null, arrived: 0, away: false, line: null, lineAt: 0 };
const tiles = new Tiles(byId("tiles")), rankings = new Rankings(), live = new Tagged();
const due = { live: 0, rankings: 0, trend: 0, keys: 0 };
let turn = 0; // counts changes of what is asked; an answer to an older question is dropped

function chosenLanguage() {
  const kept = localStorage.getItem("language");
  return languages.includes(kept) ? kept : navigator.language.startsWith("zh") ? "zh" : "en";
}

const overview = () => state.catalogue.overview;
const cut = (code) => state.metrics.get(code)?.dimensions.includes(overview().key) ?? false;
const shown = () => overview().headline.filter((code) => !state.key || cut(code));
const filter = (code) => (state.key && cut(code) ? { [overview().key]: state.key } : {});

function layout() {
  const { language } = state, t = texts(language);
  document.documentElement.lang = locale(language);
  document.title = `${t.title} · ${state.catalogue?.registry ?? "metricgrid"}`;
  say(byId("title"), t.title);
  say(byId("language"), t.other);
  byId("windows").replaceChildren(...WINDOWS.map((name) => {
    const button = make("button", "", t[name]);
    button.type = "button";
    button.dataset.window = name;
    button.setAttribute("aria-pressed", String(name === state.window));
    button.onclick = () => change({ window: name });
    return button;
  }));
  if (!state.catalogue) return;
  tiles.layout(shown(), state.metrics, language);
  rankings.layout(byId("rankings"), overview().top.filter((r) => !state.key || cut(r.metric)), state.metrics, state.names, language);
  byId("trend").hidden = !overview().trend;
  if (overview().trend) say(byId("trend-title"), t.trend(state.metrics.get(overview().trend).name[language]));
  byId("key-field").hidden = !overview().keys_by;
  say(byId("key-label"), state.names.get(overview().key)?.[language] ?? "");
  if (byId("key").options.length) byId("key").options[0].textContent = t.all;
  say(byId("footer"), `${state.catalogue.registry} · ${t.zone(state.catalogue.zone)} · ${t.definition} ${state.catalogue.fingerprint}`);
}

function change(what) {
  Object.assign(state, what);
  turn++;
  state.live = state.line = null;
  byId("chart").replaceChildren();
  for (const name of ["live", "rankings", "trend"]) due[name] = 0;
  layout();
  tick();
}

async function readKeys() {
  const { key, keys_by: metric } = overview();
  if (!metric) return;
  const answer = await ask("/v1/top", { metric, dimension: key, n: 100, window: "today" });
  const keys = answer.figures.map((f) => f.keys[key]);
  if (state.key && !keys.includes(state.key)) keys.push(state.key);
  keys.sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  const options = ["", ...keys].map((value) => {
    const option = make("option", "", value || texts(state.language).all);
    option.value = value;
    return option;
  });
  byId("key").replaceChildren(...options);
  byId("key").value = state.key;
}

async function readLive() {
  const mine = turn, codes = shown();
  const body = await live.ask("/v1/live", { metrics: codes.join(","), window: state.window, ...(state.key ? { [overview().key]: state.key } : {}) });
  if (mine !== turn || body === null) return;
  state.live = body;
  state.arrived = performance.now();
}

async function readTrend() {
  const mine = turn, code = overview().trend;
  if (!code) return;
  const answer = await ask("/v1/series", { metrics: code, ...filter(code) });
  if (mine !== turn) return;
  state.line = { ...answer.series[0], step: answer.step };
  state.lineAt = performance.now();
  drawTrend();
}

function drawTrend() {
  if (state.line?.points.length) chart(byId("chart"), state.line, state.catalogue.zone, state.language);
}

async function readRankings() {
  const mine = turn;
  await Promise.all(rankings.wanted.map(async (panel) => {
    const { metric, dimension } = panel.ranking;
    const answer = await ask("/v1/top", { metric, dimension, n: ROWS, window: state.window, ...filter(metric) });
    if (mine === turn) rankings.fill(panel, answer, state.language);
  }));
}

async function readCatalogue() {
  state.catalogue = await ask("/v1/metrics");
  state.metrics = new Map(state.catalogue.metrics.map((m) => [m.metric, m]));
  state.names = new Map(state.catalogue.dimensions.map((d) => [d.dimension, d.name]));
  layout();
}

const running = new Set();
async function every(name, ms, read) {
  const now = performance.now();
  if (running.has(name) || now < due[name]) return;
  running.add(name);
  try {
    await read();
    if (name === "live") state.away = false;
    due[name] = now + ms;
  } catch {
    if (name === "live") state.away = true;
    due[name] = now + Math.min(ms, 2_000);
  } finally {
    running.delete(name);
    show();
  }
}

function tick() {
  if (document.hidden) return;
  if (!state.catalogue) {
    every("live", LIVE_MS, readCatalogue);
    return;
  }
  every("live", LIVE_MS - 100, readLive);
  every("trend", TREND_MS, readTrend);
  every("rankings", RANKINGS_MS, readRankings);
  every("keys", KEYS_MS, readKeys);
  show();
}

function show() {
  const { language, away } = state, t = texts(language);
  const waited = performance.now() - state.arrived;
  if (!state.live) {
    document.body.dataset.state = away ? "away" : "loading";
    say(byId("pulse-text"), away ? t.awayShort : t.loading);
    byId("banner").hidden = !away;
    say(byId("banner"), away ? t.nothing : "");
    return;
  }
  const figures = state.live.figures, zone = state.catalogue.zone;
  tiles.show(figures, zone, language, waited, away);
  const worst = figures.reduce((most, f) => Math.max(most, f.freshness_ms ?? 0), 0) + waited;
  const stale = figures.find((f) => f.stale), lost = away || stale?.stale_reason === "store_unreachable";
  rankings.age(language, lost);
  document.body.dataset.state = away ? "away" : stale ? "stale" : "live";
  say(byId("pulse-text"), away ? t.awayShort : stale ? t.stale : t.age(format.duration(worst, language)));
  const words = away ? t.away(format.duration(waited, language)) : stale ? (t[stale.stale_reason] ?? t.behind)(format.duration(worst, language)) : "";
  byId("banner").hidden = !words;
  say(byId("banner"), words);
  if (state.line) {
    const age = state.line.freshness_ms === null ? t.unset : (lost || state.line.stale ? t.old : t.age)(format.duration(state.line.freshness_ms + performance.now() - state.lineAt, language));
    say(byId("trend-note"), `${t.step(format.step(state.line.step, language))} · ${age}`);
    byId("trend").classList.toggle("old", lost || state.line.stale);
  }
}

byId("language").onclick = () => {
  state.language = languages[(languages.indexOf(state.language) + 1) % languages.length];
  localStorage.setItem("language", state.language);
  layout();
  for (const panel of rankings.wanted) panel.answer = null;
  due.rankings = due.live = 0;
  drawTrend();
  tick();
};
byId("key").onchange = (event) => change({ key: event.target.value });
document.addEventListener("visibilitychange", tick);
new ResizeObserver(drawTrend).observe(byId("chart"));
layout();
setInterval(tick, 250);
tick();
