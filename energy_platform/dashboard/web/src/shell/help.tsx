/** The keys, over the page. */

import { useEffect, useRef } from 'preact/hooks';

import { overlay } from '../state/screen';
import { KEYS } from './keys';

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = overlay.value === 'help';
  useEffect(() => {
    const element = dialog.current;
    if (element === null) return;
    if (open && !element.open) element.showModal();
    if (!open && element.open) element.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-title"
      onClose={() => {
        if (overlay.value === 'help') overlay.value = 'none';
      }}
      onClick={(event) => {
        if (event.target === event.currentTarget) overlay.value = 'none';
      }}
    >
      <h2 id="help-title">Keys</h2>
      <dl>
        {KEYS.map(({ key, does }) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p>
        ↻ a revised value · ▲! a quarantined row · ▲ up · ▼ down · blue bid, orange ask. Double click on a
        row: its lineage. Drag in a chart: zoom; double click: whole again.
      </p>
    </dialog>
  );
}
