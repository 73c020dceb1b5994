/** The columns of the position page's tables. */

import { instant, number, type Row, text } from '../live/frames';
import { figure, grouped, money, signed } from '../state/figures';
import { shownNow, zone } from '../state/screen';
import type { Cell, GridColumn } from '../table/grid';
import { clock, clockWithSeconds, countdown, day, dayAndClock, period } from '../time/say';
import { localTime } from '../time/zone';
import type { Total } from './held';

const SOON_MS = 15 * 60_000;

/** An amount of money: to pay is red, to get is green, and both have their sign. */
function cost(value: number | null): Cell {
  return { text: money(value), tone: value === null || value === 0 ? 'dim' : value > 0 ? 'down' : 'up' };
}

function worth(value: number | null): Cell {
  return { text: money(value), tone: value === null || value === 0 ? 'dim' : value > 0 ? 'up' : 'down' };
}

function power(column: string): (row: Row) => Cell {
  return (row) => ({ text: signed(number(row, column), 1), tone: 'dim' });
}

function price(column: string): (row: Row) => Cell {
  return (row) => ({ text: figure(number(row, column)), tone: 'dim' });
}

function weekday(at: number): string {
  return day(at, zone.value).slice(0, 3);
}

function delivery(row: Row): Cell {
  const [start, end] = [instant(row, 'delivery_start'), instant(row, 'delivery_end')];
  if (start === null || end === null) return { text: '' };
  return {
    text: `${weekday(start)} ${period(start, end, zone.value)}`,
    title: day(start, zone.value),
    tone: start > shownNow.value ? 'strong' : 'dim',
  };
}

function open(row: Row): Cell {
  const value = number(row, 'open_mw');
  return {
    text: signed(value, 1),
    tone: value === null || value === 0 ? 'dim' : value > 0 ? 'bid' : 'ask',
    ...(value === null ? {} : { title: value > 0 ? 'long' : value < 0 ? 'short' : 'flat' }),
  };
}

function closes(row: Row): Cell {
  const at = instant(row, 'closes_at');
  if (at === null)
    return { text: (instant(row, 'delivery_start') ?? 0) > shownNow.value ? '–' : 'closed', tone: 'dim' };
  const left = at - shownNow.value;
  return {
    text: countdown(left),
    tone: left < SOON_MS ? 'warn' : 'dim',
    title: `gate closes ${dayAndClock(at, zone.value)}`,
  };
}

function closing(row: Row): Cell {
  const cell = cost(number(row, 'close_cost_eur'));
  return { ...cell, title: 'at the orders that stand; + to pay, − to get' };
}

function unfilled(row: Row): Cell {
  const left = number(row, 'unfilled_mw');
  return left === null || left === 0 || instant(row, 'closes_at') === null
    ? { text: '' }
    : { text: figure(left, 1), tone: 'warn', title: 'the book has no orders for this much' };
}

function imbalance(row: Row): Cell {
  const at = instant(row, 'imbalance_from');
  const of = figure(number(row, 'imbalance_eur_per_mwh'));
  return {
    ...cost(number(row, 'imbalance_cost_eur')),
    ...(at === null
      ? {}
      : { title: `expected at ${of} EUR/MWh, the imbalance price of ${dayAndClock(at, zone.value)}` }),
  };
}

function changed(row: Row): Cell {
  const at = instant(row, 'changed_at');
  return {
    text: text(row, 'changed_by'),
    tone: 'dim',
    ...(at === null ? {} : { title: `${day(at, zone.value)} ${clockWithSeconds(at, zone.value)}` }),
  };
}

export const OPEN_COLUMNS: readonly GridColumn<Row>[] = [
  { id: 'delivery', title: 'Delivery', width: 'minmax(116px, 1.5fr)', align: 'left', order: (row) => instant(row, 'delivery_start'), cell: delivery },
  { id: 'portfolio', title: 'Portfolio', width: 'minmax(72px, 1.1fr)', align: 'left', order: (row) => text(row, 'portfolio'), cell: (row) => ({ text: text(row, 'portfolio') }) },
  { id: 'area', title: 'Area', width: 'minmax(50px, .6fr)', align: 'left', order: (row) => text(row, 'area'), cell: (row) => ({ text: text(row, 'area'), tone: 'dim' }) },
  { id: 'schedule', title: 'Sched', hint: 'schedule, MW', width: 'minmax(46px, .7fr)', flash: true, order: (row) => number(row, 'schedule_mw'), cell: power('schedule_mw') },
  { id: 'contract', title: 'Contr', hint: 'contracts, MW', width: 'minmax(46px, .7fr)', flash: true, order: (row) => number(row, 'contract_mw'), cell: power('contract_mw') },
  { id: 'generation', title: 'Gen', hint: 'generation forecast, MW', width: 'minmax(46px, .7fr)', flash: true, order: (row) => number(row, 'generation_forecast_mw'), cell: power('generation_forecast_mw') },
  { id: 'load', title: 'Load', hint: 'load forecast, MW', width: 'minmax(46px, .7fr)', flash: true, order: (row) => number(row, 'load_forecast_mw'), cell: power('load_forecast_mw') },
  { id: 'open', title: 'Open', hint: 'MW', width: 'minmax(54px, .8fr)', flash: true, order: (row) => number(row, 'open_mw'), cell: open },
  { id: 'day_ahead', title: 'DA', hint: 'EUR/MWh', width: 'minmax(48px, .7fr)', order: (row) => number(row, 'day_ahead_eur_per_mwh'), cell: price('day_ahead_eur_per_mwh') },
  { id: 'value', title: 'At DA €', hint: 'value at day-ahead, EUR', width: 'minmax(52px, .7fr)', order: (row) => number(row, 'day_ahead_value_eur'), cell: (row) => worth(number(row, 'day_ahead_value_eur')) },
  { id: 'closing_price', title: 'Book', hint: 'mean price of closing now, EUR/MWh', width: 'minmax(48px, .7fr)', flash: true, order: (row) => number(row, 'closing_price_eur_per_mwh'), cell: price('closing_price_eur_per_mwh') },
  { id: 'close_cost', title: 'Close €', hint: 'EUR', width: 'minmax(54px, .7fr)', flash: true, order: (row) => number(row, 'close_cost_eur'), cell: closing },
  { id: 'unfilled', title: 'Left', hint: 'not closable now, MW', width: 'minmax(40px, .5fr)', order: (row) => number(row, 'unfilled_mw'), cell: unfilled },
  { id: 'imbalance', title: 'Imbal €', hint: 'expected if left open, EUR', width: 'minmax(54px, .7fr)', order: (row) => number(row, 'imbalance_cost_eur'), cell: imbalance },
  { id: 'closes', title: 'Closes', width: 'minmax(52px, .7fr)', order: (row) => instant(row, 'closes_at'), cell: closes },
  { id: 'changed', title: 'Changed by', width: 'minmax(72px, .9fr)', align: 'left', order: (row) => instant(row, 'changed_at'), cell: changed },
]; // prettier-ignore

export const TOTAL_COLUMNS: readonly GridColumn<Total>[] = [
  { id: 'portfolio', title: 'Portfolio', width: 'minmax(72px, 1.3fr)', align: 'left', cell: ({ portfolio, id }) => ({ text: portfolio, tone: id === 'all' ? 'strong' : '' }) },
  { id: 'area', title: 'Area', width: 'minmax(50px, .6fr)', align: 'left', cell: ({ area }) => ({ text: area, tone: 'dim' }) },
  { id: 'long', title: 'Long', hint: 'MWh', width: 'minmax(48px, 1fr)', cell: ({ longMwh }) => ({ text: grouped(longMwh, 1), tone: 'bid' }) },
  { id: 'short', title: 'Short', hint: 'MWh', width: 'minmax(48px, 1fr)', cell: ({ shortMwh }) => ({ text: grouped(shortMwh, 1), tone: 'ask' }) },
  { id: 'value', title: 'At DA €', hint: 'value at day-ahead, EUR', width: 'minmax(52px, 1fr)', cell: ({ dayAheadEur }) => worth(dayAheadEur) },
  { id: 'close_cost', title: 'Close €', hint: '+ to pay, − to get, EUR', width: 'minmax(54px, 1fr)', flash: true, cell: ({ closeEur }) => cost(closeEur) },
  { id: 'unfilled', title: 'Left', hint: 'not closable now, MWh', width: 'minmax(44px, .8fr)', cell: ({ unfilledMwh }) => ({ text: grouped(unfilledMwh, 1), tone: 'dim' }) },
  { id: 'imbalance', title: 'Imbal €', hint: 'expected if left open, EUR', width: 'minmax(54px, 1fr)', cell: ({ imbalanceEur }) => cost(imbalanceEur) },
]; // prettier-ignore

const KIND_NAMES: Readonly<Partial<Record<string, string>>> = {
  schedule: 'schedule',
  contract: 'contract',
  generation_forecast: 'generation',
  load_forecast: 'load',
};

function change(row: Row): Cell {
  const [was, now] = [number(row, 'was_mwh'), number(row, 'now_mwh')];
  if (row.is_new === true || was === null || now === null) return { text: 'new', tone: 'dim' };
  const by = now - was;
  return {
    text: signed(by, 1),
    tone: by > 0 ? 'up' : by < 0 ? 'down' : 'dim',
    title: `was ${grouped(was, 1)} MWh`,
  };
}

function span(row: Row): Cell {
  const [start, end] = [instant(row, 'delivery_start'), instant(row, 'delivery_end')];
  if (start === null || end === null) return { text: '' };
  const sameDay = localTime(start, zone.value).day === localTime(end - 1, zone.value).day;
  return {
    text: `${weekday(start)} ${clock(start, zone.value)}–${sameDay ? clock(end, zone.value) : `${weekday(end)} ${clock(end, zone.value)}`}`,
    title: `${dayAndClock(start, zone.value)} – ${dayAndClock(end, zone.value)}`,
    tone: 'dim',
  };
}

export const CHANGE_COLUMNS: readonly GridColumn<Row>[] = [
  { id: 'at', title: 'At', width: 'minmax(64px, .8fr)', align: 'left', order: (row) => instant(row, 'received_at'), cell: (row) => ({ text: moment(row), tone: 'dim' }) },
  { id: 'by', title: 'Who', width: 'minmax(60px, .9fr)', align: 'left', order: (row) => text(row, 'changed_by'), cell: (row) => ({ text: text(row, 'changed_by'), tone: 'strong' }) },
  { id: 'portfolio', title: 'Portfolio', width: 'minmax(66px, .9fr)', align: 'left', order: (row) => text(row, 'portfolio'), cell: (row) => ({ text: text(row, 'portfolio') }) },
  { id: 'area', title: 'Area', width: 'minmax(52px, .6fr)', align: 'left', order: (row) => text(row, 'area'), cell: (row) => ({ text: text(row, 'area'), tone: 'dim' }) },
  { id: 'kind', title: 'Kind', width: 'minmax(58px, .8fr)', align: 'left', order: (row) => text(row, 'kind'), cell: (row) => ({ text: KIND_NAMES[text(row, 'kind')] ?? text(row, 'kind'), tone: 'dim' }) },
  { id: 'name', title: 'Name', width: 'minmax(52px, 1.2fr)', align: 'left', order: (row) => text(row, 'name'), cell: (row) => ({ text: text(row, 'name'), title: text(row, 'name') }) },
  { id: 'delivery', title: 'Delivery', width: 'minmax(138px, 1.6fr)', align: 'left', order: (row) => instant(row, 'delivery_start'), cell: span },
  { id: 'now', title: 'MWh', width: 'minmax(56px, .7fr)', order: (row) => number(row, 'now_mwh'), cell: (row) => ({ text: grouped(number(row, 'now_mwh'), 1) }) },
  { id: 'change', title: 'Change', hint: 'MWh', width: 'minmax(52px, .7fr)', order: (row) => (number(row, 'now_mwh') ?? 0) - (number(row, 'was_mwh') ?? 0), cell: change },
]; // prettier-ignore

function moment(row: Row): string {
  const at = instant(row, 'received_at');
  if (at === null) return '';
  const isToday = day(at, zone.value) === day(shownNow.value, zone.value);
  return isToday ? clockWithSeconds(at, zone.value) : `${weekday(at)} ${clock(at, zone.value)}`;
}
