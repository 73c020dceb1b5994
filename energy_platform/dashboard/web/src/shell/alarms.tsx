/** Alarms: the bell above, what was raised, the user's rules, and a new rule from a value on the screen. */

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';

import { address, ask, hand, remove } from '../api/http';
import { type Row, number, text } from '../live/frames';
import { alarms, allowSound, isOpen, sound } from '../state/alarms';
import { decimalsOf, figure, heading, unitOf } from '../state/figures';
import { catalogue, me, overlay, type Traced, traced, zone } from '../state/screen';
import { clockWithSeconds, day } from '../time/say';

export interface Rule {
  readonly id?: string;
  readonly name: string;
  readonly kind: string;
  readonly topic: string;
  readonly column: string;
  readonly where: Readonly<Record<string, string | number | boolean>>;
  readonly above: number | null;
  readonly below: number | null;
  readonly for_seconds: number;
  readonly margin: number;
  readonly sound: boolean;
  readonly channels: boolean;
}

export interface Draft {
  readonly topic: string;
  readonly columns: readonly string[];
  readonly column: string;
  readonly where: Rule['where'];
  readonly value: number | null;
}

const draft = signal<Draft | null>(null);
const rules = signal<readonly Rule[]>([]);

const CONTRACT_COLUMNS = [
  'last_eur_per_mwh',
  'bid_eur_per_mwh',
  'ask_eur_per_mwh',
  'spread_eur_per_mwh',
  'change_15m_eur_per_mwh',
  'vwap_eur_per_mwh',
  'volume_mwh',
];
const TIME = /_at$|^delivery_(start|end)$/;

/** What an alarm on a traced value watches: its numbers, and what tells its series from others. */
export function draftOf({ source, row, topic, column }: Traced): Draft | null {
  const info = catalogue.value?.sources.find((one) => one.name === source);
  if (row === null || (topic === undefined && info === undefined)) return null;
  const isContract = topic?.startsWith('contracts:') === true;
  const all = isContract
    ? CONTRACT_COLUMNS
    : (info?.columns ?? []).map(({ name }) => name).filter((name) => !info?.key.includes(name));
  const columns = all.filter((name) => number(row, name) !== null && name !== 'landing_offset');
  const [first] = columns;
  if (first === undefined) return null;
  const keys = isContract ? ['contract_id'] : (info?.key ?? []);
  const where = Object.fromEntries(
    keys
      .filter((name) => !TIME.test(name) && text(row, name) !== '')
      .map((name) => [name, row[name] as string | number | boolean]),
  );
  const chosen = column !== undefined && columns.includes(column) ? column : first;
  return { topic: topic ?? `source:${source}`, columns, column: chosen, where, value: number(row, chosen) };
}

export function canWatch(value: Traced): boolean {
  return draftOf(value) !== null;
}

export function watch(value: Traced): void {
  const made = draftOf(value);
  if (made === null) return;
  traced.value = null;
  draft.value = made;
  overlay.value = 'alarms';
}

export function kindOf(column: string): string {
  if (column.includes('frequency')) return 'frequency';
  if (column.includes('spread')) return 'spread';
  if (column.includes('imbalance') || column === 'power_mw') return 'imbalance';
  if (column.includes('per_mwh')) return 'price';
  return column.includes('available') || column.includes('nominal') ? 'outage' : 'imbalance';
}

export function AlarmBell() {
  const open = alarms.value.filter(isOpen).length;
  return (
    <button
      type="button"
      class={open > 0 ? 'pill alarm' : 'pill'}
      aria-pressed={overlay.value === 'alarms'}
      aria-live="assertive"
      onClick={() => (overlay.value = overlay.value === 'alarms' ? 'none' : 'alarms')}
    >
      {open > 0 ? `▲ ${open} ${open === 1 ? 'alarm' : 'alarms'}` : 'Alarms'}
      <kbd>B</kbd>
    </button>
  );
}

function csrf(): string {
  return me.value?.csrf ?? '';
}

async function post(path: string, body: unknown): Promise<void> {
  await hand(address(path), JSON.stringify(body), 'application/json', csrf());
}

async function loadRules(): Promise<void> {
  rules.value = (await ask<{ readonly rules: readonly Rule[] }>(address('alarms'))).rules;
}

function useTold() {
  const [error, setError] = useState<string | null>(null);
  const run = (what: () => Promise<void>): void => {
    what()
      .then(() => setError(null))
      .catch((said: unknown) => setError(said instanceof Error ? said.message : String(said)));
  };
  return { error, run };
}

export function Alarms() {
  const open = overlay.value === 'alarms';
  const { error, run } = useTold();
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!open) {
      draft.value = null;
      return;
    }
    panel.current?.focus();
    run(loadRules);
  }, [open]);
  if (!open) return null;
  const unseen = alarms.value.filter(isOpen).map((row) => text(row, 'id'));
  const see = (ids: readonly string[]): void => run(() => post('alarms/seen', { ids }));
  return (
    <aside class="lineage alarms" aria-label="Alarms" tabIndex={-1} ref={panel}>
      <header>
        <h2>Alarms</h2>
        <span class="links">
          <button
            type="button"
            class="plain"
            aria-pressed={sound.value === 'on'}
            onClick={() => allowSound(sound.value === 'off')}
          >
            Sound {sound.value}
          </button>
          <button type="button" class="plain" onClick={() => (overlay.value = 'none')}>
            <kbd>Esc</kbd> close
          </button>
        </span>
      </header>
      {error === null ? null : (
        <p class="bad" role="alert">
          {error}
        </p>
      )}
      {draft.value === null ? null : <NewRule draft={draft.value} run={run} />}
      <h3>Raised</h3>
      {alarms.value.length === 0 ? <p class="dim">Nothing was raised in the last day.</p> : null}
      <ul class="alarm-list">
        {alarms.value.map((row) => (
          <Raised key={text(row, 'id')} row={row} see={see} />
        ))}
      </ul>
      {unseen.length > 1 ? (
        <button type="button" class="plain" onClick={() => see(unseen)}>
          Acknowledge all {unseen.length}
        </button>
      ) : null}
      <h3>Rules</h3>
      {rules.value.length === 0 ? (
        <p class="dim">
          There is none. Click a figure, or press L on a row, then <kbd>W</kbd>: an alarm on that value.
        </p>
      ) : null}
      <ul class="alarm-list">
        {rules.value.map((rule) => (
          <li key={rule.id}>
            <bdi class="rule-name">{rule.name}</bdi> <bdi class="dim">{condition(rule)}</bdi>
            <button
              type="button"
              class="plain"
              aria-label={`Remove rule ${rule.name}`}
              onClick={() =>
                run(async () => {
                  await remove(address(`alarms/${rule.id ?? ''}`), csrf());
                  await loadRules();
                })
              }
            >
              remove
            </button>
          </li>
        ))}
      </ul>
    </aside>
  );
}

function Raised({ row, see }: { readonly row: Row; readonly see: (ids: readonly string[]) => void }) {
  const at = Date.parse(text(row, 'since'));
  const seen = text(row, 'seen_by');
  const raised = text(row, 'state') === 'raised';
  return (
    <li class={raised ? (seen === '' ? 'open' : '') : 'dim'}>
      <span class={raised ? 'bad' : 'good'}>{raised ? '▲ raised' : '● cleared'}</span>{' '}
      {Number.isNaN(at) ? '' : `${day(at, zone.value)} ${clockWithSeconds(at, zone.value)} `}
      <bdi>{text(row, 'text')}</bdi>
      {seen === '' ? (
        <button type="button" class="plain" onClick={() => see([text(row, 'id')])}>
          acknowledge
        </button>
      ) : (
        <span class="dim">
          {' seen by '}
          <bdi>{seen}</bdi>
        </span>
      )}
    </li>
  );
}

/** A rule's threshold in words. */
export function condition(rule: Rule): string {
  const [word, limit] = rule.above === null ? ['below', rule.below] : ['above', rule.above];
  const which = Object.values(rule.where).join(' ');
  const held = rule.for_seconds > 0 ? ` for ${rule.for_seconds} s` : '';
  return `${rule.topic.replace(/^source:/, '')} ${which} ${heading(rule.column)} ${word} ${figure(limit, decimalsOf(rule.column))} ${unitOf(rule.column)}${held}`
    .replace(/ +/g, ' ')
    .trim();
}

interface NewRuleProps {
  readonly draft: Draft;
  readonly run: (what: () => Promise<void>) => void;
}

function NewRule({ draft: made, run }: NewRuleProps) {
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const which = Object.values(made.where).join(' ');
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (!(event.currentTarget instanceof HTMLFormElement)) return;
    const said = new FormData(event.currentTarget);
    const of = (name: string): string => {
      const value = said.get(name);
      return typeof value === 'string' ? value : '';
    };
    const column = of('column');
    const limit = Number(of('limit'));
    const rule: Rule = {
      name: of('name') || `${heading(column)} ${which}`.trim(),
      kind: kindOf(column),
      topic: made.topic,
      column,
      where: made.where,
      above: of('way') === 'above' ? limit : null,
      below: of('way') === 'below' ? limit : null,
      for_seconds: Number(of('held') || 0),
      margin: Number(of('margin') || 0),
      sound: said.has('sound'),
      channels: said.has('channels'),
    };
    run(async () => {
      await post('alarms', rule);
      draft.value = null;
      await loadRules();
    });
  };
  return (
    <form class="new-rule" onSubmit={submit} aria-label="New alarm">
      <p>
        {made.topic} <bdi class="rule-name">{which}</bdi>
      </p>
      <label>
        Value
        <select name="column" defaultValue={made.column}>
          {made.columns.map((column) => (
            <option key={column} value={column} selected={column === made.column}>
              {heading(column)} {unitOf(column)}
            </option>
          ))}
        </select>
      </label>
      <label>
        is
        <select name="way">
          <option value="above">above</option>
          <option value="below">below</option>
        </select>
      </label>
      <label>
        Threshold
        <input
          ref={first}
          name="limit"
          type="number"
          step="any"
          required
          defaultValue={made.value === null ? '' : String(made.value)}
        />
      </label>
      <label>
        for seconds
        <input name="held" type="number" min="0" step="1" defaultValue="0" />
      </label>
      <label>
        clears when back by
        <input name="margin" type="number" min="0" step="any" defaultValue="0" />
      </label>
      <label>
        Name
        <input name="name" type="text" maxLength={80} />
      </label>
      <label class="check">
        <input name="sound" type="checkbox" defaultChecked /> Sound
      </label>
      <label class="check">
        <input name="channels" type="checkbox" /> Alert channels too
      </label>
      <button type="submit">Set alarm</button>
      <button type="button" class="plain" onClick={() => (draft.value = null)}>
        Cancel
      </button>
    </form>
  );
}
