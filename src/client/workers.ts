/** The client of workers over HTTP: operations that are declared for them (`/api/operations`), and their calls (`/api/workers`). */
import type {
  ClaimedJob,
  ClaimedJobs,
  ClaimJobs,
  CompletedJobs,
  DeclaredOperation,
  Ended,
  JobWritten,
  OperationAnswer,
  OperationDeclaration,
  OperationList,
  WorkerHeartbeat,
  WorkerHeartbeatAnswer,
} from '../features/workers/schemas.ts'
import type { Client } from './client.ts'
import { ApiError, readCoded } from './errors.ts'
import { type Http, json } from './http.ts'
import type { CallOptions } from './types.ts'

/** Makes the client of declared operations. */
export function operationsClient(client: Client): OperationsClient {
  return new OperationsClient(client)
}

export class OperationsClient {
  readonly #http: Http

  /** Use `operationsClient`. */
  constructor(client: Client) {
    this.#http = client.http.at({ name: 'workers', mount: '/api/operations', read: readCoded })
  }

  /**
   * Declares an operation whose jobs workers over HTTP run, or changes it.
   * @throws ApiError INVALID_REQUEST naming the field, CONFLICT where the name is taken
   */
  async declare(name: string, declaration: OperationDeclaration = {}, call?: CallOptions): Promise<DeclaredOperation> {
    const path = pathOf(name)
    const { operation } = await this.#http.json<OperationAnswer>(path, { method: 'PUT', ...json(declaration), ...call })
    return operation
  }

  /** Reads an operation, and whether a worker asks for its jobs. @throws ApiError NOT_FOUND */
  async read(name: string, call?: CallOptions): Promise<DeclaredOperation> {
    return (await this.#http.json<OperationAnswer>(pathOf(name), call)).operation
  }

  /** Lists the operations of the configuration and the caller's own. */
  async list(call?: CallOptions): Promise<readonly DeclaredOperation[]> {
    return (await this.#http.json<OperationList>('', call)).operations
  }

  /** Reads the OpenAPI document, with a typed body for each of the caller's operations. */
  openApi(call?: CallOptions): Promise<Readonly<Record<string, unknown>>> {
    return this.#http.json('/openapi.json', call)
  }

  /** Takes an operation back. @throws ApiError CONFLICT while batches of it have not ended */
  async delete(name: string, call?: CallOptions): Promise<void> {
    await this.#http.json(pathOf(name), { method: 'DELETE', again: false, ...call })
  }
}

const pathOf = (name: string) => `/${encodeURIComponent(name)}`

/** Makes the client of a worker's calls. `runWorker` makes them by itself. */
export function workersClient(client: Client): WorkersClient {
  return new WorkersClient(client)
}

export class WorkersClient {
  readonly #http: Http

  /** Use `workersClient`. */
  constructor(client: Client) {
    this.#http = client.http.at({ name: 'workers', mount: '/api/workers', read: readCoded })
  }

  /**
   * Claims jobs, each under a lease. Sent once: jobs of an answer that is lost come back when their leases end.
   * @param claim `wait`: seconds to wait where there is none, up to 30
   */
  async claim(claim: ClaimJobs, call?: CallOptions): Promise<readonly ClaimedJob[]> {
    const { jobs } = await this.#http.json<ClaimedJobs>('/claim', {
      method: 'POST',
      again: false,
      ...json(claim),
      ...call,
    })
    return jobs
  }

  /** Renews leases, keeps progress and checkpoints. @returns which jobs are still held, which to stop, and which were lost */
  heartbeat(beat: WorkerHeartbeat, call?: CallOptions): Promise<WorkerHeartbeatAnswer> {
    return this.#http.json('/heartbeat', { method: 'POST', ...json(beat), ...call })
  }

  /**
   * Hands in what jobs came to. A job whose lease was lost is 409 and one whose result is not as declared 422 in the answer, also where
   * none was written.
   */
  async complete(jobs: readonly Ended[], call?: CallOptions): Promise<readonly JobWritten[]> {
    try {
      return (await this.#http.json<CompletedJobs>('/complete', { method: 'POST', ...json({ jobs }), ...call })).jobs
    } catch (error) {
      const refused = error instanceof ApiError ? writtenIn(error.body) : null
      if (refused === null) throw error
      return refused
    }
  }
}

/** Finds the outcomes in the body of an answer that wrote none. */
function writtenIn(body: unknown): readonly JobWritten[] | null {
  if (typeof body !== 'object' || body === null || !('jobs' in body)) return null
  return Array.isArray(body.jobs) ? body.jobs : null
}
