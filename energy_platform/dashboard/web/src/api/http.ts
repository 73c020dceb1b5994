/** Questions over HTTP, with a time-out each; an answer that isn't one says why. */

const LONGEST_MS = 30_000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export type Query = Readonly<Record<string, string | number | readonly string[] | null | undefined>>;

export function address(path: string, query: Query = {}): string {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') continue;
    if (typeof value === 'object') for (const one of value) said.append(name, one);
    else said.append(name, String(value));
  }
  const text = said.toString();
  return text === '' ? `/api/${path}` : `/api/${path}?${text}`;
}

/** Ask; throws `ApiError` with the server's own words. */
export async function ask<Answer>(url: string, signal?: AbortSignal): Promise<Answer> {
  const limit = AbortSignal.timeout(LONGEST_MS);
  const response = await fetch(url, {
    headers: { Accept: 'application/json' },
    signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
  });
  if (!response.ok) throw new ApiError(response.status, await reason(response));
  return (await response.json()) as Answer;
}

async function reason(response: Response): Promise<string> {
  try {
    const said = (await response.json()) as { error?: unknown; detail?: unknown };
    const words = said.error ?? said.detail;
    if (typeof words === 'string') return words;
  } catch {
    /* The answer is no JSON: the status says all there is. */
  }
  return `The server answered ${response.status} ${response.statusText}`.trim();
}
