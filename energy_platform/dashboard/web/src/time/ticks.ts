/** Ticks of a time axis in a zone, right on the days on which clocks change. */

import { clock, clockWithSeconds, day } from './say';
import { addDays, DAY, dateOf, dayStart, HOUR, instantOf, localTime, MINUTE, offset } from './zone';

const SECOND = 1000;
const LONGEST = 365 * DAY;
const STEPS = [
  SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND,
  MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
  DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, LONGEST,
]; // prettier-ignore

export interface Ticks {
  readonly step: number;
  readonly at: readonly number[];
}

/** At most `count` ticks between two instants. */
export function ticks(from: number, to: number, count: number, zone: string): Ticks {
  const step = STEPS.find((one) => (to - from) / one <= count) ?? LONGEST;
  if (step <= HOUR) return { step, at: even(from, to, step, zone) };
  if (step < DAY) return { step, at: byHour(from, to, step / HOUR, zone) };
  return { step, at: byDay(from, to, Math.round(step / DAY), zone) };
}

function even(from: number, to: number, step: number, zone: string): number[] {
  const shift = offset(from, zone) % step;
  const found: number[] = [];
  for (let at = Math.ceil((from + shift) / step) * step - shift; at <= to; at += step) found.push(at);
  return found;
}

function byHour(from: number, to: number, hours: number, zone: string): number[] {
  const found: number[] = [];
  for (let date = dateOf(from, zone); dayStart(date, zone) <= to; date = addDays(date, 1)) {
    for (let hour = 0; hour < 24; hour += hours) {
      const at = instantOf(date, hour, 0, zone);
      if (at !== null && at >= from && at <= to) found.push(at);
    }
  }
  return found;
}

function byDay(from: number, to: number, days: number, zone: string): number[] {
  const found: number[] = [];
  let date = dateOf(from, zone);
  const since = Math.floor(Date.UTC(date.year, date.month - 1, date.day) / DAY);
  date = addDays(date, -(since % days));
  for (; dayStart(date, zone) <= to; date = addDays(date, days)) {
    const at = dayStart(date, zone);
    if (at >= from) found.push(at);
  }
  return found;
}

/** What a tick says: the day at midnight, else the time. */
export function tickLabel(at: number, step: number, zone: string): string {
  const { hour, minute, second } = localTime(at, zone);
  if (step >= DAY || (hour === 0 && minute === 0 && second === 0)) return day(at, zone);
  return step < MINUTE ? clockWithSeconds(at, zone) : clock(at, zone);
}
