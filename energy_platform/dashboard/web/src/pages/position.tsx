/** Page 2: what is open in each quarter-hour, what it is worth, what it is made of, and who changed it. */

import { useMemo, useRef } from 'preact/hooks';

import { address } from '../api/http';
import { useManyTopics, useRows } from '../api/hooks';
import { Chart, type Mark, type Series } from '../chart/chart';
import { instant, type Row, text } from '../live/frames';
import { Choice, Legend, Select } from '../panel/choice';
import { type Answered, Panel, useExports } from '../panel/panel';
import { cellsOf } from '../panel/series-panel';
import { Value } from '../panel/value';
import { CHANGE_COLUMNS, OPEN_COLUMNS, TOTAL_COLUMNS } from '../position/columns';
import { composition, idOf, KINDS, type Total, totals, within } from '../position/held';
import { usePageKeys } from '../shell/page-keys';
import { grouped, money, signed } from '../state/figures';
import { chosenPortfolio, choosePortfolio, mayTrade, shownPortfolios } from '../state/portfolios';
import { goTo, route, setParams } from '../state/route';
import { asOf, MARKET_ZONE, shownNow, type Traced, traced } from '../state/screen';
import { quarter, today, wholeDay } from '../state/spans';
import type { GridColumn } from '../table/grid';
import { Table } from '../table/table';
import { addDays, localTime, MINUTE } from '../time/zone';
import { BOOK_SOURCE } from './book';
import { EntryPanel } from './entry';
import { gateOf } from './intraday';
import { IMBALANCE_SOURCE, originOfPosition, originOfTotal, POSITION_SOURCE } from './origins';
import { DAY_AHEAD_SOURCE } from './tape';

export const POSITION_SOURCES = [POSITION_SOURCE, BOOK_SOURCE, DAY_AHEAD_SOURCE, IMBALANCE_SOURCE];

const DAYS = [
  ['both', 'Both'],
  ['today', 'Today'],
  ['tomorrow', 'Tomorrow'],
] as const;
const GATHER_MS = 500;
const MOST_CHANGES = 500;
const LINE: Series = { label: 'Open', colour: 'ink', kind: 'step', width: 2, decimals: 1 };
const LEGEND = [
  ...KINDS.map(({ title, colour }) => ({ label: title, colour })),
  { label: 'open', colour: 'ink' },
];

function useHeld() {
  const portfolios = shownPortfolios();
  const isNow = asOf.value === null;
  const told = useManyTopics(isNow ? portfolios.map((one) => `positions:${one}`) : [], GATHER_MS);
  const asked = useRows(
    isNow || portfolios.length === 0 ? null : { path: 'positions/open', query: { portfolio: portfolios } },
  );
  return {
    source: POSITION_SOURCE,
    rows: isNow ? told.rows : asked.rows,
    error: isNow ? told.error : asked.error,
    waiting: portfolios.length > 0 && (isNow ? told.heardAt === null : asked.loading),
    url: address('positions/open', {
      portfolio: portfolios,
      as_of: asOf.value === null ? null : new Date(asOf.value).toISOString(),
    }),
  };
}

/** The portfolios that there are, of those that may be seen. */
function usePortfolios(): readonly string[] {
  const { rows } = useRows({ path: 'positions/portfolios', follow: POSITION_SOURCE });
  const names = rows.map((row) => text(row, 'portfolio')).join('\n');
  return useMemo(() => (names === '' ? [] : names.split('\n')), [names]);
}

/** From the first instant of the shown days to their last. */
function shownSpan(when: string): readonly [number, number] {
  const [start, middle] = wholeDay(today.value);
  const [, end] = wholeDay(addDays(today.value, 1));
  return when === 'today' ? [start, middle] : when === 'tomorrow' ? [middle, end] : [start, end];
}

export function PositionPage() {
  const held = useHeld();
  const portfolios = usePortfolios();
  const when = route.value.params.when ?? 'both';
  const [start, end] = shownSpan(when);
  const rows = useMemo(() => within(held.rows, start, end), [held.rows, start, end]);
  const sums = useMemo(() => totals(rows, shownNow.peek()), [rows, quarter.value]);
  const wanted = route.value.params.position ?? '';
  const chosen =
    rows.find((row) => idOf(row) === wanted) ??
    rows.find((row) => (instant(row, 'delivery_end') ?? 0) > quarter.value) ??
    rows[0];
  const areas = useMemo(() => [...new Set(rows.map((row) => text(row, 'area')))], [rows]);
  const enter = useRef<HTMLInputElement>(null);
  const startOfChosen = instant(chosen, 'delivery_start');
  const contract = (): void => {
    const id = text(chosen, 'contract_id');
    if (id !== '') goTo('intraday', { area: text(chosen, 'area'), product: 'QH', contract: id });
  };
  usePageKeys({
    gate: () => (startOfChosen === null ? null : gateOf(startOfChosen)),
    trace: () => trace(chosen),
    contract,
    enter: () => enter.current?.focus(),
    move: (event) => {
      const grid = document.querySelector<HTMLElement>('.panel-positions .grid');
      if (grid !== null && MOVES.has(event.key))
        grid.dispatchEvent(new KeyboardEvent('keydown', { key: event.key }));
    },
  });
  const exports = useExports();
  const whole = sums[0];
  return (
    <>
      <Panel
        id="positions"
        name="Open positions"
        title="Position"
        unit="MW, EUR"
        sources={POSITION_SOURCES}
        isLive
        answers={[held]}
        exports={exports}
        detail={whole === undefined ? null : <Summary total={whole} />}
        empty={
          rows.length > 0
            ? null
            : held.waiting
              ? 'Asking…'
              : 'No position of these days is known in what you may see.'
        }
        tools={
          <>
            <button
              type="button"
              class="tool-button"
              disabled={text(chosen, 'contract_id') === ''}
              onClick={contract}
              title="The contract of the chosen delivery (C)"
            >
              Contract <kbd>C</kbd>
            </button>
            <Select
              label="Portfolio"
              value={chosenPortfolio()}
              options={[['', 'All portfolios'], ...portfolios.map((one) => [one, one] as const)]}
              onChange={choosePortfolio}
            />
            <Choice
              label="Days"
              options={DAYS}
              value={when}
              onChange={(value) => setParams({ when: value })}
            />
          </>
        }
      >
        <Table
          label="Open positions"
          columns={OPEN_COLUMNS}
          items={rows}
          id={idOf}
          selected={chosen === undefined ? null : idOf(chosen)}
          onSelect={(id) => setParams({ position: id })}
          onTrace={(row, column) => (traced.value = originOfPosition(row, column))}
          rowClass={startsHour}
          empty=" "
          ticking
          focused
          onReady={(cells) => (exports.current.cells = cells)}
        />
      </Panel>
      <CompositionPanel rows={rows} start={start} end={end} answers={[held]} />
      <TablePanel
        id="totals"
        title="Totals"
        unit="MWh · EUR"
        detail="deliveries that have not begun"
        columns={TOTAL_COLUMNS}
        items={sums}
        idOf={(one) => one.id}
        sources={POSITION_SOURCES}
        isLive
        onTrace={(one, column) => (traced.value = originOfTotal(one, column))}
        answers={[held]}
        empty="Nothing is open."
      />
      <ChangesPanel />
      {mayTrade() && asOf.value === null ? (
        <EntryPanel portfolios={portfolios} areas={areas} first={enter} />
      ) : null}
    </>
  );
}

function trace(row: Row | undefined): void {
  traced.value = { source: POSITION_SOURCE, row: row ?? null };
}

function startsHour(row: Row, before: Row | undefined): string {
  const [at, earlier] = [instant(row, 'delivery_start'), instant(before, 'delivery_start')];
  if (at === null || earlier === null) return '';
  return localTime(at, MARKET_ZONE).hour !== localTime(earlier, MARKET_ZONE).hour ? 'hour' : '';
}

function Summary({ total }: { readonly total: Total }) {
  const net = total.longMwh + total.shortMwh;
  const euro = (value: number | null): string => (value === null ? '–' : `${money(value)} €`);
  const of = (column: string) => () => originOfTotal(total, column);
  return (
    <span class="about">
      net <Value words={`${signed(net, 1)} MWh`} tone={net >= 0 ? 'bid' : 'ask'} of={of('open')} /> · close{' '}
      <Value words={euro(total.closeEur)} of={of('close_cost')} /> · if left{' '}
      <Value words={euro(total.imbalanceEur)} of={of('imbalance')} />
    </span>
  );
}

interface CompositionProps {
  readonly rows: readonly Row[];
  readonly start: number;
  readonly end: number;
  readonly answers: readonly Answered[];
}

function CompositionPanel({ rows, start, end, answers }: CompositionProps) {
  const made = useMemo(() => composition(rows), [rows]);
  const shape = made.drawn.map((one) => `${one.label} ${one.colour}`).join('|');
  const series = useMemo<readonly Series[]>(
    () => [...made.drawn.map(({ label, colour }) => ({ label, colour, kind: 'stack' as const })), LINE],
    [shape],
  );
  const readings = useMemo(() => [...made.layers, { label: 'Open', values: made.open }], [made]);
  const exports = useExports();
  exports.current.cells = () =>
    cellsOf(
      readings.map(({ label }) => label),
      [made.data[0], ...readings.map(({ values }) => values)],
      'MW',
    );
  const at = Math.floor(shownNow.value / MINUTE) * MINUTE;
  const marks = useMemo<readonly Mark[]>(() => [{ at: at / 1000, label: '', colour: 'warn' }], [at]);
  return (
    <Panel
      id="composition"
      name="Composition of the position"
      title="Composition"
      unit="MW"
      sources={[POSITION_SOURCE]}
      isLive
      answers={answers}
      exports={exports}
      empty={rows.length === 0 ? 'Nothing is open.' : null}
      tools={<Legend entries={LEGEND} />}
    >
      <Chart
        label="Composition of the position"
        unit="MW"
        series={series}
        data={made.data}
        readings={readings}
        decimals={1}
        marks={marks}
        span={[start / 1000, end / 1000]}
        zero
        onPick={(at, place) => (traced.value = originAt(rows, at * 1000, series[place]?.label ?? ''))}
      />
    </Panel>
  );
}

/** Where a point of the composition comes from: what every portfolio stated of one kind, or of all. */
function originAt(rows: readonly Row[], at: number, label: string): Traced {
  const row =
    rows.find((one) => instant(one, 'delivery_start') === at) ??
    rows.find((one) => instant(one, 'delivery_end') === at);
  const kind = KINDS.find(({ title }) => title === label)?.column.replace(/_mw$/, '') ?? '';
  const stated = { delivery_start: row?.delivery_start ?? null, kind, portfolio: chosenPortfolio() };
  return { source: POSITION_SOURCE, row: row === undefined ? null : stated };
}

function ChangesPanel() {
  const portfolios = shownPortfolios();
  const asked = useRows(
    portfolios.length === 0
      ? null
      : {
          path: 'positions/changes',
          query: { portfolio: portfolios, limit: MOST_CHANGES },
          follow: POSITION_SOURCE,
        },
  );
  return (
    <TablePanel
      id="changes"
      title="Changes"
      unit="MWh"
      detail={asked.rows.length === 0 ? '' : `${grouped(asked.rows.length)} changes, the newest first`}
      columns={CHANGE_COLUMNS}
      items={asked.rows}
      idOf={(row) => CHANGE_ID.map((column) => text(row, column)).join('|')}
      onTrace={trace}
      answers={[asked]}
      empty={asked.loading ? 'Asking…' : 'Nobody has changed a position of today or later.'}
    />
  );
}

const CHANGE_ID = ['landing_offset', 'portfolio', 'area', 'kind', 'name'];

interface TablePanelProps<Item> {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly detail: string;
  readonly columns: readonly GridColumn<Item>[];
  readonly items: readonly Item[];
  readonly idOf: (item: Item) => string;
  readonly onTrace: (item: Item, column: string) => void;
  /** Whose values are shown; positions alone, unless given. */
  readonly sources?: readonly string[];
  readonly isLive?: boolean;
  readonly answers: readonly Answered[];
  readonly empty: string;
}

/** A panel that is one table of positions. */
function TablePanel<Item>(props: TablePanelProps<Item>) {
  const exports = useExports();
  return (
    <Panel
      id={props.id}
      name={props.title}
      title={props.title}
      unit={props.unit}
      sources={props.sources ?? [POSITION_SOURCE]}
      isLive={props.isLive === true}
      detail={<span class="about">{props.detail}</span>}
      answers={props.answers}
      exports={exports}
      empty={props.items.length === 0 ? props.empty : null}
    >
      <Table
        label={props.title}
        columns={props.columns}
        items={props.items}
        id={props.idOf}
        onTrace={props.onTrace}
        empty=" "
        onReady={(cells) => (exports.current.cells = cells)}
      />
    </Panel>
  );
}

const MOVES = new Set(['ArrowUp', 'ArrowDown', 'j', 'k', 'PageUp', 'PageDown', 'Home', 'End']);
