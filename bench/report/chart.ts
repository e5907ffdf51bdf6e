/** A point of a curve: where it is, what the median was, and between what it varied. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly min: number;
  readonly max: number;
}

/** A chart of curves, both of its axes logarithmic. */
export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly formatX: (x: number) => string;
  readonly curves: readonly { readonly name: string; readonly points: readonly Point[] }[];
}

const width = 860;
const height = 480;
const plot = { left: 80, right: 620, top: 50, bottom: 420 };
const colors = ["#d62728", "#ff7f0e", "#bcbd22", "#1f77b4", "#17becf", "#9467bd", "#2ca02c", "#333333", "#999999"];

/** Draws it as SVG. */
export function drawChart({ title, xTitle, yTitle, formatX, curves }: Chart): string {
  const points = curves.flatMap((curve) => curve.points);
  const xs = [...new Set(points.map(({ x }) => x))].sort((one, other) => one - other);
  const least = Math.floor(Math.log10(Math.min(...points.map(({ min }) => min))));
  const greatest = Math.max(least + 1, Math.ceil(Math.log10(Math.max(...points.map(({ max }) => max)))));
  const x = scale(Math.log(Math.min(...xs)), Math.log(Math.max(...xs)), plot.left + 20, plot.right - 20);
  const y = scale(least, greatest, plot.bottom, plot.top);
  const left = (value: number) => x(Math.log(value));
  const top = (value: number) => y(Math.log10(value));

  const grid = ticks(least, greatest).flatMap(({ value, labelled }) => [
    line(plot.left, top(value), plot.right, top(value), labelled ? "#bbb" : "#eee"),
    ...(labelled ? [text(plot.left - 8, top(value) + 4, shorten(value), "end")] : []),
  ]);
  const columns = xs.map((value) => text(left(value), plot.bottom + 20, formatX(value), "middle"));
  const drawn = curves.flatMap((curve, index) => {
    const color = colors[index % colors.length] ?? "black";
    const path = curve.points.map((point) => `${left(point.x).toFixed(1)},${top(point.y).toFixed(1)}`).join(" ");
    const legend = plot.top + 10 + index * 22;
    return [
      `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`,
      ...curve.points.flatMap((point) => [
        line(left(point.x), top(point.min), left(point.x), top(point.max), color),
        `<circle cx="${left(point.x).toFixed(1)}" cy="${top(point.y).toFixed(1)}" r="3.5" fill="${color}"/>`,
      ]),
      line(plot.right + 20, legend, plot.right + 44, legend, color, 2),
      text(plot.right + 52, legend + 4, curve.name, "start"),
    ];
  });
  const middle = (plot.top + plot.bottom) / 2;
  return svg([
    text(plot.left, 28, title, "start", 16),
    ...grid,
    line(plot.left, plot.top, plot.left, plot.bottom, "#333"),
    line(plot.left, plot.bottom, plot.right, plot.bottom, "#333"),
    ...columns,
    text((plot.left + plot.right) / 2, plot.bottom + 44, xTitle, "middle"),
    `<g transform="rotate(-90 20 ${middle})">${text(20, middle, yTitle, "middle")}</g>`,
    ...drawn,
  ]);
}

/** Draws one bar for each value, as SVG. */
export function drawBars(title: string, bars: readonly { readonly name: string; readonly value: number }[]): string {
  const most = Math.max(...bars.map(({ value }) => value));
  const start = 200;
  const length = scale(0, most, 0, width - start - 100);
  const drawn = bars.flatMap(({ name, value }, index) => {
    const at = 50 + index * 30;
    const color = colors[index % colors.length] ?? "black";
    return [
      text(start - 10, at + 15, name, "end"),
      `<rect x="${start}" y="${at}" width="${length(value).toFixed(1)}" height="20" fill="${color}"/>`,
      text(start + length(value) + 8, at + 15, value.toFixed(1), "start"),
    ];
  });
  return svg([text(20, 28, title, "start", 16), ...drawn], 60 + bars.length * 30);
}

/** Maps a range to another one. */
function scale(from: number, to: number, start: number, end: number): (value: number) => number {
  return (value) => (to === from ? (start + end) / 2 : start + ((value - from) / (to - from)) * (end - start));
}

/** 1 to 9 of each power of ten; the powers are labelled, and 2 and 5 if there are few. */
function ticks(from: number, to: number): readonly { readonly value: number; readonly labelled: boolean }[] {
  const all = Array.from({ length: to - from }, (_, power) =>
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((digit) => ({
      value: digit * 10 ** (from + power),
      labelled: digit === 1 || (to - from <= 2 && (digit === 2 || digit === 5)),
    })),
  ).flat();
  return [...all, { value: 10 ** to, labelled: true }];
}

function shorten(value: number): string {
  return value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : String(Number(value.toPrecision(3)));
}

function line(x1: number, y1: number, x2: number, y2: number, color: string, thick = 1): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${color}" stroke-width="${thick}"/>`;
}

function text(x: number, y: number, content: string, anchor: "start" | "middle" | "end", size = 12): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}">${escaped}</text>`;
}

function svg(elements: readonly string[], tall = height): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${tall}" font-family="sans-serif">`,
    `<rect width="${width}" height="${tall}" fill="white"/>`,
    ...elements,
    "</svg>",
    "",
  ].join("\n");
}
