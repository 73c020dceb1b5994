/** Bidding zones by the names that ENTSO-E's platform writes. */

export const BIDDING_ZONES = [
  'AT', 'BE', 'BG', 'CH', 'CZ', 'DE-LU', 'DK1', 'DK2', 'EE', 'ES', 'FI', 'FR', 'GR', 'HR', 'HU', 'IE(SEM)',
  'IT-Calabria', 'IT-Centre-North', 'IT-Centre-South', 'IT-North', 'IT-Sardinia', 'IT-Sicily', 'IT-South',
  'LT', 'LV', 'NL', 'NO1', 'NO2', 'NO3', 'NO4', 'NO5', 'PL', 'PT', 'RO', 'RS', 'SE1', 'SE2', 'SE3', 'SE4', 'SI', 'SK',
] as const; // prettier-ignore
