/** A component's answers to the keys that belong to the page in view. */

import { useLayoutEffect, useRef } from 'preact/hooks';

import { pageKeys } from './keys';

type Answers = Partial<typeof pageKeys>;

/** Answer these keys while the component stands, each with what it means at the last drawing. */
export function usePageKeys(answers: Answers): void {
  const latest = useRef(answers);
  latest.current = answers;
  const names = Object.keys(answers).join(' ');
  // Before the painting, so that a key that follows the page's own at once is answered.
  useLayoutEffect(() => {
    const asked = names.split(' ');
    const mine: Answers = {
      ...(asked.includes('gate') ? { gate: () => latest.current.gate?.() ?? null } : {}),
      ...(asked.includes('trace') ? { trace: () => latest.current.trace?.() } : {}),
      ...(asked.includes('contract') ? { contract: () => latest.current.contract?.() } : {}),
      ...(asked.includes('enter') ? { enter: () => latest.current.enter?.() } : {}),
      ...(asked.includes('move') ? { move: (event: KeyboardEvent) => latest.current.move?.(event) } : {}),
    };
    Object.assign(pageKeys, mine);
    // The page that comes may have set its answers before the one that goes takes its own away.
    return () => {
      if (pageKeys.gate === mine.gate) pageKeys.gate = null;
      if (pageKeys.trace === mine.trace) pageKeys.trace = null;
      if (pageKeys.move === mine.move) pageKeys.move = null;
      if (pageKeys.contract === mine.contract) pageKeys.contract = null;
      if (pageKeys.contract === mine.contract) pageKeys.contract = null;
      if (pageKeys.enter === mine.enter) pageKeys.enter = null;
    };
  }, [names]);
}
