import { describe, expect, it } from 'vitest';

import { stacked } from '../src/chart/stack';
import type { Row } from '../src/live/frames';
import { stated, timeOn, type Typed } from '../src/position/entry';
import { composition, totals, within } from '../src/position/held';
import { tracksOf } from '../src/table/tracks';
import { dayStart, periodsOfDay } from '../src/time/zone';

const BERLIN = 'Europe/Berlin';
const QUARTER = 15 * 60_000;
const SPRING = { year: 2026, month: 3, day: 29 };
const AUTUMN = { year: 2026, month: 10, day: 25 };
const PLAIN = { year: 2026, month: 6, day: 1 };

function held(at: number, open: number, said: Partial<Row> = {}): Row {
  const portfolio = (said.portfolio as string | undefined) ?? 'north';
  return {
    id: `${portfolio}|DE-LU|${at}`,
    portfolio,
    area: 'DE-LU',
    delivery_start: new Date(at).toISOString(),
    delivery_end: new Date(at + QUARTER).toISOString(),
    schedule_mw: null,
    contract_mw: -4,
    generation_forecast_mw: open + 4,
    load_forecast_mw: null,
    open_mw: open,
    ...said,
  };
}

describe('a typed time', () => {
  const utc = (said: string, date = PLAIN): unknown => {
    const at = timeOn(date, said, BERLIN);
    return typeof at === 'number' ? new Date(at).toISOString().slice(0, 16) : at;
  };

  it('is the market’s local time', () => {
    expect(utc('14:15')).toBe('2026-06-01T12:15');
    expect(utc('0000')).toBe('2026-05-31T22:00');
    expect(utc('24:00')).toBe('2026-06-01T22:00');
  });

  it('says which of two it is in the repeated hour', () => {
    expect(utc('02:15A', AUTUMN)).toBe('2026-10-25T00:15');
    expect(utc('02:15b', AUTUMN)).toBe('2026-10-25T01:15');
    expect(utc('02:15', AUTUMN)).toMatch(/comes twice/);
    expect(utc('03:00', AUTUMN)).toBe('2026-10-25T02:00');
    expect(utc('02:15A')).toMatch(/once/);
  });

  it('is refused in the hour that is skipped, and off the quarter-hour', () => {
    expect(utc('02:30', SPRING)).toMatch(/skipped/);
    expect(utc('10:05')).toMatch(/no quarter-hour/);
    expect(utc('25:00')).toMatch(/no time of day/);
    expect(utc('noon')).toMatch(/no time/);
  });
});

describe('a typed row', () => {
  const typed: Typed = {
    portfolio: ' north ',
    area: 'DE-LU',
    kind: 'contract',
    name: 'Söhne & Co',
    date: PLAIN,
    from: '14:15',
    until: '14:30',
    power: '−12,5',
  };

  it('is stated in UTC', () => {
    expect(stated(typed, BERLIN)).toEqual({
      portfolio: 'north',
      area: 'DE-LU',
      kind: 'contract',
      name: 'Söhne & Co',
      delivery_start: '2026-06-01T12:15:00.000Z',
      delivery_end: '2026-06-01T12:30:00.000Z',
      power_mw: -12.5,
    });
  });

  it('tells every fault with its column', () => {
    const faults = stated({ ...typed, name: ' ', until: '14:00', power: 'ten' }, BERLIN);
    expect(faults).toEqual([
      { column: 'name', reason: 'is missing' },
      { column: 'MW', reason: 'is no number, e.g. -12.5' },
      { column: 'until', reason: 'is not after from' },
    ]);
  });
});

describe('open positions', () => {
  const noon = Date.UTC(2026, 5, 1, 10);

  it('are in order of time and of a span only', () => {
    const rows = [
      held(noon + QUARTER, 2),
      held(noon, 1, { portfolio: 'south' }),
      held(noon, 1),
      held(noon - QUARTER, 9),
    ];
    expect(within(rows, noon, noon + 2 * QUARTER).map((row) => [row.portfolio, row.open_mw])).toEqual([
      ['north', 1],
      ['south', 1],
      ['north', 2],
    ]);
  });

  it('are summed over the deliveries to come, by portfolio and area', () => {
    const rows = [
      held(noon, 100),
      held(noon + QUARTER, 10, { close_cost_eur: -200, unfilled_mw: 2, imbalance_cost_eur: -100 }),
      held(noon + 2 * QUARTER, -4, { close_cost_eur: 70, imbalance_cost_eur: 90 }),
      held(noon + QUARTER, -8, { portfolio: 'south', close_cost_eur: null }),
    ];
    const [all, north, south] = totals(rows, noon);
    expect(all).toMatchObject({ portfolio: 'All', longMwh: 2.5, shortMwh: -3, closeEur: -130 });
    expect(north).toMatchObject({ longMwh: 2.5, shortMwh: -1, unfilledMwh: 0.5, imbalanceEur: -10 });
    expect(south).toMatchObject({ shortMwh: -2, closeEur: null, imbalanceEur: null });
  });

  it.each([
    ['spring', SPRING, 92],
    ['summer', PLAIN, 96],
    ['autumn', AUTUMN, 100],
  ])('of a day in %s are drawn quarter-hour by quarter-hour', (_, date, count) => {
    const starts = periodsOfDay(date, QUARTER, BERLIN);
    const made = composition(starts.map((at) => held(at, 1)));
    // The last quarter-hour has its end too.
    expect(made.data[0]).toHaveLength(count + 1);
    expect(made.data[0][0]).toBe(dayStart(date, BERLIN) / 1000);
    expect(made.data[0][count]).toBe(dayStart(date, BERLIN) / 1000 + count * 900);
    expect(made.open).toEqual(Array.from({ length: count + 1 }, () => 1));
  });

  it('show nothing in a gap', () => {
    const made = composition([held(noon, 3), held(noon + 4 * QUARTER, 5)]);
    expect(made.open).toEqual([3, 3, null, 5, 5]);
  });
});

describe('a stack', () => {
  it('stands above zero and hangs below it, the outermost layer first', () => {
    const layers = [
      { label: 'a', colour: 'c1', values: [3, -1, null] },
      { label: 'b', colour: 'c2', values: [2, -4, 1] },
      { label: 'never', colour: 'c3', values: [0, null, 0] },
    ];
    expect(stacked(layers).map(({ label, sums }) => [label, sums.map((sum) => (sum ?? 0) + 0)])).toEqual([
      ['b', [5, 0, 1]],
      ['a', [3, 0, 0]],
      ['b', [0, -5, 0]],
      ['a', [0, -1, 0]],
    ]);
  });
});

describe('tracks', () => {
  it('are never narrower than their heading', () => {
    const { css, least } = tracksOf([
      { title: 'Quarantined', width: '20px', isSorted: false },
      { title: 'MW', width: 'minmax(60px, 1.2fr)', isSorted: false },
      { title: 'Zone', width: '1fr', isSorted: true },
    ]);
    expect(css).toBe('86px minmax(60px, 1.2fr) minmax(51px, 1fr)');
    expect(least).toBe(86 + 60 + 51);
  });
});
