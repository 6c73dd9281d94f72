// A tile per headline figure: name, value, parts, and how old it is.
import { make, say } from "/web/dom.js";
import * as format from "/web/format.js";
import { texts } from "/web/texts.js";

export class Tiles {
  #box;
  #tiles = new Map();

  constructor(box) {
    this.#box = box;
  }

  // codes in the order of the page; metrics: code -> its entry of the catalogue
  layout(codes, metrics, language) {
    this.#tiles.clear();
    this.#box.replaceChildren(...codes.map((code, i) => this.#tile(metrics.get(code), i === 0, language)));
  }

  #tile(metric, lead, language) {
    const tile = make("article", lead ? "tile lead" : "tile");
    tile.dataset.metric = metric.metric;
    tile.title = `${metric.description[language]}\n${metric.definition} · ${metric.fingerprint}`;
    const name = make("div", "name"), value = make("div", "value", texts(language).dash), detail = make("div", "detail"), age = make("div", "age");
    name.append(make("b", "", metric.name[language]), make("em", "", metric.definition));
    age.append(make("i"), make("span", "", texts(language).loading));
    tile.append(name, value, detail, age);
    this.#tiles.set(metric.metric, { tile, value, detail, age: age.lastChild });
    return tile;
  }

  // waited: ms since the figures arrived; away: the service does not answer
  show(figures, zone, language, waited, away) {
    const t = texts(language);
    for (const figure of figures) {
      const parts = this.#tiles.get(figure.metric);
      if (!parts) continue;
      const text = (figure.exact || figure.value === null ? "" : "≈ ") + format.figure(figure.value, figure, language);
      const changed = parts.value.textContent !== text && parts.value.textContent !== t.dash;
      say(parts.value, text);
      parts.value.style.setProperty("--length", Math.max(5, text.length));
      say(parts.detail, detail(figure, zone, language));
      const age = figure.freshness_ms === null ? null : figure.freshness_ms + waited;
      const old = figure.stale || away;
      say(parts.age, age === null ? t.unset : (old ? t.old : t.age)(format.duration(age, language)));
      parts.tile.classList.toggle("old", old);
      if (changed && !old) flash(parts.tile);
    }
  }
}

function flash(tile) {
  tile.classList.remove("fresh");
  requestAnimationFrame(() => tile.classList.add("fresh"));
}

function detail(figure, zone, language) {
  const t = texts(language), words = [];
  if (figure.numerator !== undefined && figure.numerator !== null) {
    const plain = (value) => format.figure(value, { unit: "count" }, language);
    if (figure.unit === "percent") words.push(t.ratio(plain(figure.numerator), plain(figure.denominator)));
  }
  if (figure.aligned_to) words.push(t.aligned(format.clock(figure.aligned_to, zone, language, true)));
  else if (!figure.exact) words.push(t.approx(`${(figure.relative_error * 100).toFixed(1)} %`));
  return words.join(" · ");
}
