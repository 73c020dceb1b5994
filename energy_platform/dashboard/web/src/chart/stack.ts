/** Layers that stand on each other: what is above zero upwards, what is below it downwards. */

export interface Layer {
  readonly label: string;
  readonly colour: string;
  readonly values: readonly (number | null)[];
}

export interface Stacked {
  readonly label: string;
  readonly colour: string;
  readonly sums: (number | null)[];
}

/** The sums to draw, the outermost first, so that each layer is drawn over the one outside of it. */
export function stacked(layers: readonly Layer[]): Stacked[] {
  return [...sums(layers, 1), ...sums(layers, -1)];
}

function sums(layers: readonly Layer[], sign: 1 | -1): Stacked[] {
  const length = layers[0]?.values.length ?? 0;
  const held: number[] = Array.from({ length }, () => 0);
  const made: Stacked[] = [];
  for (const { label, colour, values } of layers) {
    const own = values.map((value) => Math.max(0, sign * (value ?? 0)));
    if (own.every((value) => value === 0)) continue;
    own.forEach((value, place) => (held[place] = (held[place] ?? 0) + value));
    made.push({ label, colour, sums: held.map((value) => sign * value) });
  }
  return made.reverse();
}
