/** How fresh each source is: the topic `status`, held once for the whole screen. */

import { signal } from '@preact/signals';

import { instant, number, type Row, text } from '../live/frames';
import { live, now } from './screen';

export interface Freshness {
  readonly source: string;
  readonly state: string;
  readonly late: boolean;
  /** What is missing, in the server's words; '' while the source is on time. */
  readonly missing: string;
  /** Why what comes over the live bus is older than what is stored; '' while it isn't. */
  readonly behind: string;
  readonly lastReceivedAt: number | null;
  readonly expectedLag: number | null;
  readonly quarantined: number;
  readonly row: Row;
}

export const freshness = signal<ReadonlyMap<string, Freshness>>(new Map());
/** Why the server can't say how fresh they are; what it said last stays. */
export const freshnessError = signal<string | null>(null);

const GATHER_MS = 400;

export function startFreshness(): void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  live.subscribe('status', (_, topic) => {
    freshnessError.value = topic.error;
    timer ??= setTimeout(() => {
      timer = null;
      freshness.value = new Map([...topic.rows].map(([id, row]) => [id, read(id, row)]));
    }, GATHER_MS);
  });
}

function read(id: string, row: Row): Freshness {
  const lag = number(row, 'expected_lag_seconds');
  return {
    source: id,
    state: text(row, 'state'),
    late: text(row, 'late') !== '' && row.late !== false,
    missing: text(row, 'late'),
    behind: text(row, 'hot_copy_behind'),
    lastReceivedAt: instant(row, 'last_received_at'),
    expectedLag: lag === null ? null : lag * 1000,
    quarantined: number(row, 'quarantined') ?? 0,
    row,
  };
}

/** How long ago a source last told anything, as of now wherever the screen is taken; null if unknown. */
export function ageOf(one: Freshness | undefined): number | null {
  return one === undefined || one.lastReceivedAt === null
    ? null
    : Math.max(0, now.value - one.lastReceivedAt);
}
