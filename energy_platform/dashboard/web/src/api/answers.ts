/** What the HTTP API answers with. */

import type { Row } from '../live/frames';
import type { Choices } from '../state/choices';

export interface Column {
  readonly name: string;
  readonly dtype: string;
  readonly unit?: string | null;
  readonly description?: string | null;
}

export interface SourceInfo {
  readonly name: string;
  readonly provider: string;
  readonly protocol: string;
  readonly group: string;
  readonly description: string;
  readonly event_time: string;
  readonly key: readonly string[];
  readonly columns: readonly Column[];
  readonly expected_lag_seconds: number | null;
  readonly terms: string;
}

export interface Catalogue {
  readonly simulated: boolean;
  readonly sources: readonly SourceInfo[];
  readonly areas?: readonly string[];
  readonly products?: readonly string[];
}

/** What the server keeps of a user's choices, if anything. */
export interface ChoicesKept {
  readonly kept: boolean;
  readonly choices: Partial<Choices>;
}

export interface Me {
  readonly name: string;
  readonly role: string;
  readonly portfolios?: readonly string[];
  readonly csrf?: string;
  readonly login: string;
}

export interface Rows {
  readonly source: string;
  readonly as_of: string | null;
  /** The answer was longer than the server's limit. */
  readonly cut: boolean;
  readonly rows: readonly Row[];
}

export interface Lineage {
  readonly source: string;
  readonly message: {
    readonly offset: number;
    readonly received_at: string;
    readonly context?: Readonly<Record<string, string>>;
    readonly content_type?: string | null;
    readonly size_bytes?: number;
  } | null;
  readonly revisions: readonly Row[];
  readonly quarantined: readonly {
    readonly reason: string;
    readonly offset: number;
    readonly received_at: string;
  }[];
  readonly dagster_url: string | null;
}
