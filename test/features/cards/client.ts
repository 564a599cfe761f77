/** The card surface as a client calls it. */

import { DatabaseSync } from 'node:sqlite'
import { sign } from 'hono/jwt'
import { z } from 'zod'
import {
  DeleteResult,
  ExportResult,
  ImportResult,
  TaskAccepted,
  TaskStatus,
  Tokens,
} from '../../../src/features/cards/schemas.ts'
import { until } from '../../support/fixture.ts'
import type { TestServer } from '../../support/server.ts'

/** A card as it is sent. */
export function card(number: number, fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    title: `Card ${number}`,
    body: `What card ${number} says`,
    category: 'BUSINESS',
    privacy_level: 'BUSINESS',
    tags: ['test'],
    ...fields,
  }
}

export const someCards = (count: number, fields?: Readonly<Record<string, unknown>>, from = 0) =>
  Array.from({ length: count }, (_, at) => card(from + at, fields))

/** How a server is started that takes the keys of `keyOf`. */
export const KEYED = { MILLRACE_AUTH: 'keys', JWT_SECRET: 'a secret for the tests of the card surface' }

/** A key of an owner. */
export const keyOf = (owner: string): Promise<string> =>
  sign({ sub: owner, exp: 9_999_999_999 }, KEYED.JWT_SECRET, 'HS256')

/** An owner's calls. */
export class CardClient {
  readonly server: TestServer
  readonly #key: string | null

  constructor(server: TestServer, key: string | null = null) {
    this.server = server
    this.#key = key
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.#key !== null) headers.set('Authorization', `Bearer ${this.#key}`)
    return this.server.fetch(path, { ...init, headers })
  }

  post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', ...headers },
    })
  }

  /** A body as it is; the type says what it is. */
  send(path: string, type: string, body: BodyInit, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.fetch(path, { method: 'POST', body, headers: { 'Content-Type': type, ...headers } })
  }

  async status(taskId: string): Promise<TaskStatus> {
    const response = await this.fetch(`/bulk/status/${taskId}`)
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status} ${text}`)
    return TaskStatus.parse(JSON.parse(text))
  }

  async ended(taskId: string, ms = 30_000): Promise<TaskStatus> {
    return until(async () => {
      const status = await this.status(taskId)
      return status.status === 'SUCCESS' || status.status === 'FAILURE' ? status : null
    }, ms)
  }

  async accepted(answer: Promise<Response>): Promise<TaskAccepted> {
    const response = await answer
    const text = await response.text()
    if (response.status !== 200) throw new Error(`${response.status} ${text} ${this.server.output.slice(-3_000)}`)
    return TaskAccepted.strict().parse(JSON.parse(text))
  }

  /** Imports and waits for the end. */
  async import(
    cards: readonly unknown[],
    options: Readonly<Record<string, unknown>> = {},
    state: TaskStatus['status'] = 'SUCCESS',
  ): Promise<ImportResult> {
    return this.result(this.post('/bulk/import', { cards, ...options }), ImportResult, state)
  }

  async export(options: Readonly<Record<string, unknown>> = {}): Promise<ExportResult> {
    return this.result(this.post('/bulk/export', options), ExportResult)
  }

  /** The cards of an export, parsed. */
  async cards(options: Readonly<Record<string, unknown>> = {}): Promise<Record<string, unknown>[]> {
    const { export_data } = await this.export({ ...options, format: 'json' })
    return z.array(z.record(z.string(), z.unknown())).parse(JSON.parse(export_data ?? ''))
  }

  async change(verb: 'delete' | 'restore', body: unknown): Promise<DeleteResult> {
    return this.result(this.post(`/bulk/${verb}`, body), DeleteResult)
  }

  async result<T>(
    answer: Promise<Response>,
    schema: z.ZodType<T>,
    state: TaskStatus['status'] = 'SUCCESS',
  ): Promise<T> {
    const { task_id } = await this.accepted(answer)
    const status = await this.ended(task_id)
    if (status.status !== state) throw new Error(JSON.stringify(status))
    return schema.parse(status.result)
  }

  async tokens(query = ''): Promise<Tokens> {
    const response = await this.fetch(`/bulk/tokens${query}`)
    return Tokens.parse(await response.json())
  }
}

/** The error of an answer in this surface's shape. */
export async function refusal(answer: Promise<Response>): Promise<{ status: number; detail: unknown }> {
  const response = await answer
  return { status: response.status, ...z.strictObject({ detail: z.string() }).parse(await response.json()) }
}

/** Looks at a server's database from outside. */
export function query(server: TestServer, sql: string, ...values: string[]): Record<string, unknown>[] {
  const db = new DatabaseSync(server.databaseFile, { readOnly: true })
  try {
    return db.prepare(sql).all(...values)
  } finally {
    db.close()
  }
}
