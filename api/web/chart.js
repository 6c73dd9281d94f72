// One line over the day with its area; what is not final yet is dotted.
import { draw, make } from "/web/dom.js";
import * as format from "/web/format.js";

const LEFT = 58, RIGHT = 12, TOP = 12, BOTTOM = 24;

export function chart(box, line, zone, language) {
  const width = Math.max(260, box.clientWidth), height = box.clientHeight || 210;
  const day = line.points.map((p) => ({ at: Date.parse(p.start), value: p.value, final: p.status === "final", start: p.start }));
  const known = day.filter((p, i) => p.value !== null && isOver(day, i, line));
  const begin = day[0].at, end = begin + 86_400_000, most = niceMost(Math.max(0, ...known.map((p) => p.value)));
  const x = (at) => LEFT + ((at - begin) / (end - begin)) * (width - LEFT - RIGHT);
  const y = (value) => height - BOTTOM - (value / most) * (height - TOP - BOTTOM);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  svg.append(fade());
  for (let i = 0; i <= 4; i++) {
    const value = (most * i) / 4;
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      draw("text", { class: "axis", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, format.axis(value, line, language)));
  }
  const every = width < 600 ? 6 : 3;
  for (let hour = 0; hour <= 24; hour += every) {
    const at = begin + hour * 3_600_000;
    const label = hour === 24 ? "24:00" : format.clock(at, zone, language);
    svg.append(draw("text", { class: "axis", x: x(at), y: height - 6, "text-anchor": hour === 0 ? "start" : hour === 24 ? "end" : "middle" }, label));
  }
  if (known.length) svg.append(...curve(known, x, y, height));
  const old = box.querySelector("svg");
  if (old) old.remove();
  box.prepend(svg);
  if (known.length) hover(box, svg, known, x, y, line, zone, language, width, height);
}

function curve(points, x, y, height) {
  const path = (some) => some.map((p, i) => `${i ? "L" : "M"}${x(p.at).toFixed(1)} ${y(p.value).toFixed(1)}`).join("");
  const lastFinal = points.findLastIndex((p) => p.final);
  const closed = points.slice(0, lastFinal + 1), open = points.slice(Math.max(0, lastFinal));
  const area = `${path(points)}L${x(points.at(-1).at).toFixed(1)} ${height - BOTTOM}L${x(points[0].at).toFixed(1)} ${height - BOTTOM}Z`;
  return [draw("path", { class: "area", d: area }), draw("path", { class: "line", d: path(closed) }), draw("path", { class: "line open", d: path(open) })];
}

function hover(box, svg, points, x, y, line, zone, language, width, height) {
  const cross = draw("line", { class: "cross", y1: TOP, y2: height - BOTTOM, visibility: "hidden" });
  const dot = draw("circle", { class: "dot", r: 4.5, visibility: "hidden" });
  svg.append(cross, dot);
  box.querySelector(".tip")?.remove();
  const tip = make("div", "tip");
  tip.hidden = true;
  tip.append(make("b"), make("span"));
  box.append(tip);
  svg.onpointermove = (event) => {
    const at = ((event.clientX - svg.getBoundingClientRect().left) / svg.getBoundingClientRect().width) * width;
    const nearest = points.reduce((best, p) => (Math.abs(x(p.at) - at) < Math.abs(x(best.at) - at) ? p : best));
    const px = x(nearest.at);
    for (const [name, value] of [["x1", px], ["x2", px], ["visibility", "visible"]]) cross.setAttribute(name, value);
    for (const [name, value] of [["cx", px], ["cy", y(nearest.value)], ["visibility", "visible"]]) dot.setAttribute(name, value);
    tip.firstChild.textContent = format.figure(nearest.value, line, language);
    tip.lastChild.textContent = format.clock(nearest.start, zone, language);
    tip.hidden = false;
    tip.style.left = `${Math.min(Math.max(px - tip.offsetWidth / 2, 0), width - tip.offsetWidth)}px`;
  };
  svg.onpointerleave = () => {
    tip.hidden = true;
    cross.setAttribute("visibility", "hidden");
    dot.setAttribute("visibility", "hidden");
  };
}

// A step that is still being counted would look like a fall.
function isOver(day, i, line) {
  const next = day[i + 1]?.at ?? day[i].at + (day.length > 1 ? day[1].at - day[0].at : 0);
  return next <= Date.parse(line.frontier ?? line.as_of);
}

function niceMost(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => n * power >= value) * power;
}

function fade() {
  const defs = draw("defs", {}), gradient = draw("linearGradient", { id: "fade", x1: 0, x2: 0, y1: 0, y2: 1 });
  gradient.append(draw("stop", { offset: "0", "stop-color": "#4fd1a5", "stop-opacity": ".34" }), draw("stop", { offset: "1", "stop-color": "#4fd1a5", "stop-opacity": "0" }));
  defs.append(gradient);
  return defs;
}
