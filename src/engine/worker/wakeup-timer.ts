/** Wakes a worker when something falls due: a start time, a next try. */
import type { Clock, Database, Log } from '../../ports.ts'
import { readyDue } from '../transitions/claim.ts'

/** Times are looked up again at least as often, in milliseconds: those that another process wrote are not told of. */
const LONGEST_WAIT_MS = 60_000

interface Deps {
  readonly db: Database
  readonly clock: Clock
  readonly log: Log
}

/** Makes ready what is due, and sets itself to when the next will be. */
export class WakeupTimer {
  readonly #deps: Deps
  readonly #told: { readonly readied: () => void; readonly mayLook: () => boolean }
  #looks = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param told `readied`: called when jobs became ready; `mayLook`: asked before each look */
  constructor(deps: Deps, told: { readonly readied: () => void; readonly mayLook: () => boolean }) {
    this.#deps = deps
    this.#told = told
  }

  /** True while a look for due jobs is under way. */
  get looking(): boolean {
    return this.#looks > 0
  }

  /** Looks now. */
  look(): void {
    if (!this.#told.mayLook()) return
    this.#looks++
    const look = readyDue(this.#deps).finally(() => this.#looks--)
    look.then(
      ({ next, readied }) => {
        clearTimeout(this.#timer)
        if (next !== null && this.#told.mayLook()) {
          const wait = Math.max(0, next - this.#deps.clock.now())
          this.#timer = setTimeout(() => this.look(), Math.min(wait, LONGEST_WAIT_MS))
        }
        if (readied) this.#told.readied()
      },
      (error: unknown) =>
        this.#deps.log.error({ err: error }, 'due jobs could not be read; the next sweep tries again'),
    )
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
