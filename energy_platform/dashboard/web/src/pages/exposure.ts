/** The viewer's own open position in each contract, beside the contract's market. */

import { useMemo } from 'preact/hooks';

import { useRows, useTopicRows } from '../api/hooks';
import { type Row, text } from '../live/frames';
import { shownPortfolios } from '../state/portfolios';
import { asOf } from '../state/screen';

export type Exposures = ReadonlyMap<string, Row>;

/** What the shown portfolios have open together, by contract. */
export function useExposure(area: string, product: string): Exposures {
  const portfolios = [...shownPortfolios()].sort();
  const known = portfolios.length > 0 && area !== '';
  const isNow = asOf.value === null;
  const told = useTopicRows(
    isNow && known ? `exposure:${portfolios.join(',')}:${area}:${product}` : null,
    500,
  );
  const asked = useRows(
    !isNow && known ? { path: 'positions/exposure', query: { portfolio: portfolios, area, product } } : null,
  );
  const rows = isNow ? told.rows : asked.rows;
  return useMemo(() => new Map(rows.map((row) => [text(row, 'contract_id'), row])), [rows]);
}

/** Contracts with the own position and what closing it costs. */
export function withExposure(contracts: readonly Row[], exposures: Exposures): readonly Row[] {
  return contracts.map((row) => {
    const id = text(row, 'contract_id');
    const own = exposures.get(id);
    return {
      ...row,
      id,
      position_mw: own?.position_mw ?? null,
      close_cost_eur: own?.close_cost_eur ?? null,
      unfilled_mw: own?.unfilled_mw ?? null,
    };
  });
}
