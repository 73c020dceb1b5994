/**
 * The frame of everything that is shown: title, unit, source, age, exports, pop-out. It dims past the source's
 * expected lag and names the source that is late; so it does where what is shown live is older than what is stored.
 */

import { type ComponentChildren, Fragment } from 'preact';
import { useRef, useState } from 'preact/hooks';

import { ageOf, type Freshness, freshness } from '../state/freshness';
import { formatRoute, route } from '../state/route';
import { asOf, catalogue, link, traced, zone } from '../state/screen';
import { age, clockWithSeconds, dayAndClock, zoneName } from '../time/say';
import { csv, download } from './export';
import { picture } from './picture';

export interface Exports {
  cells?: () => string[][];
}

/** The question that a source has answered; its answer can be had whole. */
export interface Answered {
  readonly source: string | null;
  readonly url: string | null;
  /** Whether the answer has yet to come. */
  readonly loading?: boolean;
  /** Why there is no newer answer. */
  readonly error?: string | null;
}

export interface PanelProps {
  readonly id: string;
  readonly title: ComponentChildren;
  /** The title in plain words, for screen readers and exports. */
  readonly name: string;
  readonly unit?: string;
  /** Market sources whose data are shown, the first one first. */
  readonly sources?: readonly string[];
  /** Whether they come over the live bus: then they can be older than what is stored. */
  readonly isLive?: boolean;
  readonly detail?: ComponentChildren;
  readonly tools?: ComponentChildren;
  readonly error?: string | null;
  /** The questions whose answers are shown, from which CSV, Arrow and Parquet can be had whole. */
  readonly answers?: readonly Answered[];
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
    isLive = false,
    detail,
    tools,
    answers = [],
    cut,
    exports,
    empty,
    children,
  } = props;
  const frame = useRef<HTMLElement>(null);
  const solo = route.value.params.panel;
  if (solo !== undefined && solo !== id) return null;
  const known = sources.map((source) => freshness.value.get(source)).filter((one) => one !== undefined);
  const late = asOf.value === null ? troubled(known, isLive) : [];
  const stale = late.length > 0;
  const error = props.error ?? answers.find((one) => (one.error ?? null) !== null)?.error ?? null;
  const lost = link.value === 'lost';
  const isWaiting = answers.some((one) => one.loading === true);
  return (
    <section
      ref={frame}
      class={`panel panel-${id}${stale ? ' stale' : ''}${solo === id ? ' solo' : ''}${error === null ? '' : ' failed'}`}
      aria-label={name}
      aria-busy={isWaiting}
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
        {isWaiting && !empty ? <span class="about">part of it is asked for…</span> : null}
        <span class="spring" />
        {late.map((one) => (
          <span key={one.source} class="late" role="status" title={one.why}>
            ▲ {one.source} {one.state}
          </span>
        ))}
        {cut === true ? <span class="late">cut at the limit of rows</span> : null}
        {tools}
        <Age known={known} />
        <Tools {...{ id, name, unit, answers, sources, exports, frame }} />
      </header>
      <div class="panel-body">
        {children}
        {lost ? (
          <p class="panel-note nodata">NO DATA</p>
        ) : error !== null ? (
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

interface Troubled {
  readonly source: string;
  readonly state: 'late' | 'behind';
  readonly why: string;
}

function troubled(known: readonly Freshness[], isLive: boolean): readonly Troubled[] {
  return known.flatMap<Troubled>(({ source, late, missing, behind }) =>
    late
      ? [{ source, state: 'late', why: missing }]
      : isLive && behind !== ''
        ? [{ source, state: 'behind', why: behind }]
        : [],
  );
}

/** The age of the first source; of those that are late the oldest. */
function Age({ known }: { readonly known: readonly Freshness[] }) {
  const at = asOf.value;
  if (at !== null) return <span class="age asof">{clockWithSeconds(at, zone.value)}</span>;
  const late = known.filter((one) => one.late);
  const ages = (late.length > 0 ? late : known.slice(0, 1)).map(ageOf);
  if (ages.length === 0) return null;
  const told = ages.filter((one) => one !== null);
  return (
    <span class={late.length > 0 ? 'age bad' : 'age'} title={known.map(sayAge).join('\n')}>
      {told.length === 0 ? 'nothing yet' : age(Math.max(...told))}
    </span>
  );
}

function sayAge(one: Freshness): string {
  const old = ageOf(one);
  return `${one.source}: ${old === null ? 'nothing received yet' : `received ${age(old)} ago`}`;
}

interface ToolsProps {
  readonly id: string;
  readonly name: string;
  readonly unit: string | undefined;
  readonly answers: readonly Answered[];
  readonly sources: readonly string[];
  readonly exports: { current: Exports } | undefined;
  readonly frame: { readonly current: HTMLElement | null };
}

function Tools({ id, name, unit, answers, sources, exports, frame }: ToolsProps) {
  const [open, setOpen] = useState(false);
  const file = (ending: string): string =>
    `${id}-${new Date(asOf.value ?? Date.now()).toISOString().slice(0, 19).replace(/:/g, '')}.${ending}`;
  const note = (): string => {
    const at = asOf.value ?? Date.now();
    const simulated = catalogue.value?.simulated === true ? 'simulated · ' : '';
    const of = sources.length === 0 ? name : sources.join(', ');
    return `${simulated}${of} · ${asOf.value === null ? '' : 'as of '}${dayAndClock(at, zone.value)} ${zoneName(at, zone.value)}${unit === undefined ? '' : ` · ${unit}`}`;
  };
  const savePicture = async (): Promise<void> => {
    const blob = frame.current === null ? null : await picture(frame.current, note());
    if (blob !== null) download(file('png'), blob);
  };
  const saveCells = (): void => {
    const cells = exports?.current.cells?.();
    if (cells !== undefined) download(file('csv'), new Blob([csv(cells)], { type: 'text/csv' }));
  };
  const wholes = [...new Map(answers.map((one) => [one.url, one])).values()].filter(isAsked);
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
          <button type="button" onClick={() => void savePicture()}>
            PNG
          </button>
          {wholes.map(({ source, url }) => (
            <Fragment key={url}>
              {wholes.length === 1 ? null : <span class="menu-head">{nameOf(source, url)}</span>}
              {FORMS.map(([form, title]) => (
                <a key={form} href={inForm(url, form)} download={file(form)}>
                  {title}
                </a>
              ))}
            </Fragment>
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

interface AskedOf extends Answered {
  readonly url: string;
}

function isAsked(one: Answered): one is AskedOf {
  return one.url !== null;
}

/** The source of an answer, and of which instant it is where that is another one than the screen's. */
function nameOf(source: string | null, url: string): string {
  const at = Date.parse(new URL(url, location.href).searchParams.get('as_of') ?? '');
  const isEarlier = !Number.isNaN(at) && at !== asOf.value;
  return `${source ?? 'not answered yet'}${isEarlier ? ` as of ${dayAndClock(at, zone.value)}` : ''}`;
}

function inForm(url: string, form: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}format=${form}`;
}

function popOut(id: string): void {
  const { page, params } = route.value;
  const hash = formatRoute({ page, params: { ...params, panel: id } });
  window.open(`${location.pathname}${hash}`, `panel-${id}`, 'popup,width=900,height=600');
}
