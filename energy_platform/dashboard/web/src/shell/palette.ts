/** What `/` and `Z` search: every page, source, bidding zone, time zone and contract that is known. */

import { clock, period } from '../time/say';
import { instant, text } from '../live/frames';
import type { Topic } from '../live/topic';

export interface Entry {
  readonly kind: 'page' | 'source' | 'zone' | 'time zone' | 'contract';
  readonly title: string;
  readonly hint: string;
  readonly words: string;
  readonly go: () => void;
}

/** The entries that match, the best first: exact starts, then starts of words, then anywhere. */
export function matches(entries: readonly Entry[], query: string, limit = 40): readonly Entry[] {
  const words = query
    .toLowerCase()
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0) return entries.slice(0, limit);
  return entries
    .map((entry) => ({ entry, rank: rank(entry, words) }))
    .filter((one) => one.rank !== null)
    .sort((one, other) => (one.rank ?? 0) - (other.rank ?? 0))
    .slice(0, limit)
    .map((one) => one.entry);
}

function rank(entry: Entry, words: readonly string[]): number | null {
  const title = entry.title.toLowerCase();
  const all = `${title} ${entry.hint.toLowerCase()} ${entry.words.toLowerCase()}`;
  let worst = 0;
  for (const word of words) {
    if (!all.includes(word)) return null;
    const place = title.startsWith(word)
      ? 0
      : new RegExp(`[\\s_:–-]${escaped(word)}`).test(title)
        ? 1
        : title.includes(word)
          ? 2
          : 3;
    worst = Math.max(worst, place);
  }
  return worst;
}

function escaped(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Contracts of a topic: `21:45` finds the one that starts then first. */
export function contractEntries(topic: Topic, zone: string, go: (id: string) => void): Entry[] {
  return [...topic.rows].flatMap(([id, row]) => {
    const start = instant(row, 'delivery_start');
    const end = instant(row, 'delivery_end');
    if (start === null || end === null) return [];
    return [
      {
        kind: 'contract' as const,
        title: period(start, end, zone),
        hint: text(row, 'name'),
        words: `${id} ${clock(start, zone)}`,
        go: () => go(id),
      },
    ];
  });
}
