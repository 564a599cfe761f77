/** The database of a data folder, or of the libSQL server that replaces it. */
import { access, constants, mkdir } from 'node:fs/promises'
import { type Config, ConfigError } from '../config.ts'
import type { Database } from '../ports.ts'
import { findStorageFault } from '../storage-errors.ts'
import { databaseUrlOf, explainOpening } from './data-files.ts'
import type { OnBadText } from './db-libsql-text.ts'
import { MIGRATIONS_FOLDER } from './files-node.ts'

/**
 * Makes the folder where there is none.
 * @throws ConfigError when it cannot be written to
 */
export async function prepareDataFolder(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if (findStorageFault(error) !== null) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError(
      `DATA_DIR=${dataDir} is no folder that can be written to: ${reason}. Make it one, or name another.`,
    )
  }
}

/**
 * Opens the database and brings its schema up to date. The folder must be there.
 * @param onBadText learns of text in a file that is not UTF-8
 * @throws ConfigError that says why in one sentence; a storage fault as the database throws it
 */
export async function openDatabase(
  config: Pick<Config, 'dataDir' | 'databaseUrl' | 'databaseAuthToken'>,
  onBadText?: OnBadText,
): Promise<{ db: Database; close(): void }> {
  // Of what a server loads it is among the largest; a server that only just listens goes without it.
  const { openLibsql } = await import('./db-libsql.ts')
  try {
    return await openLibsql(databaseUrlOf(config), {
      migrations: MIGRATIONS_FOLDER,
      ...(config.databaseAuthToken === null ? {} : { authToken: config.databaseAuthToken }),
      ...(onBadText === undefined ? {} : { onBadText }),
    })
  } catch (error) {
    throw explainOpening(error, config)
  }
}
