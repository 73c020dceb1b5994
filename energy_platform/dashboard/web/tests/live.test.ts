import { beforeEach, describe, expect, it, vi } from 'vitest';

import { LiveClient, type SocketLike } from '../src/live/client';
import type { ClientFrame } from '../src/live/frames';

class Socket implements SocketLike {
  readyState = 0;
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  sent: ClientFrame[] = [];
  closed = false;

  send(data: string): void {
    this.sent.push(JSON.parse(data) as ClientFrame);
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.readyState = 1;
    this.onopen?.(new Event('open'));
  }
  say(frame: object): void {
    this.onmessage?.(new MessageEvent('message', { data: JSON.stringify(frame) }));
  }
  break(code = 1006): void {
    this.readyState = 3;
    this.onclose?.(new CloseEvent('close', { code }));
  }
}

const TOPIC = 'frequency:CE';
let sockets: Socket[];
let client: LiveClient;
const expelled = vi.fn();

function socket(): Socket {
  const last = sockets[sockets.length - 1];
  if (last === undefined) throw new Error('no socket was opened');
  return last;
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  expelled.mockClear();
  client = new LiveClient({
    connect: () => {
      const made = new Socket();
      sockets.push(made);
      return made;
    },
    onExpelled: expelled,
  });
  client.start();
  return () => {
    client.stop();
    vi.useRealTimers();
  };
});

const row = (id: string, value: number) => ({ id, frequency_hz: value });

describe('the live client', () => {
  it('opens a topic from a snapshot once it is connected', () => {
    client.subscribe(TOPIC, () => undefined);
    expect(socket().sent).toEqual([]);
    socket().open();
    expect(socket().sent).toEqual([{ op: 'open', topics: { [TOPIC]: null } }]);
  });

  it('applies a snapshot and changes, and tells which ids', () => {
    const changes: (readonly string[])[] = [];
    client.subscribe(TOPIC, (change) => changes.push([...change.ids, ...change.gone.map((id) => `-${id}`)]));
    socket().open();
    socket().say({ t: TOPIC, e: 'k', s: 4, snap: 1, rows: [row('1', 50), row('2', 50.01)] });
    socket().say({ t: TOPIC, e: 'k', s: 5, rows: [row('2', 50.02), row('3', 50.03)], gone: ['1'] });
    expect([...client.topic(TOPIC).rows.values()]).toEqual([row('2', 50.02), row('3', 50.03)]);
    expect(changes).toEqual([
      ['1', '2'],
      ['2', '3', '-1'],
    ]);
  });

  it('forgets the rows of before when a snapshot of another epoch comes', () => {
    client.subscribe(TOPIC, () => undefined);
    socket().open();
    socket().say({ t: TOPIC, e: 'k', s: 4, snap: 1, rows: [row('1', 50)] });
    socket().say({ t: TOPIC, e: 'm', s: 1, snap: 1, rows: [row('9', 50)] });
    expect([...client.topic(TOPIC).rows.keys()]).toEqual(['9']);
  });

  it('asks for a snapshot when a change is of another epoch, and shows none of it', () => {
    client.subscribe(TOPIC, () => undefined);
    socket().open();
    socket().say({ t: TOPIC, e: 'k', s: 4, snap: 1, rows: [row('1', 50)] });
    socket().say({ t: TOPIC, e: 'm', s: 5, rows: [row('1', 51)] });
    expect(client.topic(TOPIC).rows.get('1')).toEqual(row('1', 50));
    expect(socket().sent[socket().sent.length - 1]).toEqual({ op: 'open', topics: { [TOPIC]: null } });
  });

  it('takes one change that tells of several', () => {
    client.subscribe(TOPIC, () => undefined);
    socket().open();
    socket().say({ t: TOPIC, e: 'k', s: 4, snap: 1, rows: [row('1', 50)] });
    socket().say({ t: TOPIC, e: 'k', s: 9, rows: [row('1', 51)] });
    expect(client.topic(TOPIC).cursor).toEqual({ e: 'k', s: 9 });
    expect(client.topic(TOPIC).rows.get('1')).toEqual(row('1', 51));
  });

  it('takes no change twice', () => {
    client.subscribe(TOPIC, () => undefined);
    socket().open();
    socket().say({ t: TOPIC, e: 'k', s: 4, snap: 1, rows: [row('1', 50)] });
    const sent = socket().sent.length;
    socket().say({ t: TOPIC, e: 'k', s: 3, rows: [row('1', 49)] });
    expect(client.topic(TOPIC).rows.get('1')).toEqual(row('1', 50));
    expect(socket().sent).toHaveLength(sent);
  });

  it('acknowledges every five messages and each beat', () => {
    client.subscribe(TOPIC, () => undefined);
    socket().open();
    socket().say({ t: TOPIC, e: 'k', s: 0, snap: 1, rows: [] });
    for (let s = 1; s <= 4; s += 1) socket().say({ t: TOPIC, e: 'k', s, rows: [row('1', s)] });
    expect(socket().sent).toContainEqual({ op: 'ack', n: 5 });
    socket().say({ t: 'beat', at: '2026-11-30T00:00:00Z', behind: false });
    expect(socket().sent).toContainEqual({ op: 'ack', n: 6 });
  });

  it('comes back by itself and resumes each topic where it stood', () => {
    client.subscribe(TOPIC, () => undefined);
    socket().open();
    socket().say({ t: TOPIC, e: 'k', s: 7, snap: 1, rows: [row('1', 50)] });
    socket().break();
    expect(sockets).toHaveLength(1);
    vi.advanceTimersByTime(400);
    expect(sockets).toHaveLength(2);
    socket().open();
    expect(socket().sent).toEqual([{ op: 'open', topics: { [TOPIC]: { e: 'k', s: 7 } } }]);
    socket().say({ t: TOPIC, e: 'k', s: 8, rows: [row('1', 50.1)] });
    expect(client.topic(TOPIC).rows.get('1')).toEqual(row('1', 50.1));
  });

  it('waits longer after each failure, five seconds at most', () => {
    for (let attempt = 0; attempt < 8; attempt += 1) {
      socket().break();
      vi.advanceTimersByTime(6_300);
    }
    const before = sockets.length;
    socket().break();
    vi.advanceTimersByTime(3_700);
    expect(sockets).toHaveLength(before);
    vi.advanceTimersByTime(2_600);
    expect(sockets).toHaveLength(before + 1);
  });

  it('leaves a socket that is silent for twelve seconds', () => {
    socket().open();
    socket().say({ t: 'beat', at: '', behind: false });
    const silent = socket();
    vi.advanceTimersByTime(14_500);
    expect(silent.closed).toBe(true);
    expect(sockets.length).toBeGreaterThan(1);
  });

  it('keeps the rows of a topic that is not shown, and resumes it when it is shown again', () => {
    const end = client.subscribe(TOPIC, () => undefined);
    socket().open();
    socket().say({ t: TOPIC, e: 'k', s: 7, snap: 1, rows: [row('1', 50)] });
    end();
    end();
    expect(socket().sent).toContainEqual({ op: 'close', topics: [TOPIC] });
    client.subscribe(TOPIC, () => undefined);
    expect(socket().sent[socket().sent.length - 1]).toEqual({
      op: 'open',
      topics: { [TOPIC]: { e: 'k', s: 7 } },
    });
    expect(client.topic(TOPIC).rows.size).toBe(1);
  });

  it('opens a topic once for several viewers', () => {
    socket().open();
    const ends = [client.subscribe(TOPIC, () => undefined), client.subscribe(TOPIC, () => undefined)];
    expect(socket().sent).toHaveLength(1);
    ends[0]?.();
    expect(socket().sent).toHaveLength(1);
  });

  it('says why a topic is refused', () => {
    client.subscribe('source:nothing', () => undefined);
    socket().open();
    socket().say({ t: 'source:nothing', error: 'there is no source' });
    expect(client.topic('source:nothing').error).toBe('there is no source');
  });

  it('is told when its session has ended', () => {
    socket().open();
    socket().break(4401);
    expect(expelled).toHaveBeenCalledOnce();
  });
});
