/** Page 7: storage by country, what is injected and withdrawn, flows at points, and how cold it is. */

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
import type { GridColumn } from '../table/grid';
import { Table } from '../table/table';
import { day as sayDay, dayAndClock } from '../time/say';
import { DAY } from '../time/zone';

const STORAGE = 'agsi_storage';
const FLOW = 'entsog_flow';
const COLD = 'noaa_degree_days';
export const GAS_SOURCES = [STORAGE, FLOW, COLD];

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

const FLOW_COLUMNS: readonly GridColumn<Row>[] = [
  { id: 'point', title: 'Point', width: 'minmax(80px, 1fr)', align: 'left', order: (row) => text(row, 'point_key'), cell: (row) => ({ text: text(row, 'point_key'), tone: 'strong' }) },
  { id: 'operator', title: 'Operator', width: 'minmax(80px, 1fr)', align: 'left', order: (row) => text(row, 'operator_key'), cell: (row) => ({ text: text(row, 'operator_key'), tone: 'dim' }) },
  { id: 'what', title: 'What', width: 'minmax(90px, 1.1fr)', align: 'left', order: (row) => text(row, 'indicator'), cell: (row) => ({ text: text(row, 'indicator') }) },
  { id: 'direction', title: 'Way', width: '48px', align: 'left', order: (row) => text(row, 'direction'), cell: (row) => ({ text: text(row, 'direction') }) },
  { id: 'hourly', title: 'kWh/h', width: '96px', flash: true, order: (row) => number(row, 'energy_flow_kwh_per_h'), cell: (row) => ({ text: grouped(number(row, 'energy_flow_kwh_per_h')) }) },
  { id: 'daily', title: 'kWh/d', width: '126px', flash: true, order: (row) => number(row, 'energy_flow_kwh_per_d'), cell: (row) => ({ text: grouped(number(row, 'energy_flow_kwh_per_d')) }) },
  { id: 'status', title: 'Status', width: '84px', align: 'left', order: (row) => text(row, 'flow_status'), cell: (row) => ({ text: text(row, 'flow_status'), tone: 'dim' }) },
  { id: 'of', title: 'From', width: '126px', order: (row) => instant(row, 'delivery_start'), cell: (row) => ({ text: of(row), tone: 'dim' }) },
]; // prettier-ignore

function of(row: Row): string {
  const at = instant(row, 'delivery_start');
  return at === null ? '' : dayAndClock(at, zone.value);
}

function keyOf(row: Row, columns: readonly string[]): string {
  return columns.map((column) => text(row, column)).join('|');
}

const FLOW_KEY = ['indicator', 'period_type', 'operator_key', 'point_key', 'direction'];

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
  const points = useMemo(
    () => [...flows.rows].sort((one, other) => keyOf(one, FLOW_KEY).localeCompare(keyOf(other, FLOW_KEY))),
    [flows.rows],
  );
  const [wantedStore, wantedPoint] = [route.value.params.store ?? '', route.value.params.point ?? ''];
  const store = stores.find((row) => keyOf(row, ['code', 'url']) === wantedStore) ?? stores[0];
  const point = points.find((row) => keyOf(row, FLOW_KEY) === wantedPoint) ?? points[0];
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
        error={storage.error}
        url={storage.url}
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
        <SeriesPanel
          id="filling"
          title={`Filling ${nameOf(store)}`}
          unit="%"
          source={STORAGE}
          value="full_pct"
          start={end - 30 * DAY}
          end={end}
          filters={{ code: text(store, 'code'), url: text(store, 'url') }}
          kind="step"
          decimals={1}
        />
      )}
      <Panel
        id="points"
        name="Gas flows"
        title="Flows at points"
        unit="kWh"
        sources={[FLOW]}
        error={flows.error}
        url={flows.url}
        exports={flowExports}
      >
        <Table
          label="Gas flows"
          columns={FLOW_COLUMNS}
          items={points}
          id={(row) => keyOf(row, FLOW_KEY)}
          selected={point === undefined ? null : keyOf(point, FLOW_KEY)}
          onSelect={(id) => setParams({ point: id })}
          onTrace={(row) => (traced.value = { source: FLOW, row })}
          empty={flows.loading ? 'Asking…' : 'No flow is known.'}
          onReady={(cells) => (flowExports.current.cells = cells)}
        />
      </Panel>
      {point === undefined ? null : <PointPanel point={point} end={end} />}
    </>
  );
}

function PointPanel({ point, end }: { readonly point: Row; readonly end: number }) {
  const isHourly = number(point, 'energy_flow_kwh_per_h') !== null;
  return (
    <SeriesPanel
      id="point"
      title={`${text(point, 'point_key')} ${text(point, 'direction')}`}
      unit={isHourly ? 'kWh/h' : 'kWh/d'}
      source={FLOW}
      value={isHourly ? 'energy_flow_kwh_per_h' : 'energy_flow_kwh_per_d'}
      start={end - (isHourly ? 4 : 21) * DAY}
      end={end}
      filters={Object.fromEntries(FLOW_KEY.map((column) => [column, text(point, column)]))}
      kind="step-area"
      decimals={0}
      zero
    />
  );
}
