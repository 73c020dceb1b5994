/** A figure in words, outside of tables and charts; a click on it shows where it comes from. */

import { type Traced, traced } from '../state/screen';

export interface ValueProps {
  readonly words: string;
  readonly tone?: string;
  readonly of: () => Traced;
}

export function Value({ words, tone = '', of }: ValueProps) {
  return (
    <button
      type="button"
      class={`value ${tone}`.trim()}
      title="Where it comes from"
      onClick={() => (traced.value = of())}
    >
      {words}
    </button>
  );
}
