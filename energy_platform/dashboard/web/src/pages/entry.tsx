/** Where traders hand in positions: one row by keyboard, or a file; faults are shown row by row. */

import type { RefObject } from 'preact';
import { useRef, useState } from 'preact/hooks';

import { address, ApiError, hand } from '../api/http';
import { Panel } from '../panel/panel';
import { type Faulty, stated } from '../position/entry';
import { chosenPortfolio } from '../state/portfolios';
import { catalogue, MARKET_ZONE, me } from '../state/screen';
import { quarter, today } from '../state/spans';
import { zoneName } from '../time/say';
import { dateText, parseDate } from '../time/zone';

const KINDS = [
  ['schedule', 'schedule'],
  ['contract', 'contract'],
  ['generation_forecast', 'generation'],
  ['load_forecast', 'load'],
] as const;
const MOST_SHOWN = 100;

interface Fault {
  readonly place: string;
  readonly column: string;
  readonly reason: string;
}

interface Told {
  readonly state: 'idle' | 'sending' | 'taken' | 'refused';
  readonly words: string;
  readonly faults: readonly Fault[];
}

const IDLE: Told = { state: 'idle', words: '', faults: [] };

interface Accepted {
  readonly id?: string;
  readonly rows?: number;
}

interface RefusedRow {
  readonly line?: number | null;
  readonly column?: string | null;
  readonly reason?: string;
}

/** What the server said of each row that it refused. */
function faultsIn(said: unknown): Fault[] {
  const rows = (said as { rows?: unknown } | null)?.rows;
  if (!Array.isArray(rows)) return [];
  return (rows as RefusedRow[]).map((row) => ({
    place: row.line === null || row.line === undefined ? '' : `line ${row.line}`,
    column: row.column ?? '',
    reason: row.reason ?? '',
  }));
}

export interface EntryProps {
  readonly portfolios: readonly string[];
  readonly areas: readonly string[];
  /** The first field, which key N moves to. */
  readonly first: RefObject<HTMLInputElement | null>;
}

export function EntryPanel({ portfolios, areas, first }: EntryProps) {
  const [told, setTold] = useState<Told>(IDLE);
  const [over, setOver] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const send = async (body: Blob | string, type: string, what: string): Promise<boolean> => {
    setTold({ state: 'sending', words: `Sending ${what}…`, faults: [] });
    try {
      const taken = await hand<Accepted>(address('positions'), body, type, me.value?.csrf ?? '');
      const count = taken.rows === undefined ? '' : `: ${taken.rows} ${taken.rows === 1 ? 'row' : 'rows'}`;
      setTold({ state: 'taken', words: `Taken, ${what}${count} (${taken.id ?? ''})`, faults: [] });
      return true;
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      const faults = error instanceof ApiError ? faultsIn(error.said) : [];
      setTold({ state: 'refused', words: `Not taken, ${what}: ${words}`, faults });
      return false;
    }
  };
  const sendRow = async (): Promise<void> => {
    if (form.current === null) return;
    const typed = Object.fromEntries(new FormData(form.current).entries()) as Record<string, string>;
    const row = stated(
      {
        portfolio: typed.portfolio ?? '',
        area: typed.area ?? '',
        kind: typed.kind ?? '',
        name: typed.name ?? '',
        date: parseDate(typed.day ?? null),
        from: typed.from ?? '',
        until: typed.until ?? '',
        power: typed.power ?? '',
      },
      MARKET_ZONE,
    );
    if (isFaults(row)) {
      setTold({ state: 'refused', words: 'Not sent', faults: row.map((one) => ({ place: '', ...one })) });
      return;
    }
    if (await send(JSON.stringify({ rows: [row] }), 'application/json', 'one row')) {
      const power = form.current.elements.namedItem('power');
      if (power instanceof HTMLInputElement) power.value = '';
      first.current?.focus();
    }
  };
  const sendFile = (file: File | null | undefined): void => {
    if (file !== null && file !== undefined) void send(file, 'text/csv', file.name);
  };
  return (
    <Panel
      id="entry"
      name="Enter positions"
      title="Enter"
      unit="MW"
      detail={
        <span class="about">
          local times of the market, {zoneName(quarter.value, MARKET_ZONE)}; + bought or generated, − sold or
          consumed
        </span>
      }
      tools={
        <label class="tool-button file">
          CSV file…
          <input
            type="file"
            accept=".csv,text/csv"
            onChange={(event) => {
              sendFile(event.currentTarget.files?.[0]);
              event.currentTarget.value = '';
            }}
          />
        </label>
      }
    >
      <div
        class={`entry${over ? ' over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          sendFile(event.dataTransfer?.files[0]);
        }}
      >
        <form
          ref={form}
          autocomplete="off"
          onSubmit={(event) => {
            event.preventDefault();
            void sendRow();
          }}
        >
          <label class="wide">
            Portfolio
            <input name="portfolio" ref={first} list="entry-portfolios" defaultValue={chosenPortfolio()} />
          </label>
          <label>
            Area
            <input name="area" list="entry-areas" defaultValue="DE-LU" />
          </label>
          <label class="wide">
            Kind
            <select name="kind">
              {KINDS.map(([value, title]) => (
                <option key={value} value={value}>
                  {title}
                </option>
              ))}
            </select>
          </label>
          <label class="wide">
            Name
            <input name="name" placeholder="park, counterparty, contract" />
          </label>
          <label class="wide">
            Day
            <input name="day" defaultValue={dateText(today.value)} />
          </label>
          <label>
            From
            <input name="from" placeholder="14:15" />
          </label>
          <label>
            Until
            <input name="until" placeholder="14:30" />
          </label>
          <label>
            MW
            <input name="power" inputMode="decimal" placeholder="-12.5" />
          </label>
          <button type="submit" disabled={told.state === 'sending'}>
            Enter ↵
          </button>
          <datalist id="entry-portfolios">
            {portfolios.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
          <datalist id="entry-areas">
            {[...new Set([...(catalogue.value?.areas ?? []), ...areas])].map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </form>
        <p
          class={`entry-told ${told.state === 'refused' ? 'bad' : told.state === 'taken' ? 'good' : 'dim'}`}
          role={told.state === 'refused' ? 'alert' : 'status'}
        >
          {told.state === 'idle' ? 'Type a row and press Enter, or drop a CSV file here.' : told.words}
        </p>
        <Faults faults={told.faults} />
      </div>
    </Panel>
  );
}

function isFaults(row: ReturnType<typeof stated>): row is readonly Faulty[] {
  return Array.isArray(row);
}

function Faults({ faults }: { readonly faults: readonly Fault[] }) {
  if (faults.length === 0) return null;
  return (
    <div class="scroll faults" tabIndex={0} role="group" aria-label="What was refused">
      <table class="plain-table">
        <thead>
          <tr>
            <th>Row</th>
            <th>Column</th>
            <th>Reason</th>
          </tr>
        </thead>
        <tbody>
          {faults.slice(0, MOST_SHOWN).map((one) => (
            <tr key={`${one.place} ${one.column} ${one.reason}`}>
              <td>{one.place}</td>
              <td>{one.column}</td>
              <td class="wrap">{one.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {faults.length > MOST_SHOWN ? <p class="dim">and {faults.length - MOST_SHOWN} more</p> : null}
    </div>
  );
}
