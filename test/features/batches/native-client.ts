/** The native surface as tests call it. */
import { expect } from 'vitest'
import { z } from 'zod'
import { BatchAccepted, ItemResult } from '../../../src/features/batches/schemas.ts'
import { Follower } from '../../support/follow.ts'
import type { TestServer } from '../../support/server.ts'

export const Refusal = z.object({
  success: z.literal(false),
  error: z.string(),
  message: z.string(),
  field: z.string().optional(),
})
const Status = z.object({
  batch: z.looseObject({
    id: z.string(),
    status: z.string(),
    totalJobs: z.int(),
    completedJobs: z.int(),
    failedJobs: z.int(),
    cancelledJobs: z.int(),
  }),
})
export const Sets = z.object({
  succeeded: z.array(ItemResult).default([]),
  failed: z.array(ItemResult).default([]),
  untouched: z.array(ItemResult).default([]),
  next: z.int().nullable(),
})

/** The calls of a client of the native surface, to a server that may begin after these are made. */
export class NativeClient {
  readonly #server: () => TestServer

  constructor(server: () => TestServer) {
    this.#server = server
  }

  readonly post = (path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    this.#server().fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })

  readonly create = async (body: unknown, headers: Record<string, string> = {}) => {
    const response = await this.post('/api/batch', body, headers)
    const answer = BatchAccepted.parse(await response.json())
    expect(response.headers.get('Location')).toBe(`/api/batch/${answer.batchId}`)
    return { status: response.status, ...answer }
  }

  readonly statusOf = async (id: string) =>
    Status.parse(await (await this.#server().fetch(`/api/batch/${id}`)).json()).batch

  readonly setsOf = async (id: string, query = '') =>
    Sets.parse(await (await this.#server().fetch(`/api/batch/${id}/results${query}`)).json())

  /** Resolves when the batch has ended. */
  readonly followed = async (id: string): Promise<void> => {
    const follower = new Follower(`${this.#server().url}/api/batch/${id}/stream`)
    await follower.completed()
    follower.close()
  }
}
