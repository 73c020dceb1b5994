/** What is shown lives in the address: `#/intraday?area=DE-LU&contract=…&asof=…`. */

import { signal } from '@preact/signals';

export interface Route {
  readonly page: string;
  readonly params: Readonly<Record<string, string>>;
}

export function parseRoute(hash: string, fallback: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return { page: path === '' ? fallback : path, params: Object.fromEntries(new URLSearchParams(query)) };
}

export function formatRoute({ page, params }: Route): string {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== '')).toString();
  return query === '' ? `#/${page}` : `#/${page}?${query}`;
}

const FIRST_PAGE = 'intraday';
/** What goes with the viewer from page to page. */
const CARRIED = ['asof', 'tz'];

export const route = signal<Route>(parseRoute(location.hash, FIRST_PAGE));

addEventListener('hashchange', () => (route.value = parseRoute(location.hash, FIRST_PAGE)));

/** What each page showed when it was left, so that it is there again when the viewer comes back. */
const left = new Map<string, Route['params']>();

export function goTo(page: string, params: Record<string, string> = {}): void {
  const now = route.value;
  left.set(now.page, now.params);
  const carried = Object.fromEntries(CARRIED.map((name) => [name, now.params[name] ?? '']));
  show({ page, params: { ...left.get(page), ...carried, ...params } }, 'push');
}

/** Change parameters of this page; '' takes one away. */
export function setParams(changed: Readonly<Record<string, string>>): void {
  const { page, params } = route.value;
  show({ page, params: { ...params, ...changed } }, 'replace');
}

function show(next: Route, how: 'push' | 'replace'): void {
  const hash = formatRoute(next);
  if (how === 'push') history.pushState(null, '', hash);
  else history.replaceState(null, '', hash);
  route.value = parseRoute(hash, FIRST_PAGE);
}
addEventListener('popstate', () => (route.value = parseRoute(location.hash, FIRST_PAGE)));
