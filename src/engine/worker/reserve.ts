/**
 * The reserve: slots beyond a worker's own, for owners who run little here while others' long jobs occupy all of those.
 *
 * A job that runs can't be preempted. So an owner alone may fill every slot a worker has, and a newcomer gets a slot of the reserve rather
 * than wait for one to end. What an owner may hold of it depends on what is left (dynamic thresholds; Choudhury and Hahne, 1998): with each
 * owner that takes from it the others' bound shrinks, so that one slot or more is left for the next newcomer for as long as can be. The
 * reserve is closed where slots turn over by themselves: there virtual time alone decides, and a newcomer is next at once.
 */

/** A worker's slots count as stuck when none of them began or ended a job for so long, in milliseconds. */
export const STUCK_MS = 25

/** Default size of the reserve: as many slots as the worker has. With one slot there is none. */
export function defaultReserve(concurrency: number): number {
  return concurrency > 1 ? concurrency : 0
}

/** Counts running jobs by owner, and decides which owners may have a slot of the reserve. */
export class Reserve {
  readonly #slots: number
  readonly #size: number
  readonly #running = new Map<string, number>()
  #total = 0
  /** When a slot last began or ended a job, by `performance.now()`. */
  #turnedOverAt = Number.NEGATIVE_INFINITY

  /**
   * @param slots jobs that run at once, over all owners
   * @param size jobs that may run beyond that; 0 for no reserve
   */
  constructor(slots: number, size: number) {
    this.#slots = slots
    this.#size = size
  }

  /** Jobs that run now. */
  get running(): number {
    return this.#total
  }

  /** True where the worker's own slots are all taken. */
  get full(): boolean {
    return this.#total >= this.#slots
  }

  /** True where there is a reserve that could be opened if the slots stay as they are. */
  get exists(): boolean {
    return this.#size > 0
  }

  /** True while long jobs occupy all slots, so that the reserve is open. */
  get open(): boolean {
    return this.exists && this.full && performance.now() - this.#turnedOverAt > STUCK_MS
  }

  /** Slots left, those of the reserve included. */
  get free(): number {
    return this.#slots + this.#size - this.#total
  }

  /** Owners who run too much here to have another slot of the reserve. */
  get ownersAtShare(): string[] {
    return [...this.#running.keys()].filter((owner) => !this.mayRun(owner))
  }

  /** Returns true where an owner may have a slot of the reserve: with it, the owner runs no more jobs than there were slots left. */
  mayRun(owner: string): boolean {
    const running = this.#running.get(owner) ?? 0
    return this.free > 0 && (running === 0 || running < this.free)
  }

  /** Notes that a job begins. @param reserved whether in a slot of the reserve */
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
