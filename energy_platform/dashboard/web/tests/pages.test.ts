import { describe, expect, it } from 'vitest';

import { align, finest } from '../src/chart/align';
import type { Row } from '../src/live/frames';
import { depth, rungs } from '../src/pages/book';
import { toDayAhead } from '../src/pages/contracts';
import { means, periods } from '../src/pages/day-ahead';
import { borders, endsOf, originOf, sense } from '../src/pages/flows';
import { byQuarter, difference, newestForecasts } from '../src/pages/forecast-delta';
import { spread } from '../src/pages/forecasts';
import { gateOf } from '../src/pages/intraday';
import { outages, takenOut } from '../src/pages/outages';
import { prices, tape } from '../src/pages/tape';

const at = (text: string): number => Date.parse(text);

function hour(start: string, minutes: number, more: Row): Row {
  return {
    delivery_start: start,
    delivery_end: new Date(at(start) + minutes * 60_000).toISOString(),
    ...more,
  };
}

describe('series over the same times', () => {
  it('hold a coarse value over its finer neighbours, and end where their last period ends', () => {
    const rows = [
      hour('2026-11-30T00:00:00Z', 60, { zone: 'CZ', price: 80 }),
      ...[0, 15, 30, 45].map((minute) =>
        hour(`2026-11-30T00:${String(minute).padStart(2, '0')}:00Z`, 15, { zone: 'DE-LU', price: minute }),
      ),
    ];
    const { names, data } = align(
      [{ rows, time: 'delivery_start', value: 'price', seriesOf: (row) => row.zone as string }],
      ['DE-LU', 'CZ', 'FR'],
    );
    expect(names).toEqual(['DE-LU', 'CZ']);
    expect(data[1]).toEqual([0, 15, 30, 45, 45]);
    expect(data[2]).toEqual([80, 80, 80, 80, 80]);
  });

  it('leave a gap where values are missing', () => {
    const rows = ['00:00', '00:15', '01:00', '01:15'].map((time) =>
      hour(`2026-11-30T${time}:00Z`, 15, { price: 1 }),
    );
    const other = ['00:30', '00:45'].map((time) => hour(`2026-11-30T${time}:00Z`, 15, { price: 2 }));
    const { data } = align([
      { rows, time: 'delivery_start', value: 'price', seriesOf: () => 'a' },
      { rows: other, time: 'delivery_start', value: 'price', seriesOf: () => 'b' },
    ]);
    expect(data[1]?.slice(0, 4)).toEqual([1, 1, null, null]);
  });

  it('are the finest that there are', () => {
    const rows = [
      hour('2026-11-30T00:00:00Z', 60, { zone: 'A' }),
      hour('2026-11-30T00:00:00Z', 15, { zone: 'A' }),
      hour('2026-11-30T00:00:00Z', 60, { zone: 'B' }),
    ];
    expect(finest(rows, (row) => row.zone as string)).toEqual([rows[1], rows[2]]);
  });
});

describe('the day-ahead page', () => {
  const row = (start: string, minutes: number, price: number | null): Row =>
    hour(start, minutes, { bidding_zone: 'CZ', price_eur_per_mwh: price });

  it.each([
    [{ year: 2026, month: 3, day: 29 }, 92],
    [{ year: 2026, month: 10, day: 25 }, 100],
  ])('has a line for each quarter-hour of %o', (day, count) => expect(periods(day, [])).toHaveLength(count));

  it('shows an hour in each of its quarters', () => {
    const all = periods({ year: 2026, month: 11, day: 30 }, [row('2026-11-29T23:00:00Z', 60, 80)]);
    expect(all.slice(0, 5).map((one) => one.rows.get('CZ')?.price_eur_per_mwh)).toEqual([
      80,
      80,
      80,
      80,
      undefined,
    ]);
  });

  it('gives no mean of a day that is not whole', () => {
    const all = periods({ year: 2026, month: 11, day: 30 }, [row('2026-11-29T23:00:00Z', 24 * 60, 80)]);
    expect(means(all, ['CZ', 'FR'])).toEqual(
      new Map([
        ['CZ', 80],
        ['FR', null],
      ]),
    );
    expect(
      means(periods({ year: 2026, month: 11, day: 30 }, [row('2026-11-29T23:00:00Z', 60, 80)]), ['CZ']).get(
        'CZ',
      ),
    ).toBeNull();
  });
});

describe('a book', () => {
  const order = (side: string, price: number, volume: number): Row => ({
    id: `${side}:${price}`,
    side,
    price_eur_per_mwh: price,
    volume_mw: volume,
  });
  const rows = [order('BUY', 50, 5), order('SELL', 52, 4), order('BUY', 51, 3), order('SELL', 53, 6)];

  it('has the best prices first and adds volumes up', () => {
    expect(rungs(rows).map(({ bid, ask }) => [bid?.price, bid?.total, ask?.price, ask?.total])).toEqual([
      [51, 3, 52, 4],
      [50, 8, 53, 10],
    ]);
  });

  it('is as deep on each side as orders stand', () => {
    expect(depth(rows)).toEqual([
      [50, 51, 52, 53],
      [8, 3, null, null],
      [null, null, 4, 10],
    ]);
  });

  it('may be empty on a side', () => {
    expect(rungs([order('SELL', 52, 4)])[0]?.bid).toBeNull();
    expect(rungs([])).toEqual([]);
  });
});

describe('the tape', () => {
  const trade = (id: string, time: string, price: number, state = 'COMPLETED'): Row => ({
    id,
    traded_at: time,
    price_eur_per_mwh: price,
    volume_mw: 1,
    state,
  });

  it('has the newest first, against the one before, and no cancelled one', () => {
    const told = tape([
      trade('1', '2026-11-30T10:00:00Z', 50),
      trade('2', '2026-11-30T10:01:00Z', 51),
      trade('3', '2026-11-30T10:02:00Z', 99, 'CANCELLED'),
      trade('4', '2026-11-30T10:03:00Z', 49),
    ]);
    expect(told.map(({ row, move }) => [row.id, move])).toEqual([
      ['4', -1],
      ['2', 1],
      ['1', 0],
    ]);
  });

  it('weighs prices by volume', () => {
    const bar = (time: string, close: number, volume: number): Row => ({
      opened_at: time,
      close_eur_per_mwh: close,
      vwap_eur_per_mwh: close,
      volume_mw: volume,
    });
    const [, last, mean] = prices(
      [bar('2026-11-30T10:00:00Z', 50, 1), bar('2026-11-30T10:01:00Z', 60, 3)],
      [],
    );
    expect(last).toEqual([50, 60]);
    expect(mean).toEqual([50, 57.5]);
  });
});

describe('contracts', () => {
  it('differ from day-ahead only where both are known', () => {
    expect(toDayAhead({ last_eur_per_mwh: 50, day_ahead_eur_per_mwh: 45 })).toBe(5);
    expect(toDayAhead({ last_eur_per_mwh: 50 })).toBeNull();
  });

  it('had their gate at noon of the day before', () => {
    expect(new Date(gateOf(at('2026-10-25T12:00:00Z')) ?? 0).toISOString()).toBe('2026-10-24T10:00:00.000Z');
  });
});

describe('borders', () => {
  const noon = at('2026-11-30T12:00:00Z');
  const flow = (from: string, to: string, value: number): Row =>
    hour('2026-11-30T10:00:00Z', 60, { from_zone: from, to_zone: to, flow_mw: value });
  const price = (zone: string, value: number): Row => ({
    bidding_zone: zone,
    auction_sequence: '1',
    price_eur_per_mwh: value,
  });

  it('are netted over both directions and set against prices', () => {
    const [one] = borders(
      [flow('FR', 'DE-LU', 500), flow('DE-LU', 'FR', 100)],
      [],
      [{ border: 'FR_DE', max_exchange_mw: 2000 }],
      [price('DE-LU', 90), price('FR', 60)],
      noon,
    );
    expect(one).toMatchObject({ from: 'DE-LU', to: 'FR', flow: -400, capacity: 2000, spread: -30 });
    expect(one === undefined ? '' : sense(one)).toBe('with');
  });

  it('leads from each figure to the row that it was read from', () => {
    const [one] = borders([flow('FR', 'DE-LU', 500)], [], [], [price('DE-LU', 50), price('FR', 60)], noon);
    if (one === undefined) throw new Error('there is no border');
    expect(one.id).toBe('DE-LU>FR');
    expect(originOf(one, 'flow').row).toMatchObject({ from_zone: 'FR', to_zone: 'DE-LU' });
    expect(originOf(one, 'used')).toEqual(originOf(one, 'flow'));
    expect(originOf(one, 'spread')).toMatchObject({
      source: 'entsoe_day_ahead_price',
      row: { bidding_zone: 'FR' },
    });
    expect(originOf(one, 'schedule')).toEqual({ source: 'entsoe_scheduled_exchange', row: null });
    expect(originOf(one, 'capacity')).toEqual({ source: 'jao_max_exchange', row: null });
  });

  it('say so when power flows against the price', () => {
    const [one] = borders([flow('FR', 'DE-LU', 500)], [], [], [price('DE-LU', 50), price('FR', 60)], noon);
    expect(one === undefined ? '' : sense(one)).toBe('against');
  });

  it('wait for the other direction of a period', () => {
    const later = (from: string, to: string, value: number): Row =>
      hour('2026-11-30T11:00:00Z', 60, { from_zone: from, to_zone: to, flow_mw: value });
    const [one] = borders(
      [flow('FR', 'DE-LU', 500), flow('DE-LU', 'FR', 100), later('FR', 'DE-LU', 700)],
      [],
      [],
      [],
      noon,
    );
    expect(one).toMatchObject({ flow: -400, at: at('2026-11-30T10:00:00Z') });
  });

  it('have the ends that JAO names', () => {
    expect(endsOf('AT_DE')).toEqual(['AT', 'DE-LU']);
    expect(endsOf('ALEGrO')).toBeNull();
  });
});

describe('weather', () => {
  it('is told by its highest, mean and lowest', () => {
    const row = (speed: number): Row => ({ valid_at: '2026-11-30T10:00:00Z', wind: speed });
    expect(spread([row(2), row(4), row(9)], 'wind').data.slice(1)).toEqual([[9], [5], [2]]);
  });
});

describe('forecasts', () => {
  it('are compared where both are known', () => {
    const load = byQuarter({ rows: [hour('2026-11-30T10:00:00Z', 30, { mw: 100 })], value: 'mw' });
    const wind = byQuarter({
      rows: [hour('2026-11-30T10:15:00Z', 15, { mw: 40 }), hour('2026-11-30T10:15:00Z', 15, { mw: 10 })],
      value: 'mw',
    });
    expect([...difference(load, wind)]).toEqual([[at('2026-11-30T10:15:00Z'), 50]]);
  });

  it('are the newest kind of each period', () => {
    const row = (kind: string, start: string): Row =>
      hour(start, 60, { production_type: 'Solar', forecast: kind });
    const found = newestForecasts([
      row('Day ahead', '2026-11-30T10:00:00Z'),
      row('Intraday', '2026-11-30T10:00:00Z'),
      row('Day ahead', '2026-11-30T11:00:00Z'),
    ]);
    expect(found.map((one) => one.forecast)).toEqual(['Intraday', 'Day ahead']);
  });
});

describe('outages', () => {
  const row = (id: string, revision: number, available: number, more: Row = {}): Row =>
    hour('2026-11-30T10:00:00Z', 120, {
      outage_id: id,
      revision_number: revision,
      nominal_mw: 500,
      available_mw: available,
      status: 'Active',
      production_type: 'Nuclear',
      ...more,
    });
  const now = at('2026-11-30T11:00:00Z');

  it('count in their newest revision, and not once cancelled', () => {
    expect(
      outages([row('a', 1, 0), row('a', 2, 200)], now).map(({ out, revision, isNow }) => [
        out,
        revision,
        isNow,
      ]),
    ).toEqual([[300, 2, true]]);
    expect(outages([row('a', 1, 0), row('a', 2, 0, { status: 'Cancelled' })], now)).toEqual([]);
  });

  it('add up by fuel, hour by hour', () => {
    const sums = takenOut(
      [row('a', 1, 0), row('b', 1, 400)],
      'production_type',
      at('2026-11-30T09:00:00Z'),
      at('2026-11-30T13:00:00Z'),
    );
    expect(sums.map((one) => one.out_mw)).toEqual([0, 600, 600, 0]);
  });
});
