/**
 * Panels of a page can be made larger: the gaps between them are dragged, or moved by arrows. Sizes are kept per
 * user and page; a double click on a gap, or Home on it, makes the page as it was.
 */

import { useEffect, useLayoutEffect, useState } from 'preact/hooks';

import { choices, choose, type Tracks } from '../state/choices';

const LEAST_PX = 24;
const STEP_PX = 24;

type Axis = 'columns' | 'rows';

/** Move the gap behind a track: what is before it grows by so much, what is behind shrinks, each in proportion. */
export function resized(tracks: readonly number[], gap: number, by: number): readonly number[] {
  const sum = (part: readonly number[]): number => part.reduce((total, one) => total + one, 0);
  const [before, behind] = [tracks.slice(0, gap + 1), tracks.slice(gap + 1)];
  const [left, right] = [sum(before), sum(behind)];
  const room = (part: readonly number[], total: number): number =>
    total - LEAST_PX * (total / Math.min(...part));
  const moved = Math.max(-room(before, left), Math.min(room(behind, right), by));
  return [
    ...before.map((one) => (one * (left + moved)) / left),
    ...behind.map((one) => (one * (right - moved)) / right),
  ];
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Whether no panel spans a gap at a point. */
export function isOpen(boxes: readonly Box[], x: number, y: number): boolean {
  return !boxes.some((box) => box.left < x && x < box.right && box.top < y && y < box.bottom);
}

interface Handle {
  readonly axis: Axis;
  readonly gap: number;
  /** Beside which track of the other axis it is. */
  readonly beside: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** One handle of each gap takes the focus. */
  readonly first: boolean;
}

function sizes(main: HTMLElement): Tracks {
  const style = getComputedStyle(main);
  const read = (said: string): number[] => said.split(' ').map(Number.parseFloat).filter(Number.isFinite);
  return { columns: read(style.gridTemplateColumns), rows: read(style.gridTemplateRows) };
}

function starts(tracks: readonly number[], gap: number, from: number): number[] {
  let at = from;
  return tracks.map((size) => {
    const start = at;
    at += size + gap;
    return start;
  });
}

function handles(main: HTMLElement): Handle[] {
  const style = getComputedStyle(main);
  const gap = Number.parseFloat(style.columnGap) || 4;
  const pad = Number.parseFloat(style.paddingLeft) || 0;
  const { columns, rows } = sizes(main);
  const [lefts, tops] = [starts(columns, gap, pad), starts(rows, gap, pad)];
  const frame = main.getBoundingClientRect();
  const boxes = [...main.querySelectorAll('.panel')].map((panel) => {
    const box = panel.getBoundingClientRect();
    return {
      left: box.left - frame.left,
      top: box.top - frame.top,
      right: box.right - frame.left,
      bottom: box.bottom - frame.top,
    };
  });
  const found: Handle[] = [];
  const seen = new Set<string>();
  const add = (
    axis: Axis,
    number: number,
    beside: number,
    left: number,
    top: number,
    width: number,
    height: number,
  ): void => {
    if (!isOpen(boxes, left + width / 2, top + height / 2)) return;
    const name = `${axis} ${number}`;
    found.push({ axis, gap: number, beside, left, top, width, height, first: !seen.has(name) });
    seen.add(name);
  };
  lefts.slice(1).forEach((left, number) => {
    rows.forEach((height, row) => add('columns', number, row, left - gap, tops[row] ?? 0, gap, height));
  });
  tops.slice(1).forEach((top, number) => {
    columns.forEach((width, column) =>
      add('rows', number, column, lefts[column] ?? 0, top - gap, width, gap),
    );
  });
  return found;
}

function show(main: HTMLElement, tracks: Tracks | undefined): void {
  const said = (all: readonly number[] | undefined): string =>
    all === undefined ? '' : all.map((share) => `minmax(0, ${share}fr)`).join(' ');
  main.style.gridTemplateColumns = said(tracks?.columns);
  main.style.gridTemplateRows = said(tracks?.rows);
}

/** The gaps of the page in view, which can be moved. */
export function Layout({ page }: { readonly page: string }) {
  const [found, setFound] = useState<readonly Handle[]>([]);
  const kept = choices.value.layouts[page];
  useEffect(() => {
    const main = document.querySelector<HTMLElement>('main.page');
    if (main === null) return;
    const look = (): void => setFound(handles(main));
    const observer = new ResizeObserver(look);
    observer.observe(main);
    for (const panel of main.querySelectorAll('.panel')) observer.observe(panel);
    return () => observer.disconnect();
  }, [page, kept]);

  // At once: after the painting it would take back what keys have resized since.
  useLayoutEffect(() => {
    const main = document.querySelector<HTMLElement>('main.page');
    if (main !== null) show(main, kept);
  }, [page, kept]);

  const keep = (tracks: Tracks | null): void => {
    choose(({ layouts }) => {
      const others = Object.entries(layouts).filter(([name]) => name !== page);
      return { layouts: Object.fromEntries(tracks === null ? others : [...others, [page, tracks]]) };
    });
  };
  const moved = (main: HTMLElement, from: Tracks, { axis, gap }: Handle, by: number): Tracks => {
    const next = { ...from, [axis]: resized(from[axis], gap, by) };
    show(main, next);
    return next;
  };
  const drag = (event: PointerEvent, handle: Handle): void => {
    const main = document.querySelector<HTMLElement>('main.page');
    const element = event.currentTarget;
    if (main === null || !(element instanceof HTMLElement)) return;
    event.preventDefault();
    const from = sizes(main);
    const along = (at: PointerEvent): number => (handle.axis === 'columns' ? at.clientX : at.clientY);
    const began = along(event);
    let last = from;
    const move = (at: PointerEvent): void => void (last = moved(main, from, handle, along(at) - began));
    const end = (): void => {
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', end);
      removeEventListener('pointercancel', end);
      if (last !== from) keep(last);
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', end);
    addEventListener('pointercancel', end);
  };
  const press = (event: KeyboardEvent, handle: Handle): void => {
    const main = document.querySelector<HTMLElement>('main.page');
    const by = BY[handle.axis][event.key];
    if (main === null || (by === undefined && event.key !== 'Home')) return;
    event.preventDefault();
    event.stopPropagation();
    keep(by === undefined ? null : moved(main, sizes(main), handle, by));
  };
  return (
    <>
      {found.map((handle) => (
        <div
          key={`${handle.axis} ${handle.gap} ${handle.beside}`}
          class={`gap gap-${handle.axis}`}
          role="separator"
          aria-label={`Size of ${handle.axis} ${handle.gap + 1}`}
          aria-orientation={handle.axis === 'columns' ? 'vertical' : 'horizontal'}
          aria-valuenow={Math.round(handle.axis === 'columns' ? handle.left : handle.top)}
          tabIndex={handle.first ? 0 : -1}
          title="Drag to resize; double click: as it was"
          style={{
            left: `${handle.left}px`,
            top: `${handle.top}px`,
            width: `${handle.width}px`,
            height: `${handle.height}px`,
          }}
          onPointerDown={(event) => drag(event, handle)}
          onDblClick={() => keep(null)}
          onKeyDown={(event) => press(event, handle)}
        />
      ))}
    </>
  );
}

const BY: Readonly<Record<Axis, Readonly<Partial<Record<string, number>>>>> = {
  columns: { ArrowLeft: -STEP_PX, ArrowRight: STEP_PX },
  rows: { ArrowUp: -STEP_PX, ArrowDown: STEP_PX },
};
