import { describe, expect, it } from 'vitest';

import type { Asked } from '../src/api/hooks';
import { align } from '../src/chart/align';
import { type Row, whyMarked } from '../src/live/frames';
import { at, beforeNewest, byQuarter, lines, moved } from '../src/pages/forecast-delta';
import { byLead } from '../src/pages/forecast-errors';
import { sides } from '../src/pages/gas';
import { originOf as originOfSeason, season } from '../src/pages/gas-season';
import { originOf, originOfPosition, originOfTotal } from '../src/pages/origins';
import { originOf as originOfOutages } from '../src/pages/outages';
import { tape } from '../src/pages/tape';
import { joined } from '../src/pages/frequency';
import { rowAt } from '../src/panel/series-panel';

const START = Date.parse('2026-11-30T10:00:00Z');
const QUARTER = 900_000;

function quarterHour(number: number, values: Row): Row {
  return {
    delivery_start: new Date(START + number * QUARTER).toISOString(),
    delivery_end: new Date(START + (number + 1) * QUARTER).toISOString(),
    ...values,
  };
}

function answer(source: string, rows: readonly Row[]): Asked {
  return { source, rows, cut: false, error: null, loading: false, url: null };
}

describe('run to run', () => {
  const newest = [quarterHour(0, { mw: 12 }), quarterHour(1, { mw: 7 }), quarterHour(2, { mw: 5 })];
  const earlier = [quarterHour(0, { mw: 10 }), quarterHour(1, { mw: 7 })];

  it('is the newest less the earlier value, and leaves out what is new', () => {
    const found = moved({ rows: newest, value: 'mw' }, { rows: earlier, value: 'mw' });
    expect([...found.values()]).toEqual([2, 0]);
    const drawn = lines([['wind', found]]);
    expect(at(drawn, START)).toEqual([['wind', 2]]);
    expect(at(drawn, START + 9 * QUARTER)).toEqual([]);
  });

  it('is against what was known just before the newest came', () => {
    const rows = ['2026-11-30T08:00:00Z', '2026-11-30T09:30:00Z'].map((received_at) => ({ received_at }));
    expect(beforeNewest(rows)).toBe(Date.parse('2026-11-30T09:30:00Z') - 1);
    expect(beforeNewest([])).toBeNull();
  });
});

describe('errors by lead', () => {
  it('have a column of errors and one of biases per series, null where a lead is unknown', () => {
    const { names, data } = byLead([
      { series: 'Load', lead_hours: 6, mae_mw: 30, bias_mw: -10 },
      { series: 'Load', lead_hours: 1, mae_mw: 20, bias_mw: -5 },
      { series: 'Solar', lead_hours: 1, mae_mw: 4, bias_mw: 1 },
    ]);
    expect(names).toEqual(['Load', 'Solar']);
    expect(data).toEqual([
      [1, 6],
      [20, 30],
      [-5, -10],
      [4, null],
      [1, null],
    ]);
  });
});

describe('the seasonal band', () => {
  const gasDay = (day: string, full_pct: number): Row => ({ delivery_start: `${day}T05:00:00Z`, full_pct });
  const start = Date.parse('2026-11-29T12:00:00Z');

  it('is of the same days of earlier years', () => {
    const rows = [
      gasDay('2024-11-29', 90),
      gasDay('2025-11-29', 70),
      gasDay('2025-11-30', 69),
      gasDay('2026-11-29', 50),
    ];
    const { aligned, years } = season(rows, start, start + 2 * 86_400_000);
    expect(years).toBe(2);
    const [least, mean] = ['least', 'mean of the years'].map((name) => aligned.names.indexOf(name) + 1);
    const first = aligned.data[0].indexOf(start / 1000);
    expect(aligned.data[least ?? 0]?.[first]).toBe(70);
    expect(aligned.data[mean ?? 0]?.[first]).toBe(80);
  });

  it('is not there where no earlier year is stored', () => {
    const { aligned, years } = season([gasDay('2026-11-29', 50)], start - 86_400_000, start + 86_400_000);
    expect(years).toBe(0);
    expect(aligned.names).toEqual(['full']);
  });
});

describe('sides of gas points', () => {
  it('have flow and nominations in one line', () => {
    const row = (indicator: string, direction: string): Row => ({
      indicator,
      direction,
      point_key: 'ITP-1',
      operator_key: 'DE-1',
      period_type: 'hour',
      delivery_start: '2026-11-30T05:00:00Z',
      energy_flow_kwh_per_h: 5,
    });
    const found = sides([
      row('Nomination', 'exit'),
      row('Physical Flow', 'exit'),
      row('Nomination', 'entry'),
    ]);
    expect(found.map((one) => [one.direction, [...one.reports.keys()].sort()])).toEqual([
      ['entry', ['Nomination']],
      ['exit', ['Nomination', 'Physical Flow']],
    ]);
  });
});

describe('a point of a chart', () => {
  const rows = [quarterHour(0, { mw: 12, zone: 'FR' }), quarterHour(0, { mw: 9, zone: 'DE' })];

  it('leads to the row that it shows', () => {
    const asked = [answer('prices', rows)];
    expect(rowAt(asked, START, 9)?.row?.zone).toBe('DE');
    expect(rowAt(asked, START + QUARTER - 1, 12)?.row?.zone).toBe('FR');
    expect(rowAt(asked, START + QUARTER, 12)?.row?.zone).toBe('FR');
    expect(rowAt(asked, START + 2 * QUARTER, 12)).toBeNull();
  });

  const drawn = (...all: readonly Row[]) =>
    align([{ rows: all, time: 'delivery_start', value: 'mw', seriesOf: (row) => row.zone as string }]);

  it('is marked where its value was revised or a newer one is in quarantine', () => {
    const marked = rows.map((row) =>
      row.zone === 'DE' ? { ...row, flags: ['revised', 'quarantined'] } : row,
    );
    expect(drawn(...marked).glyphs).toEqual([{ at: START / 1000, place: 1, mark: 'quarantined' }]);
    expect(drawn(...rows).glyphs).toEqual([]);
  });

  it('is marked in its own series, whatever the others say', () => {
    const other = quarterHour(0, { mw: null, zone: 'FR', published_at: null });
    const marked = quarterHour(0, { mw: 9, zone: 'DE', published_at: null, flags: ['revised'] });
    expect(drawn(other, marked).glyphs).toEqual([{ at: START / 1000, place: 1, mark: 'revised' }]);
  });

  it('has the mark of the row that counts', () => {
    const [before, after] = [['revised'], undefined].map((flags) =>
      quarterHour(0, { mw: 9, zone: 'DE', ...(flags === undefined ? {} : { flags }) }),
    ) as [Row, Row];
    expect(drawn(before, after).glyphs).toEqual([]);
  });
});

describe('the frequency', () => {
  const second = (number: number, hz: number): Row => ({
    observed_at: new Date(START + number * 1000).toISOString(),
    frequency_hz: hz,
  });

  it('is the live one where there is one, and the stored one around it', () => {
    const stored = [second(0, 50), second(1, 50.01), second(3, 50.03), second(5, 50.05)];
    const live = [second(2, 49.92), second(3, 49.93)];
    expect(joined(stored, live)).toEqual([stored[0], stored[1], stored[3], ...live]);
    expect(joined(stored, [])).toBe(stored);
  });
});

describe('a figure of the contract table', () => {
  it('comes from the source of its column', () => {
    const row = { id: 'NX_1', delivery_start: '2026-11-30T10:00:00Z', day_ahead_eur_per_mwh: 50 };
    expect(originOf(row, 'bid').source).toBe('nord_pool_intraday_order_book');
    expect(originOf(row, 'vwap')).toMatchObject({
      source: 'nord_pool_intraday_trade',
      row: { contract_id: 'NX_1' },
    });
    expect(originOf(row, 'to_day_ahead')).toMatchObject({
      source: 'energy_charts_price',
      row: { bidding_zone: 'DE-LU', price_eur_per_mwh: 50 },
    });
    expect(originOf(row, 'closes').source).toBe('nord_pool_intraday_contract');
    expect(originOf({ ...row, position_mw: 4 }, 'position', 'north')).toEqual({
      source: 'position',
      row: { portfolio: 'north', delivery_start: row.delivery_start, position_mw: 4 },
    });
    expect(originOf(row, 'close_cost').source).toBe('nord_pool_intraday_order_book');
  });
});

describe('a figure of the position page', () => {
  const row = {
    portfolio: 'north',
    area: 'AMP',
    delivery_start: '2026-11-30T10:15:00Z',
    contract_id: 'NX_1',
    day_ahead_from: '2026-11-30T10:00:00Z',
    day_ahead_eur_per_mwh: 80,
    imbalance_from: '2026-11-30T07:00:00Z',
    imbalance_product: 'reBAP',
    imbalance_series: 'reBAP unterdeckt',
    imbalance_eur_per_mwh: 90,
  };
  const sum = {
    id: 'north|AMP', portfolio: 'north', area: 'AMP', longMwh: 1, shortMwh: 0, dayAheadEur: 1, closeEur: 1,
    unfilledMwh: 0, imbalanceEur: 1, next: row,
  }; // prettier-ignore

  it.each([
    ['generation', 'position', { portfolio: 'north', kind: 'generation_forecast' }],
    ['open', 'position', { portfolio: 'north', area: 'AMP' }],
    ['day_ahead', 'energy_charts_price', { bidding_zone: 'DE-LU', delivery_start: '2026-11-30T10:00:00Z' }],
    ['value', 'energy_charts_price', { price_eur_per_mwh: 80 }],
    ['closing_price', 'nord_pool_intraday_order_book', { contract_id: 'NX_1' }],
    ['close_cost', 'nord_pool_intraday_order_book', { contract_id: 'NX_1' }],
    ['unfilled', 'nord_pool_intraday_order_book', { contract_id: 'NX_1' }],
    ['closes', 'nord_pool_intraday_contract', { contract_id: 'NX_1' }],
    ['imbalance', 'netztransparenz_imbalance', { product: 'reBAP', delivery_start: '2026-11-30T07:00:00Z' }],
    ['imbalance', 'netztransparenz_imbalance', { series: 'reBAP unterdeckt' }],
  ])('in column %s comes from %s', (column, source, said) => {
    expect(originOfPosition(row, column)).toMatchObject({ source, row: said });
  });

  it.each(['day_ahead', 'close_cost', 'closes', 'imbalance'])(
    'that lacks (%s) leads to the position',
    (column) => {
      const held = { portfolio: 'north', area: 'AMP', delivery_start: row.delivery_start };
      expect(originOfPosition(held, column)).toEqual({ source: 'position', row: held });
    },
  );

  it('that is a sum leads to what was stated, or to the price of its next delivery', () => {
    expect(originOfTotal(sum, 'long')).toEqual({
      source: 'position',
      row: { portfolio: 'north', area: 'AMP' },
    });
    expect(originOfTotal(sum, 'close_cost').source).toBe('nord_pool_intraday_order_book');
    expect(originOfTotal({ ...sum, id: 'all', portfolio: 'All', area: '' }, 'long').row).toBe(row);
  });
});

describe('a point of the seasonal band', () => {
  const days = [
    { delivery_start: '2024-11-29T05:00:00Z', delivery_end: '2024-11-30T05:00:00Z', full_pct: 90 },
    { delivery_start: '2025-11-29T05:00:00Z', delivery_end: '2025-11-30T05:00:00Z', full_pct: 70 },
    { delivery_start: '2026-11-29T05:00:00Z', delivery_end: '2026-11-30T05:00:00Z', full_pct: 50 },
  ];
  const noon = Date.parse('2026-11-29T12:00:00Z');

  it('leads to the gas day of the year that has its value', () => {
    expect(originOfSeason(days, 'least', noon, 70)?.row).toBe(days[1]);
    expect(originOfSeason(days, 'mean of the years', noon, 80)?.row).toBe(days[0]);
    expect(originOfSeason(days, 'full', noon, 50)?.row).toBe(days[2]);
    expect(originOfSeason(days, 'most', noon + 5 * 86_400_000, 90)).toBeNull();
  });
});

describe('a sum of outages', () => {
  const outage = (id: string, fuel: string, available: number): Row => ({
    outage_id: id,
    revision_number: 1,
    production_type: fuel,
    nominal_mw: 500,
    available_mw: available,
    delivery_start: '2026-11-30T10:00:00Z',
    delivery_end: '2026-11-30T12:00:00Z',
  });

  it('leads to the largest of them', () => {
    const rows = [outage('a', 'Nuclear', 400), outage('b', 'Nuclear', 0), outage('c', 'Gas', 0)];
    expect(originOfOutages(rows, 'production_type', 'Nuclear', START)?.row?.outage_id).toBe('b');
    expect(originOfOutages(rows, 'production_type', 'Nuclear', START + 86_400_000)?.row).toBeNull();
  });
});

describe('why a row is marked', () => {
  it('says what was refused and what stood there before', () => {
    const row = {
      flags: ['revised', 'quarantined'],
      quarantine: { reason: 'price above 4000', at: '2026-11-30T05:00:00Z' },
      was: { mw: 5 },
      mw: 7,
      received_at: '2026-11-30T04:00:00Z',
    } as unknown as Row;
    expect(whyMarked(row)).toBe(
      'a newer value is in quarantine: price above 4000 (2026-11-30T05:00:00Z); revised, mw: 5 → 7, known since 2026-11-30T04:00:00Z',
    );
    expect(whyMarked({ quarantine_reason: 'too high', flags: ['quarantined'] })).toBe(
      'a newer value is in quarantine: too high',
    );
    expect(whyMarked({ mw: 1 })).toBe('');
  });
});

describe('a sum of production types', () => {
  it('is known only where each of them is', () => {
    const of = (type: string, hour: number, power: number): Row => ({
      production_type: type,
      delivery_start: `2026-11-29T0${hour}:00:00Z`,
      delivery_end: `2026-11-29T0${hour}:15:00Z`,
      power_mw: power,
    });
    const rows = [of('Solar', 1, 10), of('Wind Onshore', 1, 5), of('Solar', 2, 12)];
    expect([...byQuarter({ rows, value: 'power_mw' })]).toEqual([[Date.parse('2026-11-29T01:00:00Z'), 15]]);
  });
});

describe('trades of one instant', () => {
  it('stand in the order in which the server tells them', () => {
    const of = (id: string, price: number): Row => ({
      trade_id: id,
      state: 'ACTIVE',
      traded_at: '2026-11-29T01:00:00Z',
      price_eur_per_mwh: price,
      volume_mw: 1,
    });
    const shown = tape([of('2', 51), of('1', 50)]);
    expect(shown.map(({ row, move }) => [row.trade_id, move])).toEqual([
      ['2', 1],
      ['1', 0],
    ]);
  });
});
