/** How full storages are against the same days of the years before, as far back as the store has them. */

import { useMemo } from 'preact/hooks';

import { useRows } from '../api/hooks';
import { type Aligned, align } from '../chart/align';
import { instant, number, type Row } from '../live/frames';
import { Choice } from '../panel/choice';
import { AlignedPanel, rowAt } from '../panel/series-panel';
import { route, setParams } from '../state/route';
import type { Traced } from '../state/screen';
import { quarter } from '../state/spans';
import { dateOf, DAY } from '../time/zone';

export const STORAGE = 'agsi_storage';
const FULL = 'full';

const GAS_ZONE = 'Europe/Brussels';
const YEARS_BACK = 8;
const SPANS = [
  ['30', '30 days'],
  ['180', '½ year'],
  ['365', 'year'],
] as const;
/** The band goes on this far beyond the newest gas day. */
const AHEAD_DAYS = 30;

interface Known {
  readonly year: number;
  readonly value: number;
}

function dayOfYear(at: number): { readonly name: string; readonly year: number } {
  const { year, month, day } = dateOf(at, GAS_ZONE);
  return { name: `${month}-${day}`, year };
}

export interface Season {
  readonly aligned: Aligned;
  /** How many earlier years have any of the shown days. */
  readonly years: number;
}

/** Filling of each gas day from `start` to `end`, and least, mean and most of the same day of earlier years. */
export function season(rows: readonly Row[], start: number, end: number): Season {
  const days = new Map<string, Known[]>();
  for (const row of rows) {
    const at = instant(row, 'delivery_start');
    const value = number(row, 'full_pct');
    if (at === null || value === null) continue;
    const { name, year } = dayOfYear(at);
    const known = days.get(name) ?? [];
    days.set(name, known);
    known.push({ year, value });
  }
  const years = new Set<number>();
  const found: Row[] = [];
  for (let at = start; at < end; at += DAY) {
    const { name, year } = dayOfYear(at);
    const before = (days.get(name) ?? []).filter((one) => one.year < year);
    for (const one of before) years.add(one.year);
    const values = before.map((one) => one.value);
    if (values.length > 0)
      found.push({
        delivery_start: new Date(at).toISOString(),
        most: Math.max(...values),
        mean: values.reduce((sum, one) => sum + one, 0) / values.length,
        least: Math.min(...values),
      });
  }
  const shown = rows.filter((row) => (instant(row, 'delivery_start') ?? 0) >= start);
  const of = (name: string, value: string, from: readonly Row[]) => ({
    rows: from,
    time: 'delivery_start',
    value,
    seriesOf: () => name,
  });
  const aligned = align([
    of('most', 'most', found),
    of('least', 'least', found),
    of('mean of the years', 'mean', found),
    of(FULL, 'full_pct', shown),
  ]);
  return { aligned, years: years.size };
}

/** Where a point comes from: of the band the gas day of an earlier year that has its value, or any of them. */
export function originOf(
  rows: readonly Row[],
  name: string,
  at: number,
  value: number | null,
): Traced | null {
  if (name === FULL) return rowAt([{ source: STORAGE, rows }], at, value);
  const shown = dayOfYear(at);
  const same = rows.filter((row) => {
    const day = dayOfYear(instant(row, 'delivery_start') ?? 0);
    return day.name === shown.name && day.year < shown.year;
  });
  const row = same.find((one) => number(one, 'full_pct') === value) ?? same[0];
  return row === undefined ? null : { source: STORAGE, row };
}

interface OfStore {
  readonly code: string;
  readonly url: string;
  readonly name: string;
}

export function SeasonPanel({ code, url, name }: OfStore) {
  const span = route.value.params.span ?? '180';
  const day = Math.floor(quarter.value / DAY) * DAY;
  // A gas day begins at 05:00 or 04:00 UTC; at noon it is the same date in Brussels.
  const start = day - Number(span) * DAY + DAY / 2;
  const end = day + AHEAD_DAYS * DAY;
  const asked = useRows({
    path: `range/${STORAGE}`,
    query: {
      start: new Date(day - YEARS_BACK * 366 * DAY).toISOString(),
      end: new Date(day + DAY).toISOString(),
      columns: 'full_pct',
      code,
      url,
    },
    follow: STORAGE,
  });
  const { aligned, years } = useMemo(() => season(asked.rows, start, end), [asked.rows, start, end]);
  const hasBand = years > 0;
  return (
    <AlignedPanel
      id="filling"
      title={`Filling ${name}`}
      unit="%"
      sources={[STORAGE]}
      aligned={aligned}
      asked={[asked]}
      origin={(series, at, value) => originOf(asked.rows, series, at, value)}
      start={start}
      end={end}
      kind="line"
      decimals={1}
      colours={aligned.names.map((one) => COLOURS[one] ?? 'c1')}
      dashes={aligned.names.map((one) => (one.startsWith('mean') ? [4, 4] : undefined))}
      {...(hasBand ? { between: BAND } : {})}
      tools={
        <>
          <span class="about" data-value="years">
            {asked.loading
              ? ''
              : hasBand
                ? `band of ${years} earlier ${years === 1 ? 'year' : 'years'}`
                : 'no earlier year is stored: no seasonal band'}
          </span>
          <Choice
            label="Span"
            options={SPANS}
            value={span}
            onChange={(value) => setParams({ span: value })}
          />
        </>
      }
    />
  );
}

const BAND = [0, 1, 'c7'] as const;
const COLOURS: Readonly<Record<string, string>> = {
  most: 'c7',
  least: 'c7',
  'mean of the years': 'dim',
  full: 'c1',
};
