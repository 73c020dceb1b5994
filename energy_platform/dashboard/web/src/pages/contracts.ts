/** The contracts of a continuous market as a table's columns. */

import { instant, number, type Row, text } from '../live/frames';
import { figure, grouped, money, signed } from '../state/figures';
import { shownNow, zone } from '../state/screen';
import { clockWithSeconds, countdown, day, period } from '../time/say';
import { localTime } from '../time/zone';
import type { Cell, GridColumn } from '../table/grid';

/** A difference to day-ahead of this size fills the bar. */
const FULL_BAR_EUR_PER_MWH = 20;

function price(column: string, tone: Cell['tone']): (row: Row) => Cell {
  return (row) => ({ text: figure(number(row, column)), ...(tone === undefined ? {} : { tone }) });
}

function change(value: number | null, decimals = 2): Cell {
  return {
    text: signed(value, decimals),
    tone: value === null || value === 0 ? 'dim' : value > 0 ? 'up' : 'down',
  };
}

export function toDayAhead(row: Row): number | null {
  const last = number(row, 'last_eur_per_mwh') ?? number(row, 'vwap_eur_per_mwh');
  const dayAhead = number(row, 'day_ahead_eur_per_mwh');
  return last === null || dayAhead === null ? null : last - dayAhead;
}

function last(row: Row): Cell {
  const at = instant(row, 'last_at');
  return {
    text: figure(number(row, 'last_eur_per_mwh')),
    tone: 'strong',
    title: at === null ? '' : `traded ${day(at, zone.value)} ${clockWithSeconds(at, zone.value)}`,
  };
}

export const CONTRACT_COLUMNS: readonly GridColumn<Row>[] = [
  { id: 'contract', title: 'Contract', width: 'minmax(90px, 1.35fr)', align: 'left', order: (row) => instant(row, 'delivery_start'), cell: contractCell },
  { id: 'closes', title: 'Closes', width: 'minmax(48px, .8fr)', order: (row) => instant(row, 'closes_at'), cell: closesCell },
  { id: 'bid_mw', title: 'MW', hint: 'bid', width: 'minmax(34px, .6fr)', flash: true, order: (row) => number(row, 'bid_mw'), cell: (row) => ({ text: figure(number(row, 'bid_mw'), 1) }) },
  { id: 'bid', value: 'bid_eur_per_mwh', title: 'Bid', hint: 'EUR/MWh', width: 'minmax(54px, .8fr)', flash: true, order: (row) => number(row, 'bid_eur_per_mwh'), cell: price('bid_eur_per_mwh', 'bid') },
  { id: 'ask', value: 'ask_eur_per_mwh', title: 'Ask', hint: 'EUR/MWh', width: 'minmax(54px, .8fr)', flash: true, order: (row) => number(row, 'ask_eur_per_mwh'), cell: price('ask_eur_per_mwh', 'ask') },
  { id: 'ask_mw', title: 'MW', hint: 'ask', width: 'minmax(34px, .6fr)', flash: true, order: (row) => number(row, 'ask_mw'), cell: (row) => ({ text: figure(number(row, 'ask_mw'), 1) }) },
  { id: 'spread', value: 'spread_eur_per_mwh', title: 'Spr', hint: 'EUR/MWh', width: 'minmax(34px, .6fr)', order: (row) => number(row, 'spread_eur_per_mwh'), cell: price('spread_eur_per_mwh', 'dim') },
  { id: 'last', value: 'last_eur_per_mwh', title: 'Last', hint: 'EUR/MWh', width: 'minmax(54px, .85fr)', flash: true, order: (row) => number(row, 'last_eur_per_mwh'), cell: last },
  { id: 'change', value: 'change_15m_eur_per_mwh', title: 'Δ15m', hint: 'EUR/MWh', width: 'minmax(42px, .7fr)', order: (row) => number(row, 'change_15m_eur_per_mwh'), cell: (row) => change(number(row, 'change_15m_eur_per_mwh')) },
  { id: 'vwap', value: 'vwap_eur_per_mwh', title: 'VWAP', hint: 'EUR/MWh', width: 'minmax(50px, .75fr)', order: (row) => number(row, 'vwap_eur_per_mwh'), cell: price('vwap_eur_per_mwh', 'dim') },
  { id: 'volume', value: 'volume_mwh', title: 'Vol', hint: 'MWh', width: 'minmax(42px, .65fr)', order: (row) => number(row, 'volume_mwh'), cell: (row) => ({ text: grouped(number(row, 'volume_mwh'), 1), tone: 'dim' }) },
  { id: 'day_ahead', title: 'DA', hint: 'EUR/MWh', width: 'minmax(50px, .75fr)', order: (row) => number(row, 'day_ahead_eur_per_mwh'), cell: price('day_ahead_eur_per_mwh', 'dim') },
  { id: 'to_day_ahead', title: '±DA', hint: 'EUR/MWh', width: 'minmax(46px, .8fr)', order: toDayAhead, cell: toDayAheadCell },
  { id: 'position', title: 'Open', hint: 'MW', width: 'minmax(44px, .6fr)', order: (row) => number(row, 'position_mw'), cell: positionCell },
  { id: 'close_cost', title: 'Close €', hint: 'EUR', width: 'minmax(46px, .65fr)', order: (row) => number(row, 'close_cost_eur'), cell: closeCostCell },
]; // prettier-ignore

function contractCell(row: Row): Cell {
  const start = instant(row, 'delivery_start');
  const end = instant(row, 'delivery_end');
  if (start === null || end === null) return { text: text(row, 'name') || text(row, 'id'), tone: 'strong' };
  return {
    text: period(start, end, zone.value),
    tone: 'strong',
    title: `${day(start, zone.value)} · ${text(row, 'name')} · ${text(row, 'id')}`,
  };
}

function closesCell(row: Row): Cell {
  const at = instant(row, 'closes_at');
  return at === null
    ? { text: '' }
    : { text: countdown(at - shownNow.value), tone: at - shownNow.value < 15 * 60_000 ? 'warn' : 'dim' };
}

function toDayAheadCell(row: Row): Cell {
  const difference = toDayAhead(row);
  return difference === null
    ? { text: '' }
    : { ...change(difference), tone: 'dim', bar: difference / FULL_BAR_EUR_PER_MWH };
}

/** Money to pay is red, money to get is green, as on the position page. */
function closeCostCell(row: Row): Cell {
  const cost = number(row, 'close_cost_eur');
  return {
    text: money(cost),
    tone: cost === null || cost === 0 ? 'dim' : cost > 0 ? 'down' : 'up',
    title: 'at the orders that stand; + to pay, − to get',
  };
}

function positionCell(row: Row): Cell {
  const open = number(row, 'position_mw');
  return { text: signed(open, 1), tone: open === null || open === 0 ? 'dim' : open > 0 ? 'bid' : 'ask' };
}

/** Without the columns of an own position, where none is known. */
export const MARKET_COLUMNS = CONTRACT_COLUMNS.filter(({ id }) => id !== 'position' && id !== 'close_cost');

export function byDelivery(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort(
    (one, other) => (instant(one, 'delivery_start') ?? 0) - (instant(other, 'delivery_start') ?? 0),
  );
}

/** A line above the first contract of each hour. */
export function startsHour(row: Row, before: Row | undefined): string {
  if (before === undefined) return '';
  const at = instant(row, 'delivery_start');
  const earlier = instant(before, 'delivery_start');
  if (at === null || earlier === null) return '';
  return localTime(at, zone.value).hour !== localTime(earlier, zone.value).hour ? 'hour' : '';
}
