/** What the trading signals say of coming deliveries: a line for each, a fan of the chosen one, or why it is silent. */

import { useMemo } from 'preact/hooks';

import { useRows, useTopicRows } from '../api/hooks';
import { align } from '../chart/align';
import { Chart, type Series } from '../chart/chart';
import { instant, number, type Row, text } from '../live/frames';
import { Panel, useExports } from '../panel/panel';
import { cellsOf } from '../panel/series-panel';
import { Value } from '../panel/value';
import { figure, grouped, signed } from '../state/figures';
import { route, setParams } from '../state/route';
import { asOf, shownNow, traced, zone } from '../state/screen';
import { age, clock, day, dayAndClock, period, zoneName } from '../time/say';
import { dateOf } from '../time/zone';

export const SIGNAL_SOURCE = 'trading_signal';

const QUANTILES = ['q90', 'q50', 'q10'] as const;
const FAN: readonly Series[] = [
  { label: 'q90', colour: 'c1', kind: 'step', dash: [4, 3] },
  { label: 'q50', colour: 'c1', kind: 'step', width: 2 },
  { label: 'q10', colour: 'c1', kind: 'step', dash: [4, 3] },
];
const VERSION_SIGNS = 8;

/** What one signal says: the next delivery of which it says something or is silent, and those after it. */
export interface Spoken {
  readonly name: string;
  readonly unit: string;
  readonly next: Row;
  readonly rows: readonly Row[];
}

export function spoken(rows: readonly Row[]): readonly Spoken[] {
  const found = new Map<string, Row[]>();
  for (const row of rows) found.set(text(row, 'signal'), [...(found.get(text(row, 'signal')) ?? []), row]);
  return [...found]
    .sort(([one], [other]) => one.localeCompare(other))
    .flatMap(([name, own]) => {
      const ordered = own.sort(
        (one, other) => (instant(one, 'delivery_start') ?? 0) - (instant(other, 'delivery_start') ?? 0),
      );
      const [next] = ordered;
      return next === undefined ? [] : [{ name, unit: text(next, 'unit'), next, rows: ordered }];
    });
}

/** Prices to the cent, powers to the megawatt. */
export function decimalsIn(unit: string): number {
  return unit === 'MW' ? 0 : 2;
}

/** Why nothing is said of a row's delivery, in words; null if something is. */
export function silence(row: Row): string | null {
  const why = text(row, 'silent_because');
  if (why !== '') return why;
  return number(row, 'q50') === null ? 'no reason was given' : null;
}

/** `▲ +340 MW`: the median, and on which side of nothing it is. */
export function median(row: Row, unit: string): string {
  const value = number(row, 'q50') ?? 0;
  const sign = value > 0 ? '▲ ' : value < 0 ? '▼ ' : '';
  return `${sign}${signed(value, decimalsIn(unit))} ${unit}`;
}

/** How good the model is beside both baselines, as the walk through its past scored it. */
export function score(row: Row, unit: string): string {
  if (text(row, 'model_version') === '') return 'no model';
  const loss = number(row, 'loss');
  if (loss === null) return 'not scored: its past is too short, or its manifest is not here';
  const places = decimalsIn(unit) === 0 ? 1 : 2;
  const rate = (column: string): string => figure(number(row, column), 0);
  const verdict = row.beats_baselines === true ? 'beats both' : 'does not surely beat both';
  const hits = `hits ${rate('hit_rate_pct')} % (${rate('hit_rate_low_pct')}–${rate('hit_rate_high_pct')})`;
  const of = (column: string): string => grouped(number(row, column), places);
  return `${verdict}, loss ${of('loss')}, climatology ${of('loss_of_climatology')}, last value ${of('loss_of_last_value')} ${unit}; ${hits} on ${text(row, 'score_days')} days`;
}

/** An instant by the clock, with its day where that is another one than the delivery's. */
function when(at: number | null, delivery: number | null): string {
  if (at === null) return 'not known';
  const isSameDay =
    delivery !== null &&
    JSON.stringify(dateOf(at, zone.value)) === JSON.stringify(dateOf(delivery, zone.value));
  return isSameDay ? clock(at, zone.value) : dayAndClock(at, zone.value);
}

function trace(row: Row): void {
  traced.value = { source: SIGNAL_SOURCE, row };
}

interface LineProps {
  readonly one: Spoken;
  readonly isChosen: boolean;
}

function Line({ one: { name, unit, next, rows }, isChosen }: LineProps) {
  const start = instant(next, 'delivery_start');
  const end = instant(next, 'delivery_end');
  const why = silence(next);
  const places = decimalsIn(unit);
  const silent = rows.filter((row) => silence(row) !== null).length;
  const about = [
    since(next, shownNow.value),
    silent > 0 && silent < rows.length ? `silent on ${silent} of ${rows.length} deliveries` : '',
    `${modelOf(next)} ${score(next, unit)}`.trim(),
  ].filter((said) => said !== '');
  return (
    <li class={isChosen ? 'signal chosen' : 'signal'} data-signal={name}>
      <div class="signal-head">
        <button
          type="button"
          class="plain"
          aria-pressed={isChosen}
          title={`${text(next, 'description')} Gate: ${text(next, 'gate')}.`}
          onClick={() => setParams({ signal: name })}
        >
          {name}
        </button>
        <span class="dim signal-delivery">
          {start === null || end === null
            ? ''
            : `${day(start, zone.value)} ${period(start, end, zone.value)} ${zoneName(start, zone.value)}`}
        </span>
        {why === null ? (
          <>
            <Value
              words={median(next, unit)}
              tone={(number(next, 'q50') ?? 0) < 0 ? 'down' : 'up'}
              of={() => ({ source: SIGNAL_SOURCE, row: next })}
            />
            <span title="8 times in 10 the value is between these">
              {signed(number(next, 'q10'), places)} … {signed(number(next, 'q90'), places)}
            </span>
            <span>{figure(number(next, 'chance_above_pct'), 0)} % above 0</span>
          </>
        ) : (
          <Value words="silent" tone="warn" of={() => ({ source: SIGNAL_SOURCE, row: next })} />
        )}
      </div>
      {why === null ? null : <p class="warn signal-why">{why}</p>}
      <p class="dim" title={[...about, text(next, 'model_version')].join(' · ')}>
        {about.join(' · ')}
      </p>
    </li>
  );
}

function modelOf(row: Row): string {
  const version = text(row, 'model_version');
  const trained = instant(row, 'trained_at');
  if (version === '') return '';
  const at = trained === null ? '' : ` of ${dayAndClock(trained, zone.value)}`;
  return `model ${version.slice(-VERSION_SIGNS)}${at}:`;
}

/** Since when a signal says so, and how fresh the newest of its inputs was at the gate. */
export function since(row: Row, now: number): string {
  const start = instant(row, 'delivery_start');
  const received = instant(row, 'received_at');
  const known = instant(row, 'features_known_at');
  const gate = instant(row, 'gate_at');
  const said = received === null ? [] : [`said ${clock(received, zone.value)}, ${age(now - received)} ago`];
  const fresh =
    known === null || gate === null
      ? []
      : [
          `newest input ${when(known, start)}, ${gate === known ? 'at' : `${age(gate - known)} before`} the gate`,
        ];
  return [...said, ...fresh].join(' · ');
}

/** The columns of the fan's chart: one for each quantile, null where the signal is silent. */
export function fan(rows: readonly Row[]) {
  return align(
    QUANTILES.map((value) => ({ rows, time: 'delivery_start', value, seriesOf: () => value })),
    QUANTILES,
  );
}

export function SignalsPanel() {
  const isNow = asOf.value === null;
  const told = useTopicRows(isNow ? 'signals' : null);
  const asked = useRows(isNow ? null : { path: 'signals' });
  const rows = isNow ? told.rows : asked.rows;
  const all = useMemo(() => spoken(rows), [rows]);
  const chosen = all.find(({ name }) => name === route.value.params.signal) ?? all[0];
  const drawn = useMemo(
    () => fan((chosen?.rows ?? []).filter((row) => text(row, 'delivery_start') !== '')),
    [chosen],
  );
  const speaks = chosen?.rows.some((row) => silence(row) === null) === true;
  const unit = chosen?.unit ?? '';
  const exports = useExports();
  exports.current.cells = () => cellsOf(drawn.names, drawn.data, unit);
  const waiting = isNow ? told.heardAt === null : asked.loading;
  const pick = (seconds: number): void => {
    const row = chosen?.rows.find((one) => instant(one, 'delivery_start') === seconds * 1000);
    if (row !== undefined) trace(row);
  };
  return (
    <Panel
      id="signals"
      name="Trading signals"
      title="Signals"
      sources={[SIGNAL_SOURCE]}
      isLive
      error={told.error ?? asked.error}
      answers={isNow ? [] : [asked]}
      exports={exports}
      empty={all.length > 0 ? null : waiting ? 'Asking…' : 'There is no trading signal.'}
    >
      <ul class="signals">
        {all.map((one) => (
          <Line key={one.name} one={one} isChosen={one === chosen} />
        ))}
      </ul>
      {speaks ? (
        <Chart
          label={`Signal ${chosen.name}`}
          unit={unit}
          series={FAN}
          data={drawn.data}
          decimals={decimalsIn(unit)}
          between={[0, 2, 'c1']}
          zero
          {...(drawn.glyphs === undefined ? {} : { glyphs: drawn.glyphs })}
          onPick={pick}
        />
      ) : null}
    </Panel>
  );
}
