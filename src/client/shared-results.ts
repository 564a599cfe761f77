/** The client of heat-sheet results as they are shared by their codes, `/api/result`: public to read, revoked by their owner. */
import type { CalendarQuery, RevokedCode, SharedResultAnswer } from '../features/heat-sheets/schemas.ts'
import type { Client } from './client.ts'
import { readCoded } from './errors.ts'
import type { Http } from './http.ts'
import type { CallOptions } from './types.ts'

/** Makes the client of shared results. Reading needs no key. */
export function sharedResultsClient(client: Client): SharedResultsClient {
  return new SharedResultsClient(client)
}

export class SharedResultsClient {
  readonly #http: Http

  /** Use `sharedResultsClient`. */
  constructor(client: Client) {
    this.#http = client.http.at({ name: 'results', mount: '/api/result', read: readCoded })
  }

  /** Reads a result by its `resultCode`. @throws ApiError NOT_FOUND where there is none, or no longer */
  read(code: string, call?: CallOptions): Promise<SharedResultAnswer> {
    return this.#http.json(pathOf(code), call)
  }

  /** Downloads the swims of a result as a calendar. */
  calendar(code: string, query: Partial<CalendarQuery> = {}, call?: CallOptions): Promise<Response> {
    return this.#http.file(`${pathOf(code)}/calendar.ics`, { query, ...call })
  }

  /** Revokes a code: its page, its JSON and its calendar are no longer served. */
  async revoke(code: string, call?: CallOptions): Promise<void> {
    const path = pathOf(code)
    await this.#http.json<RevokedCode>(path, { method: 'DELETE', again: false, ...call })
  }
}

const pathOf = (code: string) => `/${encodeURIComponent(code)}`
