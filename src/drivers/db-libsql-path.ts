/** The files of a SQLite database: where they are, who may read them, whether they are still those that were opened. */
import { closeSync, openSync, statSync } from 'node:fs'
import { LibsqlError } from '@libsql/client'

/**
 * Makes an empty file that its owner alone may read, unless one is there: SQLite itself gives its side files the same mode. A file that is
 * there is not opened: to close it would drop the locks that this process holds on it by other descriptors.
 */
export function makePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    // A link to a file that is to be made where it leads.
    if (statSync(path, { throwIfNoEntry: false }) === undefined) closeSync(openSync(path, 'a', 0o600))
  }
}

/**
 * Notices that files were removed or replaced by others of the same name. SQLite would go on writing to those that are no longer there, and
 * what was accepted would be gone with the process.
 */
export class FileIdentity {
  readonly #known: Map<string, string | null>

  /** @param paths the first is there already, the others are known once they are there */
  constructor(paths: readonly string[]) {
    this.#known = new Map(paths.map((path) => [path, identify(path)]))
  }

  /** @throws LibsqlError with SQLite's own code for it, SQLITE_READONLY_DBMOVED */
  check(): void {
    for (const [path, known] of this.#known) {
      const found = identify(path)
      if (known === null) this.#known.set(path, found)
      else if (found !== known) {
        throw new LibsqlError(`${path} was removed or replaced since it was opened.`, 'SQLITE_READONLY_DBMOVED')
      }
    }
  }
}

/** The number that the file system has given a file; null where there is none. */
function identify(path: string): string | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? null : `${found.dev}:${found.ino}`
}
