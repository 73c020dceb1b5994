/** Rows for a panel: asked over HTTP, kept while pages are switched, asked again when the source has told more. */

import { effect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';

import { type Row, text } from '../live/frames';
import type { Topic } from '../live/topic';
import { freshness } from '../state/freshness';
import { asOf, live } from '../state/screen';
import type { Rows } from './answers';
import { address, ask, type Query } from './http';
import { keep, keptRows } from './kept';

const AGAIN_AFTER_MS = 2_000;
const DEBOUNCE_MS = 120;
const RETRY_MS = 5_000;

export interface Asked {
  /** The market source that answered; null until there is an answer. */
  readonly source: string | null;
  readonly rows: readonly Row[];
  readonly cut: boolean;
  readonly error: string | null;
  readonly loading: boolean;
  /** The question, for exports in other formats. */
  readonly url: string | null;
}

export interface Question {
  readonly path: string;
  readonly query?: Query;
  /** Market sources; when one of them has told more, the question is asked again. */
  readonly follow?: string | readonly string[];
  /** Without marks of revised and quarantined rows, where there are very many. */
  readonly unmarked?: boolean;
}

const MARKED = /^(range|latest)\//;

/** The address of a question as of the screen's instant. */
export function addressAsShown(path: string, query: Query = {}): string {
  const at = asOf.value;
  return address(path, { as_of: at === null ? null : new Date(at).toISOString(), ...query });
}

/** Ask a question of the API as of the screen's instant; null asks nothing. */
export function useRows(question: Question | null): Asked {
  const at = asOf.value;
  const url =
    question === null
      ? null
      : addressAsShown(question.path, {
          flags: MARKED.test(question.path) && question.unmarked !== true ? 1 : null,
          ...question.query,
        });
  const follow = at === null ? [question?.follow ?? []].flat().join() : '';
  const [answer, setAnswer] = useState<{ url: string | null; rows: Rows | null; error: string | null }>({
    url: null,
    rows: null,
    error: null,
  });

  useEffect(() => {
    if (url === null) return;
    let ended = false;
    let running: AbortController | null = null;
    let timer: ReturnType<typeof setTimeout> | null = null;
    const wanted = {
      again: false,
      next: () => {
        if (wanted.again) later(AGAIN_AFTER_MS);
      },
    };

    const later = (milliseconds: number): void => {
      if (ended || timer !== null) return;
      timer = setTimeout(() => {
        timer = null;
        void run();
      }, milliseconds);
    };
    const run = async (): Promise<void> => {
      if (running !== null) {
        wanted.again = true;
        return;
      }
      wanted.again = false;
      running = new AbortController();
      try {
        const rows = await ask<Rows>(url, running.signal);
        keep(url, rows);
        if (!ended) setAnswer({ url, rows, error: null });
      } catch (error) {
        if (!ended) {
          setAnswer((before) => ({
            url,
            rows: before.url === url ? before.rows : null,
            error: error instanceof Error ? error.message : String(error),
          }));
          later(RETRY_MS);
        }
      } finally {
        running = null;
        wanted.next();
      }
    };

    later(keptRows(url) === null ? DEBOUNCE_MS : 0);
    const unfollow = follow.split(',').map((source) => onMore(source, () => later(AGAIN_AFTER_MS)));
    return () => {
      ended = true;
      if (timer !== null) clearTimeout(timer);
      running?.abort();
      for (const end of unfollow) end();
    };
  }, [url, follow]);

  const rows = answer.url === url ? answer.rows : url === null ? null : keptRows(url);
  return {
    source: rows?.source ?? null,
    rows: rows?.rows ?? NONE,
    cut: rows?.cut ?? false,
    error: answer.url === url ? answer.error : null,
    loading: url !== null && rows === null,
    url,
  };
}

const NONE: readonly Row[] = [];

/** What changes when a source has received, stored or refused more. */
const OF_NEWS = ['last_received_at', 'rows', 'quarantined'];

/** Call back when a source has told more than before; a refused value changes the marks of others. */
function onMore(source: string, call: () => void): () => void {
  let before: string | null = null;
  return effect(() => {
    const row = freshness.value.get(source)?.row;
    const told = row === undefined ? null : OF_NEWS.map((column) => text(row, column)).join(' ');
    if (before !== null && told !== null && told !== before) call();
    before = told ?? before;
  });
}

/** Call back on each change of a live topic while the component stands; null follows nothing. */
export function useTopic(name: string | null, listener: (topic: Topic) => void): void {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => {
    if (name === null) return;
    const topic = live.topic(name);
    if (topic.heardAt !== null) latest.current(topic);
    return live.subscribe(name, (_, moved) => latest.current(moved));
  }, [name]);
}

const GATHER_MS = 250;

export interface Told {
  readonly rows: readonly Row[];
  readonly error: string | null;
  readonly heardAt: number | null;
}

/** The rows of a live topic for a component that draws anew at most so often. */
export function useTopicRows(name: string | null, gather = GATHER_MS): Told {
  const [told, setTold] = useState<Told & { name: string | null }>({
    name: null,
    rows: NONE,
    error: null,
    heardAt: null,
  });
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  useTopic(name, (topic) => {
    timer.current ??= setTimeout(
      () => {
        timer.current = null;
        setTold({
          name: topic.name,
          rows: [...topic.rows.values()],
          error: topic.error,
          heardAt: topic.heardAt,
        });
      },
      told.name === name ? gather : 0,
    );
  });
  useEffect(
    () => () => {
      if (timer.current !== null) clearTimeout(timer.current);
      timer.current = null;
    },
    [name],
  );
  return told.name === name ? told : { rows: NONE, error: null, heardAt: null };
}

/** The rows of several live topics together. */
export function useManyTopics(names: readonly string[], gather = GATHER_MS): Told {
  const key = names.join('\n');
  const [told, setTold] = useState<Told & { key: string | null }>({
    key: null,
    rows: NONE,
    error: null,
    heardAt: null,
  });
  useEffect(() => {
    const shown = key === '' ? [] : key.split('\n');
    let timer: ReturnType<typeof setTimeout> | null = null;
    const take = (): void => {
      timer = null;
      const topics = shown.map((name) => live.topic(name));
      const heard = topics.map((topic) => topic.heardAt).filter((at) => at !== null);
      setTold({
        key,
        rows: topics.flatMap((topic) => [...topic.rows.values()]),
        error: topics.find((topic) => topic.error !== null)?.error ?? null,
        heardAt: heard.length === 0 ? null : Math.max(...heard),
      });
    };
    const unsubscribe = shown.map((name) =>
      live.subscribe(name, () => {
        timer ??= setTimeout(take, gather);
      }),
    );
    take();
    return () => {
      if (timer !== null) clearTimeout(timer);
      for (const end of unsubscribe) end();
    };
  }, [key, gather]);
  return told.key === key ? told : { rows: NONE, error: null, heardAt: null };
}
