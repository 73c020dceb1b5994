import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { useRows } from '../src/api/hooks';
import type { Row } from '../src/live/frames';
import { type Freshness, freshness } from '../src/state/freshness';

const host = document.createElement('div');
const QUESTION = { path: 'forecast-errors/load', follow: ['forecast', 'outcome'] };
let asked = 0;

function Asking() {
  useRows(QUESTION);
  return null;
}

/** Let the server tell how each source is, and wait until a panel would have asked again. */
async function tell(rows: Readonly<Record<string, Row>>): Promise<void> {
  await act(async () => {
    freshness.value = new Map(
      Object.entries(rows).map(([source, row]) => [source, { source, row } as Freshness]),
    );
    await vi.advanceTimersByTimeAsync(3_000);
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  asked = 0;
  freshness.value = new Map();
  vi.stubGlobal('fetch', () => {
    asked += 1;
    return Promise.resolve({ ok: true, json: () => Promise.resolve({ rows: [], cut: false }) });
  });
});

afterEach(() => {
  render(null, host);
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it('asks again when a source that it follows has stored or refused more, and for no other', async () => {
  const told = { forecast: { rows: 1, quarantined: 0 }, outcome: { rows: 5 }, other: { rows: 1 } };
  await act(() => render(<Asking />, host));
  await tell(told);
  expect(asked).toBe(1);
  await tell({ ...told, other: { rows: 2 } });
  expect(asked).toBe(1);
  await tell({ ...told, outcome: { rows: 6 } });
  expect(asked).toBe(2);
  await tell({ ...told, outcome: { rows: 6 }, forecast: { rows: 1, quarantined: 3 } });
  expect(asked).toBe(3);
});
