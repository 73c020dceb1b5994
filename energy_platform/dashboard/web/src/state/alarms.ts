/** The user's alarms as the server raises them, and the tone that tells of a new one. */

import { signal } from '@preact/signals';

import { type Row, text } from '../live/frames';
import type { Change, Topic } from '../live/topic';
import { live } from './screen';

export const alarms = signal<readonly Row[]>([]);
/** A browser plays nothing until its user has allowed it by a click or a key. */
export const sound = signal<'off' | 'on'>('off');

let context: AudioContext | null = null;

export function startAlarms(user: string): void {
  live.subscribe(`alarms:${user}`, (change, topic) => {
    alarms.value = inOrder([...topic.rows.values()]);
    if (sound.value === 'on' && isLoud(change, topic)) tone();
  });
}

/** What is raised and not yet seen first, then the newest. */
export function inOrder(rows: readonly Row[]): Row[] {
  const rank = (row: Row): number => (isOpen(row) ? 0 : text(row, 'state') === 'raised' ? 1 : 2);
  return [...rows].sort(
    (one, other) => rank(one) - rank(other) || text(other, 'since').localeCompare(text(one, 'since')),
  );
}

/** Raised, and nobody has seen it. */
export function isOpen(row: Row): boolean {
  return text(row, 'state') === 'raised' && text(row, 'seen_by') === '';
}

/** Whether a change tells of an alarm that wants to be heard; what was there before the page was not. */
export function isLoud(change: Change, topic: Topic): boolean {
  return (
    !change.whole &&
    change.ids.some((id) => {
      const row = topic.rows.get(id);
      return row?.sound === true && isOpen(row);
    })
  );
}

export function allowSound(allowed: boolean): void {
  sound.value = allowed ? 'on' : 'off';
  if (!allowed) return;
  context ??= new AudioContext();
  void context.resume();
  tone();
}

const HIGH_HZ = 880;
const LOW_HZ = 660;
const TONE_SECONDS = 0.16;

/** Two short notes. */
function tone(): void {
  if (context === null) return;
  const start = context.currentTime;
  [HIGH_HZ, LOW_HZ].forEach((pitch, place) => {
    if (context === null) return;
    const [oscillator, gain] = [context.createOscillator(), context.createGain()];
    const at = start + place * TONE_SECONDS;
    oscillator.frequency.value = pitch;
    gain.gain.setValueAtTime(0.0001, at);
    gain.gain.exponentialRampToValueAtTime(0.2, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, at + TONE_SECONDS);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(at);
    oscillator.stop(at + TONE_SECONDS);
  });
}
