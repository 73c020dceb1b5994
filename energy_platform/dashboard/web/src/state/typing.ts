/** Whether somebody types: then keys are text, and nothing may take the focus away. */

export function takesText(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.matches('input:not([type="range"]), textarea, select, [contenteditable]')
  );
}
