import type { Measurement } from "../measurement.ts";
import { formatCount, formatSize } from "../measurement.ts";
import { median, spread } from "../statistics.ts";
import { drawBars, drawChart } from "./chart.ts";

/** The charts of what was measured, as SVG, by the name of their file. */
export function drawCharts(
  all: readonly Measurement[],
  titleOf: (contender: string) => string,
): ReadonlyMap<string, string> {
  const charts = new Map<string, string>();
  const inPart = (part: Measurement["part"]) => all.filter((each) => each.part === part);
  /** One curve for each contender. */
  const curves = (
    measurements: readonly Measurement[],
    x: (measurement: Measurement) => number,
    factor: (measurement: Measurement) => number,
  ) => {
    const names = new Set(measurements.flatMap(({ rounds }) => Object.keys(rounds)));
    return [...names].map((name) => ({
      name: titleOf(name),
      points: measurements.flatMap((measurement) => {
        // There is no place for nought on a logarithmic axis.
        const values = (measurement.rounds[name] ?? []).filter((value) => value > 0);
        if (values.length === 0) {
          return [];
        }
        const { median: y, min, max } = spread(values.map((value) => value * factor(measurement)));
        return [{ x: x(measurement), y, min, max }];
      }),
    }));
  };
  const byConcurrency = (title: string, measurements: readonly Measurement[]) =>
    drawChart({
      title,
      xTitle: "calls in flight at once",
      yTitle: "calls/s",
      formatX: String,
      curves: curves(
        measurements,
        ({ concurrency = 1 }) => concurrency,
        () => 1,
      ),
    });

  for (const [part, where] of [
    ["unary", ""],
    ["memory", " in the same process"],
  ] as const) {
    for (const [size, measurements] of Map.groupBy(inPart(part), ({ size = 0 }) => size)) {
      const title = formatSize(size);
      const file = `${part}-${title.replace(" ", "").toLowerCase()}.svg`;
      charts.set(file, byConcurrency(`Unary calls of ${title}${where}`, measurements));
    }
  }
  const streaming = inPart("streaming");
  if (streaming.length > 0) {
    const common = { xTitle: "size of a message", formatX: formatSize };
    const x = ({ size = 0 }: Measurement) => size;
    charts.set(
      "streaming-messages.svg",
      drawChart({ ...common, title: "Server streams", yTitle: "messages/s", curves: curves(streaming, x, () => 1) }),
    );
    const megabytes = ({ size = 0 }: Measurement) => size / 1e6;
    charts.set(
      "streaming-bytes.svg",
      drawChart({ ...common, title: "Server streams", yTitle: "MB/s", curves: curves(streaming, x, megabytes) }),
    );
  }
  for (const { title, unit, rounds } of inPart("startup")) {
    const bars = Object.entries(rounds).flatMap(([name, values]) =>
      values.length > 0 ? [{ name, value: median(values) }] : [],
    );
    const heading = `${title[0]?.toUpperCase()}${title.slice(1)}, ${unit}`;
    if (bars.length > 0) {
      charts.set(unit === "ms" ? "first-response.svg" : "resident-memory.svg", drawBars(heading, bars));
    }
  }
  const curvesOfGrowth = Map.groupBy(
    all.filter(({ curve }) => curve !== undefined),
    ({ curve }) => curve?.file,
  );
  for (const points of curvesOfGrowth.values()) {
    const [{ curve, unit } = {}] = points;
    if (
      curve !== undefined &&
      unit !== undefined &&
      points.some(({ rounds }) => Object.values(rounds).some((values) => values.some((value) => value > 0)))
    ) {
      const formatX = curve.isBytes ? formatSize : formatCount;
      const x = (measurement: Measurement) => measurement.curve?.at ?? 1;
      const drawn = curves(points, x, () => 1);
      charts.set(
        `${curve.file}.svg`,
        drawChart({ title: curve.title, xTitle: curve.along, yTitle: unit, formatX, curves: drawn }),
      );
    }
  }
  return charts;
}
