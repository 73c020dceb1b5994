/** Starts the page: who looks, what there is, the live socket, the first page. */

import './styles/base.css';
import './styles/panels.css';
import './styles/pages.css';
import 'uplot/dist/uPlot.min.css';

import { render } from 'preact';

import type { Catalogue, ChoicesKept, Me } from './api/answers';
import { address, ask, hand } from './api/http';
import { PAGES } from './pages';
import { App } from './shell/app';
import { startAlarms } from './state/alarms';
import { loadChoices, shareChoices } from './state/choices';
import { startFreshness } from './state/freshness';
import { catalogue, me, startScreen } from './state/screen';

const AGAIN_MS = 3_000;

/** Ask until there is an answer: the server may still be starting. */
async function untilAnswered<Answer>(
  question: () => Promise<Answer>,
  take: (answer: Answer) => void,
): Promise<void> {
  for (;;) {
    try {
      take(await question());
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

startScreen();
startFreshness();
void untilAnswered(
  () => ask<Catalogue>(address('catalogue')),
  (answer) => (catalogue.value = answer),
);
void untilAnswered(
  () => ask<Me>(address('me')),
  (answer) => {
    me.value = answer;
    loadChoices(answer.name);
    void untilAnswered(
      () => ask<ChoicesKept>(address('choices')),
      ({ kept, choices }) =>
        shareChoices(
          choices,
          kept
            ? (chosen) =>
                hand(address('choices'), JSON.stringify(chosen), 'application/json', answer.csrf ?? '', 'PUT')
            : null,
        ),
    );
    startAlarms(answer.name);
  },
);
const root = document.getElementById('app');
if (root !== null) render(<App pages={PAGES} />, root);
