/** A row of buttons of which one is pressed, and the legend of a chart. */

export interface ChoiceProps {
  readonly label: string;
  readonly options: readonly (readonly [value: string, title: string])[];
  readonly value: string;
  readonly onChange: (value: string) => void;
}

export function Choice({ label, options, value, onChange }: ChoiceProps) {
  return (
    <span class="choice" role="group" aria-label={label}>
      {options.map(([option, title]) => (
        <button key={option} type="button" aria-pressed={option === value} onClick={() => onChange(option)}>
          {title}
        </button>
      ))}
    </span>
  );
}

export function Select({ label, options, value, onChange }: ChoiceProps) {
  return (
    <select aria-label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
      {options.map(([option, title]) => (
        <option key={option} value={option}>
          {title}
        </option>
      ))}
    </select>
  );
}

export function Legend({
  entries,
}: {
  readonly entries: readonly { readonly label: string; readonly colour: string }[];
}) {
  return (
    <span class="legend">
      {entries.map(({ label, colour }) => (
        <span key={label} class={`key-${colour}`}>
          {label}
        </span>
      ))}
    </span>
  );
}
