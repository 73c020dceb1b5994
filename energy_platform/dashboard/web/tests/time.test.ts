import { describe, expect, it } from 'vitest';

import { age, clock, countdown, dayAndClock, period, zoneName } from '../src/time/say';
import { tickLabel, ticks } from '../src/time/ticks';
import {
  DAY,
  HOUR,
  MINUTE,
  addDays,
  dayStart,
  instantOf,
  localTime,
  offset,
  periodsOfDay,
  repeated,
  sameClock,
} from '../src/time/zone';

const BERLIN = 'Europe/Berlin';
const QUARTER = 15 * MINUTE;
const at = (text: string): number => Date.parse(text);
const SPRING = { year: 2026, month: 3, day: 29 };
const AUTUMN = { year: 2026, month: 10, day: 25 };

describe('days of the market', () => {
  it.each([
    [SPRING, 92],
    [{ year: 2026, month: 6, day: 1 }, 96],
    [AUTUMN, 100],
  ])('%o has %i quarter-hours', (date, count) => {
    const starts = periodsOfDay(date, QUARTER, BERLIN);
    expect(starts).toHaveLength(count);
    expect(new Set(starts.map((start) => clock(start, BERLIN))).size).toBe(count);
  });

  it('tells the hour that comes twice apart', () => {
    expect(clock(at('2026-10-25T00:15:00Z'), BERLIN)).toBe('02:15A');
    expect(clock(at('2026-10-25T01:15:00Z'), BERLIN)).toBe('02:15B');
    expect(clock(at('2026-10-24T23:45:00Z'), BERLIN)).toBe('01:45');
    expect(clock(at('2026-10-25T02:00:00Z'), BERLIN)).toBe('03:00');
    expect(period(at('2026-10-25T00:45:00Z'), at('2026-10-25T01:00:00Z'), BERLIN)).toBe('02:45A–02:00B');
  });

  it('skips the hour that March has not', () => {
    expect(clock(at('2026-03-29T00:45:00Z'), BERLIN)).toBe('01:45');
    expect(clock(at('2026-03-29T01:00:00Z'), BERLIN)).toBe('03:00');
    expect(instantOf(SPRING, 2, 30, BERLIN)).toBeNull();
  });

  it('takes the first of two equal wall-clock times', () => {
    expect(instantOf(AUTUMN, 2, 0, BERLIN)).toBe(at('2026-10-25T00:00:00Z'));
  });

  it('starts days at local midnight, whatever the offset', () => {
    expect(dayStart(SPRING, BERLIN)).toBe(at('2026-03-28T23:00:00Z'));
    expect(dayStart(addDays(SPRING, 1), BERLIN)).toBe(at('2026-03-29T22:00:00Z'));
    expect(dayStart(AUTUMN, 'UTC')).toBe(at('2026-10-25T00:00:00Z'));
    expect(dayStart(AUTUMN, 'Europe/London')).toBe(at('2026-10-24T23:00:00Z'));
  });

  it('names the zone as people do', () => {
    expect(zoneName(at('2026-01-01T00:00:00Z'), BERLIN)).toBe('CET');
    expect(zoneName(at('2026-07-01T00:00:00Z'), BERLIN)).toBe('CEST');
    expect(zoneName(at('2026-07-01T00:00:00Z'), 'UTC')).toBe('UTC');
    expect(zoneName(at('2026-07-01T00:00:00Z'), 'Europe/Helsinki')).toBe('EEST');
  });

  it('is right in each quarter-hour of a year', () => {
    const format = new Intl.DateTimeFormat('en-GB', {
      timeZone: BERLIN,
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    for (
      let instant = at('2026-01-01T00:00:00Z');
      instant < at('2027-01-01T00:00:00Z');
      instant += 5 * QUARTER
    ) {
      expect(clock(instant, BERLIN).slice(0, 5)).toBe(format.format(instant));
    }
  });

  it('repeats nothing in UTC', () => {
    expect(repeated(at('2026-10-25T00:30:00Z'), 'UTC')).toBe('');
    expect(offset(at('2026-10-25T00:30:00Z'), 'UTC')).toBe(0);
  });
});

describe('ticks', () => {
  it.each([SPRING, AUTUMN])('stand at local hours on %o', (date) => {
    const [from, to] = [dayStart(date, BERLIN), dayStart(addDays(date, 1), BERLIN)];
    const found = ticks(from, to, 9, BERLIN);
    expect(found.step).toBe(3 * HOUR);
    expect(found.at.map((instant) => localTime(instant, BERLIN).hour % 3)).toEqual(found.at.map(() => 0));
    expect(tickLabel(found.at[0] ?? 0, found.step, BERLIN)).toMatch(/^\w{3} \d+ \w{3}$/);
  });

  it('show both of the repeated hour', () => {
    const found = ticks(at('2026-10-24T23:00:00Z'), at('2026-10-25T03:00:00Z'), 6, BERLIN);
    expect(found.at.map((instant) => tickLabel(instant, found.step, BERLIN))).toEqual([
      '01:00',
      '02:00A',
      '02:00B',
      '03:00',
      '04:00',
    ]);
  });

  it('never are more than asked for by much, from seconds to years', () => {
    for (const span of [30_000, 10 * MINUTE, HOUR, DAY, 40 * DAY, 900 * DAY]) {
      const found = ticks(at('2026-10-20T07:13:21Z'), at('2026-10-20T07:13:21Z') + span, 8, BERLIN);
      expect(found.at.length).toBeGreaterThan(0);
      expect(found.at.length).toBeLessThanOrEqual(10);
    }
  });
});

describe('ages and countdowns', () => {
  it.each([
    [400, '0.4 s'],
    [12_300, '12 s'],
    [180_000, '3 min'],
    [3_900_000, '1:05 h'],
    [200_000_000, '2 d'],
  ])('%i ms is %s old', (milliseconds, said) => expect(age(milliseconds)).toBe(said));

  it.each([
    [0, 'closed'],
    [-5, 'closed'],
    [2_124_000, '35:24'],
    [3_900_000, '1:05 h'],
  ])('%i ms are left: %s', (milliseconds, said) => expect(countdown(milliseconds)).toBe(said));

  it('says the day with the time', () => {
    expect(dayAndClock(at('2026-11-29T18:34:00Z'), BERLIN)).toBe('Sun 29 Nov 19:34');
  });
});

describe('the same clock a day later', () => {
  it.each([
    ['2026-03-28T11:00:00Z', '2026-03-29T10:00:00Z'],
    ['2026-10-24T10:00:00Z', '2026-10-25T11:00:00Z'],
    ['2026-11-29T11:00:00Z', '2026-11-30T11:00:00Z'],
  ])('%s is %s, also where the clocks change', (before, after) =>
    expect(sameClock(at(before), 1, BERLIN)).toBe(at(after)),
  );

  it('is nowhere in the hour that is skipped', () => {
    expect(sameClock(at('2026-03-28T01:30:00Z'), 1, BERLIN)).toBeNull();
  });
});
