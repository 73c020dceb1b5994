/** A `Grid` in a component: built once, then told its items. */

import { effect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

import { useTopic } from '../api/hooks';
import type { Row } from '../live/frames';
import { live, now } from '../state/screen';
import { takesText } from '../state/typing';
import { Grid, type GridOptions, type Sorted } from './grid';

export interface TableProps<Item> extends Omit<GridOptions<Item>, 'empty'> {
  /** What is said where there are no items. */
  readonly empty?: string;
  readonly items: readonly Item[];
  /** A live topic that is shown instead of `items`: its changes go straight into the cells. */
  readonly topic?: string | null;
  readonly arrange?: (rows: readonly Row[]) => readonly Item[];
  readonly selected?: string | null;
  /** Some cells follow the clock: write them each second. */
  readonly ticking?: boolean;
  /** Takes what an export needs. */
  readonly onReady?: (cells: () => string[][]) => void;
  /** Keys move its selection from the start. */
  readonly focused?: boolean;
}

export function Table<Item>(props: TableProps<Item>) {
  const host = useRef<HTMLDivElement>(null);
  const grid = useRef<Grid<Item> | null>(null);
  /** Whether keys move the selection: at first where that is asked for, in a grid built anew if they did before. */
  const hasKeys = useRef(props.focused === true);
  const sorted = useRef<Sorted | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const { columns, label } = latest.current;
    const options: GridOptions<Item> = {
      label,
      columns,
      empty: () => latest.current.empty ?? 'Nothing to show.',
      id: (item) => latest.current.id(item),
      rowClass: (item, before) => latest.current.rowClass?.(item, before) ?? '',
      ...(latest.current.onSelect === undefined
        ? {}
        : { onSelect: (id: string) => latest.current.onSelect?.(id) }),
      marked: (item) => latest.current.marked?.(item) ?? null,
      onTrace: (item, column) => latest.current.onTrace?.(item, column),
    };
    const made = new Grid(options, sorted.current);
    grid.current = made;
    host.current?.append(made.element);
    made.show(firstItems(latest.current));
    made.select(latest.current.selected ?? null, true);
    latest.current.onReady?.(() => made.cells());
    if (hasKeys.current && !takesText(document.activeElement)) made.focus();
    return () => {
      sorted.current = made.order;
      hasKeys.current = made.element.contains(document.activeElement);
      grid.current = null;
      made.destroy();
    };
  }, [props.columns, props.label]);

  const topic = props.topic ?? null;
  useEffect(() => {
    if (topic === null) grid.current?.show(props.items);
  }, [props.items, props.empty, topic]);
  useTopic(topic, (told) => {
    const { arrange } = latest.current;
    if (arrange !== undefined) grid.current?.show(arrange([...told.rows.values()]));
  });
  useEffect(() => {
    if (topic !== null) grid.current?.show(firstItems(latest.current));
  }, [props.arrange]);
  // At once: after the painting it would take back what keys have chosen since.
  useLayoutEffect(() => grid.current?.select(props.selected ?? null, true), [props.selected]);
  useEffect(() => {
    if (props.ticking !== true) return;
    return effect(() => {
      if (now.value > 0) grid.current?.refresh();
    });
  }, [props.ticking]);

  return <div class="table-host" ref={host} />;
}

function firstItems<Item>({ topic, arrange, items }: TableProps<Item>): readonly Item[] {
  return topic === null || topic === undefined || arrange === undefined
    ? items
    : arrange([...live.topic(topic).rows.values()]);
}
