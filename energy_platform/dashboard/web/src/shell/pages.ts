/** The pages that there are, in the order of their keys. */

import type { FunctionComponent } from 'preact';

export interface Page {
  readonly key: string;
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly component: FunctionComponent;
  /** Market sources that the page shows: their ages stand in the bar below. */
  readonly sources: readonly string[];
}
