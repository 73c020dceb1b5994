/**
 * How much a zone's forecasts moved from the run before to the newest: load, wind and solar, and what that leaves
 * of the load. The run before is what was known just before the newest change came, or so many hours ago.
 */

import { type ComponentChildren, Fragment } from 'preact';
import { useMemo } from 'preact/hooks';

import { type Asked, useRows } from '../api/hooks';
import { type Aligned, align, finest } from '../chart/align';
import { instant, number, type Row, text } from '../live/frames';
import { AlignedPanel, rowAt } from '../panel/series-panel';
import { Value } from '../panel/value';
import { signed } from '../state/figures';
import { quarter } from '../state/spans';
import { type Traced, zone as shownZone } from '../state/screen';
import { clock } from '../time/say';
import { HOUR, MINUTE } from '../time/zone';

export const LOAD_FORECAST = 'entsoe_load_forecast';
export const LOAD = 'entsoe_load';
export const GENERATION = 'entsoe_generation';
export const WIND_SOLAR = 'entsoe_wind_solar_forecast';
const LOAD_SERIES = 'load';
const WIND_AND_SOLAR = 'wind and solar';

interface Points {
  readonly rows: readonly Row[];
  readonly value: string;
}

/**
 * The sum of all production types by quarter-hour, each value holding as long as its period. A quarter-hour of which
 * one of them is not known is left out: the sum of the others would be taken for all.
 */
export function byQuarter({ rows, value }: Points): Map<number, number> {
  const found = new Map<number, number>();
  const types = new Map<string, Set<number>>();
  for (const row of rows) {
    const start = instant(row, 'delivery_start');
    const end = instant(row, 'delivery_end');
    const held = number(row, value);
    if (start === null || end === null || held === null) continue;
    const type = text(row, 'production_type');
    const known = types.get(type) ?? new Set<number>();
    types.set(type, known);
    for (let at = start; at < end; at += 15 * MINUTE) {
      found.set(at, (found.get(at) ?? 0) + held);
      known.add(at);
    }
  }
  return new Map([...found].filter(([at]) => [...types.values()].every((known) => known.has(at))));
}

/** What is left of `whole` after `parts`, where all are known. */
export function difference(
  whole: ReadonlyMap<number, number>,
  parts: ReadonlyMap<number, number>,
): Map<number, number> {
  return new Map(
    [...whole].flatMap(([at, value]) => (parts.has(at) ? [[at, value - (parts.get(at) ?? 0)] as const] : [])),
  );
}

/** Of several forecasts of a period the newest kind: intraday before current before day-ahead. */
const KINDS = ['Intraday', 'Current', 'Day ahead'];

export function newestForecasts(rows: readonly Row[]): Row[] {
  const best = new Map<string, Row>();
  const rank = (row: Row): number => KINDS.indexOf(text(row, 'forecast'));
  for (const row of finest(rows, (one) => `${text(one, 'production_type')} ${text(one, 'forecast')}`)) {
    const name = `${text(row, 'production_type')} ${text(row, 'delivery_start')}`;
    const held = best.get(name);
    if (held === undefined || rank(row) < rank(held)) best.set(name, row);
  }
  return [...best.values()];
}

/** Series by quarter-hour as a chart draws them. */
export function lines(series: readonly (readonly [string, ReadonlyMap<number, number>])[]): Aligned {
  return align(
    series.map(([name, values]) => ({
      rows: [...values].map(([at, value]) => ({
        delivery_start: new Date(at).toISOString(),
        delivery_end: new Date(at + 15 * MINUTE).toISOString(),
        value,
      })),
      time: 'delivery_start',
      value: 'value',
      seriesOf: () => name,
    })),
  );
}

/** Just before the newest of these rows became known; null if none is known. */
export function beforeNewest(rows: readonly Row[]): number | null {
  const newest = rows.reduce((most, row) => Math.max(most, instant(row, 'received_at') ?? 0), 0);
  return newest === 0 ? null : newest - 1;
}

/** The newest less the earlier value of each quarter-hour; what did not move is 0, what is new is left out. */
export function moved(newest: Points, earlier: Points): Map<number, number> {
  return difference(byQuarter(newest), byQuarter(earlier));
}

interface Delta {
  readonly aligned: Aligned;
  readonly asked: readonly Asked[];
  /** What the newest is compared with: the last instant at which the earlier run was the newest. */
  readonly before: number | null;
}

function useForecast(source: string, value: string, query: object, at: number | null, wanted: boolean) {
  return useRows(
    wanted
      ? {
          path: `range/${source}`,
          query: { ...query, columns: value, ...(at === null ? {} : { as_of: new Date(at).toISOString() }) },
          ...(at === null ? { follow: source } : {}),
        }
      : null,
  );
}

function useDelta(zone: string, start: number, end: number, back: number | null): Delta {
  const query = {
    start: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
    bidding_zone: zone,
  };
  const load = useForecast(LOAD_FORECAST, 'load_mw', query, null, true);
  const wind = useForecast(WIND_SOLAR, 'power_mw', query, null, true);
  const newestWind = useMemo(() => newestForecasts(wind.rows), [wind.rows]);
  const fixed = back === null ? null : quarter.value - back * HOUR;
  const loadBefore = fixed ?? beforeNewest(load.rows);
  const windBefore = fixed ?? beforeNewest(newestWind);
  const oldLoad = useForecast(LOAD_FORECAST, 'load_mw', query, loadBefore, loadBefore !== null);
  const oldWind = useForecast(WIND_SOLAR, 'power_mw', query, windBefore, windBefore !== null);
  const aligned = useMemo(() => {
    const ofLoad = moved(
      { rows: finest(load.rows, () => ''), value: 'load_mw' },
      { rows: finest(oldLoad.rows, () => ''), value: 'load_mw' },
    );
    const ofWind = moved(
      { rows: newestWind, value: 'power_mw' },
      { rows: newestForecasts(oldWind.rows), value: 'power_mw' },
    );
    const named = [
      [WIND_AND_SOLAR, ofWind],
      [LOAD_SERIES, ofLoad],
    ] as const;
    return lines(named.filter(([, values]) => values.size > 0));
  }, [load.rows, oldLoad.rows, newestWind, oldWind.rows]);
  return { aligned, asked: [wind, load, oldWind, oldLoad], before: windBefore ?? loadBefore };
}

export interface DeltaProps {
  readonly zone: string;
  readonly start: number;
  readonly end: number;
  /** So many hours ago; null is the run before the newest. */
  readonly back: number | null;
  /** The delivery whose change is said in figures. */
  readonly delivery?: number | null;
  readonly tools?: ComponentChildren;
}

export function DeltaPanel({ zone, start, end, back, delivery, tools }: DeltaProps) {
  const { aligned, asked, before } = useDelta(zone, start, end, back);
  const said = delivery === null || delivery === undefined ? [] : at(aligned, delivery);
  /** A change is of two runs: shown is the newest one. */
  const originOf = (name: string, moment: number, value: number | null): Traced | null =>
    rowAt(
      asked.filter(({ source }) => source === (name === LOAD_SERIES ? LOAD_FORECAST : WIND_SOLAR)),
      moment,
      value,
    );
  return (
    <AlignedPanel
      id="delta"
      title={`Forecast Δ ${zone}`}
      unit="MW"
      sources={[WIND_SOLAR, LOAD_FORECAST]}
      aligned={aligned}
      asked={asked}
      start={start}
      end={end}
      decimals={0}
      kind="step-area"
      colours={aligned.names.map((name) => (name === LOAD_SERIES ? 'c4' : 'up'))}
      origin={originOf}
      zero
      nothing="No earlier run of these periods is known."
      detail={
        said.length === 0 ? undefined : (
          <span class="value" title="Of the chosen delivery">
            {said.map(([name, value], place) => (
              <Fragment key={name}>
                {place === 0 ? '' : ' · '}
                <Value
                  words={`${name} ${signed(value, 0)}`}
                  of={() => originOf(name, delivery ?? 0, value) ?? { source: WIND_SOLAR, row: null }}
                />
              </Fragment>
            ))}{' '}
            MW
          </span>
        )
      }
      tools={
        <>
          {before === null ? null : <span class="about">against {clock(before, shownZone.value)}</span>}
          {tools}
        </>
      }
    />
  );
}

/** What each series says of the quarter-hour that begins then. */
export function at({ names, data }: Aligned, instantOf: number): (readonly [string, number])[] {
  const index = data[0].indexOf(instantOf / 1000);
  return names.flatMap((name, place) => {
    const value = data[place + 1]?.[index];
    return typeof value === 'number' ? [[name, value] as const] : [];
  });
}
