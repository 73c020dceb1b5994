import { describe, expect, it } from 'vitest';

import type { Row } from '../src/live/frames';
import { fan, median, score, silence, since, spoken } from '../src/pages/signals';

const START = Date.parse('2026-11-30T10:00:00Z');
const HOUR = 3_600_000;

function said(number: number, values: Row = {}): Row {
  return {
    signal: 'spread',
    unit: 'EUR/MWh',
    delivery_start: new Date(START + number * HOUR).toISOString(),
    delivery_end: new Date(START + (number + 1) * HOUR).toISOString(),
    gate_at: '2026-11-29T13:00:00Z',
    q10: -2,
    q50: 1.5,
    q90: 4,
    silent_because: null,
    model_version: '20261130T020000Z-abcdef12',
    ...values,
  };
}

describe('what a signal says', () => {
  it('is of the delivery that comes next', () => {
    const [balance, spread] = spoken([
      said(2),
      said(1, { q50: -3 }),
      said(1, { signal: 'balance', unit: 'MW', q50: 340 }),
    ]);
    expect(spread?.rows.map((row) => row.q50)).toEqual([-3, 1.5]);
    expect(median(spread?.next ?? {}, 'EUR/MWh')).toBe('▼ −3.00 EUR/MWh');
    expect(median(balance?.next ?? {}, balance?.unit ?? '')).toBe('▲ +340 MW');
  });

  it('is a reason where it is silent, and never a number', () => {
    expect(silence(said(1))).toBeNull();
    expect(silence(said(1, { q50: null, silent_because: 'drift: ramp' }))).toBe('drift: ramp');
    expect(silence(said(1, { q50: null }))).toBe('no reason was given');
    const gaps = fan([said(0), said(1, { q10: null, q50: null, q90: null }), said(2)]);
    expect(gaps.names).toEqual(['q90', 'q50', 'q10']);
    expect(gaps.data[2]).toEqual([1.5, null, 1.5, 1.5]);
  });

  it('has an age, and that of its newest input at the gate', () => {
    const row = said(1, {
      received_at: '2026-11-30T09:00:00Z',
      features_known_at: '2026-11-29T12:48:00Z',
    });
    expect(since(row, START)).toBe(
      'said 10:00, 1:00 h ago · newest input Sun 29 Nov 13:48, 12 min before the gate',
    );
    expect(since(said(1, { features_known_at: '2026-11-29T13:00:00Z' }), START)).toMatch(/, at the gate$/);
  });
});

describe('a score', () => {
  const scored = {
    loss: 2.094,
    loss_of_climatology: 2.71,
    loss_of_last_value: 2.236,
    hit_rate_pct: 69.6,
    hit_rate_low_pct: 64.1,
    hit_rate_high_pct: 75,
    score_days: 89,
  };

  it('stands beside both baselines, good or bad', () => {
    expect(score(said(1, { ...scored, beats_baselines: true }), 'EUR/MWh')).toBe(
      'beats both, loss 2.09, climatology 2.71, last value 2.24 EUR/MWh; hits 70 % (64–75) on 89 days',
    );
    expect(score(said(1, { ...scored, beats_baselines: false }), 'EUR/MWh')).toMatch(/^does not surely/);
  });

  it('that is missing is told as missing', () => {
    expect(score(said(1), 'EUR/MWh')).toMatch(/^not scored/);
    expect(score(said(1, { model_version: null }), 'EUR/MWh')).toBe('no model');
  });
});
