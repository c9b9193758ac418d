// Charts by uPlot, in the colours of the page. <figure data-chart="ID"> has a .chart-canvas, and ID is a
// <script type="application/json"> with {x: [epoch seconds], series: [{label, values, color, kind}], marks: [{x, label}]},
// or data-url says where to fetch that. Kinds: line, area, bar. Drawn anew when live data, theme or width change.
import { language } from "./texts.js";

const uPlot = window.uPlot;
const drawn = new Set();
const numbers = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat(language, { maximumFractionDigits: 3 });
const moment = new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "medium" });

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

  async load() {
    if (this.figure.dataset.url) {
      const response = await fetch(this.figure.dataset.url, { headers: { Accept: "application/json" } });
      if (!response.ok) return;
      this.set(await response.json());
    } else {
      this.set(JSON.parse(document.getElementById(this.figure.dataset.chart).textContent));
    }
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
        scales: { y: { range: (_, least, most) => [Math.min(0, least ?? 0), most > 0 ? most * 1.08 : 1] } },
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
      ...this.data.series.map((each) =>
        Object.assign(document.createElement("span"), { textContent: each.label, className: `swatch-${each.color ?? "blue"}` }),
      ),
    );
  }

  point(plot) {
    const { left, top, idx } = plot.cursor;
    if (idx == null || left < 0) {
      this.tip.hidden = true;
      return;
    }
    const lines = this.data.series.map((each) => `${each.label}: ${each.values[idx] == null ? "–" : exact.format(each.values[idx]) + this.unit}`);
    this.tip.replaceChildren(...[moment.format(new Date(this.data.x[idx] * 1000)), ...lines].map(line));
    this.tip.hidden = false;
    const place = plot.over.getBoundingClientRect();
    const frame = this.figure.getBoundingClientRect();
    const x = place.left - frame.left + left;
    const room = frame.width - x > this.tip.offsetWidth + 24;
    this.tip.style.left = `${Math.max(0, room ? x + 12 : x - this.tip.offsetWidth - 12)}px`;
    this.tip.style.top = `${place.top - frame.top + Math.max(0, top - 20)}px`;
  }

  mark(plot, colour) {
    for (const { x } of this.data.marks ?? []) {
      const at = Math.round(plot.valToPos(x, "x", true));
      if (at < plot.bbox.left || at > plot.bbox.left + plot.bbox.width) continue;
      plot.ctx.save();
      plot.ctx.strokeStyle = colour;
      plot.ctx.setLineDash([4, 4]);
      plot.ctx.beginPath();
      plot.ctx.moveTo(at, plot.bbox.top);
      plot.ctx.lineTo(at, plot.bbox.top + plot.bbox.height);
      plot.ctx.stroke();
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

function series({ label, kind }, colour) {
  const common = { label, stroke: colour, width: 2, points: { show: false } };
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
