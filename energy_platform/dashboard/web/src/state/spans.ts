/** Spans of time that pages show, from the instant that "now" means on the screen. */

import { computed } from '@preact/signals';

import { addDays, dateOf, dayStart, HOUR, type LocalDate, MINUTE, parseDate } from '../time/zone';
import { route } from './route';
import { MARKET_ZONE, shownNow } from './screen';

/** Now, to the quarter of an hour: questions stay the same for that long. */
export const quarter = computed(() => Math.floor(shownNow.value / (15 * MINUTE)) * 15 * MINUTE);

export function around(before: number, after: number): readonly [number, number] {
  return [quarter.value - before * HOUR, quarter.value + after * HOUR];
}

export const today = computed<LocalDate>(() => dateOf(quarter.value, MARKET_ZONE));

/** The delivery day that a page shows: the address's, else today. */
export const deliveryDay = computed<LocalDate>(
  () => parseDate(route.value.params.day ?? null) ?? today.value,
);

/** From the first instant of a delivery day to its last. */
export function wholeDay(day: LocalDate): readonly [number, number] {
  return [dayStart(day, MARKET_ZONE), dayStart(addDays(day, 1), MARKET_ZONE)];
}
