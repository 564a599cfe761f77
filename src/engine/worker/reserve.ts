/**
 * The reserve: places beyond a worker's own, for owners who run little here while others' long jobs hold all of those.
 *
 * A job that runs can't be preempted. So an owner alone may fill every place a worker has, and a newcomer gets a place of the reserve rather
 * than wait for one to end. What an owner may hold of it depends on what is left (dynamic thresholds; Choudhury and Hahne, 1998): with each
 * owner that takes from it the others' bound shrinks, so that one place or more is left for the next newcomer for as long as can be. The
 * reserve is closed where places turn over by themselves: there virtual time alone decides, and a newcomer's turn comes at once.
 */

/** A worker's places count as stuck when none of them began or ended a job for so long, in milliseconds. */
export const STUCK_MS = 25

/** The reserve of a worker that was not told how large it should be: half of its places. With one place there is none. */
export function defaultReserve(concurrency: number): number {
  return Math.floor(concurrency / 2)
}

/** Counts what runs, by owner, and says who may have a place of the reserve. */
export class Reserve {
  readonly #places: number
  readonly #size: number
  readonly #running = new Map<string, number>()
  #total = 0
  /** When a place last began or ended a job, by `performance.now()`. */
  #turnedOverAt = Number.NEGATIVE_INFINITY

  /**
   * @param places jobs that run at once, whoever owns them
   * @param size jobs that may run beyond that; 0 for no reserve
   */
  constructor(places: number, size: number) {
    this.#places = places
    this.#size = size
  }

  /** Jobs that run now. */
  get running(): number {
    return this.#total
  }

  /** True where the worker's own places are all taken. */
  get full(): boolean {
    return this.#total >= this.#places
  }

  /** True where there is a reserve that could be opened if the places stay as they are. */
  get exists(): boolean {
    return this.#size > 0
  }

  /** True while all places are held by jobs that take long, so that the reserve is open. */
  get open(): boolean {
    return this.exists && this.full && performance.now() - this.#turnedOverAt > STUCK_MS
  }

  /** Places left, those of the reserve included. */
  get free(): number {
    return this.#places + this.#size - this.#total
  }

  /** Owners who run too much here to have another place of the reserve. */
  get ownersAtShare(): string[] {
    return [...this.#running.keys()].filter((owner) => !this.mayRun(owner))
  }

  /** Tells if an owner may have a place of the reserve: with it, the owner runs no more jobs than there are places left. */
  mayRun(owner: string): boolean {
    const running = this.#running.get(owner) ?? 0
    return this.free > 0 && (running === 0 || running + 1 <= this.free - 1)
  }

  /** Notes that a job begins. @param reserved whether in a place of the reserve */
  begin(owner: string, reserved: boolean): void {
    this.#running.set(owner, (this.#running.get(owner) ?? 0) + 1)
    this.#total++
    if (!reserved) this.#turnedOverAt = performance.now()
  }

  /** Notes that a job ended. */
  end(owner: string, reserved: boolean): void {
    const left = (this.#running.get(owner) ?? 0) - 1
    if (left > 0) this.#running.set(owner, left)
    else this.#running.delete(owner)
    this.#total--
    if (!reserved) this.#turnedOverAt = performance.now()
  }
}
