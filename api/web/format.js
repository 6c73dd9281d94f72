// Numbers, times and durations as people read them.
import { locale, texts } from "/web/texts.js";

const cache = new Map();
function number(language, options) {
  const key = language + JSON.stringify(options);
  if (!cache.has(key)) cache.set(key, new Intl.NumberFormat(locale(language), options));
  return cache.get(key);
}

export function figure(value, { unit, currency }, language) {
  if (value === null || value === undefined) return texts(language).dash;
  if (unit === "money") return money(value, currency, language);
  if (unit === "percent") return number(language, { style: "percent", minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value);
  if (unit === "ms") return duration(value, language);
  if (unit === "per_unit") return number(language, { maximumFractionDigits: 2, minimumFractionDigits: 2 }).format(value);
  return number(language, { maximumFractionDigits: 2 }).format(value);
}

function money(minor, currency, language) {
  const form = number(language, { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  return form.format(minor / 10 ** form.resolvedOptions().maximumFractionDigits);
}

export function axis(value, { unit, currency }, language) {
  if (unit === "percent") return number(language, { style: "percent", maximumFractionDigits: 1 }).format(value);
  if (unit === "ms") return duration(value, language);
  const digits = unit === "money" ? number(language, { style: "currency", currency }).resolvedOptions().maximumFractionDigits : 0;
  return number(language, { notation: "compact", maximumFractionDigits: 1 }).format(value / 10 ** digits);
}

export function duration(ms, language) {
  const t = texts(language);
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} ${t.s}`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} ${t.s}`;
  if (ms < 2 * 3_600_000) return `${Math.round(ms / 60_000)} ${t.m}`;
  if (ms < 48 * 3_600_000) return `${(ms / 3_600_000).toFixed(1)} ${t.h}`;
  return `${Math.round(ms / 86_400_000)} ${t.d}`;
}

// A step such as 5m, in words.
export function step(text, language) {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(text) ?? [];
  return count ? `${count} ${texts(language)[unit]}` : text;
}

export function clock(instant, zone, language, seconds = false) {
  return new Intl.DateTimeFormat(locale(language), { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(seconds ? { second: "2-digit" } : {}) }).format(new Date(instant));
}
