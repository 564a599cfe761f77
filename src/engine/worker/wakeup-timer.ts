/** Wakes a worker when a scheduled job is due: at its start time, or for its next attempt. */
import type { Clock, Database, Log } from '../../ports.ts'
import { readyDue } from '../transitions/claim.ts'

/** Times are looked up again at least as often, in milliseconds: other processes send no notice of those that they write. */
const LONGEST_WAIT_MS = 60_000

interface Deps {
  readonly db: Database
  readonly clock: Clock
  readonly log: Log
}

/** Makes due jobs ready, and sets a timer to when the next is due. */
export class WakeupTimer {
  readonly #deps: Deps
  readonly #callbacks: { readonly readied: () => void; readonly mayLook: () => boolean }
  #looks = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param callbacks `readied`: called when jobs became ready; `mayLook`: asked before each look */
  constructor(deps: Deps, callbacks: { readonly readied: () => void; readonly mayLook: () => boolean }) {
    this.#deps = deps
    this.#callbacks = callbacks
  }

  /** True while a look for due jobs is under way. */
  get looking(): boolean {
    return this.#looks > 0
  }

  /** Reads due jobs now. */
  look(): void {
    if (!this.#callbacks.mayLook()) return
    this.#looks++
    const look = readyDue(this.#deps).finally(() => this.#looks--)
    look.then(
      ({ next, readied }) => {
        clearTimeout(this.#timer)
        if (next !== null && this.#callbacks.mayLook()) {
          const wait = Math.max(0, next - this.#deps.clock.now())
          this.#timer = setTimeout(() => this.look(), Math.min(wait, LONGEST_WAIT_MS))
        }
        if (readied) this.#callbacks.readied()
      },
      (error: unknown) =>
        this.#deps.log.error({ err: error }, 'due jobs could not be read; the next sweep tries again'),
    )
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
