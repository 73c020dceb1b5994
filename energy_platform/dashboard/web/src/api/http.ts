/** Questions over HTTP, with a time-out each; an answer that isn't one says why. */

const LONGEST_MS = 30_000;

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly said: unknown = null,
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

/** Hand something in; throws `ApiError` with the server's own words, and all that its answer says. */
export async function hand<Answer>(
  url: string,
  body: Blob | string,
  type: string,
  csrf: string,
  method: 'POST' | 'PUT' = 'POST',
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      Accept: 'application/json',
      'Content-Type': type,
      ...(csrf === '' ? {} : { 'X-CSRF-Token': csrf }),
    },
    body,
    signal: AbortSignal.timeout(LONGEST_MS),
  });
  const said = await document(response);
  if (!response.ok) throw new ApiError(response.status, reasonIn(said, response), said);
  return said as Answer;
}

/** Take something away; throws `ApiError` with the server's own words. */
export async function remove(url: string, csrf: string): Promise<void> {
  const response = await fetch(url, {
    method: 'DELETE',
    headers: { Accept: 'application/json', ...(csrf === '' ? {} : { 'X-CSRF-Token': csrf }) },
    signal: AbortSignal.timeout(LONGEST_MS),
  });
  if (!response.ok) throw new ApiError(response.status, await reason(response));
}

async function reason(response: Response): Promise<string> {
  return reasonIn(await document(response), response);
}

/** What an answer says; null if it is no JSON, and its status says all there is. */
async function document(response: Response): Promise<unknown> {
  try {
    return (await response.json()) as unknown;
  } catch {
    return null;
  }
}

function reasonIn(said: unknown, response: Response): string {
  const { error, detail } = (said ?? {}) as { error?: unknown; detail?: unknown };
  const words = error ?? detail;
  return typeof words === 'string'
    ? words
    : `The server answered ${response.status} ${response.statusText}`.trim();
}
