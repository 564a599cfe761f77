/** Commands of an operator on the command line, apart from starting the server. */
import { ConfigError } from './config.ts'
import { createKey, type KeyFacts, listKeys, type NewKey, revokeKey, rotateKey } from './http/auth/keys.ts'
import type { Clock, Database } from './ports.ts'
import { isScope, SCOPES, type Scope, WORK_SCOPES } from './scopes.ts'

const usage = (called: string) => `Usage:
  ${called} create OWNER [NAME] [--scopes SCOPE,SCOPE] [--days N]   makes a key; it is shown once
  ${called} list
  ${called} rotate ID [--grace HOURS]   makes another in its place; the old one works for so many hours more
  ${called} revoke ID
Scopes: ${[...SCOPES, ...WORK_SCOPES].join(', ')}. Without --scopes a key may do everything (*).`

const HOUR_MS = 60 * 60 * 1_000
const DAY_MS = 24 * HOUR_MS
/** Of days or hours: a thousand years. */
const MOST = 365_000
/** Printable, without blanks at its ends: what a list can show, a line an owner. */
const OWNER = /^(?! )[^\p{C}\p{Zl}\p{Zp}]{1,256}(?<! )$/u

interface Deps {
  readonly db: Database
  readonly clock: Clock
  /** Name that the command is called by, for its usage text. */
  readonly called: string
}

/** A call that is none of the command's; the message says why where that is not plain. */
class Misused extends Error {}

/**
 * Runs one command on API keys.
 * @returns what to print
 * @throws ConfigError saying how the command is used
 */
export async function keysCommand(deps: Deps, args: readonly string[]): Promise<string> {
  try {
    return await run(deps, args)
  } catch (error) {
    if (!(error instanceof Misused)) throw error
    throw new ConfigError([error.message, usage(deps.called)].filter((part) => part !== '').join('\n\n'))
  }
}

async function run(deps: Deps, [command, ...rest]: readonly string[]): Promise<string> {
  // Asked for help, it does nothing else.
  if ([command, ...rest].some((word) => word === '-h' || word === '--help')) throw new Misused()
  if (command === 'create') return create(deps, rest)
  if (command === 'list' && rest.length === 0) return list(deps)
  if (command === 'rotate') return rotate(deps, rest)
  if (command === 'revoke') return revoke(deps, rest)
  throw new Misused()
}

/** Splits arguments into words and `--option value` pairs. */
function parse(args: readonly string[], known: readonly string[]): { words: string[]; options: Map<string, string> } {
  const words: string[] = []
  const options = new Map<string, string>()
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? ''
    if (!word.startsWith('--')) {
      words.push(word)
      continue
    }
    const value = args[++at]
    if (!known.includes(word)) throw new Misused(`There is no option ${word} here.`)
    if (value === undefined) throw new Misused(`${word} wants a value.`)
    options.set(word, value)
  }
  return { words, options }
}

/** A number of something that an option gives; null where it is not given. */
function numberOf(options: ReadonlyMap<string, string>, name: string): number | null {
  const text = options.get(name)
  if (text === undefined) return null
  const number = Number(text)
  if (number > 0 && number <= MOST) return number
  throw new Misused(
    `${name} ${text} is not understood: it should be a number that is more than 0, and at most ${MOST}.`,
  )
}

function scopesOf(text: string | undefined): readonly Scope[] {
  if (text === undefined) return ['*']
  const words = text.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !isScope(word))
  if (wrong !== undefined) throw new Misused(`There is no scope "${wrong}".`)
  return words.filter(isScope)
}

async function create(deps: Deps, args: readonly string[]): Promise<string> {
  const { words, options } = parse(args, ['--days', '--scopes'])
  const [owner, name = '', ...more] = words
  if (owner === undefined || more.length > 0) throw new Misused()
  for (const text of [owner, ...(name === '' ? [] : [name])]) {
    if (!OWNER.test(text)) {
      throw new Misused(`${JSON.stringify(text)} is no name: it should be 1 to 256 characters that can be printed.`)
    }
  }
  const days = numberOf(options, '--days')
  const scopes = scopesOf(options.get('--scopes'))
  const expiresAt = days === null ? null : Math.floor(deps.clock.now() + days * DAY_MS)
  return shown(await createKey(deps, { owner, name, scopes, expiresAt }))
}

const shown = ({ id, owner, secret }: NewKey) => `Key ${id} for ${owner}. It is shown this once:\n\n  ${secret}\n`

async function rotate(deps: Deps, args: readonly string[]): Promise<string> {
  const { words, options } = parse(args, ['--grace'])
  const [id, ...more] = words
  if (id === undefined || more.length > 0) throw new Misused()
  const hours = numberOf(options, '--grace')
  const made = await rotateKey(deps, id, Math.floor((hours ?? 0) * HOUR_MS))
  if (made === null) {
    throw new ConfigError(
      `No key in force that was not replaced yet has the id ${id}. "${deps.called} list" shows them.`,
    )
  }
  const old = hours === null ? 'The old one is revoked.' : `The old one works for another ${hours} hours.`
  return `${shown(made)}\n${old}`
}

async function revoke(deps: Deps, [id, ...more]: readonly string[]): Promise<string> {
  if (id === undefined || more.length > 0) throw new Misused()
  if (await revokeKey(deps, id)) return `Revoked ${id}.`
  throw new ConfigError(`No key in force has the id ${id}. "${deps.called} list" shows them.`)
}

async function list(deps: Deps): Promise<string> {
  const rows = await listKeys(deps.db)
  if (rows.length === 0) return `There are no keys yet. "${deps.called} create OWNER" makes one.`
  const day = (at: number) => new Date(at).toISOString().slice(0, 10)
  return rows
    .map((key) => {
      const ends = key.expiresAt === null ? 'no end' : `until ${new Date(key.expiresAt).toISOString().slice(0, 16)}Z`
      const state = stateOf(key, deps.clock.now())
      return [key.id, key.owner, state, key.scopes.join(','), day(key.createdAt), ends, key.name].join('  ').trimEnd()
    })
    .join('\n')
}

function stateOf({ revokedAt, expiresAt, replacedBy }: KeyFacts, now: number): string {
  if (revokedAt !== null) return replacedBy === null ? 'revoked' : 'replaced'
  if (expiresAt !== null && expiresAt <= now) return replacedBy === null ? 'expired' : 'replaced'
  return 'in force'
}
