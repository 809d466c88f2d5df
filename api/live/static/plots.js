// Draws the last five minutes with uPlot, in the page's colours, and says the newest values in words.

import { duration, rate } from "./text.js";

const WINDOW_S = 300;
const MINUTES = [5, 4, 3, 2, 1, 0];

/** One plot of two series over time. `values(point)` gives them, `words(point)` the text for screen readers. */
class Plot {
  constructor(id, { values, words, unit }) {
    this.place = document.getElementById(id);
    this.values = values;
    this.words = words;
    this.unit = unit;
    this.draw([]);
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(this.place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(this.points));
  }

  size() {
    return { width: Math.max(200, this.place.clientWidth), height: 190 };
  }

  end() {
    return this.points.at(-1)?.at_s ?? Math.floor(Date.now() / 1000);
  }

  data() {
    const shown = this.points.filter((point) => point.at_s > this.end() - WINDOW_S);
    return [shown.map((point) => point.at_s), ...[0, 1].map((series) => shown.map((point) => this.values(point)[series]))];
  }

  draw(points) {
    this.plot?.destroy();
    this.points = points;
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false },
      font: "12px system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif",
    };
    this.plot = new window.uPlot({
      ...this.size(),
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 18, 0, 0],
      scales: {
        x: { range: () => [this.end() - WINDOW_S, this.end()] },
        y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 10] },
      },
      axes: [
        { ...axis, size: 26, splits: () => MINUTES.map((minutes) => this.end() - 60 * minutes), values: () => MINUTES.map(ago) },
        { ...axis, size: 58, values: (_plot, ticks) => ticks.map((tick) => tick.toLocaleString("en")) },
      ],
      series: [
        {},
        { stroke: colour("--accent"), width: 2, points: { show: false } },
        { stroke: colour("--quiet"), width: 1.5, dash: [5, 4], points: { show: false } },
      ],
    }, this.data(), this.place);
  }

  show(points) {
    this.points = points;
    this.plot.setData(this.data());
    if (points.length) this.place.setAttribute("aria-label", this.words(points.at(-1)));
  }
}

function ago(minutes) {
  return minutes ? `−${minutes} min` : "now";
}

/** Make both plots; the answer shows points in them. */
export function plots() {
  const made = [
    new Plot("plot-rate", {
      values: (point) => [point.ended, point.sent],
      words: (point) => `Orders a second in the last five minutes. Now ${rate(point.ended)} ended, ${rate(point.sent)} sent.`,
    }),
    new Plot("plot-latency", {
      values: (point) => [point.p50_ms, point.p99_ms],
      words: (point) => `Latency in the last five minutes. Now p50 ${duration(point.p50_ms).join(" ")}, p99 ${duration(point.p99_ms).join(" ")}.`,
    }),
  ];
  return (points) => made.forEach((plot) => plot.show(points));
}
