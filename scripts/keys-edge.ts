/**
 * `npm run keys:edge`: API keys where the Worker looks for them. That is D1, of `npm run dev:edge` on this machine or, with `--remote`, of
 * what was deployed; or the libSQL server that `DATABASE_URL` names.
 */
import { resolve } from 'node:path'
import { keysCommand } from '../src/commands.ts'
import { type Config, ConfigError, readConfig } from '../src/config.ts'
import { openD1 } from '../src/drivers/db-d1.ts'
import type { Database } from '../src/ports.ts'
import { WranglerD1 } from './d1-wrangler.ts'
import { openServer } from './edge-database.ts'
import { localState, migrateLocal } from './wrangler.ts'

const args = process.argv.slice(2)
const words = args.filter((word) => word !== '--remote')
const isRemote = words.length < args.length

function openPlatform(config: Config): { db: Database; close(): void } {
  const close = () => {}
  // A deployed one is brought up to date by whoever deploys.
  if (isRemote) return { ...openD1(new WranglerD1(['millrace', '--remote'])), close }
  const { args: local } = localState(resolve(config.dataDir))
  return { ...openD1(new WranglerD1(['millrace', ...local], () => migrateLocal(local))), close }
}

try {
  const config = readConfig(process.env)
  const { db, close } = (await openServer(config)) ?? openPlatform(config)
  const called = `npm run keys:edge --${isRemote ? ' --remote' : ''}`
  try {
    console.log(await keysCommand({ db, clock: { now: Date.now }, called }, words))
  } finally {
    close()
  }
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
}
