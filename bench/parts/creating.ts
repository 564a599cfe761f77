/** Creating jobs over HTTP beside the raw insert of the same rows. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import Connection from 'libsql'
import { freshFolder, startServer } from '../../test/support/server.ts'
import { median, shown } from './report.ts'

const JOBS = 10_000
const ROUNDS = 9

/** Rows as they are in the database, cells in the order of columns. */
type Rows = unknown[][]

/**
 * A create by one request to a real server, and the same rows inserted one by one with a prepared statement, in one transaction of a
 * database with the same tables and indexes.
 * @returns a part of the report
 */
export async function createAgainst(): Promise<string> {
  await using server = await startServer({ env: { LOG_LEVEL: 'error' } })
  const rawFolder = await freshFolder()
  const empty = await startServer({ dataDir: rawFolder, env: { LOG_LEVEL: 'error' } })
  await empty.end('SIGTERM')
  const raw = new Connection(join(rawFolder, 'millrace.db'))
  raw.exec('PRAGMA synchronous = FULL')
  const ours = new Connection(join(server.dataDir, 'millrace.db'))
  const items = Array.from({ length: JOBS }, (_, i) => ({ value: { title: `Item ${i}`, place: i } }))
  // Due tomorrow, so that nothing runs while it is measured.
  const options = { runAt: new Date(Date.now() + 86_400_000).toISOString() }
  const body = JSON.stringify({ operation: 'echo', items, options })
  const times: { http: number; insert: number }[] = []
  for (let i = 0; i < ROUNDS; i++) {
    const began = performance.now()
    const response = await server.fetch('/api/batch', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body,
    })
    const { batchId }: { batchId: string } = JSON.parse(await response.text())
    const http = performance.now() - began
    const rows = new Map(
      ['batches', 'events', 'jobs'].map((table) => [
        table,
        read(ours, `SELECT * FROM ${table} WHERE ${table === 'batches' ? 'id' : 'batch_id'} = '${batchId}'`),
      ]),
    )
    if (response.status !== 202 || rows.get('jobs')?.length !== JOBS) throw new Error('The jobs are not there.')
    times.push({ http, insert: insert(raw, rows) })
  }
  const kept = read(raw, 'SELECT count(*) FROM jobs')[0]?.[0]
  if (kept !== JOBS * ROUNDS) throw new Error(`${kept} rows were inserted.`)
  ours.close()
  raw.close()
  await rm(rawFolder, { recursive: true })
  const http = median(times.map((time) => time.http))
  const insertMs = median(times.map((time) => time.insert))
  return `### Creating ${JOBS.toLocaleString('en')} jobs

One request to a real server over HTTP until its 202, beside the same rows inserted with a prepared statement in one transaction of the same
schema, both synced to disk. Medians of ${ROUNDS} rounds in turn.

| | ms |
|---|---|
| \`POST /api/batch\` | ${shown(http)} |
| raw inserts | ${shown(insertMs)} |

Ratio by the median round: **${median(times.map((time) => time.http / time.insert)).toFixed(1)}**.`
}

function read(db: Connection.Database, source: string): Rows {
  return db
    .prepare(source)
    .raw(true)
    .all()
    .map((row) => (Array.isArray(row) ? row : []))
}

/** @returns milliseconds */
function insert(db: Connection.Database, tables: ReadonlyMap<string, Rows>): number {
  const began = performance.now()
  db.exec('BEGIN IMMEDIATE')
  for (const [table, rows] of tables) {
    const statement = db.prepare(`INSERT INTO ${table} VALUES (${(rows[0] ?? []).map(() => '?').join(',')})`)
    for (const row of rows) statement.run(row)
  }
  db.exec('COMMIT')
  return performance.now() - began
}
