/**
 * Local time in a market's zone, never in the browser's. The hour that comes twice in October is told apart
 * as A and B. Instants are milliseconds since 1970 in UTC.
 */

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
const OFFSET_HOLDS_FOR = 15 * MINUTE;
const KEPT_OFFSETS = 20_000;

export interface LocalTime {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

/** A day of the calendar, without a zone. */
export interface LocalDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

function format(zone: string): Intl.DateTimeFormat {
  let found = formats.get(zone);
  if (found === undefined) {
    found = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, found);
  }
  return found;
}

/** How far local time is ahead of UTC at an instant, in milliseconds. */
export function offset(at: number, zone: string): number {
  if (zone === 'UTC') return 0;
  const bucket = Math.floor(at / OFFSET_HOLDS_FOR);
  const key = `${zone} ${bucket}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  const start = bucket * OFFSET_HOLDS_FOR;
  const part: Record<string, number> = {};
  for (const { type, value } of format(zone).formatToParts(start)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  const found = Date.UTC(year, month - 1, day, hour, minute, second) - start;
  if (offsets.size >= KEPT_OFFSETS) offsets.clear();
  offsets.set(key, found);
  return found;
}

export function localTime(at: number, zone: string): LocalTime {
  const shifted = new Date(at + offset(at, zone));
  return {
    year: shifted.getUTCFullYear(),
    month: shifted.getUTCMonth() + 1,
    day: shifted.getUTCDate(),
    hour: shifted.getUTCHours(),
    minute: shifted.getUTCMinutes(),
    second: shifted.getUTCSeconds(),
    weekday: shifted.getUTCDay(),
  };
}

/** 'A' in the hour that will come again, 'B' in the one that has come before, '' in all others. */
export function repeated(at: number, zone: string): '' | 'A' | 'B' {
  const here = offset(at, zone);
  if (offset(at + HOUR, zone) === here - HOUR) return 'A';
  if (offset(at - HOUR, zone) === here + HOUR) return 'B';
  return '';
}

/** The instant of a local wall-clock time; of one that comes twice the first, of one that is skipped null. */
export function instantOf(date: LocalDate, hour: number, minute: number, zone: string): number | null {
  const wall = Date.UTC(date.year, date.month - 1, date.day, hour, minute);
  const candidates = [wall - offset(wall - DAY, zone), wall - offset(wall + DAY, zone)];
  const found = candidates.filter((at) => at + offset(at, zone) === wall);
  return found.length === 0 ? null : Math.min(...found);
}

export function dateOf(at: number, zone: string): LocalDate {
  const { year, month, day } = localTime(at, zone);
  return { year, month, day };
}

export function addDays(date: LocalDate, days: number): LocalDate {
  const moved = new Date(Date.UTC(date.year, date.month - 1, date.day + days));
  return { year: moved.getUTCFullYear(), month: moved.getUTCMonth() + 1, day: moved.getUTCDate() };
}

/** The instant of the same wall-clock time some days later; of a time that is skipped null. */
export function sameClock(at: number, days: number, zone: string): number | null {
  const { hour, minute } = localTime(at, zone);
  const there = instantOf(addDays(dateOf(at, zone), days), hour, minute, zone);
  // The second of an hour that comes twice stays the second where that day has one too.
  return there !== null && repeated(at, zone) === 'B' && repeated(there, zone) === 'A' ? there + HOUR : there;
}

/** The instant at which a local day starts; where midnight is skipped, the first instant after it. */
export function dayStart(date: LocalDate, zone: string): number {
  return (
    instantOf(date, 0, 0, zone) ??
    instantOf(date, 1, 0, zone) ??
    Date.UTC(date.year, date.month - 1, date.day)
  );
}

/** The starts of all delivery periods of a local day: 92, 96 or 100 quarter-hours. */
export function periodsOfDay(date: LocalDate, length: number, zone: string): number[] {
  const end = dayStart(addDays(date, 1), zone);
  const starts: number[] = [];
  for (let at = dayStart(date, zone); at < end; at += length) starts.push(at);
  return starts;
}

export function dateText(date: LocalDate): string {
  return `${date.year}-${two(date.month)}-${two(date.day)}`;
}

export function parseDate(said: string | null): LocalDate | null {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(said ?? '');
  return found === null ? null : { year: Number(found[1]), month: Number(found[2]), day: Number(found[3]) };
}

export function two(value: number): string {
  return String(value).padStart(2, '0');
}
