/**
 * What each user chose: theme, zone, areas, sizes. The browser keeps one record a user; where users log in, the server
 * keeps it too, and what it has counts when a page is opened.
 */

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

/** Who looks; '' until the server has said. */
export const user = signal('');
export const choices = signal<Choices>(DEFAULTS);

function place(name: string): string {
  return `energy-platform.choices.${name}`;
}

/** Changes some choices, given those of before. */
export type Change = (before: Choices) => Partial<Choices>;

/** What was chosen before all that is kept of the user was known, to be changed in that too; null from then on. */
let early: readonly Change[] | null = [];

/** Take what this browser keeps of the user who looks. */
export function loadChoices(name: string): void {
  user.value = name;
  choices.value = kept(name);
  chooseEarly();
}

/** What the browser keeps of a user; what can't be read counts as not chosen. */
function kept(name: string): Choices {
  try {
    return { ...DEFAULTS, ...(JSON.parse(localStorage.getItem(place(name)) ?? '{}') as Partial<Choices>) };
  } catch {
    return DEFAULTS;
  }
}

function chooseEarly(): void {
  for (const change of early ?? []) keepHere({ ...choices.value, ...change(choices.value) });
}

/** Tells the server what was chosen; nothing where it keeps no choices. */
let tell: ((chosen: Choices) => Promise<unknown>) | null = null;
let telling: ReturnType<typeof setTimeout> | undefined;
const TELL_AFTER_MS = 1_500;

/**
 * Take what the server keeps of the user, and tell it of every choice from now on, a moment after the last one.
 * Without a teller the server keeps nothing.
 */
export function shareChoices(
  said: Partial<Choices>,
  teller: ((chosen: Choices) => Promise<unknown>) | null,
): void {
  tell = teller;
  const isKnown = Object.keys(said).length > 0;
  const isTold = isKnown && early?.length === 0;
  if (isKnown) {
    keepHere({ ...DEFAULTS, ...said });
    chooseEarly();
  }
  early = null;
  if (!isTold) tellSoon();
}

function tellSoon(): void {
  if (tell === null) return;
  clearTimeout(telling);
  telling = setTimeout(() => {
    telling = undefined;
    // A server that is away is told with the next choice; this browser keeps it meanwhile.
    tell?.(choices.value).catch(() => undefined);
  }, TELL_AFTER_MS);
}

export function choose(change: Change): void {
  if (early !== null) early = [...early, change];
  keepHere({ ...choices.value, ...change(choices.value) });
  tellSoon();
}

function keepHere(chosen: Choices): void {
  choices.value = chosen;
  if (user.value === '') return;
  try {
    localStorage.setItem(place(user.value), JSON.stringify(choices.value));
  } catch {
    /* A browser that keeps nothing shows the choice all the same. */
  }
}

effect(() => {
  document.documentElement.dataset.theme = choices.value.theme;
});
