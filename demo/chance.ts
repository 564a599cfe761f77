/** Chance that falls the same way every time: invented meets must come out alike wherever they are made. */

/** A row of numbers that a seed decides (mulberry32). */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A number from 0 up to, but not, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A number between two, which may itself be a fraction. */
  between(from: number, to: number): number {
    return from + this.next() * (to - from)
  }

  /** A whole number between two, both included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  /** True in the given share of calls. */
  sometimes(share: number): boolean {
    return this.next() < share
  }

  /**
   * One of a list.
   * @throws RangeError when the list is empty
   */
  pick<T>(list: readonly T[]): T {
    const [first] = list.slice(Math.floor(this.next() * list.length))
    if (first === undefined) throw new RangeError('There is nothing to pick from.')
    return first
  }

  /** The list in another order. */
  shuffle<T>(list: readonly T[]): T[] {
    return list
      .map((value) => ({ value, at: this.next() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ value }) => value)
  }
}
