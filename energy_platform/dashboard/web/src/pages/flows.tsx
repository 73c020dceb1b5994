/** Page 6: borders on a schematic map and as a table: flow, schedule, capacity, and the prices on both sides. */

import { useMemo } from 'preact/hooks';

import { useRows } from '../api/hooks';
import { align, finest } from '../chart/align';
import { flagsOf, instant, markOf, number, type Row, SIGNS, text } from '../live/frames';
import { Panel, useExports } from '../panel/panel';
import { AlignedPanel, rowAt } from '../panel/series-panel';
import { usePageKeys } from '../shell/page-keys';
import { figure, grouped, signed } from '../state/figures';
import { route, setParams } from '../state/route';
import { type Traced, traced, zone } from '../state/screen';
import { around } from '../state/spans';
import { type Cell, type GridColumn, withMark } from '../table/grid';
import { Table } from '../table/table';
import { dayAndClock } from '../time/say';

const FLOW = 'entsoe_cross_border_flow';
const SCHEDULE = 'entsoe_scheduled_exchange';
const CAPACITY = 'jao_max_exchange';
const PRICE = 'entsoe_day_ahead_price';
export const FLOW_SOURCES = [FLOW, SCHEDULE, CAPACITY, PRICE];

/** Where zones stand on the schematic map: columns and rows of a grid. */
const PLACES: Readonly<Record<string, readonly [number, number]>> = {
  NO4: [5.2, 0], SE1: [6.6, 0], FI: [8.4, 0.6],
  NO3: [4.6, 1], SE2: [6.6, 1], EE: [8.8, 1.7],
  NO5: [3.4, 1.9], NO1: [5, 1.9], SE3: [6.6, 2], LV: [9, 2.6],
  NO2: [3.9, 2.9], SE4: [6.8, 3], LT: [8.7, 3.5],
  GB: [1.2, 4.2], 'IE(SEM)': [0.2, 3.6], DK1: [4.7, 3.7], DK2: [6, 3.9],
  NL: [3, 4.7], 'DE-LU': [4.9, 5], PL: [7.2, 4.9],
  BE: [2.4, 5.6], CZ: [6.3, 5.9], SK: [7.7, 6.2],
  FR: [2.2, 6.8], CH: [3.8, 6.9], AT: [5.3, 6.8], HU: [7.3, 7.2], RO: [8.9, 7.1],
  ES: [1.2, 8], PT: [0.2, 8.3], 'IT-North': [4, 8], SI: [5.5, 7.8], HR: [6.4, 8.2], RS: [8, 8.2], BG: [9.3, 8.2], GR: [8.9, 9.1],
}; // prettier-ignore
/** Flows are told some hours late. */
const LOOK_BACK_HOURS = 6;
const CELL_X = 74;
const CELL_Y = 88;

export interface Border {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  /** Net of both directions; positive from `from` to `to`. */
  readonly flow: number | null;
  readonly schedule: number | null;
  readonly capacity: number | null;
  /** Price of `to` less price of `from`: positive where power should flow along. */
  readonly spread: number | null;
  readonly at: number | null;
  /** What each figure was read from, by the column that shows it. */
  readonly origins: Origins;
}

export interface Origins {
  readonly flow: Row | null;
  readonly schedule: Row | null;
  readonly capacity: Row | null;
  /** The price of `to`, or of `from` if only that one is marked. */
  readonly spread: Row | null;
}

function pair(one: string, other: string): [string, string] {
  return one < other ? [one, other] : [other, one];
}

const JAO_NAMES: Readonly<Record<string, string>> = { DE: 'DE-LU', IT: 'IT-North' };

/** The ends of a border as JAO names it: `AT_CZ` is from AT to CZ. */
export function endsOf(border: string): [string, string] | null {
  const found = /^([A-Z]{2})_([A-Z]{2})$/.exec(border);
  const [from, to] = [found?.[1], found?.[2]].map((name) =>
    name === undefined ? undefined : (JAO_NAMES[name] ?? name),
  );
  return from === undefined || to === undefined ? null : [from, to];
}

/** Every border once, the two directions netted. */
export function borders(
  flows: readonly Row[],
  schedules: readonly Row[],
  capacities: readonly Row[],
  prices: readonly Row[],
  now: number,
): Border[] {
  const flow = netted(flows, 'flow_mw', now);
  const schedule = netted(schedules, 'exchange_mw', now);
  const capacity = new Map<string, Row>();
  for (const row of capacities) {
    const ends = endsOf(text(row, 'border'));
    if (ends !== null && number(row, 'max_exchange_mw') !== null) capacity.set(ends.join('>'), row);
  }
  const price = coupled(prices);
  const priceIn = (name: string): number | null => number(price.get(name), 'price_eur_per_mwh');
  const all = new Set([...flow.keys(), ...schedule.keys()]);
  return [...all].sort().map((id) => {
    const [from = '', to = ''] = id.split('>');
    const net = flow.get(id);
    const along = (net?.value ?? schedule.get(id)?.value ?? 0) >= 0;
    const [here, there] = [priceIn(from), priceIn(to)];
    const most = capacity.get(along ? `${from}>${to}` : `${to}>${from}`);
    return {
      id,
      from,
      to,
      flow: net?.value ?? null,
      schedule: schedule.get(id)?.value ?? null,
      capacity: number(most, 'max_exchange_mw'),
      spread: here === null || there === null ? null : there - here,
      at: net?.at ?? schedule.get(id)?.at ?? null,
      origins: {
        flow: net?.row ?? null,
        schedule: schedule.get(id)?.row ?? null,
        capacity: most ?? null,
        spread: telling(price.get(to), price.get(from)),
      },
    };
  });
}

/** The price of the coupled auction in each zone. */
function coupled(prices: readonly Row[]): Map<string, Row> {
  const first = prices.filter((row) => text(row, 'auction_sequence') === '1');
  return new Map(first.map((row) => [text(row, 'bidding_zone'), row]));
}

const SOURCE_OF: Readonly<Record<keyof Origins, string>> = {
  flow: FLOW,
  schedule: SCHEDULE,
  capacity: CAPACITY,
  spread: PRICE,
};

/** Where a figure of the table comes from; what is made of the flow comes from the flow. */
export function originOf({ origins }: Border, column: string): Traced {
  const named = column in SOURCE_OF ? (column as keyof Origins) : 'flow';
  return { source: SOURCE_OF[named], row: origins[named] };
}

interface Net {
  readonly value: number;
  readonly at: number;
  readonly row: Row;
}

/** Of rows that make a figure together the marked one, which it is to be marked by; else the first. */
function telling(...rows: readonly (Row | null | undefined)[]): Row | null {
  const known = rows.filter((row) => row !== null && row !== undefined);
  return known.find((row) => markOf(row) !== undefined) ?? known[0] ?? null;
}

interface Ways {
  along: Row | null;
  back: Row | null;
}

/**
 * The newest net of each border that holds: both directions of one period. A direction that is never told counts
 * as nothing; one that is told for other periods only is waited for.
 */
function netted(rows: readonly Row[], column: string, now: number): Map<string, Net> {
  const periods = new Map<string, Map<number, Ways>>();
  const told = new Map<string, { along: boolean; back: boolean }>();
  for (const row of finest(rows, (one) => `${text(one, 'from_zone')}>${text(one, 'to_zone')}`)) {
    const at = instant(row, 'delivery_start');
    if (at === null || at > now || number(row, column) === null) continue;
    if (row.contract !== undefined && row.contract !== 'Total') continue;
    const from = text(row, 'from_zone');
    const ends = pair(from, text(row, 'to_zone'));
    const id = ends.join('>');
    const way = ends[0] === from ? 'along' : 'back';
    const border = periods.get(id) ?? new Map<number, Ways>();
    periods.set(id, border);
    const held = border.get(at) ?? { along: null, back: null };
    border.set(at, held);
    held[way] = row;
    told.set(id, { along: false, back: false, ...told.get(id), [way]: true });
  }
  const found = new Map<string, Net>();
  for (const [id, border] of periods) {
    const wanted = told.get(id);
    const whole = [...border].filter(
      ([, ways]) => (ways.along !== null) === wanted?.along && (ways.back !== null) === wanted.back,
    );
    const [at, ways] = whole.reduce(
      (best, one) => (one[0] > best[0] ? one : best),
      whole[0] ?? [0, { along: null, back: null }],
    );
    const row = telling(ways.along, ways.back);
    if (row === null) continue;
    found.set(id, {
      value: (number(ways.along ?? undefined, column) ?? 0) - (number(ways.back ?? undefined, column) ?? 0),
      at,
      row,
    });
  }
  return found;
}

/** Whether power flows towards the higher price. */
export function sense({ flow, spread }: Border): 'with' | 'against' | '' {
  if (flow === null || spread === null || flow === 0 || Math.abs(spread) < 0.01) return '';
  return flow > 0 === spread > 0 ? 'with' : 'against';
}

const COLUMNS: readonly GridColumn<Border>[] = [
  { id: 'border', title: 'Border', width: 'minmax(120px, 1.4fr)', align: 'left', order: (one) => one.id, cell: ({ from, to, flow }) => ({ text: (flow ?? 0) < 0 ? `${from} ← ${to}` : `${from} → ${to}`, tone: 'strong' }) },
  { id: 'flow', title: 'Flow', hint: 'MW, net', width: 'minmax(60px, .8fr)', flash: true, order: (one) => one.flow, cell: ({ flow, origins }) => withMark({ text: grouped(flow === null ? null : Math.abs(flow)) }, origins.flow) },
  { id: 'schedule', title: 'Scheduled', hint: 'MW, net', width: 'minmax(64px, .8fr)', order: (one) => one.schedule, cell: ({ schedule, flow, origins }) => withMark({ text: grouped(schedule === null ? null : (flow ?? 0) < 0 ? -schedule : schedule), tone: 'dim' }, origins.schedule) },
  { id: 'capacity', title: 'Max', hint: 'MW', width: 'minmax(56px, .7fr)', order: (one) => one.capacity, cell: ({ capacity, origins }) => withMark({ text: grouped(capacity), tone: 'dim' }, origins.capacity) },
  { id: 'used', title: 'Used', hint: '%', width: 'minmax(52px, .7fr)', order: used, cell: usedCell },
  { id: 'spread', title: 'Δ price', hint: 'EUR/MWh', width: 'minmax(66px, .8fr)', order: (one) => one.spread, cell: spreadCell },
  { id: 'sense', title: 'Against price', width: 'minmax(76px, .8fr)', align: 'left', order: sense, cell: (one) => (sense(one) === 'against' ? { text: '▲ against', tone: 'down' } : sense(one) === 'with' ? { text: 'with', tone: 'dim' } : { text: '' }) },
  { id: 'at', title: 'Of', width: 'minmax(100px, 1fr)', order: (one) => one.at, cell: ({ at }) => ({ text: at === null ? '' : dayAndClock(at, zone.value), tone: 'dim' }) },
]; // prettier-ignore

function used({ flow, capacity }: Border): number | null {
  return flow === null || capacity === null || capacity <= 0 ? null : (100 * Math.abs(flow)) / capacity;
}

function usedCell(one: Border): Cell {
  const share = used(one);
  return share === null
    ? { text: '' }
    : { text: figure(share, 0), bar: Math.min(1, share / 100), tone: 'dim' };
}

function spreadCell({ spread, flow, origins }: Border): Cell {
  const along = spread === null ? null : (flow ?? 0) < 0 ? -spread : spread;
  const tone = along === null || along === 0 ? 'dim' : along > 0 ? 'up' : 'down';
  return withMark({ text: signed(along), tone }, origins.spread);
}

export function FlowsPage() {
  const [start, end] = around(LOOK_BACK_HOURS, 0.25);
  const span = { start: new Date(start).toISOString(), end: new Date(end).toISOString() };
  const flows = useRows({ path: `range/${FLOW}`, query: { ...span, columns: 'flow_mw' }, follow: FLOW });
  const schedules = useRows({
    path: `range/${SCHEDULE}`,
    query: { ...span, columns: 'exchange_mw', contract: 'Total' },
    follow: SCHEDULE,
  });
  const capacities = useRows({ path: `latest/${CAPACITY}`, follow: CAPACITY });
  const prices = useRows({ path: `latest/${PRICE}`, follow: PRICE });
  const all = useMemo(
    () => borders(flows.rows, schedules.rows, capacities.rows, prices.rows, end),
    [flows.rows, schedules.rows, capacities.rows, prices.rows, end],
  );
  const price = useMemo(() => coupled(prices.rows), [prices.rows]);
  const wanted = route.value.params.border ?? '';
  const chosen = all.find((one) => one.id === wanted) ?? all.find((one) => one.id === 'DE-LU>FR') ?? all[0];
  const exports = useExports();
  const trace = (one: Border | undefined, column = 'flow'): void =>
    void (traced.value = one === undefined ? { source: FLOW, row: null } : originOf(one, column));
  usePageKeys({ trace: () => trace(chosen) });
  return (
    <>
      <Panel
        id="map"
        name="Flows on the map"
        title="Flows"
        unit="MW · day-ahead EUR/MWh"
        sources={[FLOW, PRICE]}
        answers={[flows, prices]}
        empty={all.length === 0 ? (flows.loading ? 'Asking…' : 'No flows are known.') : null}
        tools={
          <span class="legend">
            <span class="key-up">towards the higher price</span>
            <span class="key-down">against it</span>
          </span>
        }
      >
        <FlowMap all={all} price={price} chosen={chosen?.id ?? ''} onTrace={trace} />
      </Panel>
      <Panel
        id="borders"
        name="Borders"
        title="Borders"
        unit="MW"
        sources={FLOW_SOURCES}
        answers={[flows, schedules, capacities, prices]}
        exports={exports}
      >
        <Table
          label="Borders"
          columns={COLUMNS}
          items={all}
          id={(one) => one.id}
          selected={chosen?.id ?? null}
          onSelect={(border) => setParams({ border })}
          onTrace={trace}
          empty="No flows are known."
          focused
          onReady={(cells) => (exports.current.cells = cells)}
        />
      </Panel>
      {chosen === undefined ? null : <BorderHistory border={chosen} />}
    </>
  );
}

/** A figure of the map with the sign of its row's mark. */
function signedBy(row: Row | null | undefined, shown: string): string {
  const mark = row === null || row === undefined ? undefined : markOf(row);
  return mark === undefined ? shown : `${SIGNS[mark]} ${shown}`;
}

function FlowMap({
  all,
  price,
  chosen,
  onTrace,
}: {
  readonly all: readonly Border[];
  readonly price: ReadonlyMap<string, Row>;
  readonly chosen: string;
  readonly onTrace: (border: Border) => void;
}) {
  const drawn = all.filter(({ from, to }) => PLACES[from] !== undefined && PLACES[to] !== undefined);
  const at = (name: string): [number, number] => {
    const [x, y] = PLACES[name] ?? [0, 0];
    return [30 + x * CELL_X, 22 + y * CELL_Y];
  };
  return (
    <svg
      class="map"
      viewBox={`0 0 ${CELL_X * 9.3 + 60} ${CELL_Y * 9.1 + 44}`}
      role="img"
      aria-label="Flows between bidding zones; the table beside it has the same figures"
    >
      {drawn.map((border) => {
        const [x1, y1] = at((border.flow ?? 0) < 0 ? border.to : border.from);
        const [x2, y2] = at((border.flow ?? 0) < 0 ? border.from : border.to);
        const angle = (Math.atan2(y2 - y1, x2 - x1) * 180) / Math.PI;
        const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
        const width = Math.min(7, 1 + Math.abs(border.flow ?? 0) / 500);
        return (
          <g
            key={border.id}
            data-border={border.id}
            class="traced"
            onClick={() => {
              setParams({ border: border.id });
              onTrace(border);
            }}
          >
            <line
              x1={x1}
              y1={y1}
              x2={x2}
              y2={y2}
              stroke-width={width}
              class={`border-line ${sense(border)}${border.id === chosen ? ' chosen' : ''}`}
            />
            {border.flow === null || border.flow === 0 ? null : (
              <>
                <path
                  class="arrow"
                  d="M -5 -4 L 5 0 L -5 4 Z"
                  transform={`translate(${x} ${y}) rotate(${angle})`}
                />
                <text class="flow" x={x} y={y - 6}>
                  {signedBy(border.origins.flow, grouped(Math.abs(border.flow)))}
                </text>
              </>
            )}
          </g>
        );
      })}
      {Object.keys(PLACES).map((name) => {
        const [x, y] = at(name);
        return (
          <g
            key={name}
            data-zone={name}
            class="zone traced"
            onClick={() => void (traced.value = { source: PRICE, row: price.get(name) ?? null })}
          >
            <rect x={x - 25} y={y - 14} width="50" height="28" rx="4" />
            <text x={x} y={y - 2}>
              {name}
            </text>
            <text class="price" x={x} y={y + 10}>
              {signedBy(price.get(name), figure(number(price.get(name), 'price_eur_per_mwh')))}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function BorderHistory({ border }: { readonly border: Border }) {
  const { from, to } = border;
  const [start, end] = around(24, 12);
  const query = {
    start: new Date(start).toISOString(),
    end: new Date(end).toISOString(),
    from_zone: [from, to],
    to_zone: [from, to],
  };
  const flows = useRows({ path: `range/${FLOW}`, query: { ...query, columns: 'flow_mw' }, follow: FLOW });
  const schedules = useRows({
    path: `range/${SCHEDULE}`,
    query: { ...query, columns: 'exchange_mw', contract: 'Total' },
    follow: SCHEDULE,
  });
  const aligned = useMemo(() => {
    const net = (rows: readonly Row[], column: string): Row[] => {
      const found = new Map<string, Row>();
      for (const row of rows) {
        const key = text(row, 'delivery_start');
        const value = number(row, column);
        if (value === null) continue;
        const sign = text(row, 'from_zone') === from ? 1 : -1;
        const held = found.get(key);
        const flags = [held, row].flatMap((one) => (one === undefined ? [] : flagsOf(one)));
        found.set(key, { ...row, flags, value: (number(held, 'value') ?? 0) + sign * value });
      }
      return [...found.values()];
    };
    const part = { time: 'delivery_start', value: 'value' };
    return align([
      { ...part, rows: net(flows.rows, 'flow_mw'), seriesOf: () => 'flow' },
      { ...part, rows: net(schedules.rows, 'exchange_mw'), seriesOf: () => 'scheduled' },
    ]);
  }, [flows.rows, schedules.rows, from]);
  return (
    <AlignedPanel
      id="history"
      title={`${from} → ${to}`}
      unit="MW"
      sources={[FLOW, SCHEDULE]}
      aligned={aligned}
      asked={[flows, schedules]}
      origin={(name, at, value) =>
        rowAt([name === 'flow' ? flows : schedules], at, value === null ? null : Math.abs(value))
      }
      start={start}
      end={end}
      decimals={0}
      zero
      colours={['c1', 'c2']}
      dashes={[undefined, [4, 4]]}
    />
  );
}
