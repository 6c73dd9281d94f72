// Every word of the page, in both languages; figures' own names come from the catalogue.
const TEXTS = {
  zh: {
    title: "实时概览", other: "EN", all: "全部", key: "筛选", loading: "正在读取…", unset: "尚无数据",
    today: "今日", "1m": "1 分钟", "5m": "5 分钟", "1h": "1 小时",
    age: (t) => `数据延迟 ${t}`, old: (t) => `已过期 · ${t}前`, aligned: (t) => `对齐到 ${t}`, per: "统计截至", approx: (p) => `近似，误差约 ${p}`,
    away: (t) => `连接不上服务，显示的是 ${t}前取得的数据`, awayShort: "已断开", nothing: "现在取不到数据，会自动重试", stale: "数据已过期",
    store_unreachable: (t) => `存储暂时读不到，显示的是 ${t}前的数据`, behind: (t) => `统计落后 ${t}，以下数字不代表此刻`,
    never_counted: () => "还没有统计到任何数据", trend: (n) => `${n} · 零点以来`, step: (s) => `每 ${s}`, top: (d, n) => `${d}排行 · ${n}`,
    none: "还没有数据", partial: "统计中", zone: (z) => `统计日按 ${z}`, definition: "口径", s: "秒", m: "分", h: "小时", d: "天",
    dash: "—", ratio: (a, b) => `${a} ÷ ${b}`,
  },
  en: {
    title: "Live overview", other: "中文", all: "All", key: "Filter", loading: "Reading…", unset: "no data yet",
    today: "Today", "1m": "1 min", "5m": "5 min", "1h": "1 hour",
    age: (t) => `data ${t} old`, old: (t) => `stale · ${t} ago`, aligned: (t) => `aligned to ${t}`, per: "as of", approx: (p) => `approximate, error about ${p}`,
    away: (t) => `The service cannot be reached; these figures were fetched ${t} ago`, awayShort: "disconnected", nothing: "No figures can be had at the moment; trying again", stale: "stale",
    store_unreachable: (t) => `The store cannot be read; these figures are ${t} old`, behind: (t) => `Counting is ${t} behind; these figures are not of this moment`,
    never_counted: () => "Nothing has been counted yet", trend: (n) => `${n} since midnight`, step: (s) => `per ${s}`, top: (d, n) => `Top ${d} by ${n}`,
    none: "Nothing yet", partial: "counting", zone: (z) => `Business days of ${z}`, definition: "definition", s: "s", m: "min", h: "h", d: "d",
    dash: "—", ratio: (a, b) => `${a} ÷ ${b}`,
  },
};

export const languages = Object.keys(TEXTS);
export const texts = (language) => TEXTS[language];
export const locale = (language) => (language === "zh" ? "zh-CN" : "en-GB");
