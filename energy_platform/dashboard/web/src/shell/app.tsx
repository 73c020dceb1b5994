/** The whole screen: bars, the page in view, overlays. */

import { useLayoutEffect } from 'preact/hooks';

import { route } from '../state/route';
import { asOf, link } from '../state/screen';
import { Alarms } from './alarms';
import { AsOfBar, BottomBar, TopBar, Troubles } from './bars';
import { Help } from './help';
import { onKey } from './keys';
import { Layout } from './layout';
import { LineageDrawer } from './lineage';
import type { Page } from './pages';

export function App({ pages }: { readonly pages: readonly Page[] }) {
  useLayoutEffect(() => {
    const listener = (event: KeyboardEvent): void => onKey(event, pages);
    addEventListener('keydown', listener);
    return () => removeEventListener('keydown', listener);
  }, [pages]);
  const page = pages.find((one) => one.id === route.value.page) ?? pages[0];
  if (page === undefined) return null;
  const Shown = page.component;
  const solo = route.value.params.panel !== undefined;
  document.title = `${page.title} · Energy Platform`;
  return (
    <div class={`screen link-${link.value}${asOf.value === null ? '' : ' is-asof'}${solo ? ' is-solo' : ''}`}>
      <TopBar pages={pages} />
      <Troubles />
      <AsOfBar />
      <main class={`page page-${page.id}`} aria-label={page.title}>
        <h1 class="visually-hidden">{page.title}</h1>
        <Shown key={page.id} />
        {solo ? null : <Layout key={`layout ${page.id}`} page={page.id} />}
      </main>
      <LineageDrawer />
      <BottomBar sources={page.sources} />
      <Alarms />
      <Help />
    </div>
  );
}
