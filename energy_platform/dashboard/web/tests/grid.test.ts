import { describe, expect, it, vi } from 'vitest';

import { Grid, ROW_HEIGHT, withMark } from '../src/table/grid';

interface Item {
  readonly id: string;
  readonly price: number;
  readonly words?: string;
}

function grid(onSelect = vi.fn()) {
  const made = new Grid<Item>({
    label: 'Prices',
    columns: [
      {
        id: 'id',
        title: 'Contract',
        width: '1fr',
        align: 'left',
        cell: (item) => ({ text: item.words ?? item.id }),
      },
      {
        id: 'price',
        title: 'Price',
        width: '1fr',
        flash: true,
        order: (item) => item.price,
        cell: (item) => ({ text: item.price.toFixed(2) }),
      },
    ],
    id: (item) => item.id,
    onSelect,
  });
  document.body.append(made.element);
  return made;
}

function shown(made: Grid<Item>): (string | null)[][] {
  return [...made.element.querySelectorAll<HTMLElement>('.grid-row:not([hidden])')].map((row) =>
    [...row.children].map((cell) => cell.textContent),
  );
}

describe('the grid', () => {
  it('lets go of rows that are gone, so that a day of trades is not kept', () => {
    const made = grid();
    for (let trade = 0; trade < 2_000; trade += 1) {
      made.show([{ id: `t${trade}`, price: trade }]);
      made.draw();
    }
    expect((made as unknown as { seen: Map<string, unknown> }).seen.size).toBeLessThan(300);
  });

  it('writes values into the text nodes that are there', () => {
    const made = grid();
    made.show([{ id: 'a', price: 1 }]);
    made.draw();
    const node = made.element.querySelector('[data-column="price"]')?.firstChild;
    made.show([{ id: 'a', price: 2 }]);
    made.draw();
    expect(shown(made)).toEqual([['a', '2.00']]);
    expect(made.element.querySelector('[data-column="price"]')?.firstChild).toBe(node);
  });

  it('keeps no more rows than are in view', () => {
    const made = grid();
    made.show(Array.from({ length: 5_000 }, (_, index) => ({ id: String(index), price: index })));
    made.draw();
    expect(made.element.querySelectorAll('.grid-row').length).toBeLessThan(60);
    expect(made.element.querySelector<HTMLElement>('.grid-sheet')?.style.height).toBe(
      `${5_000 * ROW_HEIGHT}px`,
    );
    expect(made.element.getAttribute('aria-rowcount')).toBe('5001');
  });

  it('shows text of the market as text', () => {
    const made = grid();
    made.show([{ id: 'x', price: 1, words: '<img src=x onerror=alert(1)>' }]);
    made.draw();
    expect(made.element.querySelector('img')).toBeNull();
    expect(shown(made)[0]?.[0]).toBe('<img src=x onerror=alert(1)>');
  });

  it.each([
    ['ArrowDown', 'b'],
    ['j', 'b'],
    ['ArrowUp', 'a'],
    ['k', 'a'],
    ['End', 'c'],
    ['Home', 'a'],
  ])('moves the selection by %s', (key, to) => {
    const onSelect = vi.fn();
    const made = grid(onSelect);
    made.show([
      { id: 'a', price: 1 },
      { id: 'b', price: 2 },
      { id: 'c', price: 3 },
    ]);
    made.select('a', false);
    made.element.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    expect(onSelect).toHaveBeenCalledWith(to);
  });

  it('moves on with each key, also before its owner has told it what is chosen', () => {
    const onSelect = vi.fn();
    const made = grid(onSelect);
    made.show(['a', 'b', 'c', 'd'].map((id, price) => ({ id, price })));
    made.select('a', false);
    for (const key of ['j', 'ArrowDown', 'j', 'k'])
      made.element.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    expect(onSelect.mock.calls.flat()).toEqual(['b', 'c', 'd', 'c']);
  });

  it('sorts by a heading, turns about, and goes back', () => {
    const made = grid();
    const items = [
      { id: 'a', price: 2 },
      { id: 'b', price: 1 },
      { id: 'c', price: 3 },
    ];
    const heading = made.element.querySelectorAll<HTMLElement>('[role="columnheader"]')[1];
    const order = () => {
      made.draw();
      return shown(made).map(([id]) => id);
    };
    made.show(items);
    heading?.click();
    expect(order()).toEqual(['b', 'a', 'c']);
    expect(heading?.getAttribute('aria-sort')).toBe('ascending');
    heading?.click();
    expect(order()).toEqual(['c', 'a', 'b']);
    heading?.click();
    made.show(items);
    expect(order()).toEqual(['a', 'b', 'c']);
  });

  it('says that there is nothing', () => {
    const made = grid();
    made.show([]);
    made.draw();
    expect(made.element.querySelector<HTMLElement>('.grid-empty')?.hidden).toBe(false);
  });

  it('gives what it shows to an export', () => {
    const made = grid();
    made.show([{ id: 'a', price: 1 }]);
    expect(made.cells()).toEqual([
      ['Contract', 'Price'],
      ['a', '1.00'],
    ]);
  });
});

describe('a cell', () => {
  const refused = { flags: ['quarantined'], quarantine_reason: 'too high' };

  it('has the mark of its row, and says why beside what it says anyway', () => {
    expect(withMark({ text: '5' }, refused)).toMatchObject({
      text: '5',
      mark: 'quarantined',
      title: 'a newer value is in quarantine: too high',
    });
    expect(withMark({ text: '5', title: 'traded 10:00' }, refused).title).toMatch(/^traded 10:00 · a newer/);
  });

  it('has none where its row has none, or where it has no row', () => {
    for (const row of [{ flags: [] }, {}, null, undefined])
      expect(withMark({ text: '5' }, row)).toEqual({ text: '5' });
  });
});
