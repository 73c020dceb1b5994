/** Open positions as the position page shows them: the rows in view, their sums, their composition. */

import type uPlot from 'uplot';

import { type Layer, stacked, type Stacked } from '../chart/stack';
import { instant, number, type Row, text } from '../live/frames';

/** The parts of a position, in the order in which they stand on each other. */
export const KINDS = [
  { column: 'schedule_mw', title: 'Schedule', colour: 'c7' },
  { column: 'contract_mw', title: 'Contracts', colour: 'c1' },
  { column: 'generation_forecast_mw', title: 'Generation', colour: 'c3' },
  { column: 'load_forecast_mw', title: 'Load', colour: 'c6' },
] as const;

const HOUR_MS = 3_600_000;

export function hoursOf(row: Row): number {
  const [start, end] = [instant(row, 'delivery_start'), instant(row, 'delivery_end')];
  return start === null || end === null ? 0 : (end - start) / HOUR_MS;
}

export function idOf(row: Row): string {
  return text(row, 'id') || `${text(row, 'portfolio')}|${text(row, 'area')}|${text(row, 'delivery_start')}`;
}

/** Rows that deliver in a span, in order of time, then portfolio and area. */
export function within(rows: readonly Row[], start: number, end: number): Row[] {
  const at = (row: Row): number => instant(row, 'delivery_start') ?? 0;
  return rows
    .filter((row) => at(row) >= start && at(row) < end)
    .sort(
      (one, other) =>
        at(one) - at(other) ||
        text(one, 'portfolio').localeCompare(text(other, 'portfolio')) ||
        text(one, 'area').localeCompare(text(other, 'area')),
    );
}

export interface Total {
  readonly id: string;
  readonly portfolio: string;
  readonly area: string;
  readonly longMwh: number;
  readonly shortMwh: number;
  readonly dayAheadEur: number | null;
  readonly closeEur: number | null;
  readonly unfilledMwh: number;
  readonly imbalanceEur: number | null;
  /** The position that is delivered next of those that are summed up. */
  readonly next: Row;
}

/** Sums of the deliveries that have not begun: of all, then of each portfolio and area. */
export function totals(rows: readonly Row[], now: number): Total[] {
  const ahead = rows.filter((row) => (instant(row, 'delivery_start') ?? 0) > now);
  const groups = new Map<string, [Row, ...Row[]]>();
  for (const row of ahead) {
    const id = `${text(row, 'portfolio')}|${text(row, 'area')}`;
    const held = groups.get(id);
    if (held === undefined) groups.set(id, [row]);
    else held.push(row);
  }
  const each = [...groups]
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([id, own]) => total(id, text(own[0], 'portfolio'), text(own[0], 'area'), own));
  const [next, ...later] = ahead;
  return each.length > 1 && next !== undefined ? [total('all', 'All', '', [next, ...later]), ...each] : each;
}

function total(id: string, portfolio: string, area: string, rows: readonly [Row, ...Row[]]): Total {
  const energy = (row: Row): number => (number(row, 'open_mw') ?? 0) * hoursOf(row);
  return {
    id,
    portfolio,
    area,
    longMwh: sum(rows.map((row) => Math.max(0, energy(row)))),
    shortMwh: sum(rows.map((row) => Math.min(0, energy(row)))),
    dayAheadEur: known(rows, 'day_ahead_value_eur'),
    closeEur: known(rows, 'close_cost_eur'),
    unfilledMwh: sum(rows.map((row) => (number(row, 'unfilled_mw') ?? 0) * hoursOf(row))),
    imbalanceEur: known(rows, 'imbalance_cost_eur'),
    next: rows[0],
  };
}

/** The sum of the values that are known; null where none is. */
function known(rows: readonly Row[], column: string): number | null {
  const values = rows.map((row) => number(row, column)).filter((value) => value !== null);
  return values.length === 0 ? null : sum(values);
}

function sum(values: readonly number[]): number {
  return values.reduce((whole, value) => whole + value, 0);
}

export interface Composition {
  readonly layers: readonly Layer[];
  readonly drawn: readonly Stacked[];
  readonly open: readonly (number | null)[];
  readonly data: uPlot.AlignedData;
}

/** What the open position is made of, quarter-hour by quarter-hour, all rows of a quarter-hour together. */
export function composition(rows: readonly Row[]): Composition {
  const points = pointsOf(rows);
  const column = (name: string): (number | null)[] => points.map(({ held }) => known(held, name));
  const layers = KINDS.map(({ column: name, title, colour }) => ({
    label: title,
    colour,
    values: column(name),
  }));
  const open = column('open_mw');
  const drawn = stacked(layers);
  return {
    layers,
    drawn,
    open,
    data: [points.map(({ at }) => at / 1000), ...drawn.map((one) => one.sums), [...open]],
  };
}

/** What is held from each instant on: a quarter-hour's rows until its end, nothing in a gap. */
function pointsOf(rows: readonly Row[]): { readonly at: number; readonly held: readonly Row[] }[] {
  const quarters = new Map<number, Row[]>();
  for (const row of rows) {
    const at = instant(row, 'delivery_start');
    if (at !== null) quarters.set(at, [...(quarters.get(at) ?? []), row]);
  }
  const starts = [...quarters.keys()].sort((one, other) => one - other);
  return starts.flatMap((at, place) => {
    const held = quarters.get(at) ?? [];
    const end = at + Math.max(...held.map(hoursOf)) * HOUR_MS;
    const next = starts[place + 1];
    if (next === undefined)
      return [
        { at, held },
        { at: end, held },
      ];
    return next > end
      ? [
          { at, held },
          { at: end, held },
          { at: end + 1, held: [] },
        ]
      : [{ at, held }];
  });
}
