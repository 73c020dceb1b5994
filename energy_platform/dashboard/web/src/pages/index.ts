/** Every page that there is; one that isn't built isn't here. */

import type { Page } from '../shell/pages';
import { BALANCE_SOURCES, BalancePage } from './balance';
import { DataPage } from './data';
import { DAY_AHEAD_SOURCES, DayAheadPage } from './day-ahead';
import { FLOW_SOURCES, FlowsPage } from './flows';
import { FORECAST_SOURCES, ForecastsPage } from './forecasts';
import { GAS_SOURCES, GasPage } from './gas';
import { INTRADAY_SOURCES, IntradayPage } from './intraday';
import { OUTAGE_SOURCES, OutagesPage } from './outages';
import { POSITION_SOURCES, PositionPage } from './position';

export const PAGES: readonly Page[] = [
  {
    key: '1',
    id: 'intraday',
    title: 'Intraday',
    about: 'Contracts, book, trades',
    component: IntradayPage,
    sources: INTRADAY_SOURCES,
  },
  {
    key: '2',
    id: 'position',
    title: 'Position',
    about: 'Open power, its value, who changed it',
    component: PositionPage,
    sources: POSITION_SOURCES,
  },
  {
    key: '3',
    id: 'forecasts',
    title: 'Forecasts',
    about: 'Load, wind, solar by run',
    component: ForecastsPage,
    sources: FORECAST_SOURCES,
  },
  {
    key: '4',
    id: 'balance',
    title: 'Balance',
    about: 'Frequency, imbalance, its price',
    component: BalancePage,
    sources: BALANCE_SOURCES,
  },
  {
    key: '5',
    id: 'day-ahead',
    title: 'Day-ahead',
    about: 'Curves and spreads of zones',
    component: DayAheadPage,
    sources: DAY_AHEAD_SOURCES,
  },
  {
    key: '6',
    id: 'flows',
    title: 'Flows',
    about: 'Borders: flow, schedule, capacity',
    component: FlowsPage,
    sources: FLOW_SOURCES,
  },
  { key: '7', id: 'gas', title: 'Gas', about: 'Storage and flows', component: GasPage, sources: GAS_SOURCES },
  {
    key: '8',
    id: 'outages',
    title: 'Outages',
    about: 'Unavailable units',
    component: OutagesPage,
    sources: OUTAGE_SOURCES,
  },
  {
    key: '9',
    id: 'data',
    title: 'Data',
    about: 'Every source: freshness, quarantine',
    component: DataPage,
    sources: [],
  },
];
