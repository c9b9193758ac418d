// Charts by uPlot, in the colours of the page. <figure data-chart="ID"> has a .chart-canvas, and ID is a
// <script type="application/json"> with {x: [epoch seconds], series: [{label, values, color, kind, dash}], marks: [{x,
// label}]}. Kinds: line, area, bar; dash: lengths of line and gap in turn. Marks are vertical lines, labelled where there is
// room. Drawn anew when live data, theme or width change.
import { language } from "./texts.js";

const uPlot = window.uPlot;
const drawn = new Set();
const numbers = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });
const moment = new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" }); // data-dates: x is a noon

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.canvas = figure.querySelector(".chart-canvas");
    this.unit = figure.dataset.unit ?? "";
    this.tip = Object.assign(document.createElement("div"), { className: "chart-tip", hidden: true });
    this.legend = Object.assign(document.createElement("div"), { className: "chart-legend" });
    this.canvas.before(this.legend);
    figure.append(this.tip);
    new ResizeObserver(() => this.resize()).observe(figure);
    this.load();
  }

  load() {
    this.set(JSON.parse(document.getElementById(this.figure.dataset.chart).textContent));
  }

  set(data) {
    const text = JSON.stringify(data);
    if (text === this.text) return;
    const shape = JSON.stringify(data.series.map(({ label, kind, color }) => [label, kind, color]));
    this.text = text;
    this.data = data;
    if (this.plot && shape === this.shape) this.plot.setData(this.columns());
    else this.draw();
    this.shape = shape;
  }

  columns() {
    return [this.data.x, ...this.data.series.map((each) => each.values)];
  }

  draw() {
    this.plot?.destroy();
    const css = getComputedStyle(this.figure);
    const colour = (name) => css.getPropertyValue("--" + name).trim();
    const grid = { stroke: colour("line"), width: 1 };
    const axis = { stroke: colour("faint"), font: `12px ${css.fontFamily}`, grid, ticks: { ...grid, size: 4 } };
    this.plot = new uPlot(
      {
        width: this.width(),
        height: Number(this.figure.dataset.height) || 220,
        padding: [8, 28, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: { x: { range: (_, least, most) => this.span(least, most) }, y: { range: (_, least, most) => [Math.min(0, least ?? 0), most > 0 ? most * 1.08 : 1] } },
        axes: [
          { ...axis, size: 34, space: 96, values: times },
          { ...axis, size: 56, values: (_, ticks) => ticks.map((each) => numbers.format(each) + this.unit) },
        ],
        series: [{}, ...this.data.series.map((each) => series(each, colour(each.color ?? "blue")))],
        hooks: { setCursor: [(plot) => this.point(plot)], draw: [(plot) => this.mark(plot, colour("violet"))] },
      },
      this.columns(),
      this.canvas,
    );
    this.plot.over.addEventListener("mouseleave", () => (this.tip.hidden = true));
    this.legend.replaceChildren(
      ...this.data.series.map((each) => {
        const label = Object.assign(document.createElement("span"), { textContent: each.label, className: `swatch-${each.color ?? "blue"}` });
        if (each.dash) label.prepend(sample(each.dash));
        return label;
      }),
    );
  }

  span(least, most) {
    const { x, series } = this.data;
    const bars = series.some(({ kind }) => kind === "bar");
    if (x.length === 1) return bars ? [x[0] - 43_200, x[0] + 43_200] : [x[0] - 60, x[0]]; // uPlot's own are 1,000 days
    const half = (most - least) / Math.max(1, x.length - 1) / 2;
    return bars ? [least - half, most + half] : [least, most];
  }

  point(plot) {
    const { left, top, idx } = plot.cursor;
    if (idx == null || left < 0) {
      this.tip.hidden = true;
      return;
    }
    const lines = this.data.series.map((each) => `${each.label}: ${each.values[idx] == null ? "–" : exact.format(each.values[idx]) + this.unit}`);
    const format = "dates" in this.figure.dataset ? day : moment;
    this.tip.replaceChildren(...[format.format(new Date(this.data.x[idx] * 1000)), ...lines].map(line));
    this.tip.hidden = false;
    const place = plot.over.getBoundingClientRect();
    const frame = this.figure.getBoundingClientRect();
    const x = place.left - frame.left + left;
    const room = frame.width - x > this.tip.offsetWidth + 24;
    this.tip.style.left = `${Math.max(0, room ? x + 12 : x - this.tip.offsetWidth - 12)}px`;
    this.tip.style.top = `${place.top - frame.top + Math.max(0, top - 20)}px`;
  }

  mark(plot, colour) {
    let free = 0; // where the last label ends
    const right = plot.bbox.left + plot.bbox.width;
    const pixel = devicePixelRatio;
    for (const { x, label } of this.data.marks ?? []) {
      const at = Math.round(plot.valToPos(x, "x", true));
      if (at < plot.bbox.left || at > plot.bbox.left + plot.bbox.width) continue;
      plot.ctx.save();
      plot.ctx.strokeStyle = colour;
      plot.ctx.setLineDash([4, 4]);
      plot.ctx.beginPath();
      plot.ctx.moveTo(at, plot.bbox.top);
      plot.ctx.lineTo(at, plot.bbox.top + plot.bbox.height);
      plot.ctx.stroke();
      const shown = label.length > 24 ? label.slice(0, 23) + "…" : label;
      plot.ctx.font = `${11 * pixel}px ${getComputedStyle(this.figure).fontFamily}`;
      plot.ctx.fillStyle = colour;
      plot.ctx.textAlign = "left";
      plot.ctx.textBaseline = "top";
      const width = plot.ctx.measureText(shown).width;
      const left = at + 4 * pixel + width > right ? at - width - 4 * pixel : at + 4 * pixel;
      if (left > free) {
        plot.ctx.fillText(shown, left, plot.bbox.top + 2 * pixel);
        free = left + width + 4 * pixel;
      }
      plot.ctx.restore();
    }
  }

  width() {
    return Math.max(200, Math.floor(this.canvas.clientWidth));
  }

  resize() {
    if (this.plot && this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: this.plot.height });
  }
}

function line(text) {
  return Object.assign(document.createElement("div"), { textContent: text });
}

// A piece of a dashed line, for the legend.
function sample(dash) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const part = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of Object.entries({ class: "dash", viewBox: "0 0 28 4", width: 28, height: 4, "aria-hidden": "true" })) svg.setAttribute(name, value);
  part.setAttribute("d", "M0 2h28");
  part.setAttribute("stroke-dasharray", dash.join(" "));
  svg.append(part);
  return svg;
}

function series({ label, kind, dash }, colour) {
  const common = { label, stroke: colour, width: 2, dash, points: { show: false } };
  if (kind === "bar") return { ...common, fill: colour, width: 0, paths: uPlot.paths.bars({ size: [0.7, 40] }) };
  return kind === "area" ? { ...common, fill: `color-mix(in srgb, ${colour} 16%, transparent)` } : common;
}

function times(plot, ticks, _axis, _space, step) {
  const style =
    step >= 86400 ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", ...(step < 60 ? { second: "2-digit" } : {}) };
  const format = new Intl.DateTimeFormat(language, style);
  return ticks.map((each) => format.format(new Date(each * 1000)));
}

for (const figure of document.querySelectorAll("[data-chart]")) drawn.add(new Chart(figure));
document.addEventListener("fastkiq:updated", () => drawn.forEach((each) => each.load()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((each) => each.draw()));
