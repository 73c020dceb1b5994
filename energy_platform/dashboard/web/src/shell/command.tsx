/** The command line in the top bar. It is always there, so that focus moves with the key that asks for it. */

import { computed, signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { choices, choose } from '../state/choices';
import { goTo, setParams } from '../state/route';
import { catalogue, live, MARKET_ZONE, overlay, TIME_ZONES, traced, zone } from '../state/screen';
import { contractEntries, type Entry, matches } from './palette';
import type { Page } from './pages';
import { BIDDING_ZONES } from './zones';

const query = signal('');
const chosen = signal(0);

const INPUT = 'command';

/** Move the focus here in the same task, so that no key gets lost. */
export function openCommand(which: 'palette' | 'zones'): void {
  overlay.value = which;
  query.value = '';
  chosen.value = 0;
  const input = document.getElementById(INPUT);
  if (input instanceof HTMLInputElement) {
    input.value = '';
    input.focus();
  }
}

export function Command({ pages }: { readonly pages: readonly Page[] }) {
  const open = overlay.value === 'palette' || overlay.value === 'zones';
  const list = useRef<HTMLUListElement>(null);
  const found = useRef(
    computed<readonly Entry[]>(() => (open_() ? matches(entries(pages), query.value) : [])),
  ).current;

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [chosen.value]);

  const close = (): void => {
    overlay.value = 'none';
    query.value = '';
    const input = document.getElementById(INPUT);
    if (input instanceof HTMLInputElement) {
      input.value = '';
      input.blur();
    }
  };
  const go = (entry: Entry | undefined): void => {
    close();
    entry?.go();
  };
  const onKey = (event: KeyboardEvent): void => {
    const last = found.value.length - 1;
    if (event.key === 'ArrowDown') chosen.value = Math.min(last, chosen.value + 1);
    else if (event.key === 'ArrowUp') chosen.value = Math.max(0, chosen.value - 1);
    else if (event.key === 'Enter') go(found.value[chosen.value]);
    else if (event.key === 'Escape') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="command">
      <input
        id={INPUT}
        type="text"
        role="combobox"
        aria-label="Go to contract, zone, source or page"
        aria-expanded={open}
        aria-controls="command-list"
        aria-autocomplete="list"
        aria-activedescendant={open && found.value.length > 0 ? `command-${chosen.value}` : undefined}
        placeholder={
          overlay.value === 'zones' ? 'Bidding zone or time zone…' : 'Go to contract, zone, source, page…'
        }
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => {
          query.value = event.currentTarget.value;
          chosen.value = 0;
        }}
        onFocus={() => {
          if (!open_()) overlay.value = 'palette';
        }}
        onBlur={() => {
          if (open_()) overlay.value = 'none';
        }}
        onKeyDown={onKey}
      />
      <kbd>/</kbd>
      <ul id="command-list" role="listbox" aria-label="Found" class="command-list" hidden={!open} ref={list}>
        {found.value.map((entry, index) => (
          <li
            key={`${entry.kind} ${entry.title} ${entry.hint}`}
            id={`command-${index}`}
            role="option"
            aria-selected={index === chosen.value}
            onPointerDown={(event) => {
              event.preventDefault();
              go(entry);
            }}
          >
            <span class="kind">{entry.kind}</span>
            <span class="entry">{entry.title}</span>
            <span class="hint">{entry.hint}</span>
          </li>
        ))}
        {open && found.value.length === 0 ? (
          <li role="option" aria-selected={false} aria-disabled="true" class="none">
            Nothing matches
          </li>
        ) : null}
      </ul>
    </div>
  );
}

function open_(): boolean {
  return overlay.value === 'palette' || overlay.value === 'zones';
}

function entries(pages: readonly Page[]): Entry[] {
  return overlay.value === 'zones'
    ? zoneEntries()
    : [...contracts(), ...pageEntries(pages), ...zoneEntries(), ...sourceEntries()];
}

function contracts(): Entry[] {
  const area = choices.value.area || (catalogue.value?.areas?.[0] ?? 'DE-LU');
  const topic = live.topic(`contracts:${area}:${choices.value.product}`);
  return contractEntries(topic, zone.value, (contract) => goTo('intraday', { contract }));
}

function pageEntries(pages: readonly Page[]): Entry[] {
  return pages.map((page) => ({
    kind: 'page',
    title: page.title,
    hint: page.about,
    words: page.key,
    go: () => goTo(page.id),
  }));
}

function zoneEntries(): Entry[] {
  const times = TIME_ZONES.map<Entry>(([name, title]) => ({
    kind: 'time zone',
    title,
    hint: name,
    words: 'time clock',
    go: () => setParams({ tz: name === MARKET_ZONE ? '' : name }),
  }));
  const areas = (catalogue.value?.areas ?? []).map<Entry>((area) => ({
    kind: 'zone',
    title: area,
    hint: 'intraday market area',
    words: 'area',
    go: () => {
      choose(() => ({ area }));
      goTo('intraday', { area, contract: '' });
    },
  }));
  const bidding = BIDDING_ZONES.map<Entry>((name) => ({
    kind: 'zone',
    title: name,
    hint: 'bidding zone, day-ahead',
    words: 'bidding',
    go: () => {
      choose(({ zones }) => ({ zones: [name, ...zones.filter((one) => one !== name)].slice(0, 8) }));
      goTo('day-ahead', { zone: name });
    },
  }));
  return [...times, ...areas, ...bidding];
}

function sourceEntries(): Entry[] {
  return (catalogue.value?.sources ?? []).map((source) => ({
    kind: 'source',
    title: source.name,
    hint: `${source.provider} · ${source.protocol}`,
    words: source.description,
    go: () => {
      traced.value = null;
      goTo('data', { source: source.name });
    },
  }));
}
