/** The widths of a table's columns: as each column wants it, but never less than its heading needs. */

const FONT = '11px Inter, sans-serif';
/** The padding on both sides of a heading, and a pixel for what is rounded. */
const AROUND_PX = 9;
const SORTED = ' ▲';
/** What a character takes at most where nothing can be measured. */
const CHARACTER_PX = 7;

export interface Track {
  readonly title: string;
  /** A CSS grid track, e.g. `minmax(60px, 1fr)`. */
  readonly width: string;
  readonly isSorted: boolean;
}

let context: OffscreenCanvasRenderingContext2D | null | undefined;

/** How wide a heading is in the font that is loaded now. */
function widthOf(title: string): number {
  context ??= typeof OffscreenCanvas === 'undefined' ? null : new OffscreenCanvas(1, 1).getContext('2d');
  if (context === null) return title.length * CHARACTER_PX;
  context.font = FONT;
  return context.measureText(title).width;
}

function need(track: Track): number {
  return Math.ceil(widthOf(track.isSorted ? track.title + SORTED : track.title)) + AROUND_PX;
}

/** The tracks of a CSS grid, and how wide they are at least, all together. */
export function tracksOf(columns: readonly Track[]): { readonly css: string; readonly least: number } {
  let least = 0;
  const css = columns.map((column) => {
    const bounds = /^minmax\((\d+)px, *(.+)\)$/.exec(column.width);
    const fixed = /^(\d+)px$/.exec(column.width);
    const narrowest = Math.max(need(column), Number(bounds?.[1] ?? fixed?.[1] ?? 0));
    least += narrowest;
    return fixed === null ? `minmax(${narrowest}px, ${bounds?.[2] ?? column.width})` : `${narrowest}px`;
  });
  return { css: css.join(' '), least };
}
