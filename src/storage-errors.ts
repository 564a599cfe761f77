/**
 * Classification of errors of the database and the file system. A storage fault says nothing about the data: the disk is full, another
 * process holds the lock, the device or the server does not answer. It is temporary or can be repaired, so the request or job is retried later.
 * A refusal says that the data itself can't be stored, so a retry is of no use.
 *
 * Drivers throw what their libraries throw, and drizzle wraps that, so both functions look through the chain of causes.
 */
import { MillraceError } from './errors.ts'

/** Kinds of storage faults: no space, a lock held by another process, a device or file that fails, a server that does not answer. */
export const STORAGE_FAULTS = ['full', 'locked', 'io', 'unreachable'] as const
export type StorageFault = (typeof STORAGE_FAULTS)[number]

/** `Retry-After` of a request that failed by a storage fault, in seconds. */
const RETRY_AFTER_SECONDS: Readonly<Record<StorageFault, number>> = { full: 30, locked: 2, io: 30, unreachable: 5 }

const MESSAGES: Readonly<Record<StorageFault, string>> = {
  full: 'The server has no space left to store this. Nothing of it was kept; send it again later.',
  locked: 'The database is in use by another process and did not take this in time. Send it again.',
  io: 'The storage of the server does not work just now. Send it again later.',
  unreachable: 'The database does not answer just now. Send it again.',
}

/** A storage fault as reported to requests and jobs: INSUFFICIENT_STORAGE (507) for `full`, else SERVICE_UNAVAILABLE (503). */
export class StorageError extends MillraceError {
  readonly fault: StorageFault

  constructor(fault: StorageFault, options: { cause?: unknown; message?: string } = {}) {
    const code = fault === 'full' ? 'INSUFFICIENT_STORAGE' : 'SERVICE_UNAVAILABLE'
    super(code, options.message ?? MESSAGES[fault], {
      details: { retryAfter: RETRY_AFTER_SECONDS[fault] },
      ...(options.cause === undefined ? {} : { cause: options.cause }),
    })
    this.name = 'StorageError'
    this.fault = fault
  }
}

/** Causes looked through, so that a circle of them ends. */
const MAX_CAUSES = 10

/** Primary result codes of SQLite (https://www.sqlite.org/rescode.html); an extended code begins with its primary code. */
const SQLITE_FAULTS: readonly (readonly [prefix: string, fault: StorageFault])[] = [
  ['FULL', 'full'],
  ['BUSY', 'locked'],
  ['LOCKED', 'locked'],
  ['PROTOCOL', 'locked'],
  ['IOERR', 'io'],
  ['READONLY', 'io'],
  ['CANTOPEN', 'io'],
  ['CORRUPT', 'io'],
  ['NOTADB', 'io'],
  ['NOMEM', 'io'],
  ['PERM', 'io'],
  ['NOLFS', 'io'],
  ['INTERRUPT', 'io'],
]

/** Codes of the file system and of libSQL's clients. */
const OTHER_FAULTS: Readonly<Record<string, StorageFault>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EIO: 'io',
  EROFS: 'io',
  ESTALE: 'io',
  SERVER_ERROR: 'unreachable',
  HRANA_WEBSOCKET_ERROR: 'unreachable',
  HRANA_CLOSED_ERROR: 'unreachable',
  STREAM_EXPIRED: 'unreachable',
  BLOCKED: 'unreachable',
}

/** Texts that identify D1 errors, since they have no code. */
const D1_FAULTS: readonly (readonly [text: RegExp, fault: StorageFault])[] = [
  [/database or disk is full|maximum (DB|account storage) (size|limit)|maximum database size/i, 'full'],
  [/database (table )?is locked/i, 'locked'],
  [/overloaded|storage operation exceeded timeout|caused object to be reset|Network connection lost/i, 'unreachable'],
]

/** Primary result codes that say that a value is refused. */
const REFUSALS = /^SQLITE_(CONSTRAINT|TOOBIG|MISMATCH|RANGE)/
/** SQLite's general code says little by itself: it also stands for a table that is missing. These texts name a value. */
const REFUSED_VALUES =
  /malformed JSON|JSON (path|cannot hold)|bad JSON|(string or )?blob too big|integer overflow|datatype mismatch|D1_TYPE_ERROR/i

/** Returns the kind of a storage fault; null for every other error. */
export function findStorageFault(thrown: unknown): StorageFault | null {
  for (const error of causes(thrown)) {
    if (error instanceof StorageError) return error.fault
    // Of an error that was made for a reader the cause is the world outside: a link that failed, a document.
    if (error instanceof MillraceError) return null
    const code = codeOf(error)
    const sqlite = /^SQLITE_(\w+)/.exec(code)?.[1]
    const known = sqlite === undefined ? OTHER_FAULTS[code] : sqliteFault(sqlite)
    if (known !== undefined) return known
    const fault = error.message.startsWith('D1_') ? d1Fault(error.message) : undefined
    if (fault !== undefined) return fault
  }
  return null
}

/** Checks if an error says that the data itself is refused: a constraint, a value that is too large or malformed. */
export function isRefusal(thrown: unknown): boolean {
  return causes(thrown).some((error) => {
    if (error instanceof MillraceError) return !error.transient
    return REFUSALS.test(codeOf(error)) || REFUSED_VALUES.test(error.message) || isRefusedByD1(error.message)
  })
}

/** Converts a storage fault into a StorageError; null for every other error. */
export function asStorageError(thrown: unknown): StorageError | null {
  if (thrown instanceof StorageError) return thrown
  const fault = findStorageFault(thrown)
  return fault === null ? null : new StorageError(fault, { cause: thrown })
}

function sqliteFault(name: string): StorageFault | undefined {
  return SQLITE_FAULTS.find(([prefix]) => name === prefix || name.startsWith(`${prefix}_`))?.[1]
}

function d1Fault(message: string): StorageFault | undefined {
  const named = /\bSQLITE_(\w+)/.exec(message)?.[1]
  const fault = named === undefined ? undefined : sqliteFault(named)
  return fault ?? D1_FAULTS.find(([text]) => text.test(message))?.[1]
}

function isRefusedByD1(message: string): boolean {
  const named = message.startsWith('D1_') ? /\bSQLITE_\w+/.exec(message)?.[0] : undefined
  return named !== undefined && REFUSALS.test(named)
}

function causes(thrown: unknown): Error[] {
  const found: Error[] = []
  for (let error = thrown; error instanceof Error && found.length < MAX_CAUSES; error = error.cause) found.push(error)
  return found
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
