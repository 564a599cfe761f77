/** Point 10: what the data folder shows to others, what a start refuses, and a clock that jumps. */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { batchEnd, call, echo, until } from '../call.ts'
import type { Point } from '../points.ts'
import { demand, Fault, type Report, Skip } from '../report.ts'
import { freshFolder, mountSmall, runEntry, startServer } from '../server.ts'

const CLOCK = join(import.meta.dirname, '..', 'shifted-clock.ts')
const SHIFT_DAYS = '60'
/** Others have no bit of a mode. */
const OTHERS = 0o077

/** Everything below a folder, itself included, that others may look at. */
function shown(folder: string): string[] {
  const all = [folder, ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))]
  return all.flatMap((path) => {
    const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
    return (mode & OTHERS) === 0 ? [] : [`${relative(folder, path) || '.'} ${(mode & 0o777).toString(8)}`]
  })
}

async function modes(): Promise<string> {
  process.umask(0o022)
  const parent = freshFolder()
  const dataDir = join(parent, 'data')
  const backup = join(parent, 'backup')
  const server = await startServer({ dataDir })
  try {
    const form = new FormData()
    form.set('swimmer', 'Ada Quill')
    form.set('pdfs', new Blob(['%PDF-1.4']), 'a.pdf')
    await call(server, '/api/batch/extract', { body: form })
    await call(server, '/bulk/import', {
      body: { cards: [{ title: 'a', body: 'b', category: 'IDEAS', privacy_level: 'PRIVATE' }] },
    })
    const { output } = await runEntry(['backup', backup], { DATA_DIR: dataDir })
    demand(existsSync(backup), `no backup: ${output}`)
    const { output: restored } = await runEntry(['restore', backup], { DATA_DIR: join(parent, 'restored') })
    demand(existsSync(join(parent, 'restored')), `not restored: ${restored}`)
    const open = [dataDir, backup, join(parent, 'restored')].flatMap(shown)
    demand(open.length === 0, `${open.length} readable by others: ${open.slice(0, 6).join(', ')}`)
    return 'data folder, database, blobs, backup and what was restored: for the owner alone'
  } finally {
    await server.kill()
  }
}

async function foundOpen(): Promise<string> {
  const dataDir = freshFolder()
  await (await startServer({ dataDir })).kill()
  chmodSync(dataDir, 0o755)
  chmodSync(join(dataDir, 'millrace.db'), 0o644)
  const server = await startServer({ dataDir })
  try {
    const warning = server.output
      .split('\n')
      .find((line) => /755|644|others|permission/i.test(line) && !/EACCES/.test(line))
    demand(warning !== undefined, `no warning in ${server.output.slice(0, 200)}`)
    return warning.slice(0, 140)
  } finally {
    await server.kill()
  }
}

/** Moves the log that a stopped server leaves into the database file, so that damage done to the file is damage to the database. */
function checkpoint(path: string): void {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
}

/** Data folders that a start must refuse, each in a sentence. */
const REFUSED: Readonly<Record<string, (folder: string) => void>> = {
  'a newer schema': (folder) => {
    const db = new DatabaseSync(join(folder, 'millrace.db'))
    db.exec(
      `INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', ${Date.now() + 10 * 365 * 86_400_000})`,
    )
    db.exec('ALTER TABLE jobs ADD COLUMN later TEXT')
    db.close()
  },
  'random bytes': (folder) => writeFileSync(join(folder, 'millrace.db'), Buffer.alloc(50_000, 'nonsense')),
  'a database cut short': (folder) => {
    const path = join(folder, 'millrace.db')
    checkpoint(path)
    writeFileSync(path, readFileSync(path).subarray(0, 12_000))
  },
  'a database with damaged pages': (folder) => {
    checkpoint(join(folder, 'millrace.db'))
    const bytes = readFileSync(join(folder, 'millrace.db'))
    for (let at = 4_096; at < bytes.length; at += 4_096) bytes.fill(0xee, at, at + 2_000)
    writeFileSync(join(folder, 'millrace.db'), bytes)
  },
  'the database of another program': (folder) => {
    const path = join(folder, 'other')
    mkdirSync(path)
    const db = new DatabaseSync(join(path, 'millrace.db'))
    db.exec('CREATE TABLE bookmarks (id INTEGER PRIMARY KEY, url TEXT); CREATE TABLE jobs (id INTEGER, payload BLOB)')
    db.close()
    writeFileSync(join(folder, 'millrace.db'), readFileSync(join(path, 'millrace.db')))
  },
  'a folder in the place of the database': (folder) => mkdirSync(join(folder, 'millrace.db')),
}

let template: Promise<string> | undefined

/** A folder with a database that a server made and left: a copy of one that is made once. */
async function used(): Promise<string> {
  template ??= makeUsed()
  const folder = freshFolder()
  cpSync(await template, folder, { recursive: true })
  return folder
}

async function makeUsed(): Promise<string> {
  const folder = freshFolder()
  const server = await startServer({ dataDir: folder })
  await batchEnd(server, await echo(server, [{ value: 1 }]))
  server.signal('SIGTERM')
  if (!(await server.ended(15_000))) await server.kill()
  return folder
}

/** Demands a refusal that a person can read: ends with an error, within a few lines, without a stack. */
async function demandSentence(folder: string): Promise<string> {
  const { code, output } = await runEntry([], { DATA_DIR: folder, PORT: '0', LOG_LEVEL: 'error' })
  const lines = output
    .replace(/^Millrace listens on .*\n/gm, '')
    .trim()
    .split('\n')
  const told = `${code}: ${lines[0]?.slice(0, 130)}`
  demand(code === 1, told)
  demand(lines.length <= 4 && !/^\s+at /m.test(output), `a stack of ${lines.length} lines: ${told}`)
  const names = /DATA_DIR|millrace\.db/.test(output)
  demand(/[.]$/.test(lines.at(-1) ?? '') && names, `no sentence that names DATA_DIR or the file: ${told}`)
  return told
}

async function refused(make: (folder: string) => void, fresh: boolean): Promise<string> {
  const folder = fresh ? freshFolder() : await used()
  make(folder)
  return demandSentence(folder)
}

async function fullStart(): Promise<string> {
  let folder: string
  try {
    folder = mountSmall('64k')
  } catch {
    throw new Skip('no file system of our own can be mounted here')
  }
  return demandSentence(folder)
}

/** A batch that ended is there after a start whose clock is 60 days on. */
async function jumpedStart(): Promise<string> {
  const dataDir = freshFolder()
  const before = await startServer({ dataDir })
  const id = await echo(before, [{ value: 1 }])
  await batchEnd(before, id)
  await before.kill()
  const server = await startServer({ dataDir, nodeOptions: ['--import', CLOCK], env: { CLOCK_SHIFT_DAYS: SHIFT_DAYS } })
  try {
    await pause(2_000)
    return await stillThere(server, id)
  } finally {
    await server.kill()
  }
}

async function stillThere(server: Parameters<typeof call>[0] & { output: string }, id: string): Promise<string> {
  const { status } = await call(server, `/api/batch/${id}`)
  demand(status === 200, `the batch is answered ${status}`)
  const logged = server.output.split('\n').find((line) => /clock|jump/i.test(line) && line.startsWith('{'))
  demand(logged !== undefined, 'the batch is kept; the log says nothing of the clock')
  return `the batch is kept; ${logged.slice(0, 150)}`
}

/** The sweep of what is kept no longer comes once a minute. */
const SWEEP_MS = 75_000

async function jumped(): Promise<string> {
  const env = { CLOCK_SHIFT_DAYS: SHIFT_DAYS, CLOCK_SHIFT_ON_SIGNAL: '1' }
  const server = await startServer({ nodeOptions: ['--import', CLOCK], env })
  try {
    const id = await echo(server, [{ value: 1 }])
    await batchEnd(server, id)
    await pause(1_500)
    server.signal('SIGUSR2')
    const gone = await until('loss', SWEEP_MS, async () => {
      await pause(1_000)
      return (await call(server, `/api/batch/${id}`)).status === 404 ? true : null
    }).catch((error: unknown) => {
      if (error instanceof Fault) return false
      throw error
    })
    demand(!gone, 'the batch was swept')
    return await stillThere(server, id)
  } finally {
    await server.kill()
  }
}

async function run(report: Report): Promise<void> {
  await report.alone(
    '10',
    { name: 'modes of what is made, under umask 022', expected: '0700, 0600', withinMs: 120_000 },
    modes,
  )
  await report.alone('10', { name: 'a folder that others may read', expected: 'a warning' }, foundOpen)
  for (const [name, make] of Object.entries(REFUSED)) {
    const fresh = !/schema|short|damaged/.test(name)
    await report.alone('10', { name: `start on ${name}`, expected: 'refused in a sentence' }, () =>
      refused(make, fresh),
    )
  }
  await report.alone('10', { name: 'start on a full disk', expected: 'refused in a sentence' }, fullStart)
  const clock = { name: `start with a clock ${SHIFT_DAYS} days on`, expected: 'nothing swept, and logged' }
  await report.alone('10', clock, jumpedStart)
}

async function clockRun(report: Report): Promise<void> {
  const clock = {
    name: `a clock that jumps ${SHIFT_DAYS} days while it runs`,
    expected: 'nothing swept, and logged',
    withinMs: SWEEP_MS + 60_000,
  }
  await report.alone('10', clock, jumped)
}

export const files: Point = { point: '10', title: 'files and clocks', lane: 'storage', run }
export const clocks: Point = { point: '10', title: 'a running clock', lane: 'clock', run: clockRun }
