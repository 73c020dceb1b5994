/** Which row each figure of the intraday and the position page was read from. */

import { number, type Row, text } from '../live/frames';
import type { Total } from '../position/held';
import type { Traced } from '../state/screen';
import { BOOK_SOURCE } from './book';
import { CONTRACT_COLUMNS } from './contracts';
import { DAY_AHEAD_SOURCE, TRADE_SOURCE } from './tape';

export const POSITION_SOURCE = 'position';
export const CONTRACT_SOURCE = 'nord_pool_intraday_contract';
export const IMBALANCE_SOURCE = 'netztransparenz_imbalance';

const GERMANY = 'DE-LU';
const CONTROL_AREAS = new Set(['50Hz', 'AMP', 'TTG', 'TBW']);

const OF_BOOK = new Set(['bid_mw', 'bid', 'ask', 'ask_mw', 'spread', 'close_cost']);
const OF_DAY_AHEAD = new Set(['day_ahead', 'to_day_ahead']);
const OF_CONTRACT = new Set(['contract', 'closes']);

/** Where a figure of the contract table comes from: each column has a source of its own. */
export function originOf(row: Row, column: string, portfolio = ''): Traced {
  const contract = text(row, 'id');
  if (OF_DAY_AHEAD.has(column)) return dayAhead(GERMANY, row, 'delivery_start');
  if (column === 'position')
    return {
      source: POSITION_SOURCE,
      row: {
        portfolio,
        delivery_start: row.delivery_start ?? null,
        position_mw: number(row, 'position_mw'),
      },
    };
  const source = OF_BOOK.has(column) ? BOOK_SOURCE : OF_CONTRACT.has(column) ? CONTRACT_SOURCE : TRADE_SOURCE;
  const watched = CONTRACT_COLUMNS.find(({ id }) => id === column)?.value ?? 'last_eur_per_mwh';
  return { source, row: { ...row, contract_id: contract }, column: watched };
}

/** Whether an alarm can watch a figure in the topic of the contracts. */
export function isOfContracts(column: string): boolean {
  return !OF_DAY_AHEAD.has(column) && column !== 'position';
}

function dayAhead(zone: string, row: Row, start: string): Traced {
  return {
    source: DAY_AHEAD_SOURCE,
    row: {
      bidding_zone: zone,
      delivery_start: row[start] ?? null,
      price_eur_per_mwh: number(row, 'day_ahead_eur_per_mwh'),
    },
  };
}

/** The kinds of position by the column that shows them. */
const KINDS: Readonly<Partial<Record<string, string>>> = {
  schedule: 'schedule',
  contract: 'contract',
  generation: 'generation_forecast',
  load: 'load_forecast',
};
const CLOSING = ['contract_id', 'closing_price_eur_per_mwh', 'close_cost_eur', 'unfilled_mw'];

/** Where a figure of an open position comes from; one that lacks leads to the position itself. */
export function originOfPosition(row: Row, column: string): Traced {
  const kind = KINDS[column];
  if (kind !== undefined) return { source: POSITION_SOURCE, row: { ...row, kind } };
  const hasContract = text(row, 'contract_id') !== '';
  switch (column) {
    case 'day_ahead':
    case 'value':
      if (text(row, 'day_ahead_from') === '') break;
      return dayAhead(zoneOf(text(row, 'area')), row, 'day_ahead_from');
    case 'closing_price':
    case 'close_cost':
    case 'unfilled':
      if (!hasContract) break;
      return { source: BOOK_SOURCE, row: only(row, CLOSING) };
    case 'closes':
      if (!hasContract) break;
      return { source: CONTRACT_SOURCE, row: only(row, ['contract_id', 'closes_at']) };
    case 'imbalance':
      if (text(row, 'imbalance_from') === '') break;
      return {
        source: IMBALANCE_SOURCE,
        row: {
          product: text(row, 'imbalance_product'),
          series: text(row, 'imbalance_series'),
          delivery_start: row.imbalance_from ?? null,
          price_eur_per_mwh: number(row, 'imbalance_eur_per_mwh'),
        },
      };
  }
  return { source: POSITION_SOURCE, row };
}

/** Energies are those of the group's rows; a value is of many prices, and shown is that of its next delivery. */
export function originOfTotal({ id, portfolio, area, next }: Total, column: string): Traced {
  const found = originOfPosition(next, column);
  const isOfPositions = found.source === POSITION_SOURCE && id !== 'all';
  return isOfPositions ? { source: POSITION_SOURCE, row: { portfolio, area } } : found;
}

function only(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((column) => [column, row[column] ?? null]));
}

/** A control area has the price of its bidding zone. */
function zoneOf(area: string): string {
  return CONTROL_AREAS.has(area) ? GERMANY : area;
}
