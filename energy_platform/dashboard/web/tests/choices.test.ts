import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { choices, type Choices, choose, loadChoices, shareChoices } from '../src/state/choices';

const told: Choices[] = [];
const teller = (chosen: Choices): Promise<unknown> => {
  told.push(chosen);
  return Promise.resolve();
};

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
  told.length = 0;
  loadChoices('bob');
});

afterEach(() => vi.useRealTimers());

test('without a server that keeps them, choices are those of the browser', () => {
  choose({ theme: 'light' });
  vi.runAllTimers();
  expect(told).toEqual([]);
  loadChoices('alice');
  expect(choices.value.theme).toBe('dark');
  loadChoices('bob');
  expect(choices.value.theme).toBe('light');
});

test('what the server keeps counts, here too', () => {
  choose({ theme: 'light', product: 'H' });
  shareChoices({ theme: 'dark', area: 'TTG' }, teller);
  expect([choices.value.theme, choices.value.area, choices.value.product]).toEqual(['dark', 'TTG', 'QH']);
  loadChoices('bob');
  expect(choices.value.area).toBe('TTG');
  vi.runAllTimers();
  expect(told).toEqual([]);
});

test('the first machine of a user tells the server what it has', () => {
  choose({ product: 'HH' });
  shareChoices({}, teller);
  vi.runAllTimers();
  expect(told.map(({ product }) => product)).toEqual(['HH']);
});

test('many choices are told once, and one that was not heard is told with the next', async () => {
  let lost = true;
  shareChoices({ area: 'TTG' }, (chosen) => (lost ? Promise.reject(new Error('away')) : teller(chosen)));
  choose({ product: 'H' });
  choose({ theme: 'light' });
  await vi.runAllTimersAsync();
  expect(told).toEqual([]);
  lost = false;
  choose({ portfolio: 'wind' });
  await vi.runAllTimersAsync();
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ product: 'H', theme: 'light', portfolio: 'wind', area: 'TTG' });
});
