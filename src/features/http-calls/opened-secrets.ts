/** The secrets of a batch's calls, opened once for many jobs and kept for seconds, so that a job costs no query. */
import { OwnerSecrets } from '../../engine/owner-secrets.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { Clock, Database } from '../../ports.ts'

/** Time that opened secrets are kept in memory, in milliseconds: one that was replaced or deleted is used no longer. */
const KEPT_MS = 5_000
/** Batches remembered at once. */
const MAX_KEPT = 1_000

interface Opened {
  readonly at: number
  readonly values: Promise<ReadonlyMap<string, string>>
}

/** The secrets that a process has opened. */
export class OpenedSecrets {
  readonly #signingKey: () => Promise<string>
  readonly #opened = new Map<string, Opened>()

  constructor(signingKey: () => Promise<string>) {
    this.#signingKey = signingKey
  }

  /**
   * Checks the secrets of a batch that is to be made.
   * @param names each with the field that names it
   * @throws MillraceError INVALID_REQUEST naming the field
   */
  async check(db: Database, owner: string, names: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
    if (names.size === 0) return new Map()
    const values = await new OwnerSecrets(db, await this.#signingKey()).open(owner, [...names.keys()])
    for (const [name, field] of names) {
      if (values.has(name)) continue
      throw invalidRequest(field, `${field}: there is no secret "${name}". PUT /api/secrets/${name} keeps one.`)
    }
    return values
  }

  /**
   * Opens the secrets of a call.
   * @throws MillraceError OPERATION_FAILED naming one that is there no more
   */
  async open(
    { db, clock }: { readonly db: Database; readonly clock: Clock },
    owner: string,
    names: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    if (names.length === 0) return new Map()
    const key = `${names.join(' ')} ${owner}`
    const now = clock.now()
    let opened = this.#opened.get(key)
    if (opened === undefined || now - opened.at > KEPT_MS) {
      const values = this.#signingKey().then((signingKey) => new OwnerSecrets(db, signingKey).open(owner, names))
      opened = { at: now, values }
      if (this.#opened.size >= MAX_KEPT) this.#opened.clear()
      this.#opened.set(key, opened)
      values.catch(() => this.#opened.delete(key))
    }
    const values = await opened.values
    const gone = names.find((name) => !values.has(name))
    if (gone === undefined) return values
    throw new MillraceError(
      'OPERATION_FAILED',
      `There is no secret "${gone}" any more. Put it again, then retry what failed.`,
      { transient: false },
    )
  }
}
