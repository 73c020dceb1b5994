/** Page 1: the contracts of an area, of the chosen one its book, depth, trades and price, and the trading signals. */

import { useCallback, useMemo } from 'preact/hooks';

import { addressAsShown, useRows, useTopicRows } from '../api/hooks';
import { instant, number, type Row, text } from '../live/frames';
import { Choice, Select } from '../panel/choice';
import { Panel, useExports } from '../panel/panel';
import { SeriesPanel } from '../panel/series-panel';
import { usePageKeys } from '../shell/page-keys';
import { choices, choose } from '../state/choices';
import { chosenPortfolio, choosePortfolio, mayWatch } from '../state/portfolios';
import { route, setParams } from '../state/route';
import { asOf, catalogue, MARKET_ZONE, type Traced, traced, zone } from '../state/screen';
import { around } from '../state/spans';
import { Table } from '../table/table';
import { day, period, zoneName } from '../time/say';
import { addDays, dateOf, HOUR, instantOf } from '../time/zone';
import { BOOK_SOURCE, BookPanel, DepthPanel } from './book';
import { useExposure, withExposure } from './exposure';
import { byDelivery, CONTRACT_COLUMNS, MARKET_COLUMNS, startsHour } from './contracts';
import { CONTINENT, FrequencyPanel } from './frequency';
import { germanBalance } from './balance';
import { DeltaPanel, LOAD_FORECAST, WIND_SOLAR } from './forecast-delta';
import { CONTRACT_SOURCE, isOfContracts, originOf } from './origins';
import { SIGNAL_SOURCE, SignalsPanel } from './signals';
import { DAY_AHEAD_SOURCE, PricePanel, TRADE_SOURCE, TradesPanel } from './tape';

export const INTRADAY_SOURCES = [
  BOOK_SOURCE,
  TRADE_SOURCE,
  'energy_charts_frequency',
  'netztransparenz_imbalance',
  DAY_AHEAD_SOURCE,
  LOAD_FORECAST,
  WIND_SOLAR,
  SIGNAL_SOURCE,
];

/** What is in the table of contracts. */
const OF_CONTRACTS = [BOOK_SOURCE, TRADE_SOURCE, CONTRACT_SOURCE, DAY_AHEAD_SOURCE];

const PRODUCTS = [
  ['QH', '¼ h'],
  ['HH', '½ h'],
  ['H', '1 h'],
] as const;
const DELTA_HOURS = 30;
const PAGE_GATHER_MS = 1_000;
const DAY_AHEAD_GATE_HOUR = 12;

/** The gate of the day-ahead auction in which a delivery was sold first. */
export function gateOf(delivery: number): number | null {
  return instantOf(addDays(dateOf(delivery, MARKET_ZONE), -1), DAY_AHEAD_GATE_HOUR, 0, MARKET_ZONE);
}

/** The day-ahead gate of a delivery; from there the gate of its continuous trading, once that has closed. */
export function nextGate(delivery: number, closes: number | null, at: number | null): number | null {
  const first = gateOf(delivery);
  return at === first && closes !== null && closes <= Date.now() ? closes : first;
}

export function IntradayPage() {
  const areas = catalogue.value?.areas ?? [];
  const area = route.value.params.area ?? (choices.value.area || (areas[0] ?? 'DE-LU'));
  const product = route.value.params.product ?? choices.value.product;
  const topic = asOf.value === null && area !== '' ? `contracts:${area}:${product}` : null;
  const told = useTopicRows(topic, PAGE_GATHER_MS);
  const asked = useRows(
    asOf.value === null || area === '' ? null : { path: 'contracts', query: { area, product } },
  );
  const waiting = topic === null ? asked.loading : told.heardAt === null;
  const exposures = useExposure(area, product);
  const arrange = useCallback(
    (known: readonly Row[]) => byDelivery(withExposure(known, exposures)),
    [exposures],
  );
  const rows = useMemo(
    () => arrange(topic === null ? asked.rows : told.rows),
    [topic, asked.rows, told.rows, arrange],
  );
  const wanted = route.value.params.contract ?? '';
  const chosen = rows.find((row) => text(row, 'id') === wanted) ?? rows[0];
  const contract = chosen === undefined ? wanted : text(chosen, 'id');
  const start = instant(chosen, 'delivery_start');
  const end = instant(chosen, 'delivery_end');
  const title = start === null || end === null ? contract : `${product} ${period(start, end, zone.value)}`;
  const exports = useExports();
  const origin = (row: Row, column: string): Traced => ({
    ...(isOfContracts(column) ? { topic: `contracts:${area}:${product}` } : {}),
    ...originOf(row, column, chosenPortfolio()),
  });
  const trace = (row: Row): void => void (traced.value = { source: TRADE_SOURCE, row });
  const move = (event: KeyboardEvent): void => {
    const grid = document.querySelector<HTMLElement>('.panel-contracts .grid');
    if (grid !== null && MOVES.has(event.key))
      grid.dispatchEvent(new KeyboardEvent('keydown', { key: event.key }));
  };
  usePageKeys({
    gate: () => (start === null ? null : nextGate(start, instant(chosen, 'closes_at'), asOf.value)),
    trace: () => (chosen === undefined ? undefined : void (traced.value = origin(chosen, 'last'))),
    move,
  });
  const [from, to] = around(6, 1);
  const of = { area, contract, title, trace };
  return (
    <>
      <Panel
        id="contracts"
        name="Contracts"
        title="Intraday"
        unit="EUR/MWh · MW"
        detail={
          <span class="about">
            {start === null ? '' : `${day(start, zone.value)} ${zoneName(start, zone.value)}`}
          </span>
        }
        sources={OF_CONTRACTS}
        isLive
        error={told.error ?? asked.error}
        answers={[
          { source: BOOK_SOURCE, url: area === '' ? null : addressAsShown('contracts', { area, product }) },
        ]}
        exports={exports}
        empty={
          rows.length === 0
            ? area === ''
              ? 'No market area is known yet.'
              : waiting
                ? 'Asking…'
                : 'No contracts are open in this area.'
            : null
        }
        tools={
          <>
            {areas.length > 1 ? (
              <Select
                label="Area"
                value={area}
                options={areas.map((one) => [one, one] as const)}
                onChange={(value) => {
                  choose(() => ({ area: value }));
                  setParams({ area: value, contract: '' });
                }}
              />
            ) : (
              <b>{area}</b>
            )}
            {mayWatch().length > 1 ? (
              <Select
                label="Portfolio"
                value={chosenPortfolio()}
                options={[['', 'All mine'], ...mayWatch().map((one) => [one, one] as const)]}
                onChange={choosePortfolio}
              />
            ) : null}
            <Choice
              label="Product"
              value={product}
              options={PRODUCTS}
              onChange={(value) => {
                choose(() => ({ product: value }));
                setParams({ product: value, contract: '' });
              }}
            />
          </>
        }
      >
        <Table
          label="Contracts"
          columns={exposures.size > 0 ? CONTRACT_COLUMNS : MARKET_COLUMNS}
          items={rows}
          topic={topic}
          arrange={arrange}
          id={(row) => text(row, 'id')}
          selected={contract}
          onSelect={(id) => setParams({ contract: id })}
          onTrace={(row, column) => (traced.value = origin(row, column))}
          rowClass={startsHour}
          marked={(row) => row}
          empty=" "
          ticking
          focused
          onReady={(cells) => (exports.current.cells = cells)}
        />
      </Panel>
      <BookPanel {...of} />
      <DepthPanel {...of} />
      <TradesPanel {...of} />
      <PricePanel {...of} dayAhead={number(chosen, 'day_ahead_eur_per_mwh')} />
      <SignalsPanel />
      <FrequencyPanel id="frequency-ce" grid={CONTINENT} />
      <SeriesPanel {...germanBalance} start={from} end={to} />
      <DeltaPanel zone="DE-LU" delivery={start} start={from} end={from + DELTA_HOURS * HOUR} back={null} />
    </>
  );
}

const MOVES = new Set(['ArrowUp', 'ArrowDown', 'j', 'k', 'PageUp', 'PageDown', 'Home', 'End']);
