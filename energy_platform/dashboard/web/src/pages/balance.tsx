/** Page 4: frequency, system imbalance and the prices that it leads to. */

import { Panel } from '../panel/panel';
import { SeriesPanel } from '../panel/series-panel';
import { type Row, text } from '../live/frames';
import { goTo } from '../state/route';
import { around } from '../state/spans';
import { BRITAIN, CONTINENT, FrequencyPanel } from './frequency';

const TENDERS = 'regelleistung_tender';

export const germanBalance = {
  id: 'imbalance-de',
  title: 'Imbalance Germany',
  unit: 'MW',
  source: 'netztransparenz_imbalance',
  value: 'power_mw',
  seriesOf: (row: Row) => (text(row, 'product').startsWith('NRV') ? text(row, 'series') : null),
  kind: 'bars',
  colours: ['ask', 'c4', 'c3', 'c5'],
  below: 'bid',
  verdict: (value: number) => (value > 0 ? 'short' : 'long'),
} as const;

export function BalancePage() {
  const [start, end] = around(24, 1);
  return (
    <>
      <FrequencyPanel id="frequency-ce" grid={CONTINENT} />
      <FrequencyPanel id="frequency-gb" grid={BRITAIN} />
      <SeriesPanel {...germanBalance} start={start} end={end} />
      <SeriesPanel
        id="rebap"
        title="Imbalance price Germany"
        unit="EUR/MWh"
        source="netztransparenz_imbalance"
        value="price_eur_per_mwh"
        start={start}
        end={end}
        seriesOf={(row) =>
          row.price_eur_per_mwh === null ? null : `${text(row, 'product')} ${text(row, 'series')}`
        }
        kind="step"
        decimals={2}
      />
      <Panel
        id="reserves"
        name="Activated reserves"
        title="Activated reserves"
        empty="No source of this platform states which reserves were activated. What was offered and accepted beforehand is in regelleistung_tender."
        tools={
          <button type="button" class="plain" onClick={() => goTo('data', { source: TENDERS })}>
            Tenders
          </button>
        }
      >
        {null}
      </Panel>
      <SeriesPanel
        id="imbalance-cz"
        title="System imbalance Czechia"
        unit="MW"
        source="ceps_imbalance"
        value="system_imbalance_mw"
        start={around(6, 0)[0]}
        end={around(6, 1)[1]}
        kind="area"
        zero
        colours={['c2']}
        verdict={(value) => (value > 0 ? 'surplus' : 'deficit')}
      />
      <SeriesPanel
        id="imbalance-gb"
        title="Net imbalance volume Great Britain"
        unit="MWh"
        source="elexon_system_price"
        value="net_imbalance_volume_mwh"
        start={start}
        end={end}
        kind="bars"
        colours={['ask']}
        below="bid"
        verdict={(value) => (value > 0 ? 'short' : 'long')}
      />
      <SeriesPanel
        id="price-gb"
        title="System price Great Britain"
        unit="GBP/MWh"
        source="elexon_system_price"
        value="system_sell_price_gbp_per_mwh"
        start={start}
        end={end}
        decimals={2}
        colours={['c3']}
      />
    </>
  );
}

export const BALANCE_SOURCES = [
  'energy_charts_frequency',
  'elexon_frequency',
  'netztransparenz_imbalance',
  'ceps_imbalance',
  'elexon_system_price',
];
