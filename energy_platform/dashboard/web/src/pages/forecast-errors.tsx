/** How far forecasts were from the outcome, by how long before delivery they were known. */

import { useMemo } from 'preact/hooks';
import type uPlot from 'uplot';

import { useRows } from '../api/hooks';
import { Chart, type Series } from '../chart/chart';
import { number, type Row, text } from '../live/frames';
import { Choice, Legend } from '../panel/choice';
import { Panel, useExports } from '../panel/panel';
import { figure, signed } from '../state/figures';
import { route, setParams } from '../state/route';
import { type Traced, traced } from '../state/screen';
import { GENERATION, LOAD, LOAD_FORECAST, WIND_SOLAR } from './forecast-delta';

const LOAD_SOURCES = [LOAD_FORECAST, LOAD];
const WIND_SOLAR_SOURCES = [WIND_SOLAR, GENERATION];

const DAYS = [
  ['1', '1 day'],
  ['7', '7 days'],
  ['30', '30 days'],
] as const;
const COLOURS: Readonly<Record<string, string>> = {
  Load: 'c4',
  Solar: 'c5',
  'Wind Onshore': 'c1',
  'Wind Offshore': 'c7',
};

export interface Leads {
  readonly names: readonly string[];
  readonly data: uPlot.AlignedData;
}

/** One column of mean absolute errors and one of biases for each series, over all leads that any series has. */
export function byLead(rows: readonly Row[]): Leads {
  const names = [...new Set(rows.map((row) => text(row, 'series')))];
  const leads = [...new Set(rows.map((row) => number(row, 'lead_hours') ?? 0))].sort(
    (one, other) => one - other,
  );
  const found = new Map(rows.map((row) => [`${text(row, 'series')} ${number(row, 'lead_hours')}`, row]));
  const columns = names.flatMap((name) =>
    ['mae_mw', 'bias_mw'].map((column) => leads.map((lead) => number(found.get(`${name} ${lead}`), column))),
  );
  return { names, data: [leads, ...columns] };
}

/** An error is of many forecasts: they are those of the zone and the production type. */
function originOf(rows: readonly Row[], zone: string, lead: number, name: string | undefined): Traced {
  const found = rows.find((row) => text(row, 'series') === name && number(row, 'lead_hours') === lead);
  const compared = { ...found, bidding_zone: zone };
  return name === 'Load'
    ? { source: LOAD_FORECAST, row: compared }
    : { source: WIND_SOLAR, row: { ...compared, production_type: name } };
}

export function LeadPanel({ zone }: { readonly zone: string }) {
  const days = route.value.params.days ?? '7';
  const query = { bidding_zone: zone, days };
  const load = useRows({ path: 'forecast-errors/load', query, follow: LOAD_SOURCES });
  const windSolar = useRows({ path: 'forecast-errors/wind_solar', query, follow: WIND_SOLAR_SOURCES });
  const rows = useMemo(() => [...load.rows, ...windSolar.rows], [load.rows, windSolar.rows]);
  const { names, data } = useMemo(() => byLead(rows), [rows]);
  const series = useMemo<readonly Series[]>(
    () =>
      names.flatMap((name) => {
        const colour = COLOURS[name] ?? 'c2';
        const few = data[0].length < 2 ? { kind: 'dots' as const } : {};
        return [
          { label: `${name} error`, colour, decimals: 0, ...few },
          { label: `${name} bias`, colour, decimals: 0, dash: [4, 3], ...few },
        ];
      }),
    [names.join('|'), data[0].length < 2],
  );
  const exports = useExports();
  exports.current.cells = () => [
    ['series', 'lead h', 'mean error MW', 'bias MW', 'mean outcome MW', 'hours compared'],
    ...rows.map((row) => [
      text(row, 'series'),
      text(row, 'lead_hours'),
      figure(number(row, 'mae_mw'), 1),
      signed(number(row, 'bias_mw'), 1),
      figure(number(row, 'outcome_mw'), 1),
      text(row, 'hours'),
    ]),
  ];
  const hours = Math.max(0, ...rows.map((row) => number(row, 'hours') ?? 0));
  const waiting = load.loading || windSolar.loading;
  return (
    <Panel
      id="leads"
      name={`Forecast error by lead ${zone}`}
      title={`Error by lead ${zone}`}
      unit="MW"
      sources={[...LOAD_SOURCES, ...WIND_SOLAR_SOURCES]}
      answers={[load, windSolar]}
      exports={exports}
      detail={<Legend entries={names.map((label) => ({ label, colour: COLOURS[label] ?? 'c2' }))} />}
      empty={
        rows.length > 0
          ? null
          : waiting
            ? 'Asking…'
            : 'No delivery yet whose forecast was known an hour before. The platform has not run long enough.'
      }
      tools={
        <>
          <span class="about" title="Dashed: the bias, which is the mean of forecast less outcome">
            {hours === 0 ? '' : `${hours} h compared, dashed: bias`}
          </span>
          <Choice label="Over" options={DAYS} value={days} onChange={(value) => setParams({ days: value })} />
        </>
      }
    >
      <Chart
        label={`Forecast error by lead ${zone}`}
        unit="MW"
        xUnit="h before delivery"
        series={series}
        data={data}
        zero
        decimals={0}
        onPick={(lead, place) => (traced.value = originOf(rows, zone, lead, names[Math.floor(place / 2)]))}
      />
    </Panel>
  );
}
