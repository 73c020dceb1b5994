/** Keys of the whole screen. A page adds its own by `pageKeys`. */

import { choices, choose } from '../state/choices';
import { goTo } from '../state/route';
import { asOf, asOfMarks, overlay, setAsOf, toggleUtc, traced } from '../state/screen';
import { takesText } from '../state/typing';
import { MINUTE } from '../time/zone';
import { watch } from './alarms';
import { openCommand } from './command';
import type { Page } from './pages';

export interface Key {
  readonly key: string;
  readonly does: string;
}

export const KEYS: readonly Key[] = [
  { key: '1–9', does: 'Pages' },
  { key: '/', does: 'Search contracts, zones, sources, pages' },
  { key: '↑ ↓ j k', does: 'Next or previous row; PgUp, PgDn, Home, End too' },
  { key: 'A', does: 'As of: take the screen back to what was known' },
  { key: '← →', does: 'As of: 15 minutes back or on' },
  { key: 'G', does: 'As of: the gate of the chosen delivery' },
  { key: '⇧ ← →', does: 'As of: the gate or model run before or after' },
  { key: 'Tab', does: 'To charts, tables and the gaps between panels; arrows walk and resize, Enter traces' },
  { key: 'Esc', does: 'Back to now; closes what is open' },
  { key: 'L', does: 'Lineage: where the chosen value comes from' },
  { key: 'C', does: 'Position: the contract of the chosen delivery' },
  { key: 'N', does: 'Position: enter a row, for traders' },
  { key: 'B', does: 'Bell, alarms: what was raised, and the rules' },
  { key: 'W', does: 'Watch the chosen value: a new alarm' },
  { key: 'Z', does: 'Choose bidding zone and time zone' },
  { key: 'U', does: 'UTC or market time' },
  { key: 'T', does: 'Dark or light' },
  { key: '?', does: 'These keys' },
];

const STEP = 15 * MINUTE;

/** What the page in view does on a key; set by the page. */
export const pageKeys: {
  gate: (() => number | null) | null;
  trace: (() => void) | null;
  move: ((event: KeyboardEvent) => void) | null;
  contract: (() => void) | null;
  enter: (() => void) | null;
} = { gate: null, trace: null, move: null, contract: null, enter: null };

/** Whole quarter-hours before now, so that the slider starts where something is told. */
function startOfAsOf(): number {
  return Math.floor(Date.now() / STEP) * STEP;
}

/** The mark before or after an instant; the instant itself where there is none. */
export function beside(marks: readonly { readonly at: number }[], at: number, back: boolean): number {
  const found = marks.map((mark) => mark.at).filter((one) => (back ? one < at : one > at));
  return found.length === 0 ? at : back ? Math.max(...found) : Math.min(...found);
}

export function onKey(event: KeyboardEvent, pages: readonly Page[]): void {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'Escape') {
    if (overlay.value !== 'none') overlay.value = 'none';
    else if (traced.value !== null) traced.value = null;
    else if (asOf.value !== null) setAsOf(null);
    else return;
    event.preventDefault();
    return;
  }
  if (takesText(event.target) || overlay.value === 'palette' || overlay.value === 'zones') return;
  const page = pages.find((one) => one.key === event.key);
  const action = page === undefined ? ACTIONS[event.key.toLowerCase()] : () => goTo(page.id);
  if (action !== undefined) {
    event.preventDefault();
    action();
    return;
  }
  const at = asOf.value;
  const onSlider = event.target instanceof HTMLInputElement;
  if (at !== null && !onSlider && (event.key === 'ArrowLeft' || event.key === 'ArrowRight')) {
    event.preventDefault();
    const back = event.key === 'ArrowLeft';
    setAsOf(event.shiftKey ? beside(asOfMarks.value, at, back) : at + (back ? -STEP : STEP));
    return;
  }
  if (!onSlider) pageKeys.move?.(event);
}

const ACTIONS: Readonly<Record<string, (() => void) | undefined>> = {
  '/': () => openCommand('palette'),
  '?': () => (overlay.value = overlay.value === 'help' ? 'none' : 'help'),
  z: () => openCommand('zones'),
  a: () => setAsOf(asOf.value === null ? startOfAsOf() : null),
  g: () => {
    const gate = pageKeys.gate?.() ?? null;
    if (gate !== null) setAsOf(gate);
  },
  b: () => (overlay.value = overlay.value === 'alarms' ? 'none' : 'alarms'),
  w: () => {
    if (traced.value === null) pageKeys.trace?.();
    if (traced.value !== null) watch(traced.value);
  },
  l: () => {
    if (traced.value !== null) traced.value = null;
    else pageKeys.trace?.();
  },
  c: () => pageKeys.contract?.(),
  n: () => pageKeys.enter?.(),
  u: toggleUtc,
  t: () => {
    const theme = choices.value.theme === 'dark' ? 'light' : 'dark';
    choose(() => ({ theme }));
  },
};
