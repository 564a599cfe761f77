/** The files of a server: their paths, free space and permissions, and the errors of a start that they make fail. */
import { stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Config, ConfigError } from '../config.ts'
import type { Disk, Log } from '../ports.ts'
import { findStorageFault } from '../storage-errors.ts'
import { createFsDisk } from './disk-fs.ts'
import { explainFileError } from './file-errors.ts'

/** Settings that determine the paths of a server's files. */
type Places = Pick<Config, 'dataDir' | 'databaseUrl'>

/** Suffixes of the files that SQLite keeps beside a database. */
export const SIDE_FILES = ['-wal', '-shm', '-journal'] as const
/** Permission bits of group and others. */
const SHARED_BITS = 0o077
/** With less free space, an I/O error at the start is taken to be that of a full disk: SQLite has that name for files it can't even make. */
const MIN_START_BYTES = 1_000_000

/** The address of the database: the configured one, or that of a file in the data folder. */
export const databaseUrlOf = ({ databaseUrl, dataDir }: Places): string =>
  databaseUrl ?? pathToFileURL(resolve(dataDir, 'millrace.db')).href

/** @param url `file:///absolute`, `file:relative` */
export function pathOfUrl(url: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : decodeURIComponent(url.slice('file:'.length))
}

/** The database's own file; null for a server. */
function databaseFileOf(config: Places): string | null {
  const url = databaseUrlOf(config)
  return url.startsWith('file:') ? resolve(pathOfUrl(url)) : null
}

/** The disk of the data folder, and that of the database where it is elsewhere. */
export function openDisk(config: Places): Disk {
  const folder = resolve(config.dataDir)
  const file = databaseFileOf(config)
  return createFsDisk([...new Set([folder, file === null ? folder : dirname(file)])])
}

/** Makes files of this process and its children accessible to their user alone. */
export function makeFilesPrivate(): void {
  process.umask(0o077)
}

/** Warns of files with secrets that other users may access: made by an earlier release, or with the folder. */
export async function warnOfSharedFiles(config: Places, log: Log): Promise<void> {
  const file = databaseFileOf(config)
  const files = file === null ? [] : ['', ...SIDE_FILES].map((suffix) => file + suffix)
  const shared = await findShared([resolve(config.dataDir), join(resolve(config.dataDir), 'blobs'), ...files])
  if (shared.length === 0) return
  log.warn(
    { event: 'files.shared', shared },
    `others than their owner may use files of this server, which hold keys: chmod -R go= ${config.dataDir}`,
  )
}

/** Finds those of some paths that others than their owner may use, each with its mode in octal. Windows has no such modes. */
async function findShared(paths: readonly string[]): Promise<readonly { path: string; mode: string }[]> {
  if (process.platform === 'win32') return []
  const found = await Promise.all(
    paths.map(async (path) => {
      const mode = (await stat(path).catch(() => null))?.mode ?? 0
      return (mode & SHARED_BITS) === 0 ? [] : [{ path, mode: (mode & 0o777).toString(8).padStart(4, '0') }]
    }),
  )
  return found.flat()
}

/**
 * Converts an error of the storage at the start into a ConfigError with its cause and remedy: a storage fault, or a path that can't
 * be used. Returns every other error unchanged.
 */
export async function explainStorageFault(error: unknown, config: Places): Promise<unknown> {
  if (error instanceof ConfigError) return error
  const fault = findStorageFault(error)
  if (fault === null) return explainFileError(error) ?? error
  const where = nameStorage(config)
  const space = await openDisk(config)
    .space()
    .catch(() => null)
  if (fault === 'full' || (fault === 'io' && space !== null && space.freeBytes < MIN_START_BYTES)) {
    return new ConfigError(`The disk of ${where} is full. Free some space, then start again.`)
  }
  if (fault === 'locked') {
    return new ConfigError(`${where} is locked by another process. End it, or start again when it is done.`)
  }
  if (fault === 'unreachable') return new ConfigError(`${where} does not answer. Start again when it does.`)
  return explainFileError(error) ?? new ConfigError(`The storage of ${where} does not work: ${reasonOf(error)}.`)
}

/**
 * Converts an error of opening the database into a ConfigError that names the database and the reason in one sentence. Storage faults are
 * returned unchanged for `explainStorageFault`, which checks the disk.
 */
export function explainOpening(error: unknown, config: Places): unknown {
  if (error instanceof ConfigError || findStorageFault(error) !== null) return error
  const where = databaseFileOf(config) ?? nameStorage(config)
  return (
    explainFileError(error) ??
    new ConfigError(`The database ${where} can't be opened: ${reasonOf(error)}.`, { cause: error })
  )
}

const nameStorage = ({ databaseUrl, dataDir }: Places) =>
  databaseUrl === null ? `DATA_DIR=${dataDir}` : `DATABASE_URL=${databaseUrl}`

/** The innermost cause in one line: what wraps it repeats the statement. */
function reasonOf(error: unknown): string {
  let inner = error
  for (let depth = 0; depth < 10 && inner instanceof Error && inner.cause instanceof Error; depth++) inner = inner.cause
  const text = inner instanceof Error ? inner.message : String(inner)
  return text.replace(/\s+/g, ' ').trim().replace(/\.$/, '')
}
