/** What the whole screen shares: the clock, the time zone, as-of, the link's state and what the server has. */

import { computed, effect, signal } from '@preact/signals';

import type { Catalogue, Me } from '../api/answers';
import { LiveClient } from '../live/client';
import type { Beat, Row } from '../live/frames';
import { route, setParams } from './route';

export const MARKET_ZONE = 'Europe/Berlin';

const MARKETS_ZONES: readonly (readonly [string, string])[] = [
  [MARKET_ZONE, 'Central European time'],
  ['UTC', 'UTC'],
  ['Europe/London', 'London'],
  ['Europe/Helsinki', 'Helsinki'],
];
/** Where this machine is, as its browser says. */
const OWN_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Time zones to choose from: the market's own first, this machine's last. */
export const TIME_ZONES: readonly (readonly [string, string])[] = [
  ...MARKETS_ZONES.filter(([name]) => name === MARKET_ZONE || name !== OWN_ZONE),
  ...(OWN_ZONE === MARKET_ZONE ? [] : [[OWN_ZONE, `This machine: ${OWN_ZONE}`] as const]),
];

export const now = signal(Date.now());
export const heardAt = signal<number | null>(null);
/** What the server says is behind, in its words, and since when. */
export interface Trouble {
  readonly words: string;
  readonly since: number;
}
export const troubles = signal<readonly Trouble[]>([]);
export const catalogue = signal<Catalogue | null>(null);
export const me = signal<Me | null>(null);

export type Overlay = 'none' | 'palette' | 'zones' | 'help' | 'alarms';
export const overlay = signal<Overlay>('none');
export interface Traced {
  readonly source: string;
  readonly row: Row | null;
  /** A topic in which an alarm can watch the value; the source's own, unless another one is named. */
  readonly topic?: string;
  readonly column?: string;
}
/** A value whose lineage is shown: its source and the row that it stands in. */
export const traced = signal<Traced | null>(null);

export const zone = computed(() => {
  return TIME_ZONES.find(([name]) => name === route.value.params.tz)?.[0] ?? MARKET_ZONE;
});

export function toggleUtc(): void {
  setParams({ tz: zone.value === 'UTC' ? '' : 'UTC' });
}

/** The instant that the screen is taken back to, or null for now. */
export const asOf = computed(() => {
  const at = Date.parse(route.value.params.asof ?? '');
  return Number.isNaN(at) ? null : at;
});

/** Gates and model runs within the slider's reach. */
export const asOfMarks = signal<readonly { readonly at: number; readonly label: string }[]>([]);

export function setAsOf(at: number | null): void {
  setParams({
    asof: at === null ? '' : new Date(Math.min(at, Date.now())).toISOString().replace('.000Z', 'Z'),
  });
}

/** The instant that "now" means on the screen. */
export const shownNow = computed(() => asOf.value ?? now.value);

export type Link = 'connecting' | 'live' | 'quiet' | 'lost';
export const QUIET_AFTER_MS = 2_500;
export const LOST_AFTER_MS = 10_000;
const openedAt = Date.now();

export function linkOf(silence: number, hasHeard: boolean, isOpen: boolean): Link {
  if (silence >= LOST_AFTER_MS) return 'lost';
  if (!hasHeard) return 'connecting';
  return !isOpen || silence >= QUIET_AFTER_MS ? 'quiet' : 'live';
}

export const silence = computed(() => Math.max(0, now.value - (heardAt.value ?? openedAt)));
const isOpen = signal(false);
export const link = computed(() => linkOf(silence.value, heardAt.value !== null, isOpen.value));

export function troublesOf({ at, why = [], since = [] }: Beat): readonly Trouble[] {
  return why.map((words, place) => ({ words, since: Date.parse(since[place] ?? at) }));
}

export const live = new LiveClient({
  connect: () => new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/live`),
  onClosed: () => (isOpen.value = false),
  onExpelled: () => location.assign(`/login?next=${encodeURIComponent(location.pathname + location.hash)}`),
  onBeat: (beat) => {
    heardAt.value = Date.now();
    isOpen.value = true;
    const said = troublesOf(beat);
    if (JSON.stringify(said) !== JSON.stringify(troubles.value)) troubles.value = said;
  },
});

const CLOCK_MS = 500;

export function startScreen(): void {
  live.start();
  setInterval(() => {
    now.value = Date.now();
    heardAt.value = live.heardAt;
    isOpen.value = live.isOpen;
  }, CLOCK_MS);
}

effect(() => {
  document.documentElement.dataset.link = link.value;
  document.documentElement.dataset.asof = asOf.value === null ? 'no' : 'yes';
});
