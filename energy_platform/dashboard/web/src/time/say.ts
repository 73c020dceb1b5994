/** Instants, periods and ages as people read them. */

import { localTime, repeated, two } from './zone';

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `14:15`, or `02:15A` and `02:15B` in the hour that comes twice. */
export function clock(at: number, zone: string): string {
  const { hour, minute } = localTime(at, zone);
  return `${two(hour)}:${two(minute)}${repeated(at, zone)}`;
}

export function clockWithSeconds(at: number, zone: string): string {
  const { hour, minute, second } = localTime(at, zone);
  return `${two(hour)}:${two(minute)}:${two(second)}${repeated(at, zone)}`;
}

export function day(at: number, zone: string): string {
  const { weekday, day: date, month } = localTime(at, zone);
  return `${WEEKDAYS[weekday] ?? ''} ${date} ${MONTHS[month - 1] ?? ''}`;
}

export function dayAndClock(at: number, zone: string): string {
  return `${day(at, zone)} ${clock(at, zone)}`;
}

/** `20:15–20:30`. */
export function period(start: number, end: number, zone: string): string {
  return `${clock(start, zone)}–${clock(end, zone)}`;
}

/** The name by which people know the zone at an instant: CET, CEST, GMT, BST, UTC. */
export function zoneName(at: number, zone: string): string {
  if (zone === 'UTC') return 'UTC';
  const parts = new Intl.DateTimeFormat('en-GB', { timeZone: zone, timeZoneName: 'short' }).formatToParts(at);
  const said = parts.find((part) => part.type === 'timeZoneName')?.value ?? zone;
  return NAMES[`${zone} ${said}`] ?? said;
}

const NAMES: Readonly<Record<string, string>> = {
  'Europe/Helsinki GMT+2': 'EET',
  'Europe/Helsinki GMT+3': 'EEST',
};

/** `0.4 s`, `12 s`, `3 min`, `1:05 h`, `2 d`. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}:${two(minutes % 60)} h`;
  return `${Math.floor(hours / 24)} d`;
}

/** Time left until a gate: `35:24`, `1:05 h`, `closed`. */
export function countdown(milliseconds: number): string {
  if (milliseconds <= 0) return 'closed';
  const seconds = Math.floor(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)} h`;
}
