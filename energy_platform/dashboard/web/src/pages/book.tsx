/** The book of one contract: ladder and depth. */

import { useMemo } from 'preact/hooks';
import type uPlot from 'uplot';

import { addressAsShown, useRows, useTopicRows } from '../api/hooks';
import { Chart } from '../chart/chart';
import { number, type Row, text } from '../live/frames';
import { Panel, useExports } from '../panel/panel';
import { figure } from '../state/figures';
import { asOf, traced } from '../state/screen';
import { type Cell, type GridColumn, withMark } from '../table/grid';
import { Table } from '../table/table';

export const BOOK_SOURCE = 'nord_pool_intraday_order_book';

export interface Level {
  readonly price: number;
  readonly volume: number;
  readonly total: number;
  readonly row: Row;
}

export interface Rung {
  readonly place: number;
  readonly bid: Level | null;
  readonly ask: Level | null;
  readonly most: number;
}

function isBid(row: Row): boolean {
  return /^(buy|bid)$/i.test(text(row, 'side'));
}

/** One side, the best price first, with the volume up to each price. */
export function side(rows: readonly Row[], bids: boolean): Level[] {
  const prices = rows
    .filter((row) => isBid(row) === bids)
    .map((row) => ({ price: number(row, 'price_eur_per_mwh'), volume: number(row, 'volume_mw') ?? 0, row }))
    .filter((one): one is { price: number; volume: number; row: Row } => one.price !== null)
    .sort((one, other) => (bids ? other.price - one.price : one.price - other.price));
  let total = 0;
  return prices.map(({ price, volume, row }) => ({ price, volume, total: (total += volume), row }));
}

export function rungs(rows: readonly Row[]): Rung[] {
  const bids = side(rows, true);
  const asks = side(rows, false);
  const most = Math.max(1, ...bids.map((level) => level.volume), ...asks.map((level) => level.volume));
  return Array.from({ length: Math.max(bids.length, asks.length) }, (_, place) => ({
    place,
    bid: bids[place] ?? null,
    ask: asks[place] ?? null,
    most,
  }));
}

/** Volume up to each price, as two steps that part at the spread. */
export function depth(rows: readonly Row[]): uPlot.AlignedData {
  const bids = side(rows, true).reverse();
  const asks = side(rows, false);
  const prices = [...new Set([...bids, ...asks].map((level) => level.price))].sort(
    (one, other) => one - other,
  );
  const bidTotals = new Map(bids.map((level) => [level.price, level.total]));
  const askTotals = new Map(asks.map((level) => [level.price, level.total]));
  const best = { bid: bids[bids.length - 1]?.price ?? -Infinity, ask: asks[0]?.price ?? Infinity };
  return [
    prices,
    carried(prices, bidTotals, (price) => price <= best.bid, true),
    carried(prices, askTotals, (price) => price >= best.ask, false),
  ];
}

function carried(
  prices: readonly number[],
  totals: ReadonlyMap<number, number>,
  within: (price: number) => boolean,
  down: boolean,
) {
  const values = prices.map((price) => (within(price) ? (totals.get(price) ?? undefined) : null));
  const order = down ? prices.map((_, index) => prices.length - 1 - index) : prices.map((_, index) => index);
  let held: number | null = null;
  for (const index of order) {
    if (values[index] === null) continue;
    held = values[index] ?? held;
    values[index] = held ?? undefined;
  }
  return values;
}

function priceCell(level: Level | null, tone: 'bid' | 'ask'): Cell {
  return withMark({ text: figure(level?.price ?? null), tone }, level?.row);
}

const COLUMNS: readonly GridColumn<Rung>[] = [
  { id: 'bid_total', title: 'Σ MW', hint: 'bid', width: 'minmax(34px, .8fr)', cell: ({ bid }) => ({ text: figure(bid?.total ?? null, 0), tone: 'dim' }) },
  { id: 'bid_mw', title: 'MW', hint: 'bid', width: 'minmax(36px, 1fr)', flash: true, cell: ({ bid, most }) => ({ text: figure(bid?.volume ?? null, 1), ...(bid === null ? {} : { tone: 'bid', bar: bid.volume / most }) }) },
  { id: 'bid', title: 'Bid', hint: 'EUR/MWh', width: 'minmax(44px, 1.1fr)', flash: true, cell: ({ bid }) => priceCell(bid, 'bid') },
  { id: 'ask', title: 'Ask', hint: 'EUR/MWh', width: 'minmax(44px, 1.1fr)', align: 'left', flash: true, cell: ({ ask }) => priceCell(ask, 'ask') },
  { id: 'ask_mw', title: 'MW', hint: 'ask', width: 'minmax(36px, 1fr)', align: 'left', flash: true, cell: ({ ask, most }) => ({ text: figure(ask?.volume ?? null, 1), ...(ask === null ? {} : { tone: 'ask', bar: ask.volume / most }) }) },
  { id: 'ask_total', title: 'Σ MW', hint: 'ask', width: 'minmax(34px, .8fr)', align: 'left', cell: ({ ask }) => ({ text: figure(ask?.total ?? null, 0), tone: 'dim' }) },
]; // prettier-ignore

const DEPTH_SERIES = [
  { label: 'Bids', colour: 'bid', kind: 'step-area', decimals: 1 },
  { label: 'Asks', colour: 'ask', kind: 'step-area', decimals: 1 },
] as const;

interface OfContract {
  readonly area: string;
  readonly contract: string;
  readonly title: string;
}

function useBook({ area, contract }: OfContract) {
  const now = asOf.value === null;
  const told = useTopicRows(now && contract !== '' ? `book:${area}:${contract}` : null);
  const asked = useRows(!now && contract !== '' ? { path: `book/${area}/${contract}` } : null);
  return {
    source: BOOK_SOURCE,
    rows: now ? told.rows : asked.rows,
    error: now ? told.error : asked.error,
    waiting: contract !== '' && (now ? told.heardAt === null : asked.loading),
    url: contract === '' ? null : addressAsShown(`book/${area}/${contract}`),
  };
}

function saysNothing(contract: string, waiting: boolean): string {
  if (contract === '') return 'No contract is chosen.';
  return waiting ? 'Asking…' : 'No orders stand in this book.';
}

export function BookPanel(props: OfContract) {
  const book = useBook(props);
  const items = useMemo(() => rungs(book.rows), [book.rows]);
  const exports = useExports();
  return (
    <Panel
      id="book"
      name={`Book of ${props.title}`}
      title={`Book ${props.title}`}
      unit="EUR/MWh · MW"
      sources={[BOOK_SOURCE]}
      isLive
      answers={[book]}
      exports={exports}
      empty={items.length === 0 ? saysNothing(props.contract, book.waiting) : null}
    >
      <Table
        label={`Book of ${props.title}`}
        columns={COLUMNS}
        items={items}
        id={(rung) => String(rung.place)}
        onTrace={({ bid, ask }, column) => {
          const level = column.startsWith('bid') ? (bid ?? ask) : (ask ?? bid);
          traced.value = { source: BOOK_SOURCE, row: { ...level?.row, contract_id: props.contract } };
        }}
        empty=" "
        onReady={(cells) => (exports.current.cells = cells)}
      />
    </Panel>
  );
}

export function DepthPanel(props: OfContract) {
  const book = useBook(props);
  const data = useMemo(() => depth(book.rows), [book.rows]);
  const exports = useExports();
  exports.current.cells = () => [
    ['EUR/MWh', 'Bids Σ MW', 'Asks Σ MW'],
    ...Array.from(data[0], (price, index) => [
      figure(price),
      ...[1, 2].map((place) => figure(data[place]?.[index] ?? null, 1)),
    ]),
  ];
  return (
    <Panel
      id="depth"
      name={`Depth of ${props.title}`}
      title="Depth"
      unit="Σ MW by EUR/MWh"
      sources={[BOOK_SOURCE]}
      isLive
      answers={[book]}
      exports={exports}
      empty={data[0].length === 0 ? saysNothing(props.contract, book.waiting) : null}
    >
      <Chart
        label={`Depth of ${props.title}`}
        unit="MW"
        xUnit="EUR/MWh"
        series={DEPTH_SERIES}
        data={data}
        zero
        onPick={() => (traced.value = { source: BOOK_SOURCE, row: { contract_id: props.contract } })}
      />
    </Panel>
  );
}
