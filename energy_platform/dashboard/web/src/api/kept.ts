/** Answers that are kept while pages are switched: the newest ones, and few of a question whose span moves on. */

import type { Rows } from './answers';

const MOST = 60;
/** A panel that shows the last hours asks each minute for another span, all day long. */
const MOST_SPANS = 2;

const answers = new Map<string, Rows>();

export function keptRows(url: string): Rows | null {
  return answers.get(url) ?? null;
}

export function keep(url: string, rows: Rows): void {
  answers.delete(url);
  answers.set(url, rows);
  const question = withoutSpan(url);
  const alike = [...answers.keys()].filter((one) => withoutSpan(one) === question);
  const others = alike.slice(0, -MOST_SPANS);
  const oldest = [...answers.keys()].slice(0, -MOST);
  for (const one of [...others, ...oldest]) answers.delete(one);
}

function withoutSpan(url: string): string {
  const [path, query] = url.split('?');
  const said = new URLSearchParams(query);
  said.delete('start');
  said.delete('end');
  return `${path}?${said.toString()}`;
}
