/** Page 5: prices of the day-ahead auction of the chosen zones, period by period, and what lies between them. */

import { useMemo } from 'preact/hooks';

import { type Asked, useRows } from '../api/hooks';
import { align, finest } from '../chart/align';
import { instant, number, type Row, text } from '../live/frames';
import { Choice } from '../panel/choice';
import { type Answered, Panel, useExports } from '../panel/panel';
import { AlignedPanel, rowAt } from '../panel/series-panel';
import { BIDDING_ZONES } from '../shell/zones';
import { usePageKeys } from '../shell/page-keys';
import { choices, choose } from '../state/choices';
import { figure, signed } from '../state/figures';
import { route, setParams } from '../state/route';
import { MARKET_ZONE, shownNow, type Traced, traced, zone } from '../state/screen';
import { deliveryDay, today, wholeDay } from '../state/spans';
import { type GridColumn, withMark } from '../table/grid';
import { Table } from '../table/table';
import { day as sayDay, period, zoneName } from '../time/say';
import { addDays, dateText, dayStart, type LocalDate, MINUTE, periodsOfDay, sameClock } from '../time/zone';

const SOURCE = 'entsoe_day_ahead_price';
const VALUE = 'price_eur_per_mwh';
const QUARTER = 15 * MINUTE;
const MOST_ZONES = 8;
const GATE_HOUR = 12;
export const DAY_AHEAD_SOURCES = [
  SOURCE,
  'energy_charts_price',
  'smard_price',
  'energi_data_service_price',
  'ote_day_ahead_price',
  'gme_day_ahead_price',
];

/** The auctions by ENTSO-E's number. */
const AUCTIONS = [
  ['1', 'Coupled'],
  ['2', 'EXAA'],
] as const;

function auction(): string {
  const wanted = route.value.params.auction;
  return AUCTIONS.find(([number]) => number === wanted)?.[0] ?? AUCTIONS[0][0];
}

function zoneOf(row: Row): string {
  return text(row, 'bidding_zone');
}

function questionOf(start: number, end: number, zones: readonly string[]) {
  return {
    path: `range/${SOURCE}`,
    query: {
      start: new Date(start).toISOString(),
      end: new Date(end).toISOString(),
      columns: VALUE,
      bidding_zone: zones,
      auction_sequence: auction(),
    },
    follow: SOURCE,
  };
}

export interface Period {
  readonly start: number;
  readonly rows: ReadonlyMap<string, Row>;
}

/** The quarter-hours of a day, each with the price that holds in each zone. */
export function periods(day: LocalDate, rows: readonly Row[]): Period[] {
  const found = new Map<number, Map<string, Row>>(
    periodsOfDay(day, QUARTER, MARKET_ZONE).map((start) => [start, new Map()]),
  );
  for (const row of rows) {
    const start = instant(row, 'delivery_start');
    const end = instant(row, 'delivery_end');
    if (start === null || end === null) continue;
    for (let at = start; at < end; at += QUARTER) found.get(at)?.set(zoneOf(row), row);
  }
  return [...found].map(([start, held]) => ({ start, rows: held }));
}

/** The mean price of each zone over the periods of a day, null where a period lacks. */
export function means(all: readonly Period[], zones: readonly string[]): Map<string, number | null> {
  return new Map(
    zones.map((name) => {
      const values = all.map((one) => number(one.rows.get(name), VALUE));
      const known = values.filter((value) => value !== null);
      return [
        name,
        known.length === 0 || known.length < all.length
          ? null
          : known.reduce((sum, value) => sum + value, 0) / known.length,
      ];
    }),
  );
}

export function DayAheadPage() {
  const zones = choices.value.zones.slice(0, MOST_ZONES);
  const day = deliveryDay.value;
  const [start, end] = wholeDay(day);
  const asked = useRows(questionOf(start, end, zones));
  const rows = useMemo(() => finest(asked.rows, zoneOf), [asked.rows]);
  const zonesKey = zones.join('|');
  const aligned = useMemo(
    () => align([{ rows, time: 'delivery_start', value: VALUE, seriesOf: zoneOf }], zones),
    [rows, zonesKey],
  );
  const all = useMemo(() => periods(day, rows), [rows, start]);
  const out = zones.filter((name) => rows.some((row) => zoneOf(row) === name)).length;
  usePageKeys({ gate: () => dayStart(addDays(day, -1), MARKET_ZONE) + GATE_HOUR * 60 * MINUTE });
  return (
    <>
      <AlignedPanel
        id="curves"
        title={`Day-ahead ${sayDay(start, MARKET_ZONE)}`}
        unit="EUR/MWh"
        sources={[SOURCE]}
        aligned={aligned}
        asked={[asked]}
        start={start}
        end={end}
        decimals={2}
        tools={
          <>
            <span class={out === zones.length ? 'good' : 'warn'}>
              {out} of {zones.length} zones out · {all.length} quarter-hours
            </span>
            <DayChoice />
            <AddZone />
          </>
        }
      />
      <MatrixPanel all={all} zones={zones} answers={[asked]} />
      <PricesPanel all={all} zones={zones} answers={[asked]} />
      <ComparePanel day={day} zone={zones[0] ?? 'DE-LU'} asked={asked} rows={rows} />
    </>
  );
}

function DayChoice() {
  const chosen = dateText(deliveryDay.value);
  const options = (
    [
      [-1, 'Yesterday'],
      [0, 'Today'],
      [1, 'Tomorrow'],
    ] as const
  ).map(([days, title]) => [dateText(addDays(today.value, days)), title] as const);
  return (
    <Choice
      label="Delivery day"
      options={options}
      value={chosen}
      onChange={(value) => setParams({ day: value === dateText(today.value) ? '' : value })}
    />
  );
}

function AddZone() {
  const zones = choices.value.zones;
  return (
    <select
      aria-label="Add or remove a zone"
      value=""
      onChange={(event) => {
        const name = event.currentTarget.value;
        event.currentTarget.value = '';
        if (name === '') return;
        const isShown = zones.includes(name);
        choose(({ zones: before }) => {
          const others = before.filter((one) => one !== name);
          return { zones: isShown ? others : [...others, name].slice(-MOST_ZONES) };
        });
      }}
    >
      <option value="">Zones…</option>
      {BIDDING_ZONES.map((name) => (
        <option key={name} value={name}>
          {zones.includes(name) ? `✓ ${name}` : name}
        </option>
      ))}
    </select>
  );
}

interface Shown {
  readonly all: readonly Period[];
  readonly zones: readonly string[];
  readonly answers: readonly Answered[];
}

function MatrixPanel({ all, zones, answers }: Shown) {
  const mean = means(all, zones);
  const exports = useExports();
  const between = (one: string, other: string): number | null => {
    const here = mean.get(one) ?? null;
    const there = mean.get(other) ?? null;
    return here === null || there === null ? null : here - there;
  };
  const current = Math.floor(shownNow.value / QUARTER) * QUARTER;
  const held = all.find((one) => one.start === current) ?? all[0];
  /** A mean is of many rows: shown is the price that holds now, or the day's first. */
  const trace = (name: string): void =>
    void (traced.value = { source: SOURCE, row: held?.rows.get(name) ?? null });
  exports.current.cells = () => [
    ['zone', ...zones],
    ...zones.map((one) => [
      one,
      ...zones.map((other) => (one === other ? figure(mean.get(one) ?? null) : signed(between(one, other)))),
    ]),
  ];
  return (
    <Panel
      id="matrix"
      name="Spreads between zones"
      title="Spreads"
      unit="EUR/MWh, mean of the day, row − column"
      sources={[SOURCE]}
      answers={answers}
      exports={exports}
    >
      <div class="scroll fill" tabIndex={0} role="group" aria-label="Spreads between zones">
        <table class="matrix">
          <thead>
            <tr>
              <td />
              {zones.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {zones.map((one) => (
              <tr key={one}>
                <th scope="row">{one}</th>
                {zones.map((other) => {
                  const value = one === other ? null : between(one, other);
                  const words =
                    one === other
                      ? figure(mean.get(one) ?? null)
                      : `${value === null ? '' : value > 0 ? '▲ ' : value < 0 ? '▼ ' : ''}${signed(value)}`;
                  return (
                    <td
                      key={other}
                      class={
                        one === other
                          ? 'self'
                          : value === null || value === 0
                            ? 'dim'
                            : value > 0
                              ? 'up'
                              : 'down'
                      }
                    >
                      <button
                        type="button"
                        title={`Where the price of ${one} comes from`}
                        onClick={() => trace(one)}
                      >
                        {words}
                      </button>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function PricesPanel({ all, zones, answers }: Shown) {
  const exports = useExports();
  const columns = useMemo<readonly GridColumn<Period>[]>(
    () => [
      {
        id: 'period',
        title: 'Delivery',
        width: 'minmax(96px, 1.2fr)',
        align: 'left',
        cell: ({ start }) => ({ text: period(start, start + QUARTER, zone.value), tone: 'strong' }),
      },
      ...zones.map<GridColumn<Period>>((name) => ({
        id: name,
        title: name,
        width: 'minmax(56px, 1fr)',
        flash: true,
        order: ({ rows }) => number(rows.get(name), VALUE),
        cell: ({ rows }) => withMark({ text: figure(number(rows.get(name), VALUE)) }, rows.get(name)),
      })),
    ],
    [zones.join('|')],
  );
  const current = Math.floor(shownNow.value / QUARTER) * QUARTER;
  const named = all[0] === undefined ? '' : zoneName(all[0].start, zone.value);
  const chosen = Number(route.value.params.period ?? current);
  const tracePeriod = (one: Period | undefined, column: string): void => {
    const row = one?.rows.get(column) ?? one?.rows.get(zones[0] ?? '');
    traced.value = { source: SOURCE, row: row ?? null };
  };
  usePageKeys({
    trace: () =>
      tracePeriod(
        all.find((one) => one.start === chosen),
        zones[0] ?? '',
      ),
  });
  return (
    <Panel
      id="prices"
      name="Prices by period"
      title="Prices"
      unit={`EUR/MWh · ${named}`}
      sources={[SOURCE]}
      tools={
        <Choice
          label="Auction"
          options={AUCTIONS}
          value={auction()}
          onChange={(value) => setParams({ auction: value === AUCTIONS[0][0] ? '' : value })}
        />
      }
      answers={answers}
      exports={exports}
    >
      <Table
        label="Day-ahead prices by period"
        columns={columns}
        items={all}
        id={({ start }) => String(start)}
        selected={String(chosen)}
        onSelect={(at) => setParams({ period: at })}
        onTrace={tracePeriod}
        rowClass={({ start }) => (start % (4 * QUARTER) === 0 ? 'hour' : '')}
        focused
        onReady={(cells) => (exports.current.cells = cells)}
      />
    </Panel>
  );
}

const BY_OTHERS = 'by Energy-Charts';
const THE_DAY_BEFORE = 'the day before';

/** The zone's prices by other publishers, and the day before, over the same clock. */
function ComparePanel({
  day,
  zone: name,
  asked,
  rows,
}: {
  readonly day: LocalDate;
  readonly zone: string;
  /** The chosen day as it was asked for, and its rows in their shortest periods. */
  readonly asked: Asked;
  readonly rows: readonly Row[];
}) {
  const [start, end] = wholeDay(day);
  const [before] = wholeDay(addDays(day, -1));
  const eve = useRows(questionOf(before, start, [name]));
  const others = useRows({
    path: 'range/energy_charts_price',
    query: {
      start: new Date(start).toISOString(),
      end: new Date(end).toISOString(),
      columns: VALUE,
      bidding_zone: [name],
    },
    follow: 'energy_charts_price',
  });
  const shifted = useMemo(
    () =>
      finest(eve.rows, zoneOf).map((row) => ({
        ...row,
        delivery_start: nextDay(row, 'delivery_start'),
        delivery_end: nextDay(row, 'delivery_end'),
      })),
    [eve.rows],
  );
  const aligned = useMemo(() => {
    const part = { time: 'delivery_start', value: VALUE };
    return align(
      [
        { ...part, rows: others.rows, seriesOf: () => BY_OTHERS },
        { ...part, rows: rows.filter((row) => zoneOf(row) === name), seriesOf: () => `${name} this day` },
        { ...part, rows: shifted, seriesOf: () => THE_DAY_BEFORE },
      ],
      [BY_OTHERS, `${name} this day`, THE_DAY_BEFORE],
    );
  }, [rows, shifted, others.rows, name, start]);
  const origin = (series: string, at: number, value: number | null): Traced | null => {
    if (series === BY_OTHERS) return rowAt([others], at, value);
    if (series === THE_DAY_BEFORE) return rowAt([eve], sameClock(at, -1, MARKET_ZONE) ?? at, value);
    return rowAt([{ source: SOURCE, rows: rows.filter((row) => zoneOf(row) === name) }], at, value);
  };
  return (
    <AlignedPanel
      id="compare"
      title={`${name} beside the day before`}
      unit="EUR/MWh"
      sources={[SOURCE, 'energy_charts_price']}
      aligned={aligned}
      asked={[asked, eve, others]}
      origin={origin}
      start={start}
      end={end}
      decimals={2}
      dashes={[undefined, undefined, [4, 4]]}
      colours={['c2', 'c1', 'dim']}
    />
  );
}

/** The instant of the same clock a day later, also where the clocks change between; null where there is none. */
function nextDay(row: Row, column: string): string | null {
  const at = instant(row, column);
  if (at === null) return null;
  const moved = sameClock(at, 1, MARKET_ZONE);
  return moved === null ? null : new Date(moved).toISOString();
}
