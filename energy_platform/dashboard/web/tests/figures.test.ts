import { describe, expect, it } from 'vitest';

import { placesOf } from '../src/chart/chart';
import { csv } from '../src/panel/export';
import { matches, type Entry } from '../src/shell/palette';
import { isOurs } from '../src/shell/lineage';
import { gates } from '../src/shell/bars';
import { figure, grouped, heading, signed, unitOf } from '../src/state/figures';
import { formatRoute, parseRoute } from '../src/state/route';
import { linkOf } from '../src/state/screen';
import spreadsheetTexts from './spreadsheet_texts.json';

describe('figures', () => {
  it.each([
    [1.005, 2, '1.00'],
    [-3.14159, 2, '−3.14'],
    [-0.001, 2, '0.00'],
    [null, 2, ''],
  ])('%s is shown with %i decimals as %s', (value, decimals, said) =>
    expect(figure(value, decimals)).toBe(said),
  );

  it('always has a sign where a difference is shown', () => {
    expect([signed(2), signed(-2), signed(0)]).toEqual(['+2.00', '−2.00', '0.00']);
  });

  it('sets thousands apart', () => {
    expect(grouped(-1234567.8, 1)).toBe('−1\u202f234\u202f567.8');
    expect(grouped(-0.2)).toBe('0');
  });

  it('knows the unit that a name ends with', () => {
    expect(unitOf('price_eur_per_mwh')).toBe('EUR/MWh');
    expect(unitOf('energy_flow_kwh_per_d')).toBe('kWh/d');
    expect(unitOf('status')).toBe('');
    expect(heading('wind_speed_10m_m_per_s')).toBe('wind speed 10m');
  });
});

describe('an export as CSV', () => {
  it('has figures as figures and disarms formulas', () => {
    expect(csv([['a', '−1\u202f234.5', '+2.00', '=1+1', '@x', '-cmd', 'say "x", y']])).toBe(
      `a,-1234.5,2.00,'=1+1,'@x,'-cmd,"say ""x"", y"\r\n`,
    );
  });

  it.each(spreadsheetTexts)('has $text as $field, as the server writes it', ({ text, field }) => {
    const quoted = /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
    expect(csv([[text]])).toBe(`${quoted}\r\n`);
  });
});

describe('the address', () => {
  it('holds what is shown, there and back', () => {
    const route = { page: 'intraday', params: { area: 'DE-LU', contract: 'NX 1&2' } };
    expect(parseRoute(formatRoute(route), 'data')).toEqual(route);
  });

  it('falls back to a page', () => {
    expect(parseRoute('', 'intraday')).toEqual({ page: 'intraday', params: {} });
  });

  it('leaves out what is not said', () => {
    expect(formatRoute({ page: 'data', params: { tz: '' } })).toBe('#/data');
  });
});

describe('the link', () => {
  it.each([
    [0, false, true, 'connecting'],
    [0, true, true, 'live'],
    [2_499, true, true, 'live'],
    [0, true, false, 'quiet'],
    [2_500, true, true, 'quiet'],
    [9_999, true, true, 'quiet'],
    [10_000, true, true, 'lost'],
    [10_000, true, false, 'lost'],
    [10_000, false, true, 'lost'],
  ] as const)('after %i ms of silence (heard: %s, connected: %s) is %s', (silence, heard, isOpen, state) =>
    expect(linkOf(silence, heard, isOpen)).toBe(state),
  );
});

describe('the command line', () => {
  const entry = (title: string, kind: Entry['kind'] = 'contract', words = ''): Entry => ({
    kind,
    title,
    hint: '',
    words,
    go: () => undefined,
  });

  it('finds the contract that starts at a time before the one that ends then', () => {
    const found = matches([entry('21:30–21:45'), entry('21:45–22:00')], '21:45');
    expect(found.map((one) => one.title)).toEqual(['21:45–22:00', '21:30–21:45']);
  });

  it('wants every word, and takes signs as they are', () => {
    expect(
      matches([entry('entsoe_load', 'source'), entry('entsoe_outage', 'source')], 'ents out').map(
        (one) => one.title,
      ),
    ).toEqual(['entsoe_outage']);
    expect(matches([entry('IE(SEM)', 'zone')], 'ie(').map((one) => one.title)).toEqual(['IE(SEM)']);
  });
});

describe('gates', () => {
  it('stand at market time in summer and winter', () => {
    const noon = (from: string, to: string) =>
      gates(Date.parse(from), Date.parse(to))
        .filter((gate) => gate.label === 'DA')
        .map((gate) => new Date(gate.at).toISOString());
    expect(noon('2026-10-24T00:00:00Z', '2026-10-26T23:00:00Z')).toEqual([
      '2026-10-24T10:00:00.000Z',
      '2026-10-25T11:00:00.000Z',
      '2026-10-26T11:00:00.000Z',
    ]);
  });
});

describe('a scale', () => {
  it.each([
    [0.025, 3],
    [0.5, 1],
    [20, 0],
  ])('in steps of %f is written with %i decimals', (step, places) => expect(placesOf(step)).toBe(places));
});

describe('links', () => {
  it('lead to the web alone', () => {
    expect([
      isOurs('/dagster/assets/x'),
      isOurs('https://a.example'),
      isOurs('javascript:alert(1)'),
      isOurs('data:text/html,x'),
    ]).toEqual([true, true, false, false]);
  });
});
