/** What travels over the live socket. Instants are ISO 8601 text in UTC. */

export type Value = string | number | boolean | null | readonly Value[];

/** One row of a topic or of an answer; a topic's rows have an `id`. */
export type Row = Readonly<Record<string, Value | undefined>>;

export interface Cursor {
  readonly e: string;
  readonly s: number;
}

export interface TopicFrame {
  readonly t: string;
  readonly e: string;
  readonly s: number;
  readonly snap?: 1;
  readonly rows: readonly Row[];
  readonly gone?: readonly string[];
}

export interface Beat {
  readonly t: 'beat';
  readonly at: string;
  readonly behind: boolean;
  /** What is behind, in words: the bus is down, the hot lane isn't running. */
  readonly why?: readonly string[];
  /** Since when each of them has been so. */
  readonly since?: readonly string[];
}

export interface Refusal {
  readonly t: string;
  readonly error: string;
}

export type ServerFrame = TopicFrame | Beat | Refusal;

export type ClientFrame =
  | { readonly op: 'open'; readonly topics: Readonly<Record<string, Cursor | null>> }
  | { readonly op: 'close'; readonly topics: readonly string[] }
  | { readonly op: 'ack'; readonly n: number };

export function isBeat(frame: ServerFrame): frame is Beat {
  return frame.t === 'beat';
}

export function isRefusal(frame: ServerFrame): frame is Refusal {
  return 'error' in frame;
}

/** A cell's text, or '' where there is none. */
export function text(row: Row | undefined, column: string): string {
  const value = row?.[column];
  return value === null || value === undefined
    ? ''
    : typeof value === 'object'
      ? JSON.stringify(value)
      : String(value);
}

/** A cell's number, or null where there is none. */
export function number(row: Row | undefined, column: string): number | null {
  const value = row?.[column];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** A cell's instant in milliseconds since 1970, or null where there is none. */
export function instant(row: Row | undefined, column: string): number | null {
  const value = row?.[column];
  if (typeof value !== 'string') return null;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? null : parsed;
}

/** Why a row is marked, in words: what was refused, or what stood there before. */
export function whyMarked(row: Row): string {
  const { quarantine, was } = row as Record<string, unknown>;
  const said = (quarantine ?? {}) as { readonly reason?: unknown; readonly at?: unknown };
  const reason = typeof said.reason === 'string' ? said.reason : text(row, 'quarantine_reason');
  const at = typeof said.at === 'string' ? said.at : text(row, 'quarantine_at');
  const refused =
    reason === '' ? [] : [`a newer value is in quarantine: ${reason}${at === '' ? '' : ` (${at})`}`];
  const before = Object.entries((was ?? {}) as Record<string, unknown>).map(
    ([column, value]) => `${column}: ${String(value)} → ${text(row, column)}`,
  );
  const since = text(row, 'received_at');
  const revised =
    markOf(row) !== undefined && Array.isArray(row.flags) && row.flags.includes('revised')
      ? [
          `revised${before.length === 0 ? '' : `, ${before.join(', ')}`}${since === '' ? '' : `, known since ${since}`}`,
        ]
      : [];
  return [...refused, ...revised].join('; ');
}

/** That a value was revised, or that a newer one is in quarantine. */
export type Marking = 'revised' | 'quarantined';

/** The sign of each mark, in tables and charts. */
export const SIGNS: Readonly<Record<Marking, string>> = { revised: '↻', quarantined: '▲!' };

/** What a row is flagged with. */
export function flagsOf(row: Row): readonly Value[] {
  return Array.isArray(row.flags) ? (row.flags as readonly Value[]) : [];
}

/** How a row's values are marked where they stand, if they are. */
export function markOf(row: Row): Marking | undefined {
  const flags = flagsOf(row);
  if (flags.includes('quarantined')) return 'quarantined';
  return flags.includes('revised') ? 'revised' : undefined;
}
