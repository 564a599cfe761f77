/** Queue that runs one step of work in each iteration of the event loop. */

/** Runs steps in the order in which they were added. */
export class TurnQueue {
  readonly #waiting: (() => boolean)[] = []
  #isRunning = false

  /** @param step runs in an iteration of its own; returns false where there was nothing left to do, so that the next step may run in the same one */
  add(step: () => boolean): void {
    this.#waiting.push(step)
    if (this.#isRunning) return
    this.#isRunning = true
    setImmediate(() => this.#run())
  }

  #run(): void {
    let worked = false
    while (!worked) {
      const step = this.#waiting.shift()
      if (step === undefined) break
      worked = step()
    }
    this.#isRunning = this.#waiting.length > 0
    if (this.#isRunning) setImmediate(() => this.#run())
  }
}
