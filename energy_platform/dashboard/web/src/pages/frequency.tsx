/** The grid's frequency as it runs, with the bands within which it is normal. */

import { useMemo } from 'preact/hooks';
import type uPlot from 'uplot';

import { useRows, useTopicRows } from '../api/hooks';
import { align } from '../chart/align';
import { Chart } from '../chart/chart';
import { instant, type Row } from '../live/frames';
import { Choice } from '../panel/choice';
import { Panel, useExports } from '../panel/panel';
import { cellsOf } from '../panel/series-panel';
import { Value } from '../panel/value';
import { figure } from '../state/figures';
import { route, setParams } from '../state/route';
import { asOf, type Traced, traced } from '../state/screen';
import { HOUR, MINUTE } from '../time/zone';

const SPANS = [
  ['15m', '15 min', 15 * MINUTE],
  ['2h', '2 h', 2 * HOUR],
  ['24h', '24 h', 24 * HOUR],
] as const;

export interface GridArea {
  readonly area: string;
  readonly title: string;
  readonly source: string;
  /** Normal within these, by the system operators' rules. */
  readonly normal: readonly [number, number];
}

export const CONTINENT: GridArea = {
  area: 'CE',
  title: 'Frequency Continental Europe',
  source: 'energy_charts_frequency',
  normal: [49.95, 50.05],
};
export const BRITAIN: GridArea = {
  area: 'GB',
  title: 'Frequency Great Britain',
  source: 'elexon_frequency',
  normal: [49.8, 50.2],
};
/** Deviations at which system operators act: 200 mHz. */
const NOTABLE_HZ = 0.2;

export function FrequencyPanel({ grid, id }: { readonly grid: GridArea; readonly id: string }) {
  const chosen = route.value.params[`span-${grid.area}`] ?? '2h';
  const span = SPANS.find(([name]) => name === chosen)?.[2] ?? 2 * HOUR;
  const minute = Math.floor((asOf.value ?? Date.now()) / MINUTE) * MINUTE;
  const asked = useRows({
    path: `range/${grid.source}`,
    query: {
      start: new Date(minute - span).toISOString(),
      end: new Date(minute + MINUTE).toISOString(),
      columns: 'frequency_hz',
      max_points: 1500,
    },
    unmarked: true,
  });
  const told = useTopicRows(asOf.value === null ? `frequency:${grid.area}` : null);
  const aligned = useMemo(
    () =>
      align([
        {
          rows: joined(asked.rows, told.rows),
          time: 'observed_at',
          value: 'frequency_hz',
          seriesOf: () => 'Frequency',
        },
      ]),
    [asked.rows, told.rows],
  );
  const data = aligned.names.length === 0 ? NOTHING : aligned.data;
  const newest = last(data[1] ?? []);
  const exports = useExports();
  const tone =
    newest === null || within(newest, grid.normal)
      ? 'good'
      : Math.abs(newest - 50) < NOTABLE_HZ
        ? 'warn'
        : 'bad';
  const bands = useMemo(() => [{ from: grid.normal[0], to: grid.normal[1], colour: 'good' }], [grid]);
  const levels = useMemo(() => [{ value: 50, label: '50 Hz', colour: 'dim' }], []);
  exports.current.cells = () => cellsOf(['Frequency'], data, 'Hz');
  const originAt = (seconds: number): Traced => {
    const rows = [...told.rows, ...asked.rows];
    const row = rows.find((one) => instant(one, 'observed_at') === seconds * 1000);
    return { source: grid.source, row: row ?? null };
  };
  return (
    <Panel
      id={id}
      name={grid.title}
      title={`Frequency ${grid.area}`}
      unit="Hz"
      detail={
        newest === null ? null : (
          <Value
            words={`${figure(newest, 3)} Hz`}
            tone={tone}
            of={() => originAt(data[0][data[0].length - 1] ?? 0)}
          />
        )
      }
      sources={[grid.source]}
      isLive
      error={told.error}
      answers={[asked]}
      exports={exports}
      empty={data[0].length === 0 ? (asked.loading ? 'Asking…' : 'No values in this span.') : null}
      tools={
        <Choice
          label="Span"
          options={SPANS.map(([name, title]) => [name, title] as const)}
          value={chosen}
          onChange={(value) => setParams({ [`span-${grid.area}`]: value })}
        />
      }
    >
      <Chart
        label={grid.title}
        unit="Hz"
        series={SERIES}
        data={data}
        bands={bands}
        levels={levels}
        decimals={3}
        {...(aligned.glyphs === undefined ? {} : { glyphs: aligned.glyphs })}
        onPick={(at) => (traced.value = originAt(at))}
      />
    </Panel>
  );
}

/** Stored rows, and live ones in place of those that they are about: these are whole, and newer. */
export function joined(stored: readonly Row[], live: readonly Row[]): readonly Row[] {
  const times = live.map((row) => instant(row, 'observed_at')).filter((at) => at !== null);
  if (times.length === 0) return stored;
  const [first, latest] = [Math.min(...times), Math.max(...times)];
  const others = stored.filter((row) => {
    const at = instant(row, 'observed_at');
    return at !== null && (at < first || at > latest);
  });
  return [...others, ...live];
}

function last(values: ArrayLike<number | null | undefined>): number | null {
  return values[values.length - 1] ?? null;
}

function within(value: number, [low, high]: readonly [number, number]): boolean {
  return value >= low && value <= high;
}

const NOTHING: uPlot.AlignedData = [[], []];
const SERIES = [{ label: 'Frequency', colour: 'c4', width: 1.2, decimals: 3 }] as const;
