/** Page 7: storage by country, what is injected and withdrawn, flows at points. */

import { useMemo } from 'preact/hooks';

import { useRows } from '../api/hooks';
import { instant, number, type Row, text } from '../live/frames';
import { Panel, useExports } from '../panel/panel';
import { SeriesPanel } from '../panel/series-panel';
import { usePageKeys } from '../shell/page-keys';
import { figure, grouped, signed } from '../state/figures';
import { route, setParams } from '../state/route';
import { traced, zone } from '../state/screen';
import { quarter } from '../state/spans';
import { type Cell, type GridColumn, withMark } from '../table/grid';
import { Table } from '../table/table';
import { day as sayDay, dayAndClock } from '../time/say';
import { DAY } from '../time/zone';
import { SeasonPanel, STORAGE } from './gas-season';

const FLOW = 'entsog_flow';
export const GAS_SOURCES = [STORAGE, FLOW];

const STORAGE_COLUMNS: readonly GridColumn<Row>[] = [
  { id: 'code', title: 'Storage', width: 'minmax(90px, 1fr)', align: 'left', order: (row) => text(row, 'code'), cell: (row) => ({ text: nameOf(row), tone: 'strong', title: text(row, 'url') }) },
  { id: 'full', title: 'Full', hint: '%', width: 'minmax(70px, 1fr)', flash: true, order: (row) => number(row, 'full_pct'), cell: (row) => fullCell(row) },
  { id: 'trend', title: 'Trend', hint: '% of capacity a day', width: '64px', order: (row) => number(row, 'trend_pct'), cell: (row) => signedCell(row, 'trend_pct') },
  { id: 'stock', title: 'Stock', hint: 'TWh', width: '70px', order: (row) => number(row, 'gas_in_storage_twh'), cell: (row) => ({ text: figure(number(row, 'gas_in_storage_twh'), 1) }) },
  { id: 'capacity', title: 'Capacity', hint: 'TWh', width: '74px', order: (row) => number(row, 'working_gas_volume_twh'), cell: (row) => ({ text: figure(number(row, 'working_gas_volume_twh'), 1), tone: 'dim' }) },
  { id: 'in', title: 'In', hint: 'GWh/d', width: '66px', order: (row) => number(row, 'injection_gwh_per_d'), cell: (row) => ({ text: grouped(number(row, 'injection_gwh_per_d'), 1) }) },
  { id: 'out', title: 'Out', hint: 'GWh/d', width: '66px', order: (row) => number(row, 'withdrawal_gwh_per_d'), cell: (row) => ({ text: grouped(number(row, 'withdrawal_gwh_per_d'), 1) }) },
  { id: 'day', title: 'Gas day', width: '86px', order: (row) => instant(row, 'delivery_start'), cell: (row) => ({ text: gasDay(row), tone: 'dim' }) },
]; // prettier-ignore

function fullCell(row: Row) {
  const full = number(row, 'full_pct');
  return full === null ? { text: '' } : { text: figure(full, 1), bar: full / 100, tone: 'strong' as const };
}

function signedCell(row: Row, column: string) {
  const value = number(row, column);
  return {
    text: signed(value),
    tone: value === null || value === 0 ? ('dim' as const) : value > 0 ? ('up' as const) : ('down' as const),
  };
}

const GAS_ZONE = 'Europe/Brussels';

/** A gas day begins at 06:00 in Brussels, whatever zone the screen shows. */
function gasDay(row: Row): string {
  const at = instant(row, 'delivery_start');
  return at === null ? '' : sayDay(at, GAS_ZONE);
}

function nameOf(row: Row): string {
  return (text(row, 'url') || text(row, 'code')).replace(/_/g, ' ');
}

/** What is reported at one side of a point for the newest hour that any report is of. */
export interface Side {
  readonly id: string;
  readonly point: string;
  readonly operator: string;
  readonly direction: string;
  readonly at: number | null;
  readonly status: string;
  readonly reports: ReadonlyMap<string, Row>;
}

const SIDE_KEY = ['point_key', 'operator_key', 'direction', 'period_type'];
const PHYSICAL = 'Physical Flow';
const INDICATORS = [PHYSICAL, 'Nomination', 'Renomination', 'Allocation'] as const;

/** One line per side of a point: its flow beside what was nominated and allocated. */
export function sides(rows: readonly Row[]): Side[] {
  const found = new Map<string, Map<string, Row>>();
  for (const row of rows) {
    const id = keyOf(row, SIDE_KEY);
    const reports = found.get(id) ?? new Map<string, Row>();
    found.set(id, reports);
    reports.set(text(row, 'indicator'), row);
  }
  return [...found]
    .map(([id, reports]) => {
      const row = reports.get(PHYSICAL) ?? [...reports.values()][0];
      return {
        id,
        point: text(row, 'point_key'),
        operator: text(row, 'operator_key'),
        direction: text(row, 'direction'),
        at: instant(row, 'delivery_start'),
        status: text(row, 'flow_status'),
        reports,
      };
    })
    .sort((one, other) => one.id.localeCompare(other.id));
}

function energy(row: Row | undefined): number | null {
  return number(row, 'energy_flow_kwh_per_h') ?? number(row, 'energy_flow_kwh_per_d');
}

/** In GWh, since a point's flow has eight digits in kWh; of another hour than the flow's it is left out. */
function reported(side: Side, indicator: string): number | null {
  const row = side.reports.get(indicator);
  const kwh = instant(row, 'delivery_start') === side.at ? energy(row) : null;
  return kwh === null ? null : kwh / 1e6;
}

/** What flows beyond what was nominated last. */
function beyond(side: Side): number | null {
  const flow = reported(side, PHYSICAL);
  const nominated = reported(side, 'Renomination') ?? reported(side, 'Nomination');
  return flow === null || nominated === null ? null : flow - nominated;
}

const SHORT: Readonly<Record<string, string>> = {
  [PHYSICAL]: 'Flow',
  Nomination: 'Nominated',
  Renomination: 'Renom.',
  Allocation: 'Allocated',
};

function reportCell(side: Side, indicator: string): Cell {
  const value = reported(side, indicator);
  const cell: Cell = { text: figure(value, 3), ...(indicator === PHYSICAL ? {} : { tone: 'dim' as const }) };
  return value === null ? cell : withMark(cell, side.reports.get(indicator));
}

const FLOW_COLUMNS: readonly GridColumn<Side>[] = [
  { id: 'point', title: 'Point', width: 'minmax(70px, 1fr)', align: 'left', order: (one) => one.point, cell: (one) => ({ text: one.point, tone: 'strong', title: one.operator }) },
  { id: 'operator', title: 'Operator', width: 'minmax(60px, 1fr)', align: 'left', order: (one) => one.operator, cell: (one) => ({ text: one.operator, tone: 'dim' }) },
  { id: 'direction', title: 'Way', width: '40px', align: 'left', order: (one) => one.direction, cell: (one) => ({ text: one.direction }) },
  ...INDICATORS.map<GridColumn<Side>>((name) => ({ id: name, title: SHORT[name] ?? name, hint: 'GWh/h', width: 'minmax(54px, .7fr)', flash: true, order: (one) => reported(one, name), cell: (one) => reportCell(one, name) })),
  { id: 'beyond', title: 'Beyond', hint: 'GWh/h, flow less what was nominated last', width: 'minmax(54px, .7fr)', order: beyond, cell: (one) => { const value = beyond(one); return { text: signed(value, 3), tone: value === null || value === 0 ? 'dim' : value > 0 ? 'up' : 'down' }; } },
  { id: 'of', title: 'Of', hint: 'the hour that begins then', width: '116px', order: (one) => one.at, cell: ({ at, status }) => ({ text: at === null ? '' : dayAndClock(at, zone.value), tone: 'dim', title: status }) },
]; // prettier-ignore

function keyOf(row: Row, columns: readonly string[]): string {
  return columns.map((column) => text(row, column)).join('|');
}

export function GasPage() {
  const storage = useRows({ path: `latest/${STORAGE}`, follow: STORAGE });
  const flows = useRows({ path: `latest/${FLOW}`, follow: FLOW });
  const stores = useMemo(
    () =>
      [...storage.rows].sort(
        (one, other) =>
          (number(other, 'working_gas_volume_twh') ?? 0) - (number(one, 'working_gas_volume_twh') ?? 0),
      ),
    [storage.rows],
  );
  const points = useMemo(() => sides(flows.rows), [flows.rows]);
  const [wantedStore, wantedPoint] = [route.value.params.store ?? '', route.value.params.point ?? ''];
  const store = stores.find((row) => keyOf(row, ['code', 'url']) === wantedStore) ?? stores[0];
  const point = points.find((one) => one.id === wantedPoint) ?? points[0];
  const storageExports = useExports();
  const flowExports = useExports();
  const end = quarter.value + DAY;
  usePageKeys({ trace: () => (traced.value = { source: STORAGE, row: store ?? null }) });
  return (
    <>
      <Panel
        id="storage"
        name="Gas storage"
        title="Storage"
        unit="gas days of Brussels"
        sources={[STORAGE]}
        answers={[storage]}
        exports={storageExports}
      >
        <Table
          label="Gas storage"
          columns={STORAGE_COLUMNS}
          items={stores}
          id={(row) => keyOf(row, ['code', 'url'])}
          selected={store === undefined ? null : keyOf(store, ['code', 'url'])}
          onSelect={(id) => setParams({ store: id })}
          onTrace={(row) => (traced.value = { source: STORAGE, row })}
          marked={(row) => row}
          empty={storage.loading ? 'Asking…' : 'No storage is known.'}
          focused
          onReady={(cells) => (storageExports.current.cells = cells)}
        />
      </Panel>
      {store === undefined ? (
        <Panel id="filling" name="Filling" title="Filling" sources={[STORAGE]} empty="No storage is known.">
          {null}
        </Panel>
      ) : (
        <SeasonPanel code={text(store, 'code')} url={text(store, 'url')} name={nameOf(store)} />
      )}
      <Panel
        id="points"
        name="Gas flows"
        title="Flows at points"
        unit="GWh/h"
        sources={[FLOW]}
        answers={[flows]}
        exports={flowExports}
      >
        <Table
          label="Gas flows"
          columns={FLOW_COLUMNS}
          items={points}
          id={(one) => one.id}
          selected={point?.id ?? null}
          onSelect={(id) => setParams({ point: id })}
          onTrace={(one, column) =>
            (traced.value = {
              source: FLOW,
              row: one.reports.get(column) ?? one.reports.get(PHYSICAL) ?? null,
            })
          }
          empty={flows.loading ? 'Asking…' : 'No flow is known.'}
          onReady={(cells) => (flowExports.current.cells = cells)}
        />
      </Panel>
      {point === undefined ? null : <PointPanel point={point} end={end} />}
    </>
  );
}

/** What flowed at one side of a point beside what was nominated for it. */
function PointPanel({ point, end }: { readonly point: Side; readonly end: number }) {
  const [row] = point.reports.values();
  const isHourly = number(row, 'energy_flow_kwh_per_h') !== null;
  return (
    <SeriesPanel
      id="point"
      title={`${point.point} ${point.direction}`}
      unit={isHourly ? 'kWh/h' : 'kWh/d'}
      source={FLOW}
      value={isHourly ? 'energy_flow_kwh_per_h' : 'energy_flow_kwh_per_d'}
      start={end - (isHourly ? 3 : 21) * DAY}
      end={end}
      filters={{
        indicator: [...INDICATORS],
        ...Object.fromEntries(SIDE_KEY.map((column) => [column, text(row, column)])),
      }}
      seriesOf={(one) => text(one, 'indicator')}
      order={[...INDICATORS]}
      colours={['c1', 'c2', 'c3', 'c4']}
      kind="step"
      decimals={0}
      zero
    />
  );
}
