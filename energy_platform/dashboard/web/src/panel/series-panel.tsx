/** A panel with one chart of one source's series over a span of time. */

import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';

import type { Query } from '../api/http';
import { type Asked, useRows } from '../api/hooks';
import { type Aligned, align } from '../chart/align';
import { type Band, Chart, type Level, type Mark, type Series } from '../chart/chart';
import { instant, type Row } from '../live/frames';
import { figure, grouped, signed } from '../state/figures';
import { shownNow, type Traced, traced, zone } from '../state/screen';
import { dayAndClock, zoneName } from '../time/say';
import { MINUTE } from '../time/zone';
import { Legend } from './choice';
import { Panel, useExports } from './panel';
import { Value } from './value';

export interface SeriesPanelProps {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly source: string;
  readonly value: string;
  readonly time?: string;
  readonly start: number;
  readonly end: number;
  readonly filters?: Query;
  readonly seriesOf?: (row: Row) => string | null;
  /** Names of series in the order of their colours; without it, as they come. */
  readonly order?: readonly string[];
  readonly kind?: Series['kind'];
  readonly colours?: readonly string[];
  readonly below?: string;
  readonly decimals?: number;
  readonly bands?: readonly Band[];
  readonly levels?: readonly Level[];
  readonly zero?: boolean;
  readonly maxPoints?: number;
  readonly tools?: ComponentChildren;
  /** What the newest value means in words: "short", "long". */
  readonly verdict?: (value: number) => string;
  readonly sync?: string;
}

export const COLOURS = ['c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8'] as const;

export function SeriesPanel(props: SeriesPanelProps) {
  const { title, source, value, start, end, filters, kind = 'step', decimals = 1 } = props;
  const time = props.time ?? 'delivery_start';
  const asked = useRows({
    path: `range/${source}`,
    query: {
      start: new Date(start).toISOString(),
      end: new Date(end).toISOString(),
      columns: value,
      max_points: props.maxPoints ?? 2000,
      ...filters,
    },
    follow: source,
  });
  const aligned = useMemo(
    () => align([{ rows: asked.rows, time, value, seriesOf: props.seriesOf ?? (() => title) }], props.order),
    [asked.rows],
  );
  return (
    <AlignedPanel
      {...props}
      sources={[source]}
      aligned={aligned}
      asked={[asked]}
      kind={kind}
      decimals={decimals}
    />
  );
}

export interface AlignedPanelProps {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly sources: readonly string[];
  readonly aligned: Aligned;
  readonly asked: readonly Asked[];
  readonly start: number;
  readonly end: number;
  readonly kind?: Series['kind'];
  readonly colours?: readonly string[];
  readonly below?: string;
  readonly dashes?: readonly (readonly number[] | undefined)[];
  readonly decimals?: number;
  readonly bands?: readonly Band[];
  readonly levels?: readonly Level[];
  readonly zero?: boolean;
  readonly tools?: ComponentChildren;
  /** Said beside the title instead of the newest value or a legend. */
  readonly detail?: ComponentChildren;
  readonly verdict?: (value: number) => string;
  readonly sync?: string;
  /** What is said where there are no values. */
  readonly nothing?: string;
  /** Said instead of one entry per series. */
  readonly legend?: readonly { readonly label: string; readonly colour: string }[];
  readonly between?: readonly [upper: number, lower: number, colour: string];
  /** Where a point of a series comes from, where the answers don't have its value as it is drawn. */
  readonly origin?: (name: string, at: number, value: number | null) => Traced | null;
}

const TIMES = ['delivery_start', 'observed_at', 'valid_at'];

function holds(row: Row, at: number): boolean {
  return TIMES.some((column) => {
    const start = instant(row, column);
    return (
      start !== null &&
      (start === at ||
        (column === 'delivery_start' && start <= at && at < (instant(row, 'delivery_end') ?? 0)))
    );
  });
}

/**
 * The row that a chart's point shows: of those that hold then the one with its value. A series ends where its last
 * period ends; that point is of this period.
 */
export function rowAt(
  asked: readonly Pick<Asked, 'source' | 'rows'>[],
  at: number,
  value: number | null,
): Traced | null {
  const all = asked.flatMap(({ source, rows }) =>
    source === null ? [] : rows.map((row) => ({ source, row })),
  );
  const held = all.filter(({ row }) => holds(row, at));
  const found = held.length > 0 ? held : all.filter(({ row }) => instant(row, 'delivery_end') === at);
  return found.find(({ row }) => value !== null && Object.values(row).includes(value)) ?? found[0] ?? null;
}

/** A chart of series that stand over the same times, whatever sources they are from. */
export function AlignedPanel(props: AlignedPanelProps) {
  const {
    id,
    title,
    unit,
    sources,
    aligned,
    asked,
    start,
    end,
    kind = 'step',
    decimals = 1,
    verdict,
  } = props;
  const series = useMemo<readonly Series[]>(
    () =>
      aligned.names.map((name, place) => ({
        label: name,
        colour: props.colours?.[place] ?? COLOURS[place % COLOURS.length] ?? 'c1',
        kind,
        decimals,
        ...(props.below === undefined ? {} : { below: props.below }),
        ...(props.dashes?.[place] === undefined ? {} : { dash: props.dashes[place] }),
      })),
    [aligned.names.join('|'), kind],
  );
  const exports = useExports();
  exports.current.cells = () => cellsOf(aligned.names, aligned.data, unit);
  const originOf = (index: number, place: number): Traced => {
    const [at, value] = [(aligned.data[0][index] ?? 0) * 1000, aligned.data[place + 1]?.[index] ?? null];
    const name = aligned.names[place] ?? '';
    const found = props.origin === undefined ? rowAt(asked, at, value) : props.origin(name, at, value);
    return found ?? { source: sources[0] ?? '', row: null };
  };
  const at = Math.floor(shownNow.value / MINUTE) * MINUTE;
  const marks = useMemo<readonly Mark[]>(() => [{ at: at / 1000, label: '', colour: 'warn' }], [at]);
  const last =
    verdict !== undefined || aligned.names.length === 1
      ? newest(aligned.data[1] ?? [], aligned.data[0], at / 1000)
      : null;
  const lastValue = last === null ? 0 : (aligned.data[1]?.[last] ?? 0);
  const loading = asked.some((one) => one.loading);
  return (
    <Panel
      id={id}
      name={title}
      title={title}
      unit={unit}
      sources={sources}
      answers={asked}
      cut={asked.some((one) => one.cut)}
      exports={exports}
      empty={
        aligned.data[0].length === 0
          ? loading
            ? 'Asking…'
            : (props.nothing ?? 'No values in this span.')
          : null
      }
      detail={
        props.detail !== undefined ? (
          props.detail
        ) : last === null ? (
          <Legend entries={props.legend ?? series} />
        ) : (
          <Value
            words={
              verdict === undefined
                ? `${grouped(lastValue, decimals)} ${unit}`
                : `${verdict(lastValue)} ${signed(lastValue, decimals)} ${unit}`
            }
            of={() => originOf(last, 0)}
          />
        )
      }
      tools={props.tools}
    >
      <Chart
        label={title}
        unit={unit}
        series={series}
        data={aligned.data}
        decimals={decimals}
        marks={marks}
        span={[start / 1000, end / 1000]}
        {...(props.bands === undefined ? {} : { bands: props.bands })}
        {...(props.levels === undefined ? {} : { levels: props.levels })}
        zero={props.zero ?? kind === 'bars'}
        {...(props.sync === undefined ? {} : { sync: props.sync })}
        {...(props.between === undefined ? {} : { between: props.between })}
        {...(aligned.glyphs === undefined ? {} : { glyphs: aligned.glyphs })}
        onPick={(seconds, place) => (traced.value = originOf(aligned.data[0].indexOf(seconds), place))}
      />
    </Panel>
  );
}

/** The place of the newest value that is there. */
function newest(
  values: ArrayLike<number | null | undefined>,
  times: ArrayLike<number>,
  until: number,
): number | null {
  for (let index = values.length - 1; index >= 0; index -= 1) {
    const value = values[index];
    if (value !== null && value !== undefined && (times[index] ?? 0) <= until) return index;
  }
  return null;
}

/** What a chart shows as lines of a table, times in the shown zone and in UTC. */
export function cellsOf(
  names: readonly string[],
  data: ArrayLike<ArrayLike<number | null | undefined>>,
  unit: string,
): string[][] {
  const times = Array.from(data[0] ?? []) as number[];
  const head = ['time_utc', `time ${zone.value}`, ...names.map((name) => `${name} ${unit}`)];
  return [
    head,
    ...times.map((at, index) => [
      new Date(at * 1000).toISOString(),
      `${dayAndClock(at * 1000, zone.value)} ${zoneName(at * 1000, zone.value)}`,
      ...names.map((_, place) => figure(data[place + 1]?.[index] ?? null, 4)),
    ]),
  ];
}
