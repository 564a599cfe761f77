/** The Database on Cloudflare on D1: the suite of every Database, its limits at their edges, and what is tried again. */

import { env } from 'cloudflare:workers'
import type { D1Database, D1PreparedStatement } from '@cloudflare/workers-types'
import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it } from 'vitest'
import { D1_LIMITS, openD1 } from '../../src/drivers/db-d1.ts'
import { createLocalDispatcher } from '../../src/drivers/dispatch-local.ts'
import { createMemoryNotifier } from '../../src/drivers/notify-memory.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { MillraceError } from '../../src/errors.ts'
import { echo } from '../../src/features/echo/operation.ts'
import type { Database } from '../../src/ports.ts'
import { databaseContract } from '../contracts/database.ts'
import { openPlatform } from '../support/workerd/platform.ts'

databaseContract('D1', openPlatform)

beforeAll(async () => {
  await openPlatform()
})

const write = (db: Database, name: string, value = '') =>
  db.run(sql`INSERT INTO secrets (name, value) VALUES (${name}, ${value})`)
const parameters = (count: number) =>
  sql.join(
    Array.from({ length: count }, (_, i) => sql`${i}`),
    sql`, `,
  )

describe('what is larger than D1 takes', () => {
  const { db } = openD1(env.DB)
  const comment = (bytes: number) => sql.raw(`SELECT 1 AS one -- ${'x'.repeat(bytes - 'SELECT 1 AS one -- '.length)}`)

  it('is refused by name before it is sent, and what is on Cloudflare is taken', async () => {
    expect(await db.all(sql`SELECT 1 AS one WHERE 1 IN (${parameters(D1_LIMITS.parameters)})`)).toEqual([{ one: 1 }])
    await expect(db.all(sql`SELECT 1 WHERE 1 IN (${parameters(101)})`)).rejects.toThrow(/101 parameters/)
    expect(await db.all(comment(D1_LIMITS.sqlBytes))).toEqual([{ one: 1 }])
    await expect(db.all(comment(D1_LIMITS.sqlBytes + 1))).rejects.toThrow(/more than 100000 bytes/)
    await write(db, 'edge', 'x'.repeat(D1_LIMITS.valueBytes - 100))
    await expect(write(db, 'over', 'ž'.repeat(D1_LIMITS.valueBytes / 2 + 1))).rejects.toThrow(/more than 2000000 bytes/)
  })

  it('is what D1 itself refuses', async () => {
    const bare = env.DB.prepare(`SELECT 1 WHERE 1 IN (${Array.from({ length: 101 }, () => '?').join()})`)
    await expect(bare.bind(...Array.from({ length: 101 }, (_, i) => i)).all()).rejects.toThrow(/too many SQL variables/)
    await expect(env.DB.prepare(`SELECT 1 -- ${'x'.repeat(100_000)}`).all()).rejects.toThrow(/too (long|big)/)
  })

  it('writes nothing of a batch it is in', async () => {
    const batch = db.batch([write(db, 'before'), db.all(sql`SELECT 1 WHERE 1 IN (${parameters(101)})`)])
    await expect(batch).rejects.toThrow(/101 parameters/)
    expect(await db.all(sql`SELECT * FROM secrets WHERE name = 'before'`)).toEqual([])
  })
})

describe('the meter', () => {
  it('counts every statement, and refuses those beyond what an invocation may ask', async () => {
    const { db, meter } = openD1(env.DB, { statements: 5 })
    await db.all(sql`SELECT 1`)
    await db.batch([db.all(sql`SELECT 1`), db.all(sql`SELECT 2`), db.all(sql`SELECT 3`)])
    expect([meter.used, meter.left]).toEqual([4, 1])
    const over = db.batch([db.all(sql`SELECT 1`), db.all(sql`SELECT 2`)])
    await expect(over).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE', transient: true })
    expect(meter.left).toBe(1)
    expect(await db.all(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
    expect(meter.left).toBe(0)
  })
})

/** D1, but that its first calls fail as its documentation says they may; a write may have been kept all the same. */
function failing(message: string, times: number, { kept = false, on = /./ } = {}) {
  let calls = 0
  const fail = async (name: string | symbol, run: () => unknown): Promise<unknown> => {
    if (!on.test(String(name)) || ++calls > times) return run()
    if (kept) await run()
    throw new Error(`D1_ERROR: ${message}`)
  }
  const call = (inner: object, name: string | symbol, args: unknown[]) =>
    fail(name, () => Reflect.apply(Reflect.get(inner, name), inner, args))
  const bare = new Map<unknown, D1PreparedStatement>()
  const statement = (inner: D1PreparedStatement): D1PreparedStatement => {
    const outer = new Proxy(inner, {
      get: (_, name) =>
        name === 'bind'
          ? (...values: unknown[]) => statement(inner.bind(...values))
          : (...args: unknown[]) => call(inner, name, args),
    })
    bare.set(outer, inner)
    return outer
  }
  const d1: D1Database = new Proxy(env.DB, {
    get: (_, name) =>
      name === 'prepare'
        ? (text: string) => statement(env.DB.prepare(text))
        : (list: unknown[]) => call(env.DB, name, [list.map((one) => bare.get(one))]),
  })
  return { d1, calls: () => calls }
}

describe('what D1 fails at in passing', () => {
  const at = { pause: async () => {} }

  it('is tried again where it never began, reads and writes', async () => {
    const { d1, calls } = failing('D1 DB is overloaded. Too many requests queued.', 3)
    const { db, meter } = openD1(d1, at)
    await write(db, 'again')
    expect([calls(), meter.used]).toEqual([4, 4])
    expect(await db.all(sql`SELECT count(*) AS n FROM secrets WHERE name = 'again'`)).toEqual([{ n: 1 }])
  })

  it('is tried again where it only reads, when the connection is lost', async () => {
    const { d1, calls } = failing('Network connection lost.', 2)
    const { db } = openD1(d1, at)
    expect(await db.all(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }])
    expect(calls()).toBe(3)
  })

  it('is not tried again where a write may have been kept, and says so', async () => {
    const { d1, calls } = failing('Network connection lost.', 1, { kept: true })
    const { db } = openD1(d1, at)
    await expect(write(db, 'maybe')).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE', transient: true })
    expect(calls()).toBe(1)
    expect(await db.all(sql`SELECT count(*) AS n FROM secrets WHERE name = 'maybe'`)).toEqual([{ n: 1 }])
  })

  it('is no second batch where a create was kept and its answer lost', async () => {
    const { d1, calls } = failing('Network connection lost.', 1, { kept: true, on: /batch/ })
    const deps = {
      ...openD1(d1, at),
      clock: Date,
      dispatcher: createLocalDispatcher(),
      notifier: createMemoryNotifier(),
    }
    const create = (content: string) =>
      submit(deps, {
        owner: 'me',
        operation: echo,
        request: { items: [{}] },
        idempotency: { key: 'lost', content },
      })
    const first = await create('same')
    expect(calls()).toBe(1)
    expect(await create('same')).toEqual({ ...first, created: false })
    expect(await deps.db.all(sql`SELECT id FROM batches WHERE idempotency_key = 'lost'`)).toEqual([
      { id: first.batchId },
    ])
  })

  it('ends as SERVICE_UNAVAILABLE when it goes on', async () => {
    const { d1, calls } = failing('Cannot resolve D1 DB due to transient issue on remote node.', 99)
    const error: unknown = await openD1(d1, at)
      .db.all(sql`SELECT 1`)
      .then(
        () => null,
        (reason: unknown) => reason,
      )
    expect(error).toBeInstanceOf(MillraceError)
    expect(error).toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      cause: { message: expect.stringContaining('D1_ERROR') },
    })
    expect(calls()).toBe(5)
  })

  it('is not what a wrong statement is', async () => {
    const { db, meter } = openD1(env.DB, at)
    await expect(db.all(sql`SELECT * FROM nowhere`)).rejects.toThrow(/no such table/)
    expect(meter.used).toBe(1)
  })
})
