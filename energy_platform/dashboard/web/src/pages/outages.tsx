/** Page 8: what is out of service, with its revisions, and how much that takes out over time. */

import { useMemo } from 'preact/hooks';

import { useRows } from '../api/hooks';
import { align } from '../chart/align';
import { instant, number, type Row, text } from '../live/frames';
import { Choice, Select } from '../panel/choice';
import { Panel, useExports } from '../panel/panel';
import { AlignedPanel } from '../panel/series-panel';
import { Value } from '../panel/value';
import { usePageKeys } from '../shell/page-keys';
import { grouped } from '../state/figures';
import { route, setParams } from '../state/route';
import { shownNow, type Traced, traced, zone } from '../state/screen';
import { around } from '../state/spans';
import type { GridColumn } from '../table/grid';
import { Table } from '../table/table';
import { dayAndClock } from '../time/say';
import { HOUR, MINUTE } from '../time/zone';

const SOURCE = 'entsoe_outage';
export const OUTAGE_SOURCES = [SOURCE];

export interface Outage {
  readonly id: string;
  readonly start: number;
  readonly end: number;
  /** Of the period that holds now, else of the largest. */
  readonly out: number | null;
  readonly nominal: number | null;
  readonly revision: number | null;
  readonly isNow: boolean;
  readonly row: Row;
}

function taken(row: Row): number | null {
  const nominal = number(row, 'nominal_mw');
  const available = number(row, 'available_mw');
  return nominal === null || available === null ? null : Math.max(0, nominal - available);
}

/** Outages from their periods: each in its newest revision, withdrawn and cancelled ones left out. */
export function outages(rows: readonly Row[], now: number): Outage[] {
  const revisions = new Map<string, number>();
  for (const row of rows) {
    const id = text(row, 'outage_id');
    revisions.set(id, Math.max(revisions.get(id) ?? 0, number(row, 'revision_number') ?? 0));
  }
  const found = new Map<string, Outage>();
  for (const row of rows) {
    const id = text(row, 'outage_id');
    const start = instant(row, 'delivery_start');
    const end = instant(row, 'delivery_end');
    const revision = number(row, 'revision_number');
    if (
      start === null ||
      end === null ||
      (revision ?? 0) < (revisions.get(id) ?? 0) ||
      /cancel|withdrawn/i.test(text(row, 'status'))
    )
      continue;
    const held = found.get(id);
    const isNow = start <= now && now < end;
    const out = taken(row);
    const better =
      held === undefined || (isNow && !held.isNow) || (isNow === held.isNow && (out ?? 0) > (held.out ?? 0));
    found.set(id, {
      id,
      start: Math.min(start, held?.start ?? start),
      end: Math.max(end, held?.end ?? end),
      out: better ? out : held.out,
      nominal: better ? number(row, 'nominal_mw') : held.nominal,
      revision,
      isNow: isNow || held?.isNow === true,
      row: better ? row : held.row,
    });
  }
  return [...found.values()].sort(
    (one, other) => Number(other.isNow) - Number(one.isNow) || (other.out ?? 0) - (one.out ?? 0),
  );
}

/** MW out of service at each hour, by a property of the unit. */
export function takenOut(rows: readonly Row[], by: string, start: number, end: number): Row[] {
  const newest = new Map<string, number>();
  for (const row of rows)
    newest.set(
      text(row, 'outage_id'),
      Math.max(newest.get(text(row, 'outage_id')) ?? 0, number(row, 'revision_number') ?? 0),
    );
  const sums = new Map<string, Map<number, number>>();
  for (const row of rows) {
    const [from, to] = [instant(row, 'delivery_start'), instant(row, 'delivery_end')];
    const out = taken(row);
    if (
      from === null ||
      to === null ||
      out === null ||
      (number(row, 'revision_number') ?? 0) < (newest.get(text(row, 'outage_id')) ?? 0)
    )
      continue;
    if (/cancel|withdrawn/i.test(text(row, 'status'))) continue;
    const name = nameOf(row, by);
    const series = sums.get(name) ?? new Map<number, number>();
    sums.set(name, series);
    const first = Math.max(start, Math.ceil(from / HOUR) * HOUR);
    for (let at = first; at < Math.min(to, end); at += HOUR) series.set(at, (series.get(at) ?? 0) + out);
  }
  const largest = [...sums].sort(([, one], [, other]) => total(other) - total(one)).slice(0, MOST_SERIES);
  return largest.flatMap(([name, series]) => {
    const lines: Row[] = [];
    for (let at = start; at < end; at += HOUR) {
      lines.push({
        name,
        delivery_start: new Date(at).toISOString(),
        delivery_end: new Date(at + HOUR).toISOString(),
        out_mw: series.get(at) ?? 0,
      });
    }
    return lines;
  });
}

/** Where a sum comes from: the largest of the outages that it is made of. */
export function originOf(rows: readonly Row[], by: string, name: string, at: number): Traced | null {
  const own = rows.filter((row) => nameOf(row, by) === name);
  return originOfSum(outages(own, at));
}

function originOfSum(held: readonly Outage[]): Traced {
  return { source: SOURCE, row: held.find(({ isNow }) => isNow)?.row ?? null };
}

function nameOf(row: Row, by: string): string {
  return text(row, by) || 'not said';
}

const MOST_SERIES = 6;

function total(series: ReadonlyMap<number, number>): number {
  let sum = 0;
  for (const value of series.values()) sum += value;
  return sum;
}

const COLUMNS: readonly GridColumn<Outage>[] = [
  { id: 'unit', title: 'Unit', width: 'minmax(130px, 1.5fr)', align: 'left', order: ({ row }) => text(row, 'unit_name'), cell: ({ row }) => ({ text: text(row, 'unit_name') || text(row, 'unit_eic') || text(row, 'outage_id'), tone: 'strong', title: text(row, 'unit_eic') }) },
  { id: 'zone', title: 'Zone', width: 'minmax(80px, .8fr)', align: 'left', order: ({ row }) => text(row, 'bidding_zone'), cell: ({ row }) => ({ text: text(row, 'bidding_zone') }) },
  { id: 'fuel', title: 'Fuel', width: 'minmax(90px, 1fr)', align: 'left', order: ({ row }) => text(row, 'production_type'), cell: ({ row }) => ({ text: text(row, 'production_type') }) },
  { id: 'out', title: 'Out', hint: 'MW', width: '66px', flash: true, order: ({ out }) => out, cell: ({ out, nominal }) => ({ text: grouped(out), tone: 'strong', bar: nominal === null || nominal === 0 || out === null ? 0 : -out / nominal }) },
  { id: 'nominal', title: 'Of', hint: 'MW', width: '60px', order: ({ nominal }) => nominal, cell: ({ nominal }) => ({ text: grouped(nominal), tone: 'dim' }) },
  { id: 'from', title: 'From', width: '126px', order: ({ start }) => start, cell: ({ start }) => ({ text: dayAndClock(start, zone.value) }) },
  { id: 'to', title: 'To', width: '126px', order: ({ end }) => end, cell: ({ end }) => ({ text: dayAndClock(end, zone.value) }) },
  { id: 'kind', title: 'Kind', width: 'minmax(110px, 1fr)', align: 'left', order: ({ row }) => text(row, 'outage_type'), cell: ({ row }) => ({ text: text(row, 'outage_type'), tone: /unplanned|forced/i.test(text(row, 'outage_type')) ? 'warn' : 'dim' }) },
  { id: 'revision', title: 'Rev', width: '44px', order: ({ revision }) => revision, cell: ({ revision }) => ({ text: String(revision ?? ''), tone: 'dim', ...((revision ?? 1) > 1 ? { mark: 'revised' as const } : {}) }) },
  { id: 'reason', title: 'Reason', width: 'minmax(100px, 1.2fr)', align: 'left', order: ({ row }) => text(row, 'reason_text'), cell: ({ row }) => ({ text: text(row, 'reason_text') || text(row, 'reason_code'), tone: 'dim', title: text(row, 'reason_text') }) },
]; // prettier-ignore

const WHEN = [
  ['now', 'Now'],
  ['all', 'All'],
] as const;

export function OutagesPage() {
  const [start, end] = around(24, 72);
  const asked = useRows({
    path: `range/${SOURCE}`,
    query: { start: new Date(start).toISOString(), end: new Date(end).toISOString() },
    follow: SOURCE,
  });
  const minute = Math.floor(shownNow.value / MINUTE) * MINUTE;
  const all = useMemo(() => outages(asked.rows, minute), [asked.rows, minute]);
  const zones = useMemo(() => [...new Set(all.map(({ row }) => text(row, 'bidding_zone')))].sort(), [all]);
  const inZone = route.value.params.zone ?? '';
  const when = route.value.params.when ?? 'now';
  const shown = useMemo(
    () =>
      all.filter(
        (one) => (inZone === '' || text(one.row, 'bidding_zone') === inZone) && (when === 'all' || one.isNow),
      ),
    [all, inZone, when],
  );
  const out = shown.filter((one) => one.isNow).reduce((sum, one) => sum + (one.out ?? 0), 0);
  const wanted = route.value.params.outage ?? '';
  const chosen = shown.find((one) => one.id === wanted);
  const exports = useExports();
  const byFuel = useMemo(
    () => takenOut(asked.rows, 'production_type', floor(start), end),
    [asked.rows, start],
  );
  const byZone = useMemo(() => takenOut(asked.rows, 'bidding_zone', floor(start), end), [asked.rows, start]);
  usePageKeys({ trace: () => (traced.value = { source: SOURCE, row: (chosen ?? shown[0])?.row ?? null }) });
  const chart = (id: string, title: string, by: string, rows: readonly Row[]) => (
    <AlignedPanel
      id={id}
      title={title}
      unit="MW"
      sources={[SOURCE]}
      aligned={align([
        { rows, time: 'delivery_start', value: 'out_mw', seriesOf: (row) => text(row, 'name') },
      ])}
      asked={[asked]}
      origin={(name, at) => originOf(asked.rows, by, name, at)}
      start={start}
      end={end}
      decimals={0}
      zero
    />
  );
  return (
    <>
      <Panel
        id="outages"
        name="Outages"
        title="Outages"
        unit="MW"
        detail={
          <span class="about">
            {shown.length} shown ·{' '}
            <Value words={`${grouped(out)} MW`} tone="warn" of={() => originOfSum(shown)} /> out now
          </span>
        }
        sources={[SOURCE]}
        answers={[asked]}
        cut={asked.cut}
        exports={exports}
        tools={
          <>
            <Select
              label="Zone"
              value={inZone}
              options={[['', 'All zones'], ...zones.map((one) => [one, one] as const)]}
              onChange={(value) => setParams({ zone: value })}
            />
            <Choice
              label="When"
              options={WHEN}
              value={when}
              onChange={(value) => setParams({ when: value })}
            />
          </>
        }
      >
        <Table
          label="Outages"
          columns={COLUMNS}
          items={shown}
          id={(one) => one.id}
          selected={wanted}
          onSelect={(id) => setParams({ outage: id })}
          onTrace={(one) => (traced.value = { source: SOURCE, row: one.row })}
          marked={(one) => one.row}
          empty={asked.loading ? 'Asking…' : 'Nothing is out of service.'}
          focused
          onReady={(cells) => (exports.current.cells = cells)}
        />
      </Panel>
      {chart('by-fuel', 'Out of service by fuel', 'production_type', byFuel)}
      {chart('by-zone', 'Out of service by zone', 'bidding_zone', byZone)}
    </>
  );
}

function floor(at: number): number {
  return Math.floor(at / HOUR) * HOUR;
}
