import { expect, test } from 'vitest';

import type { Rows } from '../src/api/answers';
import { keep, keptRows } from '../src/api/kept';

const rows: Rows = { source: 's', as_of: null, cut: false, rows: [] };
const span = (minute: number, more = '') => `/api/range/a?start=${minute}&end=${minute + 60}${more}`;

test('a span that moves on leaves its newest answers', () => {
  for (let minute = 0; minute < 100; minute += 1) keep(span(minute), rows);
  expect([97, 98, 99].map((minute) => keptRows(span(minute)))).toEqual([null, rows, rows]);
});

test('other questions are kept beside it', () => {
  keep(span(1, '&as_of=x'), rows);
  keep('/api/latest/b', rows);
  for (let minute = 200; minute < 210; minute += 1) keep(span(minute), rows);
  expect(keptRows(span(1, '&as_of=x'))).toBe(rows);
  expect(keptRows('/api/latest/b')).toBe(rows);
});

test('the oldest of many questions are forgotten', () => {
  for (let number = 0; number < 70; number += 1) keep(`/api/latest/${number}`, rows);
  expect(keptRows('/api/latest/9')).toBeNull();
  expect(keptRows('/api/latest/10')).toBe(rows);
});
