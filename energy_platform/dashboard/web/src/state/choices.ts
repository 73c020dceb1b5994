/** What each user chose on this machine: theme, zone, areas, sizes. Kept in the browser, one record a user. */

import { effect, signal } from '@preact/signals';

export type Theme = 'dark' | 'light';

export interface Choices {
  readonly theme: Theme;
  readonly area: string;
  readonly product: string;
  /** '' is all that the user may see. */
  readonly portfolio: string;
  readonly zones: readonly string[];
  /** Sizes of each page's columns and rows, as shares; a page without is as it was made. */
  readonly layouts: Readonly<Record<string, Tracks>>;
}

export interface Tracks {
  readonly columns: readonly number[];
  readonly rows: readonly number[];
}

const DEFAULTS: Choices = {
  theme: 'dark',
  area: '',
  product: 'QH',
  portfolio: '',
  zones: ['DE-LU', 'FR', 'NL', 'AT', 'CZ', 'PL'],
  layouts: {},
};

export const user = signal('');
export const choices = signal<Choices>(DEFAULTS);

function place(name: string): string {
  return `energy-platform.choices.${name}`;
}

/** Read what this user chose; what can't be read counts as not chosen. */
export function loadChoices(name: string): void {
  user.value = name;
  try {
    const said = JSON.parse(localStorage.getItem(place(name)) ?? '{}') as Partial<Choices>;
    choices.value = { ...DEFAULTS, ...said };
  } catch {
    choices.value = DEFAULTS;
  }
}

export function choose(changed: Partial<Choices>): void {
  choices.value = { ...choices.value, ...changed };
  try {
    localStorage.setItem(place(user.value), JSON.stringify(choices.value));
  } catch {
    /* A browser that keeps nothing shows the choice all the same. */
  }
}

effect(() => {
  document.documentElement.dataset.theme = choices.value.theme;
});
