/** The rows of one topic as the server last told them, and who wants to know of changes. */

import type { Cursor, Row, TopicFrame } from './frames';

export interface Change {
  /** Everything may have changed: a snapshot came. */
  readonly whole: boolean;
  readonly ids: readonly string[];
  readonly gone: readonly string[];
}

export type Listener = (change: Change, topic: Topic) => void;

export class Topic {
  readonly rows = new Map<string, Row>();
  readonly listeners = new Set<Listener>();
  cursor: Cursor | null = null;
  /** When the last frame came, by the page's clock. */
  heardAt: number | null = null;
  error: string | null = null;
  /** How many viewers of this page show it; at 0 the rows are kept for when they come back. */
  holders = 0;

  constructor(readonly name: string) {}

  /**
   * Take a frame in. Frames come in order, and one frame may tell the changes of several; a change of another
   * epoch is refused: ask anew.
   */
  apply(frame: TopicFrame, now: number): boolean {
    const { cursor } = this;
    if (frame.snap !== 1) {
      if (cursor?.e !== frame.e) return false;
      if (frame.s <= cursor.s) return true;
    }
    const whole = frame.snap === 1;
    if (whole) this.rows.clear();
    const gone = frame.gone ?? [];
    for (const id of gone) this.rows.delete(id);
    const ids: string[] = [];
    for (const row of frame.rows) {
      const id = String(row.id);
      this.rows.set(id, row);
      ids.push(id);
    }
    this.cursor = { e: frame.e, s: frame.s };
    this.heardAt = now;
    this.error = null;
    this.tell({ whole, ids, gone });
    return true;
  }

  refuse(error: string): void {
    this.error = error;
    this.cursor = null;
    this.tell({ whole: true, ids: [], gone: [] });
  }

  private tell(change: Change): void {
    for (const listener of [...this.listeners]) listener(change, this);
  }
}
