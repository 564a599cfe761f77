/** Backup and restore of the embedded database: the database file and the folder of blobs. */
import { chmod, constants, copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { sql } from 'drizzle-orm'
import type { Database } from '../ports.ts'
import { SIDE_FILES } from './data-files.ts'
import { makePrivateFile } from './db-libsql-path.ts'

const DATABASE = 'millrace.db'
/** Database file and the files that SQLite keeps beside it. A log that outlived its database would be replayed into the next of that name. */
const FILES = [DATABASE, ...SIDE_FILES.map((suffix) => DATABASE + suffix)]
const BLOBS = 'blobs'

/** A backup or a restore that can't be done as asked; the message says what to do instead. */
export class BackupError extends Error {
  override readonly name = 'BackupError'
}

/**
 * Copies a data folder while a server may be running on it.
 *
 * The database comes first, as one snapshot (`VACUUM INTO`); the blobs after it. Blobs never change, so every one that the snapshot names
 * and that was not deleted meanwhile is in the copy; those that came later are orphans, which the server sweeps.
 * @param dataDir must hold a database
 * @param target a folder that does not exist yet; there only when the backup is whole
 * @throws BackupError
 */
export async function backUp(db: Database, dataDir: string, target: string): Promise<void> {
  if (await exists(target)) throw new BackupError(`${target} is there already. Name a folder that is not.`)
  const unfinished = `${target}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true, mode: 0o700 })
  // SQLite fills an empty file, and leaves its mode as it is.
  makePrivateFile(join(unfinished, DATABASE))
  await db.run(sql`VACUUM INTO ${join(unfinished, DATABASE)}`)
  await copyBlobs(dataDir, unfinished)
  await rename(unfinished, target)
}

/**
 * Makes a data folder from a backup. A server started on it continues the jobs that were running.
 * @param dataDir must not contain a database, or remains of one
 * @throws BackupError
 */
export async function restore(source: string, dataDir: string): Promise<void> {
  if (!(await exists(join(source, DATABASE))))
    throw new BackupError(`${source} holds no backup: there is no ${DATABASE} in it.`)
  const there = await Promise.all(FILES.map(async (name) => ((await exists(join(dataDir, name))) ? name : '')))
  const names = there.filter((name) => name !== '').join(', ')
  if (names !== '') {
    throw new BackupError(
      `${dataDir} holds a database already: ${names}. Name another DATA_DIR, or move all of it away.`,
    )
  }
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await copyBlobs(source, dataDir)
  await copyPrivately(join(source, DATABASE), join(dataDir, `${DATABASE}.restoring`))
  await rename(join(dataDir, `${DATABASE}.restoring`), join(dataDir, DATABASE))
}

/** Checks if a folder contains a database. */
export const holdsDatabase = (dataDir: string) => exists(join(dataDir, DATABASE))

/** @param under path of a folder of blobs, from `BLOBS` on */
async function copyBlobs(from: string, to: string, under = BLOBS): Promise<void> {
  const entries = await readdir(join(from, under), { withFileTypes: true }).catch(unlessGone)
  for (const entry of entries ?? []) {
    const path = join(under, entry.name)
    // A blob that is still being received (`~`) belongs to no row yet.
    if (entry.name.startsWith('~')) continue
    if (entry.isDirectory()) await copyBlobs(from, to, path)
    if (!entry.isFile()) continue
    await mkdir(dirname(join(to, path)), { recursive: true, mode: 0o700 })
    await copyPrivately(join(from, path), join(to, path)).catch(unlessGone)
  }
}

/** A copy has the mode of what it was made of, which may be one that others may read. */
async function copyPrivately(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  await chmod(to, 0o600)
}

/** Ignores a blob or a folder that is not there: servers may delete some while others are copied. */
function unlessGone(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
