/**
 * The frame of everything that is shown: title, unit, source, age, exports, pop-out. It dims past the source's
 * expected lag and names the source that is late.
 */

import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';

import { ageOf, freshness } from '../state/freshness';
import { formatRoute, route } from '../state/route';
import { asOf, catalogue, link, traced, zone } from '../state/screen';
import { age, clockWithSeconds, dayAndClock, zoneName } from '../time/say';
import { csv, download, picture } from './export';

export interface Exports {
  cells?: () => string[][];
  canvas?: () => HTMLCanvasElement | null;
}

export interface PanelProps {
  readonly id: string;
  readonly title: ComponentChildren;
  /** The title in plain words, for screen readers and exports. */
  readonly name: string;
  readonly unit?: string;
  /** Market sources whose data are shown, the first one first. */
  readonly sources?: readonly string[];
  readonly detail?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly error?: string | null;
  /** The answer's question, from which CSV, Arrow and Parquet can be had whole. */
  readonly url?: string | null;
  readonly cut?: boolean;
  readonly exports?: { current: Exports };
  readonly empty?: string | null;
  readonly children: ComponentChildren;
}

export function useExports() {
  return useRef<Exports>({});
}

export function Panel(props: PanelProps) {
  const {
    id,
    title,
    name,
    unit,
    sources = [],
    detail,
    tools,
    error,
    url,
    cut,
    exports,
    empty,
    children,
  } = props;
  const solo = route.value.params.panel;
  if (solo !== undefined && solo !== id) return null;
  const known = sources.map((source) => freshness.value.get(source)).filter((one) => one !== undefined);
  const late = asOf.value === null ? known.filter((one) => one.late) : [];
  const stale = late.length > 0;
  const lost = link.value === 'lost';
  return (
    <section
      class={`panel panel-${id}${stale ? ' stale' : ''}${solo === id ? ' solo' : ''}${error ? ' failed' : ''}`}
      aria-label={name}
      data-panel={id}
    >
      <header class="panel-head">
        <h2>{title}</h2>
        {unit === undefined ? null : <span class="unit">{unit}</span>}
        {sources.map((source) => (
          <button
            key={source}
            type="button"
            class="source"
            title={`${source}: where it comes from (L)`}
            onClick={() => (traced.value = { source, row: null })}
          >
            {source}
          </button>
        ))}
        {detail}
        <span class="spring" />
        {late.map((one) => (
          <span key={one.source} class="late" role="status" title={one.missing}>
            ▲ {one.source} late
          </span>
        ))}
        {cut === true ? <span class="late">cut at the limit of rows</span> : null}
        {tools}
        <Age sources={sources} />
        <Tools id={id} name={name} unit={unit} url={url ?? null} sources={sources} exports={exports} />
      </header>
      <div class="panel-body">
        {children}
        {lost ? (
          <p class="panel-note nodata">NO DATA</p>
        ) : error ? (
          <p class="panel-note bad" role="alert">
            {error}
          </p>
        ) : empty ? (
          <p class="panel-note">{empty}</p>
        ) : null}
      </div>
    </section>
  );
}

function Age({ sources }: { readonly sources: readonly string[] }) {
  const at = asOf.value;
  if (at !== null) return <span class="age asof">{clockWithSeconds(at, zone.value)}</span>;
  const known = sources.map((source) => freshness.value.get(source)).filter((one) => one !== undefined);
  const oldest = known.reduce<number | null>((worst, one) => {
    const own = ageOf(one);
    return own === null ? worst : Math.max(worst ?? 0, own);
  }, null);
  if (oldest === null) return null;
  const late = known.some((one) => one.late);
  return (
    <span class={late ? 'age bad' : 'age'} title="Since the source was last received">
      {age(oldest)}
    </span>
  );
}

interface ToolsProps {
  readonly id: string;
  readonly name: string;
  readonly unit: string | undefined;
  readonly url: string | null;
  readonly sources: readonly string[];
  readonly exports: { current: Exports } | undefined;
}

function Tools({ id, name, unit, url, sources, exports }: ToolsProps) {
  const [open, setOpen] = useState(false);
  const file = (ending: string): string =>
    `${id}-${new Date(asOf.value ?? Date.now()).toISOString().slice(0, 19).replace(/:/g, '')}.${ending}`;
  const note = (): string => {
    const at = asOf.value ?? Date.now();
    const simulated = catalogue.value?.simulated === true ? 'simulated · ' : '';
    return `${simulated}${sources.join(', ')} · ${asOf.value === null ? '' : 'as of '}${dayAndClock(at, zone.value)} ${zoneName(at, zone.value)}${unit === undefined ? '' : ` · ${unit}`}`;
  };
  const savePicture = async (): Promise<void> => {
    const canvas = exports?.current.canvas?.();
    const blob = canvas ? await picture(canvas, name, note()) : null;
    if (blob !== null) download(file('png'), blob);
  };
  const saveCells = (): void => {
    const cells = exports?.current.cells?.();
    if (cells !== undefined) download(file('csv'), new Blob([csv(cells)], { type: 'text/csv' }));
  };
  const whole = (form: string): string => `${url ?? ''}${url?.includes('?') ? '&' : '?'}format=${form}`;
  return (
    <details class="tools" name="tools" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary aria-label={`Export and pop out: ${name}`}>⋯</summary>
      {open ? (
        <div class="menu">
          {exports?.current.cells === undefined ? null : (
            <button type="button" onClick={saveCells}>
              CSV as shown
            </button>
          )}
          {exports?.current.canvas === undefined ? null : (
            <button type="button" onClick={() => void savePicture()}>
              PNG
            </button>
          )}
          {url === null
            ? null
            : FORMS.map(([form, title]) => (
                <a key={form} href={whole(form)} download={file(form)}>
                  {title}
                </a>
              ))}
          <button type="button" onClick={() => popOut(id)}>
            Pop out ↗
          </button>
        </div>
      ) : null}
    </details>
  );
}

const FORMS = [
  ['csv', 'CSV, all columns'],
  ['parquet', 'Parquet'],
  ['arrow', 'Arrow'],
] as const;

function popOut(id: string): void {
  const { page, params } = route.value;
  const hash = formatRoute({ page, params: { ...params, panel: id } });
  window.open(`${location.pathname}${hash}`, `panel-${id}`, 'popup,width=900,height=600');
}
