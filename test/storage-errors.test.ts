/** Classes of storage errors, by the errors of both runtimes. */
import { expect, it } from 'vitest'
import { MillraceError } from '../src/errors.ts'
import { findStorageFault, isRefusal, StorageError } from '../src/storage-errors.ts'

const coded = (message: string, code: string) => Object.assign(new Error(message), { code })
const byD1 = (message: string) => new Error(`D1_ERROR: ${message}`)

/** Errors as the database, drizzle, the file system and D1 throw them, and what they are. */
const ERRORS: readonly (readonly [what: string | null, error: Error])[] = [
  ['full', coded('database or disk is full', 'SQLITE_FULL')],
  ['full', coded('no space left on device', 'ENOSPC')],
  ['full', coded('disk quota exceeded', 'EDQUOT')],
  ['full', new Error('Failed query', { cause: coded('full', 'SQLITE_FULL') })],
  ['full', byD1('database or disk is full: SQLITE_FULL')],
  ['full', byD1('Exceeded maximum DB size.')],
  ['locked', coded('database is locked', 'SQLITE_BUSY')],
  ['locked', coded('database is locked', 'SQLITE_BUSY_SNAPSHOT')],
  ['locked', coded('database table is locked', 'SQLITE_LOCKED')],
  ['io', coded('disk I/O error', 'SQLITE_IOERR')],
  ['io', coded('disk I/O error', 'SQLITE_IOERR_SHMSIZE')],
  ['io', coded('the database file was moved', 'SQLITE_READONLY_DBMOVED')],
  ['io', coded('unable to open database file', 'SQLITE_CANTOPEN')],
  ['io', coded('malformed', 'SQLITE_CORRUPT')],
  ['io', coded('read-only file system', 'EROFS')],
  ['unreachable', new StorageError('unreachable')],
  ['refused', coded('UNIQUE constraint failed: cards.id', 'SQLITE_CONSTRAINT')],
  ['refused', coded('UNIQUE constraint failed: cards.id', 'SQLITE_CONSTRAINT_PRIMARYKEY')],
  ['refused', coded('string or blob too big', 'SQLITE_TOOBIG')],
  ['refused', coded('datatype mismatch', 'SQLITE_MISMATCH')],
  ['refused', coded('malformed JSON', 'SQLITE_ERROR')],
  ['refused', new Error('Failed query', { cause: coded('malformed JSON', 'SQLITE_ERROR') })],
  ['refused', byD1('NOT NULL constraint failed: jobs.id: SQLITE_CONSTRAINT')],
  ['refused', byD1('malformed JSON: SQLITE_ERROR')],
  // Of the schema, not of the data: an older worker beside a newer release.
  [null, coded('no such column: x', 'SQLITE_ERROR')],
  [null, new Error('the moon is in the wrong place')],
  // The world outside, not the storage.
  [null, new MillraceError('NETWORK_ERROR', 'The link failed.', { cause: coded('i/o error', 'EIO') })],
]

it.each(ERRORS)('%s is what is made of %o', (what, error) => {
  expect(findStorageFault(error) ?? (isRefusal(error) ? 'refused' : null)).toBe(what)
})
