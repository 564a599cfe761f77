/** Checks a database before a server starts on it; each failure has a sentence for the operator. Writes nothing before all checks pass. */
import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '@libsql/client'
import { ConfigError } from '../config.ts'
import { pathOfUrl, SIDE_FILES } from './data-files.ts'
import { explainFileError } from './file-errors.ts'

/** A database that can't be started on. The message is a sentence that says why, and what to do. */
export class DatabaseStartError extends ConfigError {}

/** Table in which drizzle records the migrations that were applied. */
const MIGRATIONS_TABLE = '__drizzle_migrations'
/** A larger file is not read whole at every start: damage shows when it is met. */
const MAX_QUICK_CHECK_BYTES = 64 * 1024 * 1024
const MAX_NAMES = 3

/** A release's migrations, as drizzle-kit lists them. */
interface Migration {
  /** When it was made, in milliseconds since the epoch; what drizzle keeps of it. */
  readonly when: number
  readonly tag: string
}

/**
 * Refuses paths that SQLite can't keep a database at, before it opens them: it would say no more than "unable to open database file", and
 * of a database file that is empty or gone it deletes the log, with all that is in it.
 * @param path the database file, which need not be there
 * @throws DatabaseStartError
 */
export function checkFiles(path: string): void {
  const main = checkFile(path)
  for (const suffix of SIDE_FILES) {
    const side = checkFile(path + suffix)
    if (suffix !== '-wal' || side === null || side.size === 0 || (main !== null && main.size > 0)) continue
    throw new DatabaseStartError(
      `${path} is ${main === null ? 'missing' : 'empty'}, though ${path}${suffix} holds what was written to it. Put the database file back, or move its log away and restore a backup: npm run restore -- FOLDER.`,
    )
  }
}

/** @returns null where there is none, which is well */
function checkFile(path: string): Stats | null {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) return null
    if (!found.isFile()) {
      throw new DatabaseStartError(
        `${path} is ${found.isDirectory() ? 'a folder' : 'no regular file'}, where a file of the database should be. Move it away, or name another DATA_DIR or DATABASE_URL.`,
      )
    }
    accessSync(path, constants.R_OK | constants.W_OK)
    return found
  } catch (error) {
    throw explainFileError(error) ?? error
  }
}

/**
 * Refuses what is no database, is damaged, belongs to another program or was made by a newer release.
 * @param url as in `openLibsql`
 * @param migrations the folder of migrations of this release
 * @throws DatabaseStartError; whatever else the database throws
 */
export async function checkDatabase(client: Client, url: string, migrations: string): Promise<void> {
  const name = url.startsWith('file:') ? pathOfUrl(url) : new URL(url).origin
  try {
    await checkTables(client, name, await readMigrations(migrations))
    if (url.startsWith('file:')) await checkPages(client, name)
  } catch (error) {
    throw asStartError(error, name)
  }
}

async function checkTables(client: Client, name: string, migrations: readonly Migration[]): Promise<void> {
  const found = await client.execute(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_litestream\\_%' ESCAPE '\\' ORDER BY name",
  )
  const tables = found.rows.map((row) => String(row.name))
  if (tables.length === 0) return
  const applied = tables.includes(MIGRATIONS_TABLE) ? await readApplied(client) : []
  const [first] = migrations
  const last = migrations.at(-1)
  if (first === undefined || last === undefined) return
  const others = tables.filter((table) => table !== MIGRATIONS_TABLE)
  if (applied.length === 0 && others.length === 0) return
  if (!applied.includes(first.when)) {
    const names = others.slice(0, MAX_NAMES).join(', ') + (others.length > MAX_NAMES ? ', …' : '')
    throw new DatabaseStartError(
      `${name} is the database of another program: it holds the tables ${names}, and nothing that Millrace made. Name another DATA_DIR or DATABASE_URL.`,
    )
  }
  if (Math.max(...applied) > last.when) {
    throw new DatabaseStartError(
      `${name} was written by a newer release of Millrace, whose schema this one does not know (it knows it up to ${last.tag}). Start the newer release, or restore a backup that was made before it.`,
    )
  }
}

async function readApplied(client: Client): Promise<number[]> {
  const { rows } = await client.execute(`SELECT created_at FROM ${MIGRATIONS_TABLE}`)
  return rows.map((row) => Number(row.created_at))
}

async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const journal: unknown = JSON.parse(await readFile(join(folder, 'meta', '_journal.json'), 'utf8'))
  if (typeof journal !== 'object' || journal === null || !('entries' in journal) || !Array.isArray(journal.entries)) {
    throw new Error(`${folder} holds no list of migrations.`)
  }
  return journal.entries.filter(isMigration)
}

function isMigration(entry: unknown): entry is Migration {
  return (
    typeof entry === 'object' &&
    entry !== null &&
    'when' in entry &&
    typeof entry.when === 'number' &&
    'tag' in entry &&
    typeof entry.tag === 'string'
  )
}

/** Looks for damage where that takes a moment. */
async function checkPages(client: Client, path: string): Promise<void> {
  if ((await stat(path)).size > MAX_QUICK_CHECK_BYTES) return
  const { rows } = await client.execute('PRAGMA quick_check(1)')
  const said = String(rows[0]?.[0] ?? 'ok')
  if (said !== 'ok') throw damaged(path, said)
}

function damaged(name: string, said: string): DatabaseStartError {
  return new DatabaseStartError(
    `${name} is damaged (${said.split('\n').at(-1)}). Move it away with its -wal and -shm, and restore a backup: npm run restore -- FOLDER.`,
  )
}

function asStartError(error: unknown, name: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const message = error instanceof Error ? error.message : String(error)
  if (code.startsWith('SQLITE_NOTADB')) {
    return new DatabaseStartError(
      `${name} is no SQLite database. Move it away, or name another DATA_DIR or DATABASE_URL.`,
    )
  }
  if (code.startsWith('SQLITE_CORRUPT')) return damaged(name, message)
  return error
}
