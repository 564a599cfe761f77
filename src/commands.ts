/** What an operator does from the command line, apart from starting the server. */
import { ConfigError } from './config.ts'
import { createKey, listKeys, revokeKey } from './http/auth.ts'
import type { Clock, Database } from './ports.ts'

const USAGE = `Usage:
  npm run keys -- create OWNER [NAME] [--days N]   makes a key; it is shown once
  npm run keys -- list
  npm run keys -- revoke ID`

const DAY_MS = 24 * 60 * 60 * 1_000

/**
 * Runs one command on API keys.
 * @returns what to print
 * @throws ConfigError saying how the command is used
 */
export async function keysCommand(deps: { db: Database; clock: Clock }, args: readonly string[]): Promise<string> {
  const [command, ...rest] = args
  if (command === 'create') return create(deps, rest)
  if (command === 'list') return list(deps)
  if (command === 'revoke' && rest[0] !== undefined) {
    if (await revokeKey(deps, rest[0])) return `Revoked ${rest[0]}.`
    throw new ConfigError(`No key in force has the id ${rest[0]}. "npm run keys -- list" shows them.`)
  }
  throw new ConfigError(USAGE)
}

async function create(deps: { db: Database; clock: Clock }, args: readonly string[]): Promise<string> {
  const at = args.indexOf('--days')
  const days = at === -1 ? null : Number(args[at + 1])
  const [owner, name] = at === -1 ? args : [...args.slice(0, at), ...args.slice(at + 2)]
  if (owner === undefined || (days !== null && !(days > 0))) throw new ConfigError(USAGE)
  const expiresAt = days === null ? null : deps.clock.now() + days * DAY_MS
  const { id, secret } = await createKey(deps, { owner, name: name ?? '', expiresAt })
  return `Key ${id} for ${owner}. It is shown this once:\n\n  ${secret}\n`
}

async function list(deps: { db: Database; clock: Clock }): Promise<string> {
  const rows = await listKeys(deps.db)
  if (rows.length === 0) return 'There are no keys yet. "npm run keys -- create OWNER" makes one.'
  return rows
    .map(({ id, owner, name, createdAt, expiresAt, revokedAt }) => {
      const expired = expiresAt !== null && expiresAt <= deps.clock.now()
      const state = revokedAt !== null ? 'revoked' : expired ? 'expired' : 'in force'
      return [id, owner, state, new Date(createdAt).toISOString().slice(0, 10), name].join('  ')
    })
    .join('\n')
}
