/** A database that fails when a test says so. */
import type { Database } from '../../src/ports.ts'

/** What a database is to fail with. */
export interface Fault {
  /** Makes the error; null while all is well. */
  make: (() => Error) | null
  /** Commits that failed, those that only claim left out. */
  commits: number
}

/** A claim alone has so many statements. */
const CLAIM_STATEMENTS = 4

/** @param reads whether what is no commit fails too */
export function faulty(inner: Database, { reads = false } = {}): { db: Database; fault: Fault } {
  const fault: Fault = { make: null, commits: 0 }
  const db = new Proxy(inner, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        const { make } = fault
        if (make === null || (name !== 'batch' && !reads)) return Reflect.apply(member, target, args)
        const [statements] = args
        if (name === 'batch' && Array.isArray(statements) && statements.length > CLAIM_STATEMENTS) fault.commits++
        if (name === 'select' || name === 'insert' || name === 'update' || name === 'delete') throw make()
        const failed = Promise.reject(make())
        // A statement that is made for a batch is awaited by nobody.
        failed.catch(() => undefined)
        return failed
      }
    },
  })
  return { db, fault }
}
