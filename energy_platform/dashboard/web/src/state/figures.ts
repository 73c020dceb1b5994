/** Figures and units as they are shown: real minus signs, fixed decimals, units of the field. */

const MINUS = '−';

export function figure(value: number | null, decimals = 2): string {
  if (value === null) return '';
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? MINUS + text : text;
}

/** A figure with thousands set apart, for powers and energies. */
export function grouped(value: number | null, decimals = 0): string {
  if (value === null) return '';
  const [whole = '', part] = Math.abs(value).toFixed(decimals).split('.');
  const apart = whole.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
  const text = part === undefined ? apart : `${apart}.${part}`;
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** A figure that always has its sign. */
export function signed(value: number | null, decimals = 2): string {
  if (value === null) return '';
  const text = figure(value, decimals);
  return text.startsWith(MINUS) || Number(text) === 0 ? text : `+${text}`;
}

/** An amount of money, with thousands set apart and always with its sign. */
export function money(value: number | null): string {
  const text = grouped(value, 0);
  return value === null || value < 0.5 ? text : `+${text}`;
}

const UNITS: readonly (readonly [string, string])[] = [
  ['eur_per_mw_per_h', 'EUR/MW/h'],
  ['eur_per_mwh', 'EUR/MWh'],
  ['gbp_per_mwh', 'GBP/MWh'],
  ['eur_per_mw', 'EUR/MW'],
  ['kwh_per_nm3', 'kWh/Nm³'],
  ['kwh_per_d', 'kWh/d'],
  ['kwh_per_h', 'kWh/h'],
  ['gwh_per_d', 'GWh/d'],
  ['kj_per_m2', 'kJ/m²'],
  ['w_per_m2', 'W/m²'],
  ['kg_per_m2', 'kg/m²'],
  ['m_per_s', 'm/s'],
  ['deg_c', '°C'],
  ['deg', '°'],
  ['f_d', '°F d'],
  ['mwh', 'MWh'],
  ['twh', 'TWh'],
  ['pct', '%'],
  ['mw', 'MW'],
  ['hz', 'Hz'],
  ['eur', 'EUR'],
  ['mm', 'mm'],
  ['pa', 'Pa'],
  ['s', 's'],
  ['m', 'm'],
];

/** The unit that a column's name ends with: `price_eur_per_mwh` is in EUR/MWh. */
export function unitOf(column: string): string {
  return UNITS.find(([suffix]) => column.endsWith(`_${suffix}`))?.[1] ?? '';
}

/** A column's name without its unit, as a heading: `volume_mw` is "volume". */
export function heading(column: string): string {
  const suffix = UNITS.find(([one]) => column.endsWith(`_${one}`))?.[0];
  const name = suffix === undefined ? column : column.slice(0, -suffix.length - 1);
  return name.replace(/_/g, ' ');
}

/** How many decimals a column's figures are shown with. */
export function decimalsOf(column: string): number {
  if (column.endsWith('_hz')) return 3;
  if (column.includes('per_mwh') || column.endsWith('_twh')) return 2;
  if (column.endsWith('_mw') || column.endsWith('_mwh')) return 1;
  return 2;
}
