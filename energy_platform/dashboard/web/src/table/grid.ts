/**
 * A table of many rows that change often. It keeps a pool of row elements for what is in view and writes into
 * their text nodes: nothing is drawn anew for a value. Values are text, never HTML.
 */

import { tracksOf } from './tracks';

import { type Marking, markOf, type Row, SIGNS, whyMarked } from '../live/frames';

export type Tone = '' | 'bid' | 'ask' | 'up' | 'down' | 'dim' | 'strong' | 'warn' | 'bad' | 'good' | 'accent';

export interface Cell {
  readonly text: string;
  readonly tone?: Tone;
  /** A bar behind the figure, from −1 to 1: its length is the amount, its side the sign. */
  readonly bar?: number;
  readonly title?: string;
  /** A mark before the figure: revised or quarantined. */
  readonly mark?: Marking;
  /** What counts as a change when the text moves without one (a countdown, an age): nothing flashes. */
  readonly still?: boolean;
}

/** A cell with the mark of the row that it was read from. */
export function withMark(cell: Cell, row: Row | null | undefined): Cell {
  const mark = row === null || row === undefined ? undefined : markOf(row);
  if (row === null || row === undefined || mark === undefined) return cell;
  const said = (cell.title ?? '') === '' ? '' : `${cell.title} · `;
  return { ...cell, mark, title: `${said}${whyMarked(row)}` };
}

export interface GridColumn<Item> {
  readonly id: string;
  readonly title: string;
  /** Said of the heading, e.g. the unit. */
  readonly hint?: string;
  /** A CSS grid track, e.g. `minmax(60px, 1fr)`. */
  readonly width: string;
  readonly align?: 'left' | 'right';
  readonly flash?: boolean;
  readonly cell: (item: Item) => Cell;
  /** The column of the item's row that the figure is of, where it is one. */
  readonly value?: string;
  /** What is sorted by when the heading is clicked; without it the column isn't sorted by. */
  readonly order?: (item: Item) => string | number | null;
}

export interface GridOptions<Item> {
  readonly label: string;
  readonly columns: readonly GridColumn<Item>[];
  readonly id: (item: Item) => string;
  readonly onSelect?: (id: string) => void;
  readonly onTrace?: (item: Item, column: string) => void;
  /** The row that an item shows, whose marks are put before its name. */
  readonly marked?: (item: Item) => Row | null;
  readonly rowClass?: (item: Item, before: Item | undefined) => string;
  /** What is said where there are no items. */
  readonly empty?: () => string;
}

/** By which column the items are sorted. */
export interface Sorted {
  readonly id: string;
  readonly descending: boolean;
}

interface Slot {
  readonly element: HTMLElement;
  readonly cells: readonly {
    element: HTMLElement;
    node: Text;
    className: string;
    bar: number | null;
    title: string;
  }[];
  id: string | null;
  index: number;
  className: string;
}

export const ROW_HEIGHT = 20;
const OVERSCAN = 4;
/** The padding of a row, and the vertical scroll bar. */
const EDGES_PX = 14 + 12;
const FLASH_MS = 700;
/** How many rows beyond those that are there may be remembered. */
const KEPT_SEEN = 200;

export class Grid<Item> {
  readonly element = document.createElement('div');
  private readonly head = document.createElement('div');
  private readonly body = document.createElement('div');
  private readonly sheet = document.createElement('div');
  private readonly blank = document.createElement('div');
  private readonly slots: Slot[] = [];
  private readonly headings = new Map<string, HTMLElement>();
  private items: readonly Item[] = [];
  private selected: string | null = null;
  private sorted: Sorted | null;
  private frame: number | null = null;
  private seen = new Map<string, Map<string, string>>();
  private readonly observer: ResizeObserver | null;
  private readonly still: boolean;

  /** `sorted` is how a grid was sorted in whose place this one comes. */
  constructor(
    private readonly options: GridOptions<Item>,
    sorted: Sorted | null = null,
  ) {
    const { element, head, body, sheet } = this;
    this.sorted = sorted;
    element.className = 'grid';
    element.setAttribute('role', 'grid');
    element.setAttribute('aria-label', options.label);
    head.className = 'grid-head';
    head.setAttribute('role', 'row');
    head.setAttribute('aria-rowindex', '1');
    for (const column of options.columns) head.append(this.heading(column));
    this.saySorted();
    this.layOut();
    // Headings are wider or narrower once their font is loaded.
    if ('fonts' in document) void document.fonts.ready.then(() => this.layOut());
    const headGroup = document.createElement('div');
    headGroup.setAttribute('role', 'rowgroup');
    headGroup.className = 'grid-head-group';
    headGroup.append(head);
    body.className = 'grid-body';
    body.setAttribute('role', 'rowgroup');
    body.tabIndex = 0;
    sheet.className = 'grid-sheet';
    this.blank.className = 'grid-empty';
    this.blank.hidden = true;
    body.append(sheet);
    element.append(headGroup, body, this.blank);
    body.addEventListener('scroll', () => this.draw(), { passive: true });
    element.addEventListener('keydown', (event) => this.onKey(event));
    body.addEventListener('click', (event) => this.onClick(event));
    this.observer = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => this.draw());
    this.observer?.observe(body);
    this.still = typeof matchMedia === 'function' && matchMedia('(prefers-reduced-motion: reduce)').matches;
  }

  /** Show these items, in their order unless a heading says another. */
  show(items: readonly Item[]): void {
    const first = this.items.length === 0;
    this.items = this.inOrder(items);
    this.forget();
    this.element.setAttribute('aria-rowcount', String(items.length + 1));
    this.makeRoom();
    if (first && this.selected !== null)
      this.scrollTo(this.items.findIndex((item) => this.options.id(item) === this.selected));
    this.blank.hidden = items.length > 0;
    this.blank.textContent = items.length > 0 ? '' : (this.options.empty?.() ?? 'Nothing to show.');
    this.schedule();
  }

  /** Write values anew without a change of items, e.g. countdowns. */
  refresh(): void {
    this.schedule();
  }

  select(id: string | null, scroll: boolean): void {
    this.selected = id;
    if (scroll) this.scrollTo(this.items.findIndex((item) => this.options.id(item) === id));
    this.schedule();
  }

  /** How it is sorted, for the grid that comes in its place. */
  get order(): Sorted | null {
    return this.sorted;
  }

  /** Let keys move its selection. */
  focus(): void {
    this.body.focus({ preventScroll: true });
  }

  destroy(): void {
    this.observer?.disconnect();
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.element.remove();
  }

  /** What is shown, for an export: headings and texts of all items. */
  cells(): string[][] {
    const { columns } = this.options;
    const lines = this.items.map((item) => columns.map((column) => column.cell(item).text));
    return [
      columns.map((column) => (column.hint === undefined ? column.title : `${column.title} ${column.hint}`)),
      ...lines,
    ];
  }

  /** Draw at once, for tests and for scrolling. */
  draw(): void {
    const height = this.body.clientHeight || 600;
    const first = Math.max(0, Math.floor(this.body.scrollTop / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(
      this.items.length,
      Math.ceil((this.body.scrollTop + height) / ROW_HEIGHT) + OVERSCAN,
    );
    this.makeRoom();
    while (this.slots.length < last - first) this.slots.push(this.slot());
    this.slots.forEach((slot, place) => {
      const index = first + place;
      const item = index < last ? this.items[index] : undefined;
      if (item === undefined) this.clear(slot);
      else this.write(slot, item, index);
    });
  }

  /** As much room as all rows take, so that any of them can be scrolled to. */
  private makeRoom(): void {
    const total = `${this.items.length * ROW_HEIGHT}px`;
    if (this.sheet.style.height !== total) this.sheet.style.height = total;
  }

  private heading(column: GridColumn<Item>): HTMLElement {
    const element = document.createElement('div');
    element.setAttribute('role', 'columnheader');
    element.className = `grid-heading ${column.align === 'left' ? 'left' : 'right'}`;
    const label = document.createElement('span');
    label.textContent = column.title;
    element.append(label);
    if (column.hint !== undefined) element.title = column.hint;
    if (column.order !== undefined) {
      element.classList.add('sortable');
      element.addEventListener('click', () => this.sortBy(column.id));
    }
    this.headings.set(column.id, element);
    return element;
  }

  private layOut(): void {
    const { css, least } = tracksOf(
      this.options.columns.map(({ id, title, width }) => ({
        title,
        width,
        isSorted: this.sorted?.id === id,
      })),
    );
    this.element.style.setProperty('--tracks', css);
    this.element.style.setProperty('--least', `${least + EDGES_PX}px`);
  }

  private sortBy(id: string): void {
    if (this.sorted?.id !== id) this.sorted = { id, descending: false };
    else this.sorted = this.sorted.descending ? null : { id, descending: true };
    this.saySorted();
    this.layOut();
    this.show([...this.items]);
  }

  private saySorted(): void {
    for (const [name, element] of this.headings) {
      const mine = this.sorted?.id === name ? this.sorted : null;
      if (mine === null) element.removeAttribute('aria-sort');
      else element.setAttribute('aria-sort', mine.descending ? 'descending' : 'ascending');
    }
  }

  private inOrder(items: readonly Item[]): readonly Item[] {
    const { sorted } = this;
    const by = this.options.columns.find((column) => column.id === sorted?.id)?.order;
    if (sorted === null || by === undefined) return items;
    const sign = sorted.descending ? -1 : 1;
    return [...items].sort((one, other) => sign * compare(by(one), by(other)));
  }

  /** Let go of what was seen of rows that are gone, or a day's trades would be kept. */
  private forget(): void {
    if (this.seen.size <= 2 * this.items.length + KEPT_SEEN) return;
    const there = new Set(this.items.map((item) => this.options.id(item)));
    for (const id of this.seen.keys()) if (!there.has(id)) this.seen.delete(id);
  }

  private schedule(): void {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  private slot(): Slot {
    const element = document.createElement('div');
    element.className = 'grid-row';
    element.setAttribute('role', 'row');
    const cells = this.options.columns.map((column) => {
      const cell = document.createElement('div');
      const className = `grid-cell ${column.align === 'left' ? 'left' : 'right'}`;
      cell.className = className;
      cell.setAttribute('role', 'gridcell');
      cell.dataset.column = column.id;
      const node = document.createTextNode('');
      cell.append(node);
      element.append(cell);
      return { element: cell, node, className, bar: null, title: '' };
    });
    this.sheet.append(element);
    return { element, cells, id: null, index: -1, className: 'grid-row' };
  }

  private clear(slot: Slot): void {
    if (slot.id === null && slot.element.hidden) return;
    slot.id = null;
    slot.element.hidden = true;
  }

  private write(slot: Slot, item: Item, index: number): void {
    const id = this.options.id(item);
    const moved = slot.id !== id;
    if (slot.index !== index) {
      slot.index = index;
      slot.element.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
      slot.element.setAttribute('aria-rowindex', String(index + 2));
    }
    if (moved) {
      slot.id = id;
      slot.element.hidden = false;
      slot.element.dataset.id = id;
    }
    const chosen = id === this.selected;
    const extra = this.options.rowClass?.(item, this.items[index - 1]) ?? '';
    const className = `grid-row${chosen ? ' selected' : ''}${extra === '' ? '' : ` ${extra}`}`;
    if (slot.className !== className) {
      slot.className = className;
      slot.element.className = className;
      slot.element.setAttribute('aria-selected', String(chosen));
    }
    const seen = this.seen.get(id) ?? new Map<string, string>();
    this.seen.set(id, seen);
    this.options.columns.forEach((column, place) => {
      const held = slot.cells[place];
      if (held === undefined) return;
      const cell = place === 0 ? this.named(item) : column.cell(item);
      const shown = cell.mark === undefined ? cell.text : `${SIGNS[cell.mark]} ${cell.text}`;
      if (held.node.data !== shown) held.node.data = shown;
      const before = seen.get(column.id);
      if (column.flash === true && before !== undefined && before !== '' && before !== cell.text)
        this.flash(held.element, before, cell.text);
      if (column.flash === true) seen.set(column.id, cell.text);
      const tone = cell.tone ?? '';
      const tones = `grid-cell ${column.align === 'left' ? 'left' : 'right'}${tone === '' ? '' : ` ${tone}`}${cell.mark === undefined ? '' : ` ${cell.mark}`}${cell.bar === undefined ? '' : cell.bar < 0 ? ' bar bar-down' : ' bar bar-up'}`;
      if (held.className !== tones) {
        held.className = tones;
        held.element.className = tones;
      }
      const bar = cell.bar ?? null;
      if (held.bar !== bar) {
        held.bar = bar;
        held.element.style.setProperty('--bar', `${Math.min(1, Math.abs(bar ?? 0)) * 100}%`);
      }
      const title = cell.title ?? '';
      if (held.title !== title) {
        held.title = title;
        if (title === '') held.element.removeAttribute('title');
        else held.element.title = title;
      }
    });
  }

  /** The first cell, marked as its row is. */
  private named(item: Item): Cell {
    return withMark(this.options.columns[0]?.cell(item) ?? { text: '' }, this.options.marked?.(item));
  }

  private flash(element: HTMLElement, before: string, after: string): void {
    if (this.still || typeof element.animate !== 'function') return;
    const rises = amount(after) >= amount(before);
    const colour = getComputedStyle(element)
      .getPropertyValue(rises ? '--flash-up' : '--flash-down')
      .trim();
    if (colour === '') return;
    element.animate([{ backgroundColor: colour }, { backgroundColor: 'transparent' }], {
      duration: FLASH_MS,
    });
  }

  private onClick(event: MouseEvent): void {
    const target = event.target instanceof Element ? event.target : null;
    const row = target?.closest<HTMLElement>('.grid-row');
    const id = row?.dataset.id;
    if (id === undefined) return;
    const column = target?.closest<HTMLElement>('.grid-cell')?.dataset.column ?? '';
    const item = this.items.find((one) => this.options.id(one) === id);
    this.choose(id);
    if (item === undefined) return;
    // The first column names the row, and a click on it only selects; a figure leads to its lineage.
    const names = this.options.onSelect !== undefined && column === this.options.columns[0]?.id;
    if (!names || event.altKey || event.detail === 2) this.options.onTrace?.(item, column);
  }

  /** Arrows, j and k, pages, ends: they move the selection. */
  private onKey(event: KeyboardEvent): void {
    const { id } = this.options;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Enter') {
      const item = this.items.find((one) => id(one) === this.selected);
      if (item === undefined || this.options.onTrace === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.options.onTrace(item, '');
      return;
    }
    const page = Math.max(1, Math.floor(this.body.clientHeight / ROW_HEIGHT) - 1);
    const step = STEPS[event.key]?.(page);
    if (step === undefined || this.items.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.items.findIndex((item) => id(item) === this.selected);
    const next = Math.min(this.items.length - 1, Math.max(0, at < 0 ? 0 : at + step));
    this.scrollTo(next);
    const item = this.items[next];
    if (item !== undefined) this.choose(id(item));
  }

  /** Select a row and say so; the next key goes on from it, also before the page is drawn anew. */
  private choose(id: string): void {
    if (this.options.onSelect === undefined) return;
    this.select(id, false);
    this.options.onSelect(id);
  }

  private scrollTo(index: number): void {
    if (index < 0) return;
    const top = index * ROW_HEIGHT;
    const { body } = this;
    const beyond = Math.max(body.scrollTop - top, top - body.scrollTop - body.clientHeight);
    // A row that is far away comes with what follows it, not alone at the edge.
    if (beyond > body.clientHeight / 2) body.scrollTop = top - body.clientHeight / 4;
    else if (top < body.scrollTop) body.scrollTop = top;
    else if (top + ROW_HEIGHT > body.scrollTop + body.clientHeight)
      body.scrollTop = top + ROW_HEIGHT - body.clientHeight;
  }
}

const STEPS: Readonly<Partial<Record<string, (page: number) => number>>> = {
  ArrowDown: () => 1,
  j: () => 1,
  ArrowUp: () => -1,
  k: () => -1,
  PageDown: (page) => page,
  PageUp: (page) => -page,
  Home: () => -Number.MAX_SAFE_INTEGER,
  End: () => Number.MAX_SAFE_INTEGER,
};

function amount(text: string): number {
  return Number.parseFloat(text.replace('−', '-').replace(/[^\d.+-]/g, '')) || 0;
}

function compare(one: string | number | null, other: string | number | null): number {
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  return typeof one === 'number' && typeof other === 'number'
    ? one - other
    : String(one).localeCompare(String(other));
}
