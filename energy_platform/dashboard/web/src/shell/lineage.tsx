/** Where a value came from: its source, the message that held it, when it was known, its revisions. */

import { useEffect, useState } from 'preact/hooks';

import type { Lineage, SourceInfo } from '../api/answers';
import { address, ask } from '../api/http';
import { instant, number, type Row, text } from '../live/frames';
import { ageOf, freshness } from '../state/freshness';
import { figure, heading, unitOf, decimalsOf } from '../state/figures';
import { goTo } from '../state/route';
import { catalogue, traced, zone } from '../state/screen';
import { age, clockWithSeconds, day, dayAndClock, zoneName } from '../time/say';
import { canWatch, watch } from './alarms';

const AGAIN_MS = 2_000;
const MOST_TRIES = 15;

export function LineageDrawer() {
  const shown = traced.value;
  const info = catalogue.value?.sources.find((source) => source.name === shown?.source);
  const url = shown?.row && info ? question(info, shown.row) : null;
  const [answer, setAnswer] = useState<{ url: string; lineage: Lineage | null; error: string | null } | null>(
    null,
  );

  useEffect(() => {
    if (url === null) return;
    const asked = new AbortController();
    let timer: ReturnType<typeof setTimeout> | null = null;
    const run = (tries: number): void => {
      ask<Lineage>(url, asked.signal)
        .then((lineage) => {
          setAnswer({ url, lineage, error: null });
          // A row that has just come is in the warehouse some seconds later.
          if (lineage.message === null && tries > 1 && !asked.signal.aborted)
            timer = setTimeout(() => run(tries - 1), AGAIN_MS);
        })
        .catch((error: unknown) => {
          if (!asked.signal.aborted)
            setAnswer({ url, lineage: null, error: error instanceof Error ? error.message : String(error) });
        });
    };
    run(MOST_TRIES);
    return () => {
      if (timer !== null) clearTimeout(timer);
      asked.abort();
    };
  }, [url]);

  if (shown === null) return null;
  const status = freshness.value.get(shown.source);
  const old = ageOf(status);
  const reasons = text(status?.row, 'reasons');
  const said = text(status?.row, 'dagster_url');
  const dagster = said === '' ? (answer?.lineage?.dagster_url ?? '') : said;
  const lineage = answer !== null && answer.url === url ? answer.lineage : null;
  return (
    <aside class="lineage" aria-label={`Lineage of ${shown.source}`}>
      <header>
        <h2>{shown.source}</h2>
        <button type="button" class="plain" onClick={() => (traced.value = null)} aria-label="Close lineage">
          <kbd>Esc</kbd> close
        </button>
      </header>
      <p>{info?.description ?? ''}</p>
      <dl class="facts">
        <Fact name="Provider" value={info?.provider ?? text(status?.row, 'provider')} />
        <Fact name="Protocol" value={info?.protocol ?? text(status?.row, 'protocol')} />
        <Fact
          name="State"
          value={status === undefined ? 'unknown' : status.late ? 'late' : status.state}
          bad={status?.late === true}
        />
        <Fact name="Last received" value={old === null ? 'never' : `${age(old)} ago`} />
        <Fact
          name="Expected lag"
          value={status?.expectedLag === null || status === undefined ? '' : age(status.expectedLag)}
        />
        <Fact
          name="Quarantined"
          value={status === undefined ? '' : String(status.quarantined)}
          bad={(status?.quarantined ?? 0) > 0}
        />
        {reasons === '' || reasons === '{}' || reasons === '[]' ? null : (
          <Fact name="Reasons" value={reasons} />
        )}
        <Fact name="Terms" value={info?.terms ?? ''} />
      </dl>
      {shown.row === null ? null : <RowFacts row={shown.row} />}
      {answer !== null && answer.url === url && answer.error !== null ? (
        <p class="bad">{answer.error}</p>
      ) : null}
      {lineage?.message ? (
        <>
          <h3>Message</h3>
          <dl class="facts">
            <Fact name="Offset" value={String(lineage.message.offset)} />
            <Fact name="Known since" value={moment(lineage.message.received_at)} />
            {lineage.message.size_bytes === undefined ? null : (
              <Fact name="Size" value={`${lineage.message.size_bytes} bytes`} />
            )}
            {Object.entries(lineage.message.context ?? {}).map(([name, value]) => (
              <Fact key={name} name={name} value={value} />
            ))}
          </dl>
        </>
      ) : null}
      {lineage !== null && lineage.revisions.length > 0 ? (
        <>
          <h3>Revisions</h3>
          <Revisions rows={lineage.revisions} info={info} />
        </>
      ) : null}
      {lineage !== null && lineage.quarantined.length > 0 ? (
        <>
          <h3>Quarantined beside it</h3>
          <ul>
            {lineage.quarantined.map((one) => (
              <li key={`${one.offset} ${one.reason}`}>
                <bdi>{one.reason}</bdi> (offset {one.offset})
              </li>
            ))}
          </ul>
        </>
      ) : null}
      <p class="links">
        {dagster === '' || !isOurs(dagster) ? null : (
          <a href={dagster} target="_blank" rel="noopener">
            Asset in Dagster ↗
          </a>
        )}
        {canWatch(shown) ? (
          <button type="button" class="plain" onClick={() => watch(shown)}>
            <kbd>W</kbd> alarm on this value
          </button>
        ) : null}
        <button type="button" class="plain" onClick={() => goTo('data', { source: shown.source })}>
          On the data page
        </button>
      </p>
    </aside>
  );
}

/** Only addresses of the web are linked to: a link of a script is none. */
export function isOurs(url: string): boolean {
  return /^(https?:\/\/|\/)/.test(url);
}

function question(info: SourceInfo, row: Row): string {
  const key = Object.fromEntries(info.key.map((column) => [column, text(row, column)]));
  const offset = number(row, 'landing_offset');
  return address(`lineage/${info.name}`, { ...key, offset });
}

function moment(said: string): string {
  const at = Date.parse(said);
  return Number.isNaN(at)
    ? said
    : `${day(at, zone.value)} ${clockWithSeconds(at, zone.value)} ${zoneName(at, zone.value)}`;
}

function Fact({
  name,
  value,
  bad,
}: {
  readonly name: string;
  readonly value: string;
  readonly bad?: boolean;
}) {
  return (
    <div>
      <dt>{name}</dt>
      <dd class={bad === true ? 'bad' : ''}>{value}</dd>
    </div>
  );
}

export function shownValue(row: Row, column: string): string {
  const at = /_at$|delivery_start|delivery_end/.test(column) ? instant(row, column) : null;
  if (at !== null) return dayAndClock(at, zone.value);
  const value = number(row, column);
  return value === null
    ? text(row, column)
    : `${figure(value, Number.isInteger(value) && unitOf(column) === '' ? 0 : decimalsOf(column))} ${unitOf(column)}`.trim();
}

const HIDDEN = new Set(['id', 'flags', 'was', 'source', 'landing_offset']);

function RowFacts({ row }: { readonly row: Row }) {
  const columns = Object.keys(row).filter((column) => !HIDDEN.has(column) && text(row, column) !== '');
  const flags = Array.isArray(row.flags) ? row.flags.map(String) : [];
  return (
    <>
      <h3>Value{flags.length === 0 ? '' : ` (${flags.join(', ')})`}</h3>
      <dl class="facts">
        {columns.map((column) => (
          <Fact key={column} name={heading(column)} value={shownValue(row, column)} />
        ))}
        {text(row, 'was') === '' ? null : <Fact name="before" value={text(row, 'was')} />}
      </dl>
    </>
  );
}

function Revisions({ rows, info }: { readonly rows: readonly Row[]; readonly info: SourceInfo | undefined }) {
  const keys = new Set([
    ...(info?.key ?? []),
    'id',
    'source',
    'flags',
    'was',
    'delivery_end',
    'received_at',
    'landing_offset',
  ]);
  // Revisions of several rows are told apart by the keys in which they differ.
  const varied = (info?.key ?? []).filter((column) => new Set(rows.map((row) => text(row, column))).size > 1);
  const columns = [...varied, ...Object.keys(rows[0] ?? {}).filter((column) => !keys.has(column))];
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label="Revisions">
      <table class="plain-table">
        <thead>
          <tr>
            <th>known since</th>
            {columns.map((column) => (
              <th key={column}>{heading(column)}</th>
            ))}
            <th>offset</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={[...(info?.key ?? []), 'landing_offset'].map((column) => text(row, column)).join('|')}>
              <td>{moment(text(row, 'received_at'))}</td>
              {columns.map((column) => (
                <td key={column}>{shownValue(row, column)}</td>
              ))}
              <td>{text(row, 'landing_offset')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
