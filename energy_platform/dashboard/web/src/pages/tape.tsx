/** The trades of one contract: tape, and price with VWAP and day-ahead. */

import { useMemo } from 'preact/hooks';

import { addressAsShown, useRows, useTopicRows } from '../api/hooks';
import { Chart } from '../chart/chart';
import { instant, number, type Row, text } from '../live/frames';
import { Legend } from '../panel/choice';
import { Panel, useExports } from '../panel/panel';
import { cellsOf } from '../panel/series-panel';
import { figure } from '../state/figures';
import { asOf, zone } from '../state/screen';
import { clockWithSeconds, day } from '../time/say';
import type { GridColumn } from '../table/grid';
import { Table } from '../table/table';

export const TRADE_SOURCE = 'nord_pool_intraday_trade';
/** Whose day-ahead prices the server puts beside contracts. */
export const DAY_AHEAD_SOURCE = 'energy_charts_price';

export interface Trade {
  readonly row: Row;
  readonly at: number;
  readonly price: number;
  readonly volume: number | null;
  /** Against the trade before it. */
  readonly move: number;
}

/** The order of names by which the server puts trades of the same instant. */
function ordered(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** Trades that count, the newest first. */
export function tape(rows: readonly Row[]): Trade[] {
  const told = rows
    .filter((row) => text(row, 'state') !== 'CANCELLED')
    .map((row) => ({
      row,
      at: instant(row, 'traded_at'),
      price: number(row, 'price_eur_per_mwh'),
      volume: number(row, 'volume_mw'),
    }))
    .filter(
      (trade): trade is typeof trade & { at: number; price: number } =>
        trade.at !== null && trade.price !== null,
    )
    .sort(
      (one, other) => one.at - other.at || ordered(text(one.row, 'trade_id'), text(other.row, 'trade_id')),
    );
  return told
    .map((trade, index) => ({
      ...trade,
      move: index === 0 ? 0 : Math.sign(trade.price - (told[index - 1]?.price ?? trade.price)),
    }))
    .reverse();
}

/** Price after each trade and the volume-weighted mean of all trades so far. */
export function prices(
  bars: readonly Row[],
  trades: readonly Trade[],
): [number[], (number | null)[], (number | null)[]] {
  const times: number[] = [];
  const last: (number | null)[] = [];
  const mean: (number | null)[] = [];
  let worth = 0;
  let volume = 0;
  let until = 0;
  for (const bar of bars) {
    const at = instant(bar, 'opened_at');
    const close = number(bar, 'close_eur_per_mwh');
    if (at === null || close === null) continue;
    const traded = number(bar, 'volume_mw') ?? 0;
    worth += traded * (number(bar, 'vwap_eur_per_mwh') ?? close);
    volume += traded;
    times.push(at / 1000);
    last.push(close);
    mean.push(volume > 0 ? worth / volume : null);
    until = at;
  }
  const known = mean[mean.length - 1] ?? null;
  for (const trade of [...trades].reverse()) {
    if (trade.at <= until + BAR_MS) continue;
    times.push(trade.at / 1000);
    last.push(trade.price);
    mean.push(known);
  }
  return [times, last, mean];
}

const BAR_MS = 60_000;

const COLUMNS: readonly GridColumn<Trade>[] = [
  { id: 'at', title: 'Time', width: 'minmax(58px, 1fr)', align: 'left', cell: ({ at }) => ({ text: clockWithSeconds(at, zone.value), tone: 'dim', title: day(at, zone.value) }) },
  { id: 'price', title: 'EUR/MWh', width: 'minmax(62px, 1fr)', cell: ({ price, move }) => ({ text: `${move > 0 ? '▲ ' : move < 0 ? '▼ ' : ''}${figure(price)}`, tone: move > 0 ? 'up' : move < 0 ? 'down' : '' }) },
  { id: 'volume', title: 'MW', width: 'minmax(36px, .7fr)', cell: ({ volume }) => ({ text: figure(volume, 1) }) },
]; // prettier-ignore

interface OfContract {
  readonly area: string;
  readonly contract: string;
  readonly title: string;
  readonly trace: (row: Row) => void;
}

function useTrades({ area, contract }: Pick<OfContract, 'area' | 'contract'>) {
  const now = asOf.value === null;
  const told = useTopicRows(now && contract !== '' ? `trades:${area}:${contract}` : null);
  const asked = useRows(!now && contract !== '' ? { path: `trades/${area}/${contract}` } : null);
  const rows = now ? told.rows : asked.rows;
  return {
    trades: useMemo(() => tape(rows), [rows]),
    error: now ? told.error : asked.error,
    waiting: contract !== '' && (now ? told.heardAt === null : asked.loading),
  };
}

export function TradesPanel(props: OfContract) {
  const { trades, error, waiting } = useTrades(props);
  const exports = useExports();
  return (
    <Panel
      id="trades"
      name={`Trades of ${props.title}`}
      title="Trades"
      sources={[TRADE_SOURCE]}
      isLive
      error={error}
      answers={[
        {
          source: TRADE_SOURCE,
          url: props.contract === '' ? null : addressAsShown(`trades/${props.area}/${props.contract}`),
        },
      ]}
      exports={exports}
      empty={trades.length === 0 ? (waiting ? 'Asking…' : 'No trade yet.') : null}
    >
      <Table
        label={`Trades of ${props.title}`}
        columns={COLUMNS}
        items={trades}
        id={({ row }) => text(row, 'id') || text(row, 'trade_id')}
        onTrace={({ row }) => props.trace(row)}
        marked={({ row }) => row}
        empty=" "
        onReady={(cells) => (exports.current.cells = cells)}
      />
    </Panel>
  );
}

/** The level of the day-ahead price is in the chart too. */
const OF_PRICE = [TRADE_SOURCE, DAY_AHEAD_SOURCE];
const SERIES = [
  { label: 'last', colour: 'ink', kind: 'step', decimals: 2 },
  { label: 'VWAP', colour: 'accent', kind: 'line', decimals: 2 },
] as const;
const LEGEND = [...SERIES, { label: 'day-ahead', colour: 'dim' }];

export function PricePanel(props: OfContract & { readonly dayAhead: number | null }) {
  const { area, contract, title, dayAhead } = props;
  const { trades, error, waiting } = useTrades(props);
  const bars = useRows(
    contract === ''
      ? null
      : { path: `bars/${area}/${contract}`, query: { every: 'PT1M' }, follow: TRADE_SOURCE },
  );
  const data = useMemo(() => prices(bars.rows, trades), [bars.rows, trades]);
  const levels = useMemo(
    () =>
      dayAhead === null ? [] : [{ value: dayAhead, label: `day-ahead ${figure(dayAhead)}`, colour: 'dim' }],
    [dayAhead],
  );
  const exports = useExports();
  exports.current.cells = () => cellsOf(['last', 'VWAP'], data, 'EUR/MWh');
  return (
    <Panel
      id="price"
      name={`Price of ${title}`}
      title={`${title} price`}
      unit="EUR/MWh"
      sources={dayAhead === null ? [TRADE_SOURCE] : OF_PRICE}
      isLive
      error={error}
      answers={[bars]}
      exports={exports}
      empty={data[0].length === 0 ? (bars.loading || waiting ? 'Asking…' : 'No trade yet.') : null}
      tools={<Legend entries={LEGEND} />}
    >
      <Chart
        label={`Price of ${title}`}
        unit="EUR/MWh"
        series={SERIES}
        data={data}
        levels={levels}
        onPick={(at) => {
          const trade = trades.find((one) => one.at <= at * 1000 + BAR_MS);
          props.trace({ ...trade?.row, contract_id: contract });
        }}
      />
    </Panel>
  );
}
