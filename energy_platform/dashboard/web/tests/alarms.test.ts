import { describe, expect, it } from 'vitest';

import type { Row } from '../src/live/frames';
import { Topic } from '../src/live/topic';
import { condition, draftOf, kindOf, type Rule } from '../src/shell/alarms';
import { runsOf } from '../src/shell/bars';
import { beside } from '../src/shell/keys';
import { isOpen, resized } from '../src/shell/layout';
import { inOrder, isLoud } from '../src/state/alarms';
import { catalogue } from '../src/state/screen';

const RAISED: Row = { id: 'a', state: 'raised', since: '2026-11-30T05:00:00Z', seen_by: null, sound: true };

describe('alarms', () => {
  it('are shown unseen ones first, then the newest', () => {
    const seen = { ...RAISED, id: 'b', seen_by: 'ann', since: '2026-11-30T05:09:00Z' };
    const cleared = { ...RAISED, id: 'c', state: 'cleared', since: '2026-11-30T05:20:00Z', seen_by: 'x' };
    expect(inOrder([cleared, seen, RAISED]).map((row) => row.id)).toEqual(['a', 'b', 'c']);
  });

  it('are heard when they come, not when a page opens, and not when somebody has seen them', () => {
    const topic = new Topic('alarms:me');
    const heard: boolean[] = [];
    topic.listeners.add((change) => heard.push(isLoud(change, topic)));
    topic.apply({ t: 'alarms:me', e: 'x', s: 1, snap: 1, rows: [RAISED] }, 0);
    topic.apply({ t: 'alarms:me', e: 'x', s: 2, rows: [{ ...RAISED, id: 'b' }] }, 0);
    topic.apply({ t: 'alarms:me', e: 'x', s: 3, rows: [{ ...RAISED, id: 'b', seen_by: 'me' }] }, 0);
    topic.apply({ t: 'alarms:me', e: 'x', s: 4, rows: [{ ...RAISED, id: 'd', sound: false }] }, 0);
    expect(heard).toEqual([false, true, false, false]);
  });

  it('begin with the value that is traced', () => {
    catalogue.value = {
      simulated: true,
      sources: [
        {
          name: 'prices',
          provider: 'P',
          protocol: 'REST',
          group: 'g',
          description: '',
          event_time: 'delivery_start',
          key: ['zone', 'delivery_start'],
          columns: [
            { name: 'zone', dtype: 'String' },
            { name: 'price_eur_per_mwh', dtype: 'Float64' },
          ],
          expected_lag_seconds: null,
          terms: '',
        },
      ],
    };
    const row = { zone: 'FR', delivery_start: '2026-11-30T05:00:00Z', price_eur_per_mwh: 41.5 };
    expect(draftOf({ source: 'prices', row })).toEqual({
      topic: 'source:prices',
      columns: ['price_eur_per_mwh'],
      column: 'price_eur_per_mwh',
      where: { zone: 'FR' },
      value: 41.5,
    });
    const contract = { contract_id: 'NX_1', bid_eur_per_mwh: 3, last_eur_per_mwh: 4 };
    expect(
      draftOf({
        source: 'book',
        row: contract,
        topic: 'contracts:DE-LU:QH',
        column: 'bid_eur_per_mwh',
      }),
    ).toMatchObject({ column: 'bid_eur_per_mwh', where: { contract_id: 'NX_1' }, value: 3 });
    expect(draftOf({ source: 'prices', row: null })).toBeNull();
  });

  it('say their rule in words', () => {
    const rule: Rule = {
      name: 'x',
      kind: kindOf('frequency_hz'),
      topic: 'source:energy_charts_frequency',
      column: 'frequency_hz',
      where: { region: 'DE' },
      above: null,
      below: 49.9,
      for_seconds: 5,
      margin: 0,
      sound: true,
      channels: false,
    };
    expect(rule.kind).toBe('frequency');
    expect(condition(rule)).toBe('energy_charts_frequency DE frequency below 49.900 Hz for 5 s');
  });
});

describe('as-of marks', () => {
  it('tell when each run first came', () => {
    const row = (run_at: string, received_at: string): Row => ({ run_at, received_at });
    const found = runsOf('GFS', [
      row('2026-11-30T00:00:00Z', '2026-11-30T04:10:00Z'),
      row('2026-11-30T00:00:00Z', '2026-11-30T04:00:00Z'),
      row('2026-11-29T18:00:00Z', '2026-11-29T22:00:00Z'),
    ]);
    expect(found).toEqual([
      { at: Date.parse('2026-11-30T04:00:00Z'), label: 'GFS 00z' },
      { at: Date.parse('2026-11-29T22:00:00Z'), label: 'GFS 18z' },
    ]);
    expect(beside(found, Date.parse('2026-11-30T01:00:00Z'), true)).toBe(Date.parse('2026-11-29T22:00:00Z'));
    expect(beside(found, Date.parse('2026-11-30T01:00:00Z'), false)).toBe(Date.parse('2026-11-30T04:00:00Z'));
    expect(beside([], 5, true)).toBe(5);
  });
});

describe('sizes of panels', () => {
  it('move between both sides of a gap, in proportion', () => {
    expect(resized([100, 100, 200], 0, 50)).toEqual([150, (100 * 250) / 300, (200 * 250) / 300]);
    expect(resized([100, 300], 0, -500)[0]).toBeCloseTo(24);
    expect(resized([100, 300], 0, 500)[1]).toBeCloseTo(24);
  });

  it('have no handle where a panel spans the gap', () => {
    const box = { left: 0, top: 0, right: 100, bottom: 50 };
    expect(isOpen([box], 50, 25)).toBe(false);
    expect(isOpen([box], 50, 52)).toBe(true);
  });
});
