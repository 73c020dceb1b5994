/** From rows to the columns that a chart draws. */

import type uPlot from 'uplot';

import { instant, type Marking, markOf, number, type Row } from '../live/frames';
import type { Glyph } from './chart';

/** Rows of one source, and how they become series. */
export interface Part {
  readonly rows: readonly Row[];
  readonly time: string;
  readonly value: string;
  readonly seriesOf: (row: Row) => string | null;
}

export interface Aligned {
  readonly names: readonly string[];
  readonly data: uPlot.AlignedData;
  /** Where revised and quarantined values stand. */
  readonly glyphs?: readonly Glyph[];
}

/**
 * One column per series over all of their times, null where one has no value. Each series ends where its
 * last period ends, so that a step is as long as its period.
 */
export function align(parts: readonly Part[], order: readonly string[] = []): Aligned {
  const series = new Map<string, Map<number, number | null>>(order.map((name) => [name, new Map()]));
  const times = new Set<number>();
  const ends = new Map<string, number>();
  const marks = new Map<string, Map<number, Marking | undefined>>();
  for (const { rows, time, value, seriesOf } of parts) {
    for (const row of rows) {
      const name = seriesOf(row);
      const at = instant(row, time);
      if (name === null || at === null) continue;
      const points = series.get(name) ?? new Map<number, number | null>();
      series.set(name, points);
      points.set(at, number(row, value));
      times.add(at);
      marks.set(name, (marks.get(name) ?? new Map<number, Marking | undefined>()).set(at, markOf(row)));
      const end = time === 'delivery_start' ? instant(row, 'delivery_end') : null;
      if (end !== null) ends.set(name, Math.max(ends.get(name) ?? 0, end));
    }
  }
  for (const [name, end] of ends) {
    const points = series.get(name);
    if (points === undefined || points.has(end)) continue;
    points.set(end, points.get(largest(points.keys())) ?? null);
    times.add(end);
  }
  const sorted = [...times].sort((one, other) => one - other);
  const names = [...series.keys()].filter((name) => (series.get(name)?.size ?? 0) > 0);
  const columns = names.map((name) => column(sorted, series.get(name) ?? new Map<number, number | null>()));
  const glyphs = names.flatMap((name, place) =>
    [...(marks.get(name) ?? [])].flatMap(([at, mark]) =>
      mark === undefined ? [] : [{ at: at / 1000, place, mark }],
    ),
  );
  return { names, data: [sorted.map((at) => at / 1000), ...columns], glyphs };
}

function largest(values: Iterable<number>): number {
  let most = -Infinity;
  for (const value of values) most = Math.max(most, value);
  return most;
}

/** Of rows in several resolutions the finest of each series: a quarter-hour says more than its hour. */
export function finest(rows: readonly Row[], seriesOf: (row: Row) => string): Row[] {
  const least = new Map<string, number>();
  const length = (row: Row): number =>
    (instant(row, 'delivery_end') ?? Infinity) - (instant(row, 'delivery_start') ?? 0);
  for (const row of rows)
    least.set(seriesOf(row), Math.min(least.get(seriesOf(row)) ?? Infinity, length(row)));
  return rows.filter((row) => length(row) === least.get(seriesOf(row)));
}

/** A coarser series among finer ones holds its value until its next period begins. */
function column(
  times: readonly number[],
  points: ReadonlyMap<number, number | null>,
): (number | null | undefined)[] {
  const own = [...points.keys()].sort((one, other) => one - other);
  const step = own.reduce(
    (least, at, index) => (index === 0 ? least : Math.min(least, at - (own[index - 1] ?? at))),
    Infinity,
  );
  let last: number | null = null;
  let held: number | null = null;
  return times.map((at) => {
    if (points.has(at)) {
      last = at;
      held = points.get(at) ?? null;
      return held;
    }
    return last !== null && at - last < step ? held : null;
  });
}
