/** The bars around every page: navigation and link above, as-of under it, sources and keys below. */

import { useEffect, useState } from 'preact/hooks';

import { ask, address, hand } from '../api/http';
import type { Rows } from '../api/answers';
import { instant, type Row } from '../live/frames';
import { choices } from '../state/choices';
import { ageOf, freshness } from '../state/freshness';
import { formatRoute, goTo, route } from '../state/route';
import {
  asOf,
  asOfMarks,
  catalogue,
  link,
  me,
  now,
  overlay,
  setAsOf,
  silence,
  toggleUtc,
  traced,
  type Trouble,
  troubles,
  zone,
} from '../state/screen';
import { age, clock, clockWithSeconds, day, zoneName } from '../time/say';
import { addDays, dateOf, DAY, HOUR, instantOf, MINUTE } from '../time/zone';
import { MARKET_ZONE } from '../state/screen';
import { AlarmBell } from './alarms';
import { Command, openCommand } from './command';
import { pageKeys } from './keys';
import type { Page } from './pages';

export function TopBar({ pages }: { readonly pages: readonly Page[] }) {
  const { page: current, params } = route.value;
  return (
    <header class="top">
      <span class="brand">
        <span aria-hidden="true">◧</span> Energy Platform
        {catalogue.value?.simulated === true ? (
          <span class="simulated" title="No market is asked">
            simulated
          </span>
        ) : null}
      </span>
      <nav aria-label="Pages">
        {pages.map((page) => (
          <a
            key={page.id}
            href={formatRoute({ page: page.id, params: { tz: params.tz ?? '', asof: params.asof ?? '' } })}
            aria-current={page.id === current ? 'page' : undefined}
            onClick={(event) => {
              event.preventDefault();
              goTo(page.id);
            }}
          >
            <kbd>{page.key}</kbd>
            {page.title}
          </a>
        ))}
      </nav>
      <Command pages={pages} />
      <button
        type="button"
        class={asOf.value === null ? 'pill' : 'pill asof'}
        aria-pressed={asOf.value !== null}
        onClick={() =>
          setAsOf(asOf.value === null ? Math.floor(Date.now() / (15 * MINUTE)) * 15 * MINUTE : null)
        }
      >
        {asOf.value === null ? 'Now' : `as of ${clock(asOf.value, zone.value)}`}
        <kbd>A</kbd>
      </button>
      <AlarmBell />
      <span class="spring" />
      <LinkState />
      <button type="button" class="clock" onClick={toggleUtc} title="Market time or UTC (U)">
        {day(now.value, zone.value)} <b>{clockWithSeconds(now.value, zone.value)}</b>{' '}
        {zoneName(now.value, zone.value)}
      </button>
      {me.value !== null && me.value.login !== 'none' ? (
        <span class="who" title={me.value.role}>
          <bdi>{me.value.name}</bdi>
          {me.value.login === 'proxy' ? null : <LogOut csrf={me.value.csrf ?? ''} />}
        </span>
      ) : null}
    </header>
  );
}

/** End the session. A proxy's session is the proxy's to end. */
function LogOut({ csrf }: { readonly csrf: string }) {
  const [error, setError] = useState<string | null>(null);
  const leave = (): void => {
    hand('/logout', '', 'application/json', csrf)
      .then(() => location.assign('/login'))
      .catch((said: unknown) => setError(said instanceof Error ? said.message : String(said)));
  };
  return (
    <button type="button" class="plain" onClick={leave} title={error ?? 'End this session'}>
      {error === null ? 'Log out' : 'Not logged out'}
    </button>
  );
}

function LinkState() {
  const state = link.value;
  const words =
    state === 'lost'
      ? 'NO DATA'
      : state === 'quiet'
        ? `STALE ${age(silence.value)}`
        : state === 'connecting'
          ? 'CONNECTING'
          : troubles.value.length > 0
            ? 'BEHIND'
            : 'LIVE';
  const why =
    state === 'live'
      ? troubles.value.map(sayTrouble).join('; ')
      : 'The connection to the server is quiet; it is being tried again';
  return (
    <span
      class={`link link-${state}${state === 'live' && troubles.value.length > 0 ? ' behind' : ''}`}
      role="status"
      title={why}
    >
      {words}
    </span>
  );
}

function sayTrouble({ words, since }: Trouble): string {
  return `since ${clockWithSeconds(since, zone.value)}: ${words}`;
}

/** What is wrong with everything shown, in words, under the top bar. */
export function Troubles() {
  const state = link.value;
  const words =
    state === 'lost'
      ? [
          `Nothing has come from the server for ${age(silence.value)}. What is shown is old. Connecting again…`,
        ]
      : state === 'live'
        ? troubles.value.map(sayTrouble)
        : [];
  return words.length === 0 ? null : (
    <div class={`troubles ${state === 'lost' ? 'bad' : ''}`} role="alert">
      {words.join(' · ')}
    </div>
  );
}

const REACH = 3 * DAY;
const STEP = 5 * MINUTE;

interface Gate {
  readonly at: number;
  readonly label: string;
}

const GATES: readonly (readonly [hour: number, minute: number, label: string])[] = [
  [10, 0, 'IDA3'],
  [10, 15, 'EXAA'],
  [12, 0, 'DA'],
  [15, 0, 'IDA1'],
  [22, 0, 'IDA2'],
];

/** The gates of Europe's coupled auctions in market time. */
export function gates(from: number, to: number): Gate[] {
  const found: Gate[] = [];
  for (
    let date = dateOf(from, MARKET_ZONE), last = dateOf(to + DAY, MARKET_ZONE);
    ;
    date = addDays(date, 1)
  ) {
    for (const [hour, minute, label] of GATES) {
      const at = instantOf(date, hour, minute, MARKET_ZONE);
      if (at !== null && at >= from && at <= to) found.push({ at, label });
    }
    if (date.year === last.year && date.month === last.month && date.day === last.day) return found;
  }
}

const MODELS: Readonly<Record<string, string>> = {
  noaa_gfs_wind_forecast: 'GFS',
  dwd_mosmix_forecast: 'MOSMIX',
  met_office_forecast: 'UKV',
};

/** When the first values of each run of a model were received. */
export function runsOf(label: string, rows: readonly Row[]): Gate[] {
  const first = new Map<number, number>();
  for (const row of rows) {
    const [run, at] = [instant(row, 'run_at'), instant(row, 'received_at')];
    if (run !== null && at !== null) first.set(run, Math.min(at, first.get(run) ?? Infinity));
  }
  return [...first].map(([run, at]) => ({
    at,
    label: `${label} ${String(new Date(run).getUTCHours()).padStart(2, '0')}z`,
  }));
}

/** The runs of every source that has runs: those that say something of this hour. */
function useRuns(wanted: boolean): readonly Gate[] {
  const [runs, setRuns] = useState<readonly Gate[]>([]);
  const sources = catalogue.value?.sources ?? [];
  useEffect(() => {
    if (!wanted) return;
    const asked = new AbortController();
    const hour = Math.floor(Date.now() / HOUR) * HOUR;
    const query = { start: new Date(hour).toISOString(), end: new Date(hour + HOUR).toISOString() };
    const questions = sources
      .filter(({ columns }) => columns.some(({ name }) => name === 'run_at'))
      .map(async ({ name, provider }) => {
        const { rows } = await ask<Rows>(
          address(`range/${name}`, { ...query, columns: 'run_at' }),
          asked.signal,
        );
        return runsOf(MODELS[name] ?? provider, rows);
      });
    void Promise.allSettled(questions).then((answers) => {
      if (!asked.signal.aborted)
        setRuns(answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])));
    });
    return () => asked.abort();
  }, [wanted, sources.length]);
  return runs;
}

export function AsOfBar() {
  const at = asOf.value;
  const runs = useRuns(at !== null);
  return at === null ? null : <AsOfSlider at={at} runs={runs} />;
}

function AsOfSlider({ at, runs }: { readonly at: number; readonly runs: readonly Gate[] }) {
  const end = Math.floor(now.value / STEP) * STEP;
  const start = Math.min(end - REACH, at);
  const place = (instantOfMark: number): string => `${((instantOfMark - start) / (end - start)) * 100}%`;
  const marks = [...gates(start, end), ...runs.filter((run) => run.at >= start && run.at <= end)];
  const named = marks.map((mark) => `${mark.label} ${mark.at}`).join();
  useEffect(() => void (asOfMarks.value = marks), [named]);
  return (
    <div class="asof-bar" role="group" aria-label="As of">
      <span class="asof-title">What was known at</span>
      <b class="asof-at">
        {day(at, zone.value)} {clockWithSeconds(at, zone.value)} {zoneName(at, zone.value)}
      </b>
      <div class="asof-track">
        <input
          type="range"
          aria-label="As of"
          aria-valuetext={`${day(at, zone.value)} ${clock(at, zone.value)}`}
          min={start}
          max={end}
          step={STEP}
          value={at}
          onInput={(event) => setAsOf(Number(event.currentTarget.value))}
        />
        <div class="asof-marks" aria-hidden="true">
          {marks.map((mark) => (
            <span
              key={`${mark.label} ${mark.at}`}
              style={{ left: place(mark.at) }}
              onClick={() => setAsOf(mark.at)}
            >
              {mark.label}
            </span>
          ))}
        </div>
      </div>
      <span class="asof-keys">
        <kbd>← →</kbd> 15 min
        {pageKeys.gate === null ? null : (
          <>
            <kbd>G</kbd> gate
          </>
        )}
        <button type="button" class="plain" onClick={() => setAsOf(null)}>
          <kbd>Esc</kbd> back to now
        </button>
      </span>
    </div>
  );
}

export function BottomBar({ sources }: { readonly sources: readonly string[] }) {
  return (
    <footer class="bottom">
      <div class="ages" tabIndex={0} role="group" aria-label="Freshness of this page's sources">
        {sources.map((name) => {
          const one = freshness.value.get(name);
          const old = ageOf(one);
          const state =
            one === undefined || old === null
              ? 'none'
              : one.late
                ? 'bad'
                : one.quarantined > 0
                  ? 'warn'
                  : 'good';
          const words =
            freshness.value.size === 0
              ? '…'
              : one === undefined || old === null
                ? 'nothing yet'
                : one.late
                  ? `late ${age(old)}`
                  : age(old);
          return (
            <button
              type="button"
              key={name}
              class={`fresh ${state}`}
              onClick={() => (traced.value = { source: name, row: null })}
            >
              <span class="dot" aria-hidden="true">
                {state === 'bad' ? '▲' : state === 'none' ? '○' : '●'}
              </span>
              {name} <b>{words}</b>
              {one !== undefined && one.quarantined > 0 ? <em>{one.quarantined} quarantined</em> : null}
            </button>
          );
        })}
      </div>
      <span class="keys" aria-hidden="true">
        <kbd>↑↓</kbd> row <kbd>/</kbd> command <kbd>A</kbd> as of <kbd>L</kbd> lineage <kbd>Z</kbd> zone{' '}
        <kbd>T</kbd> {choices.value.theme === 'dark' ? 'light' : 'dark'} <kbd>U</kbd> UTC
      </span>
      <button type="button" class="plain" onClick={() => (overlay.value = 'help')}>
        <kbd>?</kbd> keys
      </button>
      <button type="button" class="plain" onClick={() => openCommand('zones')}>
        <kbd>Z</kbd> {zone.value}
      </button>
    </footer>
  );
}
