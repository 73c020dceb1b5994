import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { Choices } from '../src/state/choices';

const told: Choices[] = [];
const teller = (chosen: Choices): Promise<unknown> => {
  told.push(chosen);
  return Promise.resolve();
};

/** A page that was just opened, in the same browser. */
async function page() {
  vi.resetModules();
  return import('../src/state/choices');
}

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
  told.length = 0;
});

afterEach(() => vi.useRealTimers());

test('without a server that keeps them, choices are those of the browser', async () => {
  const first = await page();
  first.loadChoices('bob');
  first.shareChoices({}, null);
  first.choose(() => ({ theme: 'light' }));
  vi.runAllTimers();
  expect(told).toEqual([]);
  const other = await page();
  other.loadChoices('alice');
  expect(other.choices.value.theme).toBe('dark');
  const again = await page();
  again.loadChoices('bob');
  expect(again.choices.value.theme).toBe('light');
});

test('what the server keeps counts, here too', async () => {
  const before = await page();
  before.loadChoices('bob');
  before.shareChoices({}, null);
  before.choose(() => ({ theme: 'light', product: 'H' }));
  const { choices, loadChoices, shareChoices } = await page();
  loadChoices('bob');
  shareChoices({ theme: 'dark', area: 'TTG' }, teller);
  expect([choices.value.theme, choices.value.area, choices.value.product]).toEqual(['dark', 'TTG', 'QH']);
  vi.runAllTimers();
  expect(told).toEqual([]);
  const after = await page();
  after.loadChoices('bob');
  expect(after.choices.value.area).toBe('TTG');
});

test('what is chosen before the server has said who looks and what it keeps, counts beside that', async () => {
  const { choices, choose, loadChoices, shareChoices } = await page();
  choose(() => ({ theme: 'light' }));
  expect(choices.value.theme).toBe('light');
  loadChoices('bob');
  choose(({ zones }) => ({ zones: ['HU', ...zones] }));
  shareChoices({ theme: 'dark', area: 'TTG', zones: ['FR'] }, teller);
  const wanted = { theme: 'light', area: 'TTG', zones: ['HU', 'FR'] };
  expect(choices.value).toMatchObject(wanted);
  vi.runAllTimers();
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject(wanted);
  const again = await page();
  again.loadChoices('bob');
  expect(again.choices.value).toMatchObject(wanted);
});

test('what is chosen before anybody is known is kept of nobody', async () => {
  const { choose } = await page();
  choose(() => ({ theme: 'light' }));
  expect(localStorage).toHaveLength(0);
});

test('the first machine of a user tells the server what it has', async () => {
  const { choose, loadChoices, shareChoices } = await page();
  loadChoices('bob');
  choose(() => ({ product: 'HH' }));
  shareChoices({}, teller);
  vi.runAllTimers();
  expect(told.map(({ product }) => product)).toEqual(['HH']);
});

test('many choices are told once, and one that was not heard is told with the next', async () => {
  const { choose, loadChoices, shareChoices } = await page();
  loadChoices('bob');
  let lost = true;
  shareChoices({ area: 'TTG' }, (chosen) => (lost ? Promise.reject(new Error('away')) : teller(chosen)));
  choose(() => ({ product: 'H' }));
  choose(() => ({ theme: 'light' }));
  await vi.runAllTimersAsync();
  expect(told).toEqual([]);
  lost = false;
  choose(() => ({ portfolio: 'wind' }));
  await vi.runAllTimersAsync();
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ product: 'H', theme: 'light', portfolio: 'wind', area: 'TTG' });
});
