/**
 * The one WebSocket of the page: opens and closes topics, acknowledges, and resumes each topic where it
 * stood when the connection comes back. What rows mean is not its business.
 */

import { type Beat, type ClientFrame, type ServerFrame, isBeat, isRefusal } from './frames';
import { type Listener, Topic } from './topic';

export interface SocketLike {
  readonly readyState: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent<string>) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: string): void;
  close(): void;
}

export interface LiveOptions {
  readonly connect: () => SocketLike;
  readonly now?: () => number;
  readonly onBeat?: (beat: Beat) => void;
  /** The connection has ended; another one is tried. */
  readonly onClosed?: () => void;
  /** The session has ended: the server will not answer before a login. */
  readonly onExpelled?: () => void;
}

const OPEN = 1;
const SESSION_ENDED = 4401;
const ACKNOWLEDGE_EVERY = 5;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;
const LONGEST_SILENCE_MS = 12_000;
const CLOCK_MS = 1_000;
const KEPT_TOPICS = 24;

export class LiveClient {
  /** When the last message came, by the page's clock; null before the first. */
  heardAt: number | null = null;
  private readonly topics = new Map<string, Topic>();
  private socket: SocketLike | null = null;
  private received = 0;
  private acknowledged = 0;
  private pause = FIRST_PAUSE_MS;
  private connectedAt = 0;
  private retry: ReturnType<typeof setTimeout> | null = null;
  private clock: ReturnType<typeof setInterval> | null = null;
  private readonly now: () => number;

  constructor(private readonly options: LiveOptions) {
    this.now = options.now ?? Date.now;
  }

  start(): void {
    this.connect();
    this.clock ??= setInterval(() => this.leaveSilentSocket(), CLOCK_MS);
  }

  /** Whether there is a connection that nobody has ended. */
  get isOpen(): boolean {
    return this.socket?.readyState === OPEN;
  }

  stop(): void {
    if (this.clock !== null) clearInterval(this.clock);
    if (this.retry !== null) clearTimeout(this.retry);
    this.clock = this.retry = null;
    this.drop();
  }

  /** Show a topic; returns what ends that. A topic that is shown again resumes from its kept rows. */
  subscribe(name: string, listener: Listener): () => void {
    const topic = this.topic(name);
    topic.listeners.add(listener);
    topic.holders += 1;
    if (topic.holders === 1) this.send({ op: 'open', topics: { [name]: topic.cursor } });
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      topic.listeners.delete(listener);
      topic.holders -= 1;
      if (topic.holders === 0) this.send({ op: 'close', topics: [name] });
      this.forgetUnshown();
    };
  }

  /** The topic's rows so far; the newest use moves it to the end of what is forgotten first. */
  topic(name: string): Topic {
    const topic = this.topics.get(name) ?? new Topic(name);
    this.topics.delete(name);
    this.topics.set(name, topic);
    return topic;
  }

  private connect(): void {
    this.retry = null;
    const socket = this.options.connect();
    this.socket = socket;
    this.received = this.acknowledged = 0;
    this.connectedAt = this.now();
    socket.onopen = () => this.openAll();
    socket.onmessage = (event) => {
      if (this.socket === socket) this.take(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      if (event.code === SESSION_ENDED) this.options.onExpelled?.();
      this.reconnect();
    };
  }

  private reconnect(): void {
    this.drop();
    this.options.onClosed?.();
    const jitter = 0.75 + Math.random() / 2;
    this.retry = setTimeout(() => this.connect(), this.pause * jitter);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private openAll(): void {
    const shown = [...this.topics.values()].filter((topic) => topic.holders > 0);
    if (shown.length > 0) {
      this.send({ op: 'open', topics: Object.fromEntries(shown.map((topic) => [topic.name, topic.cursor])) });
    }
  }

  private take(data: string): void {
    const now = this.now();
    this.heardAt = now;
    this.received += 1;
    this.pause = FIRST_PAUSE_MS;
    const frame = JSON.parse(data) as ServerFrame;
    if (isBeat(frame)) {
      this.acknowledge();
      this.options.onBeat?.(frame);
      return;
    }
    const topic = this.topics.get(frame.t);
    if (topic !== undefined && topic.holders > 0) {
      if (isRefusal(frame)) topic.refuse(frame.error);
      else if (!topic.apply(frame, now)) this.send({ op: 'open', topics: { [topic.name]: null } });
    }
    if (this.received - this.acknowledged >= ACKNOWLEDGE_EVERY) this.acknowledge();
  }

  private acknowledge(): void {
    this.acknowledged = this.received;
    this.send({ op: 'ack', n: this.received });
  }

  /** A socket can be dead without a word: after a long silence a new one is tried. */
  private leaveSilentSocket(): void {
    const since = Math.max(this.heardAt ?? 0, this.connectedAt);
    if (this.socket !== null && this.now() - since > LONGEST_SILENCE_MS) this.reconnect();
  }

  private send(frame: ClientFrame): void {
    if (this.socket?.readyState === OPEN) this.socket.send(JSON.stringify(frame));
  }

  private forgetUnshown(): void {
    for (const [name, topic] of this.topics) {
      if (this.topics.size <= KEPT_TOPICS) return;
      if (topic.holders === 0) this.topics.delete(name);
    }
  }
}
