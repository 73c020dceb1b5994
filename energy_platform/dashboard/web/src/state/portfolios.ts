/** Which portfolios the viewer may see, and which of them the screen shows. */

import { choices, choose } from './choices';
import { route, setParams } from './route';
import { me } from './screen';

/** Stands for every portfolio, for those who may see all. */
export const EVERY = '*';

/** The portfolios whose topics may be opened: `*` alone, or each by its name. */
export function mayWatch(): readonly string[] {
  const own = me.value?.portfolios ?? [];
  return own.includes(EVERY) ? [EVERY] : own;
}

/** The chosen portfolio; '' for all that may be seen. */
export function chosenPortfolio(): string {
  const wanted = route.value.params.portfolio ?? choices.value.portfolio;
  const own = mayWatch();
  return wanted === '' || own.includes(EVERY) || own.includes(wanted) ? wanted : '';
}

export function choosePortfolio(portfolio: string): void {
  choose(() => ({ portfolio }));
  setParams({ portfolio });
}

export function shownPortfolios(): readonly string[] {
  const chosen = chosenPortfolio();
  return chosen === '' ? mayWatch() : [chosen];
}

export function mayTrade(): boolean {
  return me.value !== null && me.value.role !== 'viewer';
}
