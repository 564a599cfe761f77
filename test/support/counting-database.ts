/** A database that counts what is asked of it. */
import type { Database } from '../../src/ports.ts'

/** The database; how many statements were made of it, and how often it was called, which a batch is once more. */
export function counted(inner: Database): { db: Database; statements: () => number; calls: () => number } {
  let statements = 0
  let batches = 0
  const db = new Proxy(inner, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver)
      if (typeof member !== 'function') return member
      return (...args: unknown[]): unknown => {
        if (name === 'batch') batches++
        else statements++
        return Reflect.apply(member, target, args)
      }
    },
  })
  return { db, statements: () => statements, calls: () => statements + batches }
}
