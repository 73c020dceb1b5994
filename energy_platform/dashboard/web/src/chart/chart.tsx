/**
 * A uPlot chart with the platform's manners: time ticks in the shown zone, colours of the theme, a zoom that
 * survives updates (double click ends it), values under the cursor, a picture for export.
 */

import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';

import { type Marking, SIGNS } from '../live/frames';
import { choices } from '../state/choices';
import { figure, grouped } from '../state/figures';
import { zone as shownZone } from '../state/screen';
import { dayAndClock, zoneName } from '../time/say';
import { tickLabel, ticks } from '../time/ticks';

export interface Series {
  readonly label: string;
  /** A CSS variable's name without dashes, e.g. `bid`. */
  readonly colour: string;
  readonly kind?: 'line' | 'step' | 'bars' | 'dots' | 'area' | 'step-area' | 'stack';
  readonly width?: number;
  readonly dash?: readonly number[];
  readonly decimals?: number;
  /** Bars below zero in another colour. */
  readonly below?: string;
  readonly unit?: string;
}

export interface Reading {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

/** A stripe across the chart, e.g. the frequency's normal band. */
export interface Band {
  readonly from: number;
  readonly to: number;
  readonly colour: string;
}

export interface Mark {
  readonly at: number;
  readonly label: string;
  readonly colour: string;
}

export interface Level {
  readonly value: number;
  readonly label: string;
  readonly colour: string;
}

/** A sign at a point of a series: its value was revised, or a newer one is in quarantine. */
export interface Glyph {
  readonly at: number;
  readonly place: number;
  readonly mark: Marking;
}

export interface ChartProps {
  readonly label: string;
  readonly unit: string;
  readonly series: readonly Series[];
  /** Seconds since 1970 (or plain x values), then one column per series. */
  readonly data: uPlot.AlignedData;
  /** X isn't time but this unit. */
  readonly xUnit?: string;
  readonly bands?: readonly Band[];
  readonly marks?: readonly Mark[];
  readonly levels?: readonly Level[];
  /** Shown whole from here to there, in x values. */
  readonly span?: readonly [number, number];
  /** What is said under the cursor instead of the drawn values: a stack is drawn as sums. */
  readonly readings?: readonly Reading[];
  readonly decimals?: number;
  readonly zero?: boolean;
  /** The space between two series, the upper one first, in a colour. */
  readonly between?: readonly [upper: number, lower: number, colour: string];
  readonly glyphs?: readonly Glyph[];
  readonly sync?: string;
  /** A point was clicked, or Enter pressed on it: its x value and its series. */
  readonly onPick?: (at: number, place: number) => void;
  readonly zone?: string;
}

function css(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || '#888';
}

function faded(colour: string, alpha: number): string {
  return `color-mix(in srgb, ${colour} ${Math.round(alpha * 100)}%, transparent)`;
}

/** How far from a point a click still means it. */
const REACH_PX = 60;
const PAGE_POINTS = 10;
const EDGE_PX = 16;
const FONT = '11px Inter, sans-serif';
const TICK_EVERY_PX = 72;
const MOST_PLACES = 5;
/** uPlot's enum is erased when it is built: 3 is a colour. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
const COLOUR_FACET: uPlot.Series.BarsPathBuilderFacetUnit = 3;

export function Chart(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const readout = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  const zone = props.zone ?? shownZone.value;
  const theme = choices.value.theme;
  const shape = JSON.stringify([
    props.series,
    props.unit,
    props.xUnit,
    theme,
    zone,
    props.zero,
    props.between,
  ]);

  // Before the painting, and in this order: keys that follow at once meet a chart that has its points.
  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) return;
    const made = build(element, latest, zone, readout);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize(size(element)));
    observer.observe(element);
    return () => {
      plot.current = null;
      observer.disconnect();
      made.destroy();
    };
  }, [shape]);

  const span = props.span === undefined ? '' : props.span.join(' ');
  useLayoutEffect(() => {
    const made = plot.current;
    if (made === null || made.data === props.data) return;
    const zoomed = isZoomed(made);
    made.setData(props.data, !zoomed);
    if (zoomed) made.redraw();
  }, [props.data, span]);
  useEffect(() => plot.current?.redraw(false), [props.bands, props.marks, props.levels, props.glyphs]);

  return (
    <div class={props.data[0].length === 0 ? 'chart blank' : 'chart'}>
      <div
        class="chart-keys"
        role="group"
        aria-label={`Chart ${props.label}: arrows move along it, Enter shows where a value comes from`}
        tabIndex={0}
        onKeyDown={(event) => onChartKey(event, plot.current, latest.current)}
      >
        <div class="chart-host" ref={host} role="img" aria-label={`${props.label}, ${props.unit}`} />
      </div>
      <div class="chart-readout" ref={readout} aria-hidden="true" />
    </div>
  );
}

const STEPS: Readonly<Partial<Record<string, number>>> = {
  ArrowLeft: -1,
  ArrowRight: 1,
  PageUp: -PAGE_POINTS,
  PageDown: PAGE_POINTS,
};

function onChartKey(event: KeyboardEvent, plot: uPlot | null, props: ChartProps): void {
  if (plot === null || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = STEPS[event.key];
  const index = plot.cursor.idx;
  if (step !== undefined) {
    const last = plot.data[0].length - 1;
    const next = Math.min(last, Math.max(0, (index ?? (step > 0 ? -1 : last + 1)) + step));
    plot.setCursor({ left: plot.valToPos(plot.data[0][next] ?? 0, 'x'), top: plot.over.clientHeight / 2 });
  } else if (event.key === 'Enter' && index !== null && index !== undefined) pick(plot, index, props);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Say which point is meant: of the series that have one here the nearest to the cursor. */
function pick(plot: uPlot, index: number, props: ChartProps): void {
  const top = plot.cursor.top ?? 0;
  const found = props.series
    .map((_, place) => ({ place, value: plot.data[place + 1]?.[index] }))
    .filter((one): one is { place: number; value: number } => typeof one.value === 'number')
    .map(({ place, value }) => ({ place, away: Math.abs(plot.valToPos(value, 'y') - top) }))
    .sort((one, other) => one.away - other.away)[0];
  const at = plot.data[0][index];
  if (found !== undefined && at !== undefined) props.onPick?.(at, found.place);
}

const zooms = new WeakMap<uPlot, boolean>();

function isZoomed(plot: uPlot): boolean {
  return zooms.get(plot) === true;
}

function size(element: HTMLElement): { width: number; height: number } {
  return { width: Math.max(60, element.clientWidth), height: Math.max(40, element.clientHeight) };
}

function build(
  element: HTMLElement,
  latest: { current: ChartProps },
  zone: string,
  readout: { current: HTMLElement | null },
): uPlot {
  const { series, unit, xUnit, data, decimals, zero, sync, between } = latest.current;
  const axis = css('dim');
  const line = css('line');
  const isTime = xUnit === undefined;
  const options: uPlot.Options = {
    ...size(element),
    padding: [8, 10, 0, 0],
    legend: { show: false },
    cursor: {
      points: { size: 5 },
      drag: { x: true, y: false },
      ...(sync === undefined ? {} : { sync: { key: sync } }),
    },
    scales: {
      x: {
        time: false,
        range: (_, low, high) => {
          const span = latest.current.span;
          if (span !== undefined) return [span[0], span[1]];
          return low === high ? [low - 1, high + 1] : [low, high];
        },
      },
      y: { range: (_, low, high) => yRange(low, high, latest.current, zero === true) },
    },
    axes: [
      {
        stroke: axis,
        font: FONT,
        size: 22,
        gap: 4,
        grid: { stroke: line, width: 1 },
        ticks: { show: false },
        ...(isTime
          ? {
              splits: (plot: uPlot, _: number, low: number, high: number) =>
                ticks(
                  low * 1000,
                  high * 1000,
                  Math.max(2, plot.bbox.width / devicePixelRatio / TICK_EVERY_PX),
                  zone,
                ).at.map((at) => at / 1000),
              values: (plot: uPlot, splits: number[]) => {
                const step = splits.length > 1 ? ((splits[1] ?? 0) - (splits[0] ?? 0)) * 1000 : 0;
                const { max = Infinity, min = 0 } = plot.scales.x ?? {};
                // A label that would be cut at the edge is left out.
                const edge = max - ((max - min) * EDGE_PX * devicePixelRatio) / plot.bbox.width;
                return splits.map((at) => (at > edge ? '' : tickLabel(at * 1000, step, zone)));
              },
            }
          : {}),
      },
      {
        stroke: axis,
        font: FONT,
        size: (_, values) =>
          14 + Math.max(18, ...((values as string[] | null)?.map((value) => value.length * 6.4) ?? [])),
        gap: 4,
        grid: { stroke: line, width: 1 },
        ticks: { show: false },
        values: (_, splits) => {
          const step = splits.length > 1 ? Math.abs((splits[1] ?? 0) - (splits[0] ?? 0)) : 1;
          const places = placesOf(step);
          return splits.map((value) => grouped(value, places));
        },
      },
    ],
    series: [{}, ...series.map(drawn)],
    ...(between === undefined
      ? {}
      : { bands: [{ series: [between[0] + 1, between[1] + 1], fill: faded(css(between[2]), 0.18) }] }),
    hooks: {
      drawClear: [(plot) => bands(plot, latest.current.bands ?? [])],
      draw: [
        (plot) => {
          for (const level of latest.current.levels ?? []) drawLevel(plot, level);
          for (const mark of latest.current.marks ?? []) drawMark(plot, mark);
          for (const glyph of latest.current.glyphs ?? []) drawGlyph(plot, glyph);
          drawUnit(plot, unit);
        },
      ],
      setSelect: [(plot) => plot.select.width > 0 && zooms.set(plot, true)],
      setCursor: [
        (plot) => {
          if (readout.current !== null)
            readout.current.textContent = said(plot, latest.current, zone, decimals ?? 2);
        },
      ],
      ready: [
        (plot) => {
          plot.over.addEventListener('dblclick', () => zooms.set(plot, false));
          onClicked(plot.over, () => {
            const index = plot.cursor.idx;
            const at = index === null || index === undefined ? undefined : plot.data[0][index];
            const left = plot.cursor.left ?? -1;
            if (index !== null && index !== undefined && at !== undefined)
              if (Math.abs(plot.valToPos(at, 'x') - left) <= REACH_PX) pick(plot, index, latest.current);
          });
        },
      ],
    },
  };
  return new uPlot(options, data, element);
}

/** Call back on a click that ends where it began: a drag zooms. */
function onClicked(element: HTMLElement, call: () => void): void {
  let began: readonly [number, number] | null = null;
  element.addEventListener('pointerdown', (event) => (began = [event.clientX, event.clientY]));
  element.addEventListener('click', (event) => {
    const stayed =
      began !== null && Math.abs(event.clientX - began[0]) < 4 && Math.abs(event.clientY - began[1]) < 4;
    if (stayed) call();
  });
}

/** How many decimals it takes to write multiples of a step. */
export function placesOf(step: number): number {
  for (let places = 0; places < MOST_PLACES; places += 1) {
    const scaled = step * 10 ** places;
    if (Math.abs(scaled - Math.round(scaled)) < 1e-6) return places;
  }
  return MOST_PLACES;
}

function yRange(low: number | null, high: number | null, props: ChartProps, zero: boolean): [number, number] {
  const levels = (props.levels ?? []).map((level) => level.value);
  let bottom = Math.min(low ?? Infinity, ...levels, ...(zero ? [0] : []));
  let top = Math.max(high ?? -Infinity, ...levels, ...(zero ? [0] : []));
  if (!Number.isFinite(bottom) || !Number.isFinite(top)) return [0, 1];
  if (bottom === top) {
    bottom -= 1;
    top += 1;
  }
  const room = (top - bottom) * 0.06;
  return [zero && bottom === 0 ? 0 : bottom - room, zero && top === 0 ? 0 : top + room];
}

function drawn(one: Series): uPlot.Series {
  const colour = css(one.colour);
  const base: uPlot.Series = {
    label: one.label,
    stroke: colour,
    width: one.width ?? 1.4,
    points: { show: one.kind === 'dots', size: 4, fill: colour },
    spanGaps: false,
    ...(one.dash === undefined ? {} : { dash: [...one.dash] }),
  };
  const steps = uPlot.paths.stepped;
  const bars = uPlot.paths.bars;
  switch (one.kind) {
    case 'step':
      return steps === undefined ? base : { ...base, paths: steps({ align: 1 }) };
    case 'step-area':
      return {
        ...base,
        fill: faded(colour, 0.22),
        ...(steps === undefined ? {} : { paths: steps({ align: 1 }) }),
      };
    case 'stack':
      // Later layers are drawn over earlier ones, so nothing may shine through.
      return {
        ...base,
        width: 0.5,
        fill: `color-mix(in srgb, ${colour} 55%, ${css('panel')})`,
        fillTo: 0,
        ...(steps === undefined ? {} : { paths: steps({ align: 1 }) }),
      };
    case 'area':
      return { ...base, fill: faded(colour, 0.22) };
    case 'bars': {
      if (bars === undefined) return base;
      const below = css(one.below ?? one.colour);
      const side = (plot: uPlot, index: number): string[] =>
        Array.from(plot.data[index] ?? [], (value: number | null | undefined) =>
          (value ?? 0) < 0 ? below : colour,
        );
      return {
        ...base,
        width: 0,
        fill: colour,
        paths: bars({
          size: [0.8, 40],
          align: 1,
          disp: { fill: { unit: COLOUR_FACET, values: side }, stroke: { unit: COLOUR_FACET, values: side } },
        }),
      };
    }
    case 'dots':
      return { ...base, paths: () => null };
    default:
      return base;
  }
}

function bands(plot: uPlot, all: readonly Band[]): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const band of all) {
    const top = plot.valToPos(band.to, 'y', true);
    const bottom = plot.valToPos(band.from, 'y', true);
    ctx.fillStyle = faded(css(band.colour), 0.12);
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  }
  ctx.restore();
}

function drawLevel(plot: uPlot, level: Level): void {
  const { ctx, bbox } = plot;
  const y = plot.valToPos(level.value, 'y', true);
  const colour = css(level.colour);
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  label(plot, level.label, bbox.left + bbox.width - 4 * devicePixelRatio, y - 4 * devicePixelRatio, 'right');
  ctx.restore();
}

function drawMark(plot: uPlot, mark: Mark): void {
  const { ctx, bbox } = plot;
  const x = plot.valToPos(mark.at, 'x', true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.setLineDash([]);
  ctx.strokeStyle = ctx.fillStyle = css(mark.colour);
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  label(plot, mark.label, x + 4 * devicePixelRatio, bbox.top + 12 * devicePixelRatio, 'left');
  ctx.restore();
}

function drawGlyph(plot: uPlot, { at, place, mark }: Glyph): void {
  const index = plot.data[0].indexOf(at);
  const value = plot.data[place + 1]?.[index];
  if (typeof value !== 'number') return;
  const { ctx, bbox } = plot;
  const [x, y] = [plot.valToPos(at, 'x', true), plot.valToPos(value, 'y', true)];
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.fillStyle = css(mark === 'revised' ? 'warn' : 'bad');
  label(plot, SIGNS[mark], x, y - 3 * devicePixelRatio, 'left');
  ctx.restore();
}

function drawUnit(plot: uPlot, unit: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = css('dim');
  label(plot, unit, bbox.left + 5 * devicePixelRatio, bbox.top + 10 * devicePixelRatio, 'left');
  ctx.restore();
}

function label(plot: uPlot, words: string, x: number, y: number, side: 'left' | 'right'): void {
  const { ctx } = plot;
  ctx.font = `${11 * devicePixelRatio}px Inter, sans-serif`;
  ctx.textAlign = side;
  ctx.fillText(words, x, y);
}

function said(plot: uPlot, props: ChartProps, zone: string, decimals: number): string {
  const index = plot.cursor.idx;
  if (index === null || index === undefined) return '';
  const x = plot.data[0][index];
  if (x === undefined) return '';
  const when =
    props.xUnit === undefined
      ? `${dayAndClock(x * 1000, zone)} ${zoneName(x * 1000, zone)}`
      : `${figure(x, 2)} ${props.xUnit}`;
  if (props.readings !== undefined) return [when, ...readingsAt(props, index, decimals)].join('   ');
  const marks = new Map(
    (props.glyphs ?? []).filter(({ at }) => at === x).map(({ place, mark }) => [place, mark]),
  );
  const values = props.series.flatMap((one, place) => {
    const value = plot.data[place + 1]?.[index];
    if (value === null || value === undefined) return [];
    const mark = marks.get(place);
    const shown = `${one.label} ${figure(value, one.decimals ?? decimals)} ${one.unit ?? props.unit}`;
    return [mark === undefined ? shown : `${shown} ${SIGNS[mark]} ${mark}`];
  });
  return [when, ...values].join('   ');
}

function readingsAt(props: ChartProps, index: number, decimals: number): string[] {
  return (props.readings ?? []).flatMap(({ label, values }) => {
    const value = values[index];
    return value === null || value === undefined ? [] : [`${label} ${figure(value, decimals)} ${props.unit}`];
  });
}
