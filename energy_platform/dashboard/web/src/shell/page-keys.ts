/** A component's answers to the keys that belong to the page in view. */

import { useEffect, useRef } from 'preact/hooks';

import { pageKeys } from './keys';

type Answers = Partial<typeof pageKeys>;
type Name = keyof typeof pageKeys;

/** Answer these keys while the component stands, each with what it means at the last drawing. */
export function usePageKeys(answers: Answers): void {
  const latest = useRef(answers);
  latest.current = answers;
  const names = Object.keys(answers).join(' ');
  useEffect(() => {
    const mine = names.split(' ') as Name[];
    if (mine.includes('gate')) pageKeys.gate = () => latest.current.gate?.() ?? null;
    if (mine.includes('trace')) pageKeys.trace = () => latest.current.trace?.();
    if (mine.includes('move')) pageKeys.move = (event) => latest.current.move?.(event);
    return () => {
      for (const name of mine) pageKeys[name] = null;
    };
  }, [names]);
}
