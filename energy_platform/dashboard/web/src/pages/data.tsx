/** Page 9: every source with its freshness, rows and quarantine; of the chosen one its newest rows. */

import { useMemo } from 'preact/hooks';

import { addressAsShown, useRows, useTopicRows } from '../api/hooks';
import { instant, number, type Row, text } from '../live/frames';
import { Panel, useExports } from '../panel/panel';
import { ageOf, freshness, freshnessError } from '../state/freshness';
import { decimalsOf, figure, grouped, heading, unitOf } from '../state/figures';
import { route, setParams } from '../state/route';
import { asOf, catalogue, traced, zone } from '../state/screen';
import { isOurs, shownValue } from '../shell/lineage';
import { usePageKeys } from '../shell/page-keys';
import { age, dayAndClock } from '../time/say';
import { type GridColumn, withMark } from '../table/grid';
import { Table } from '../table/table';

const COLUMNS: readonly GridColumn<Row>[] = [
  { id: 'source', title: 'Source', width: 'minmax(206px, 1.3fr)', align: 'left', order: (row) => row.id as string, cell: (row) => ({ text: text(row, 'id'), tone: 'strong' }) },
  { id: 'group', title: 'Group', width: '64px', align: 'left', order: (row) => text(row, 'group'), cell: (row) => ({ text: text(row, 'group'), tone: 'dim' }) },
  { id: 'protocol', title: 'Protocol', width: '76px', align: 'left', order: (row) => text(row, 'protocol'), cell: (row) => ({ text: text(row, 'protocol'), tone: 'dim' }) },
  { id: 'provider', title: 'Provider', width: 'minmax(96px, .8fr)', align: 'left', order: (row) => text(row, 'provider'), cell: (row) => ({ text: text(row, 'provider'), tone: 'dim' }) },
  { id: 'state', title: 'State', width: 'minmax(70px, .7fr)', align: 'left', order: stateOf, cell: (row) => stateCell(row) },
  { id: 'age', title: 'Age', hint: 'since received', width: '64px', order: (row) => instant(row, 'last_received_at'), cell: ageCell },
  { id: 'lag', title: 'Lag', hint: 'of the newest value', width: '64px', order: (row) => number(row, 'lag_seconds'), cell: (row) => ({ text: seconds(row, 'lag_seconds') }) },
  { id: 'expected', title: 'Allowed', hint: 'expected lag', width: '64px', order: (row) => number(row, 'expected_lag_seconds'), cell: (row) => ({ text: seconds(row, 'expected_lag_seconds'), tone: 'dim' }) },
  { id: 'next', title: 'Next due', width: '126px', order: (row) => instant(row, 'next_expected_at'), cell: (row) => ({ text: moment(row, 'next_expected_at'), tone: 'dim' }) },
  { id: 'rows', title: 'Rows', width: '84px', flash: true, order: (row) => number(row, 'rows'), cell: (row) => ({ text: grouped(number(row, 'rows')) }) },
  { id: 'quarantined', title: 'Quarantined', width: '84px', order: (row) => number(row, 'quarantined'), cell: quarantineCell },
]; // prettier-ignore

function stateOf(row: Row): string {
  return isLate(row) ? 'late' : text(row, 'state');
}

function isLate(row: Row): boolean {
  return text(row, 'late') !== '' && row.late !== false;
}

function stateCell(row: Row) {
  const state = stateOf(row);
  if (isLate(row)) return { text: '▲ late', tone: 'bad' as const, title: text(row, 'late') };
  const fine = state === 'flowing';
  return {
    text: `${fine ? '●' : '○'} ${state}`,
    tone: fine ? ('good' as const) : ('dim' as const),
    title: text(row, 'detail'),
  };
}

function ageCell(row: Row) {
  const old = ageOf(freshness.value.get(text(row, 'id')));
  return { text: old === null ? '–' : age(old), tone: isLate(row) ? ('bad' as const) : ('' as const) };
}

function quarantineCell(row: Row) {
  const count = number(row, 'quarantined') ?? 0;
  return count === 0
    ? { text: '0', tone: 'dim' as const }
    : {
        text: grouped(count),
        tone: 'warn' as const,
        mark: 'quarantined' as const,
        title: reasonsOf(row).join('\n'),
      };
}

export function reasonsOf(row: Row): string[] {
  return Array.isArray(row.reasons) ? row.reasons.map(String) : [];
}

function seconds(row: Row, column: string): string {
  const value = number(row, column);
  return value === null ? '–' : age(value * 1000);
}

function moment(row: Row, column: string): string {
  const at = instant(row, column);
  return at === null ? '–' : dayAndClock(at, zone.value);
}

function byGroup(rows: readonly Row[]): readonly Row[] {
  const order = (row: Row): string => `${text(row, 'group')} ${text(row, 'id')}`;
  return [...rows].sort((one, other) => order(one).localeCompare(order(other)));
}

export function DataPage() {
  const rows = useMemo(() => byGroup([...freshness.value.values()].map((one) => one.row)), [freshness.value]);
  const wanted = route.value.params.source ?? '';
  const chosen = rows.find((row) => row.id === wanted) ?? null;
  const late = rows.filter(isLate).length;
  const held = rows.reduce((sum, row) => sum + (number(row, 'quarantined') ?? 0), 0);
  const exports = useExports();
  usePageKeys({ trace: () => (traced.value = wanted === '' ? null : { source: wanted, row: null }) });
  return (
    <>
      <Panel
        id="sources"
        name="Sources"
        title="Sources"
        detail={
          <span class="about">
            {rows.length} sources · <span class={late > 0 ? 'bad' : 'good'}>{late} late</span> ·{' '}
            <span class={held > 0 ? 'warn' : 'good'}>{grouped(held)} rows in quarantine</span>
            {asOf.value === null ? '' : ' · as they are now'}
          </span>
        }
        error={freshnessError.value}
        exports={exports}
      >
        <Table
          label="Sources"
          columns={COLUMNS}
          items={rows}
          id={(row) => text(row, 'id')}
          selected={wanted}
          onSelect={(source) => setParams({ source })}
          onTrace={(row) => (traced.value = { source: text(row, 'id'), row: null })}
          rowClass={(row, before) =>
            before !== undefined && text(before, 'group') !== text(row, 'group') ? 'hour' : ''
          }
          empty="The server has not told its sources yet."
          ticking
          focused
          onReady={(cells) => (exports.current.cells = cells)}
        />
      </Panel>
      {chosen === null ? <ProcessesPanel /> : <SourcePanel key={wanted} row={chosen} />}
      {chosen === null ? null : <NewestPanel key={wanted} source={wanted} />}
    </>
  );
}

function ProcessesPanel() {
  const { rows, error } = useTopicRows('processes');
  return (
    <Panel
      id="processes"
      name="Processes"
      title="Processes"
      error={error}
      empty={rows.length === 0 ? 'Choose a source.' : null}
    >
      <div class="scroll fill" tabIndex={0} role="group" aria-label="Processes">
        <table class="plain-table padded">
          <thead>
            <tr>
              <th>Process</th>
              <th>State</th>
              <th>Pid</th>
              <th>Restarts</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={text(row, 'id')}>
                <td>{text(row, 'id')}</td>
                <td class={text(row, 'state') === 'RUNNING' ? 'good' : 'bad'}>{text(row, 'state')}</td>
                <td>{text(row, 'pid')}</td>
                <td>{text(row, 'restarts')}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p class="padded dim">Choose a source above for its columns, newest rows, quarantine and lineage.</p>
      </div>
    </Panel>
  );
}

function SourcePanel({ row }: { readonly row: Row }) {
  const name = text(row, 'id');
  const info = catalogue.value?.sources.find((source) => source.name === name);
  const dagster = text(row, 'dagster_url');
  const reasons = reasonsOf(row);
  const facts: readonly (readonly [string, string, string?])[] = [
    ['State', isLate(row) ? `late: ${text(row, 'late')}` : text(row, 'state'), isLate(row) ? 'bad' : ''],
    ['Last error', text(row, 'detail'), 'bad'],
    ['Needs', Array.isArray(row.needs) ? row.needs.join(', ') : '', 'warn'],
    ['Drift', Array.isArray(row.drift) ? row.drift.map(String).join('; ') : text(row, 'drift'), 'warn'],
    ['Batch failed', text(row, 'batch_error'), 'bad'],
    ['Hot copy', text(row, 'hot_copy_behind'), 'warn'],
    ['Newest value', moment(row, 'last_event_at')],
    ['Received', moment(row, 'last_received_at')],
    ['Key', info?.key.join(', ') ?? ''],
    ['Terms', info?.terms ?? ''],
  ];
  return (
    <Panel
      id="source"
      name={`Source ${name}`}
      title={name}
      tools={
        <>
          {dagster !== '' && isOurs(dagster) ? (
            <a class="tool" href={dagster} target="_blank" rel="noopener">
              Dagster ↗
            </a>
          ) : null}
        </>
      }
    >
      <div class="scroll fill padded" tabIndex={0} role="group" aria-label={`About ${name}`}>
        <p class="lead">{info?.description ?? ''}</p>
        <dl class="facts">
          {facts
            .filter(([, value]) => value !== '' && value !== '–')
            .map(([title, value, tone]) => (
              <div key={title}>
                <dt>{title}</dt>
                <dd class={tone ?? ''}>{value}</dd>
              </div>
            ))}
        </dl>
        {reasons.length === 0 ? null : (
          <>
            <h3>In quarantine, because</h3>
            <ul class="reasons">
              {reasons.map((reason) => (
                <li key={reason}>▲! {reason}</li>
              ))}
            </ul>
          </>
        )}
        <h3>Columns</h3>
        <table class="plain-table">
          <thead>
            <tr>
              <th>Column</th>
              <th>Unit</th>
              <th>What it says</th>
            </tr>
          </thead>
          <tbody>
            {(info?.columns ?? []).map((column) => (
              <tr key={column.name}>
                <td>{column.name}</td>
                <td>{column.unit ?? unitOf(column.name)}</td>
                <td class="wrap">{column.description ?? ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

const UNSHOWN = new Set(['id', 'source', 'flags', 'was', 'landing_offset', 'delivery_end', 'published_at']);
const MOST_COLUMNS = 9;

function NewestPanel({ source }: { readonly source: string }) {
  const isNow = asOf.value === null;
  const told = useTopicRows(isNow ? `source:${source}` : null);
  const asked = useRows(isNow ? null : { path: `latest/${source}` });
  const { rows, error } = isNow ? told : asked;
  const waiting = isNow ? told.heardAt === null : asked.loading;
  const key = catalogue.value?.sources.find((one) => one.name === source)?.key ?? [];
  const names = Object.keys(rows[0] ?? {})
    .filter((name) => !UNSHOWN.has(name))
    .slice(0, MOST_COLUMNS)
    .join(' ');
  const columns = useMemo(() => columnsOf(names === '' ? [] : names.split(' ')), [names]);
  const exports = useExports();
  return (
    <Panel
      id="newest"
      name={`Newest rows of ${source}`}
      title="Newest row of each series"
      detail={<span class="about">{rows.length === 0 ? '' : `${rows.length} series`}</span>}
      sources={[source]}
      isLive
      answers={[{ source, url: addressAsShown(`latest/${source}`) }]}
      error={error}
      empty={rows.length === 0 ? (waiting ? 'Asking…' : 'No rows yet.') : null}
      exports={exports}
    >
      {names === '' ? null : (
        <Table
          label={`Newest rows of ${source}`}
          columns={columns}
          items={rows}
          id={(row) => text(row, 'id') || key.map((column) => text(row, column)).join('|')}
          onTrace={(row) => (traced.value = { source, row })}
          marked={(row) => row}
          onReady={(cells) => (exports.current.cells = cells)}
        />
      )}
    </Panel>
  );
}

function columnsOf(names: readonly string[]): GridColumn<Row>[] {
  return names.map((name) => {
    const isFigure = unitOf(name) !== '';
    return {
      id: name,
      title: heading(name),
      ...(unitOf(name) === '' ? {} : { hint: unitOf(name) }),
      width: isFigure ? 'minmax(60px, .7fr)' : 'minmax(80px, 1fr)',
      align: isFigure ? 'right' : 'left',
      flash: isFigure,
      order: (row: Row) => (isFigure ? number(row, name) : text(row, name)),
      cell: (row: Row) => {
        return isFigure
          ? withMark({ text: figure(number(row, name), decimalsOf(name)) }, row)
          : { text: shownValue(row, name) };
      },
    };
  });
}
