/** A worker over HTTP as tests play one. */
import { z } from 'zod'
import {
  type ClaimedJob,
  ClaimedJobs,
  CompletedJobs,
  OperationAnswer,
  WorkerHeartbeatAnswer,
} from '../../../src/features/workers/schemas.ts'
import type { TestServer } from '../../support/server.ts'

const Any = z.unknown()

/** Calls of an owner's worker, and of the owner. */
export class HttpWorker {
  readonly #server: () => TestServer
  readonly #headers: () => Record<string, string>

  /** @param token null to call without a key */
  constructor(server: () => TestServer, token: () => string | null = () => null) {
    this.#server = server
    this.#headers = () => {
      const bearer = token()
      return { 'Content-Type': 'application/json', ...(bearer === null ? {} : { Authorization: `Bearer ${bearer}` }) }
    }
  }

  readonly send = (method: string, path: string, body?: unknown): Promise<Response> =>
    this.#server().fetch(path, {
      method,
      headers: this.#headers(),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  readonly declare = async (name: string, declaration: unknown = {}) => {
    const answer = await this.send('PUT', `/api/operations/${name}`, declaration)
    if (!answer.ok) throw new Error(await answer.text())
    return OperationAnswer.parse(await answer.json()).operation
  }

  readonly create = async (operation: string, items: readonly unknown[], more: object = {}) => {
    const answer = await this.send('POST', '/api/batch', { operation, items, ...more })
    const body = z
      .looseObject({ batchId: z.string(), streamUrl: z.string(), notice: z.string().optional() })
      .parse(await answer.json())
    return body
  }

  readonly claim = async (operations: string | readonly string[], more: object = {}): Promise<ClaimedJob[]> => {
    const names = typeof operations === 'string' ? [operations] : operations
    const answer = await this.send('POST', '/api/workers/claim', { operations: names, max: 50, ...more })
    if (!answer.ok) throw new Error(await answer.text())
    return ClaimedJobs.parse(await answer.json()).jobs
  }

  /** Claims until there are so many jobs. */
  readonly claimAll = async (operation: string, count: number, more: object = {}): Promise<ClaimedJob[]> => {
    const jobs: ClaimedJob[] = []
    while (jobs.length < count) jobs.push(...(await this.claim(operation, { wait: 10, ...more })))
    return jobs
  }

  readonly beat = async (jobs: readonly object[], more: object = {}) =>
    WorkerHeartbeatAnswer.parse(await (await this.send('POST', '/api/workers/heartbeat', { jobs, ...more })).json())

  readonly complete = async (jobs: readonly object[], more: object = {}) => {
    const answer = await this.send('POST', '/api/workers/complete', { jobs, ...more })
    return { status: answer.status, ...CompletedJobs.parse(await answer.json()) }
  }

  readonly read = async (path: string): Promise<unknown> => Any.parse(await (await this.send('GET', path)).json())
}

/** Names a job under its lease. */
export const held = ({ id, lease }: ClaimedJob) => ({ id, lease })
