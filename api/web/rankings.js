// One list per ranking of the overview, each with the age of its figures.
import { make } from "/web/dom.js";
import * as format from "/web/format.js";
import { texts } from "/web/texts.js";

export class Rankings {
  #panels = [];

  layout(box, rankings, metrics, names, language) {
    this.#panels = rankings.map((ranking) => {
      const panel = make("section", "panel"), head = make("div", "panel-head"), note = make("span", "note"), list = make("ol");
      head.append(make("h2", "", texts(language).top(names.get(ranking.dimension)[language], metrics.get(ranking.metric).name[language])), note);
      panel.append(head, list);
      panel.dataset.ranking = ranking.dimension;
      return { ranking, panel, note, list, answer: null, at: 0 };
    });
    box.replaceChildren(...this.#panels.map((p) => p.panel));
  }

  get wanted() {
    return this.#panels;
  }

  fill(panel, answer, language) {
    panel.answer = answer;
    panel.at = performance.now();
    const most = Math.max(...answer.figures.map((f) => f.value ?? 0), 0);
    panel.list.replaceChildren(...answer.figures.map((f) => row(f, answer.dimension, most, language)));
    if (!answer.figures.length) panel.list.append(make("div", "empty", texts(language).none));
  }

  age(language, lost) {
    for (const panel of this.#panels) {
      const first = panel.answer?.figures[0];
      if (!first) continue;
      const t = texts(language), old = lost || first.stale;
      panel.note.textContent = first.freshness_ms === null ? t.unset
        : (old ? t.old : t.age)(format.duration(first.freshness_ms + performance.now() - panel.at, language));
      panel.panel.classList.toggle("old", old);
    }
  }
}

function row(figure, dimension, most, language) {
  const item = make("li"), bar = make("span", "bar");
  bar.style.width = `${most > 0 ? Math.max(0, (figure.value / most) * 100) : 0}%`;
  item.append(bar, make("span", "rank", String(figure.rank)), make("span", "key", figure.keys[dimension]), make("span", "figure", format.figure(figure.value, figure, language)));
  return item;
}
