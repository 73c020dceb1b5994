import { signal } from '@preact/signals';
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import type { GridColumn } from '../src/table/grid';
import { Table } from '../src/table/table';

const column = (id: string): GridColumn<string> => ({
  id,
  title: id,
  width: '1fr',
  cell: (item) => ({ text: item }),
});
const FEW = [column('one')];
const MORE = [column('one'), column('two')];

const host = document.createElement('div');
const input = document.createElement('input');

async function show(columns: readonly GridColumn<string>[]): Promise<void> {
  await act(() =>
    render(
      <Table
        label="Rows"
        columns={columns}
        items={['a']}
        id={(item) => item}
        onSelect={() => undefined}
        focused
      />,
      host,
    ),
  );
}

const keysMoveIt = (): boolean => host.querySelector('.grid')?.contains(document.activeElement) === true;

beforeEach(() => document.body.append(host, input));
afterEach(() => {
  render(null, host);
  document.body.replaceChildren();
});

it('has the keys from the start, and when its columns change', async () => {
  await show(FEW);
  expect(keysMoveIt()).toBe(true);
  await show(MORE);
  expect(host.querySelectorAll('.grid-heading')).toHaveLength(2);
  expect(keysMoveIt()).toBe(true);
});

it('takes the keys from nobody who types', async () => {
  input.focus();
  await show(FEW);
  expect(document.activeElement).toBe(input);
});

it('takes no keys back that went elsewhere when its columns change', async () => {
  await show(FEW);
  const button = document.createElement('button');
  document.body.append(button);
  for (const other of [input, button]) {
    other.focus();
    await show(other === input ? MORE : FEW);
    expect(document.activeElement).toBe(other);
  }
});

it('moves on with each key of a burst, while what its owner chose comes back between them', async () => {
  const chosen = signal('a');
  const Owner = () => (
    <Table
      label="Rows"
      columns={FEW}
      items={['a', 'b', 'c', 'd', 'e']}
      id={(item) => item}
      selected={chosen.value}
      onSelect={(id) => (chosen.value = id)}
    />
  );
  await act(() => render(<Owner />, host));
  for (const wanted of ['b', 'c', 'd', 'e']) {
    host.querySelector('.grid')?.dispatchEvent(new KeyboardEvent('keydown', { key: 'j' }));
    // The page is told anew, and not painted yet.
    await Promise.resolve();
    expect(chosen.value).toBe(wanted);
  }
});

it('stays sorted when its columns change', async () => {
  const by = (id: string): GridColumn<string> => ({ ...column(id), order: (item) => item });
  const Sorted = ({ columns }: { readonly columns: readonly GridColumn<string>[] }) => (
    <Table label="Rows" columns={columns} items={['a', 'c', 'b']} id={(item) => item} />
  );
  const [one, two] = [[by('one')], [by('one'), by('two')]];
  await act(() => render(<Sorted columns={two} />, host));
  const heading = (place: number) => host.querySelectorAll<HTMLElement>('.grid-heading')[place];
  heading(1)?.click();
  heading(1)?.click();
  for (const columns of [one, two]) await act(() => render(<Sorted columns={columns} />, host));
  expect(heading(1)?.getAttribute('aria-sort')).toBe('descending');
  await vi.waitFor(() =>
    expect([...host.querySelectorAll('[data-column="two"]')].map((cell) => cell.textContent)).toEqual([
      'c',
      'b',
      'a',
    ]),
  );
});
