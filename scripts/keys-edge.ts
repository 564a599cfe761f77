/** `npm run keys:edge`: API keys in D1, of `npm run dev:edge` on this machine or, with `--remote`, of what was deployed. */
import { resolve } from 'node:path'
import { keysCommand } from '../src/commands.ts'
import { ConfigError, readConfig } from '../src/config.ts'
import { openD1 } from '../src/drivers/db-d1.ts'
import { WranglerD1 } from './d1-wrangler.ts'
import { localState, runWrangler } from './wrangler.ts'

const args = process.argv.slice(2)
const words = args.filter((word) => word !== '--remote')
const isRemote = words.length < args.length
const DATABASE = 'millrace'

/** How wrangler is told of the database, which is there then, with its tables. */
async function database(): Promise<string[]> {
  // A deployed one is brought up to date by whoever deploys.
  if (isRemote) return [DATABASE, '--remote']
  const { args: local } = localState(resolve(readConfig(process.env).dataDir))
  await runWrangler(['d1', 'migrations', 'apply', DATABASE, ...local])
  return [DATABASE, ...local]
}

try {
  const { db } = openD1(new WranglerD1(await database()))
  const called = `npm run keys:edge --${isRemote ? ' --remote' : ''}`
  console.log(await keysCommand({ db, clock: { now: Date.now }, called }, words))
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
}
