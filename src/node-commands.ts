/** The commands of the Node entry: keys, backup and restore. */
import { resolve } from 'node:path'
import { keysCommand } from './commands.ts'
import { type Config, ConfigError } from './config.ts'
import { BackupError, backUp, holdsDatabase, restore } from './drivers/backup-fs.ts'
import { openDatabase, prepareDataFolder } from './drivers/data-folder.ts'

/**
 * Runs a command.
 * @returns what it says when it is done
 * @throws ConfigError when it cannot be done as asked
 */
export async function runCommand(config: Config, command: string, args: readonly string[]): Promise<string> {
  try {
    return command === 'restore' ? await restoreCommand(config, args) : await withDatabase(config, command, args)
  } catch (error) {
    throw error instanceof BackupError ? new ConfigError(error.message) : error
  }
}

/** Runs a command that needs the database, beside a server that may be running on it. */
async function withDatabase(config: Config, command: string, args: readonly string[]): Promise<string> {
  const [folder] = args
  if (command === 'backup' && (folder === undefined || config.databaseUrl !== null)) {
    throw new ConfigError(
      'Usage: npm run backup -- FOLDER   (of the database in DATA_DIR; a libSQL server has its own backups)',
    )
  }
  const isNew = config.databaseUrl === null && !(await holdsDatabase(config.dataDir))
  if (command === 'backup' && isNew) {
    throw new ConfigError(`DATA_DIR=${config.dataDir} holds no database: there is nothing to back up.`)
  }
  await prepareDataFolder(config.dataDir)
  const { db, close } = await openDatabase(config)
  if (isNew) console.error(`DATA_DIR=${config.dataDir} held no database: made one.`)
  try {
    if (command === 'keys') return await keysCommand({ db, clock: Date, called: 'npm run keys --' }, args)
    if (command !== 'backup' || folder === undefined) throw new ConfigError(`There is no command "${command}".`)
    await backUp(db, config.dataDir, resolve(folder))
    return `Backed up ${config.dataDir} to ${folder}. "npm run restore -- ${folder}" makes a data folder of it.`
  } finally {
    close()
  }
}

async function restoreCommand(config: Config, [folder]: readonly string[]): Promise<string> {
  if (folder === undefined) throw new ConfigError('Usage: DATA_DIR=new-folder npm run restore -- FOLDER')
  await restore(resolve(folder), config.dataDir)
  return `Restored ${folder} to ${config.dataDir}. Start the server, and what was under way goes on.`
}
