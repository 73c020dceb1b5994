/** One position as it is typed: local times of the market's day, and what is wrong with them. */

import { addDays, DAY, dayStart, HOUR, instantOf, type LocalDate, MINUTE, repeated } from '../time/zone';

const QUARTER = 15 * MINUTE;

export interface Faulty {
  readonly column: string;
  readonly reason: string;
}

/** The instant of `14:15`, `02:15A`, `02:15B` or `24:00` on a day, or why it is none. */
export function timeOn(date: LocalDate, said: string, zone: string): number | string {
  const found = /^(\d{1,2}):?(\d{2})\s*([ab])?$/i.exec(said.trim());
  if (found === null) return 'is no time, e.g. 14:15';
  const [hour, minute, turn] = [Number(found[1]), Number(found[2]), (found[3] ?? '').toUpperCase()];
  if (hour === 24 && minute === 0 && turn === '') return dayStart(addDays(date, 1), zone);
  if (hour > 23 || minute > 59) return 'is no time of day';
  const first = instantOf(date, hour, minute, zone);
  if (first === null) return 'is skipped on this day, because clocks go forward';
  if (first % QUARTER !== 0) return 'is no quarter-hour';
  if (repeated(first, zone) !== 'A') return turn === '' ? first : 'comes once on this day';
  if (turn === '') return 'comes twice on this day: write A or B behind it';
  return turn === 'A' ? first : first + HOUR;
}

export interface Typed {
  readonly portfolio: string;
  readonly area: string;
  readonly kind: string;
  readonly name: string;
  readonly date: LocalDate | null;
  readonly from: string;
  readonly until: string;
  readonly power: string;
}

export interface Stated {
  readonly portfolio: string;
  readonly area: string;
  readonly kind: string;
  readonly name: string;
  readonly delivery_start: string;
  readonly delivery_end: string;
  readonly power_mw: number;
}

/** What the server is told, or every fault; the server checks again. */
export function stated(typed: Typed, zone: string): Stated | readonly Faulty[] {
  const { portfolio, area, kind, name, date } = typed;
  const faults: Faulty[] = [];
  for (const [column, value] of Object.entries({ portfolio, area, kind, name })) {
    if (value.trim() === '') faults.push({ column, reason: 'is missing' });
  }
  const power = Number(typed.power.trim().replace('−', '-').replace(',', '.'));
  if (typed.power.trim() === '' || !Number.isFinite(power))
    faults.push({ column: 'MW', reason: 'is no number, e.g. -12.5' });
  const [start, end] =
    date === null ? [null, null] : [timeOn(date, typed.from, zone), timeOn(date, typed.until, zone)];
  if (date === null) faults.push({ column: 'day', reason: 'is no date' });
  if (typeof start === 'string') faults.push({ column: 'from', reason: start });
  if (typeof end === 'string') faults.push({ column: 'until', reason: end });
  if (typeof start === 'number' && typeof end === 'number') {
    if (end <= start) faults.push({ column: 'until', reason: 'is not after from' });
    if (end - start > DAY + HOUR) faults.push({ column: 'until', reason: 'is more than a day after from' });
  }
  if (faults.length > 0 || typeof start !== 'number' || typeof end !== 'number') return faults;
  return {
    portfolio: portfolio.trim(),
    area: area.trim(),
    kind,
    name: name.trim(),
    delivery_start: new Date(start).toISOString(),
    delivery_end: new Date(end).toISOString(),
    power_mw: power,
  };
}
