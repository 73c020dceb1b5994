/** Page 3: load, wind, solar and what is left of the load; how forecasts moved and how they came out. */

import { useMemo } from 'preact/hooks';

import { type Asked, useRows } from '../api/hooks';
import { type Aligned, align, finest } from '../chart/align';
import { instant, number, type Row, text } from '../live/frames';
import { Choice, Select } from '../panel/choice';
import { AlignedPanel, rowAt } from '../panel/series-panel';
import { usePageKeys } from '../shell/page-keys';
import { BIDDING_ZONES } from '../shell/zones';
import { choices } from '../state/choices';
import { route, setParams } from '../state/route';
import { type Traced, traced } from '../state/screen';
import { around } from '../state/spans';
import {
  byQuarter,
  DeltaPanel,
  difference,
  GENERATION,
  lines,
  LOAD,
  LOAD_FORECAST,
  newestForecasts,
  WIND_SOLAR,
} from './forecast-delta';
import { LeadPanel } from './forecast-errors';

const STATIONS = 'dwd_mosmix_forecast';
const SITES = 'open_meteo_forecast';
export const FORECAST_SOURCES = [
  LOAD_FORECAST,
  WIND_SOLAR,
  LOAD,
  GENERATION,
  STATIONS,
  SITES,
  'noaa_gfs_wind_forecast',
  'met_office_forecast',
];

/** What is made of forecasts and outcomes together. */
const OF_BOTH = [LOAD_FORECAST, WIND_SOLAR, LOAD, GENERATION];
const WEATHER_DRIVEN = ['Solar', 'Wind Onshore', 'Wind Offshore'];
const BACK = [
  ['', 'previous run'],
  ['1', '1 h'],
  ['6', '6 h'],
  ['24', '24 h'],
] as const;

export function ForecastsPage() {
  const zone = route.value.params.zone ?? choices.value.zones[0] ?? 'DE-LU';
  const back = route.value.params.back ?? '';
  const [start, end] = around(18, 36);
  const span = { start: new Date(start).toISOString(), end: new Date(end).toISOString(), bidding_zone: zone };
  const load = useRows({ path: `range/${LOAD}`, query: { ...span, columns: 'load_mw' }, follow: LOAD });
  const loadForecast = useRows({
    path: `range/${LOAD_FORECAST}`,
    query: { ...span, columns: 'load_mw' },
    follow: LOAD_FORECAST,
  });
  const windSolar = useRows({
    path: `range/${WIND_SOLAR}`,
    query: { ...span, columns: 'power_mw' },
    follow: WIND_SOLAR,
  });
  const generation = useRows({
    path: `range/${GENERATION}`,
    query: { ...span, columns: 'power_mw', direction: 'generation', production_type: WEATHER_DRIVEN },
    follow: GENERATION,
  });

  const newest = useMemo(() => newestForecasts(windSolar.rows), [windSolar.rows]);
  const outcome = useMemo(
    () => finest(generation.rows, (row) => text(row, 'production_type')),
    [generation.rows],
  );
  const whole = { start, end };

  const loadLines = useMemo(
    () =>
      align([
        {
          rows: finest(loadForecast.rows, () => ''),
          time: 'delivery_start',
          value: 'load_mw',
          seriesOf: () => 'forecast',
        },
        {
          rows: finest(load.rows, () => ''),
          time: 'delivery_start',
          value: 'load_mw',
          seriesOf: () => 'outcome',
        },
      ]),
    [load.rows, loadForecast.rows],
  );
  const windLines = useMemo(
    () =>
      align(
        [
          {
            rows: newest,
            time: 'delivery_start',
            value: 'power_mw',
            seriesOf: forecastOf,
          },
          {
            rows: outcome,
            time: 'delivery_start',
            value: 'power_mw',
            seriesOf: outcomeOf,
          },
        ],
        WEATHER_DRIVEN.flatMap((type) => [`${type} forecast`, `${type} outcome`]),
      ),
    [newest, outcome],
  );
  const residual = useMemo(() => {
    const forecast = difference(
      byQuarter({ rows: finest(loadForecast.rows, () => ''), value: 'load_mw' }),
      byQuarter({ rows: newest, value: 'power_mw' }),
    );
    const actual = difference(
      byQuarter({ rows: finest(load.rows, () => ''), value: 'load_mw' }),
      byQuarter({ rows: outcome, value: 'power_mw' }),
    );
    return lines([
      ['forecast', forecast],
      ['outcome', actual],
    ]);
  }, [loadForecast.rows, load.rows, newest, outcome]);
  const errors = useMemo(() => {
    const load_ = difference(
      byQuarter({ rows: finest(load.rows, () => ''), value: 'load_mw' }),
      byQuarter({ rows: finest(loadForecast.rows, () => ''), value: 'load_mw' }),
    );
    const wind = difference(
      byQuarter({ rows: outcome, value: 'power_mw' }),
      byQuarter({ rows: newest, value: 'power_mw' }),
    );
    return lines([
      ['load', load_],
      ['wind and solar', wind],
    ]);
  }, [load.rows, loadForecast.rows, outcome, newest]);
  const weather = useRows({
    path: `range/${STATIONS}`,
    query: { start: span.start, end: span.end, columns: 'wind_speed_m_per_s', run: 'latest' },
    follow: STATIONS,
  });
  const stations = useMemo(() => new Set(weather.rows.map((row) => text(row, 'station_id'))), [weather.rows]);
  const wind = useMemo(() => spread(weather.rows, 'wind_speed_m_per_s'), [weather.rows]);
  usePageKeys({ trace: () => (traced.value = { source: WIND_SOLAR, row: newest[0] ?? null }) });

  const ofBoth = [loadForecast, windSolar, load, generation];
  const panel = (
    id: string,
    title: string,
    sources: readonly string[],
    aligned: Aligned,
    asked: readonly Asked[],
  ) => ({ id, title: `${title} ${zone}`, unit: 'MW', sources, aligned, asked, decimals: 0, ...whole });
  const zoneChoice = (
    <Select
      label="Bidding zone"
      value={zone}
      options={BIDDING_ZONES.map((one) => [one, one] as const)}
      onChange={(value) => setParams({ zone: value })}
    />
  );
  return (
    <>
      <AlignedPanel
        {...panel('load', 'Load', [LOAD_FORECAST, LOAD], loadLines, [loadForecast, load])}
        colours={['c1', 'ink']}
        dashes={[[5, 3], undefined]}
        tools={zoneChoice}
      />
      <AlignedPanel
        {...panel('wind-solar', 'Wind and solar', [WIND_SOLAR, GENERATION], windLines, [
          windSolar,
          generation,
        ])}
        colours={windLines.names.map((name) => COLOUR[name.split(' ').slice(0, -1).join(' ')] ?? 'c7')}
        dashes={windLines.names.map((name) => (name.endsWith('forecast') ? [5, 3] : undefined))}
        legend={WIND_LEGEND}
        origin={(name, at, value) => {
          const own = (rows: readonly Row[], nameOf: (row: Row) => string): Row[] =>
            rows.filter((row) => nameOf(row) === name);
          return rowAt(
            [
              { source: WIND_SOLAR, rows: own(newest, forecastOf) },
              { source: GENERATION, rows: own(outcome, outcomeOf) },
            ],
            at,
            value,
          );
        }}
      />
      <AlignedPanel
        {...panel('residual', 'Residual load', OF_BOTH, residual, ofBoth)}
        colours={['c4', 'ink']}
        dashes={[[5, 3], undefined]}
        origin={(name, at): Traced | null => rowAt([name === 'forecast' ? loadForecast : load], at, null)}
      />
      <DeltaPanel
        zone={zone}
        start={start}
        end={end}
        back={back === '' ? null : Number(back)}
        tools={
          <Choice
            label="Against the forecast known before"
            options={BACK}
            value={back}
            onChange={(value) => setParams({ back: value })}
          />
        }
      />
      <AlignedPanel
        {...panel('error', 'Outcome less forecast', OF_BOTH, errors, ofBoth)}
        colours={['c1', 'c3']}
        origin={(name, at): Traced | null => rowAt([name === 'load' ? load : generation], at, null)}
        zero
      />
      <LeadPanel zone={zone} />
      <AlignedPanel
        id="weather"
        title={`Wind at ${stations.size} German stations, newest MOSMIX run`}
        unit="m/s"
        sources={[STATIONS]}
        aligned={wind}
        asked={[weather]}
        start={start}
        end={end}
        kind="line"
        decimals={1}
        colours={['c7', 'ink', 'c4']}
        dashes={[[2, 3], undefined, [2, 3]]}
      />
    </>
  );
}

function forecastOf(row: Row): string {
  return `${text(row, 'production_type')} forecast`;
}

function outcomeOf(row: Row): string {
  return `${text(row, 'production_type')} outcome`;
}

const WIND_LEGEND = [
  { label: 'solar', colour: 'c5' },
  { label: 'onshore', colour: 'c1' },
  { label: 'offshore; dashed: forecast', colour: 'c7' },
];

const COLOUR: Readonly<Record<string, string>> = { Solar: 'c5', 'Wind Onshore': 'c1', 'Wind Offshore': 'c7' };

/** The highest, the mean and the lowest of all stations at each hour. */
export function spread(rows: readonly Row[], value: string): Aligned {
  const found = new Map<number, number[]>();
  for (const row of rows) {
    const at = instant(row, 'valid_at');
    const held = number(row, value);
    if (at === null || held === null) continue;
    const values = found.get(at) ?? [];
    found.set(at, values);
    values.push(held);
  }
  const hours = [...found].sort(([one], [other]) => one - other);
  return {
    names: hours.length === 0 ? [] : ['highest', 'mean', 'lowest'],
    data: [
      hours.map(([at]) => at / 1000),
      hours.map(([, values]) => Math.max(...values)),
      hours.map(([, values]) => values.reduce((sum, one) => sum + one, 0) / values.length),
      hours.map(([, values]) => Math.min(...values)),
    ],
  };
}
