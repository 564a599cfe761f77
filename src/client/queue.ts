/** Async queue: values are pushed at any time and taken one by one. */
export class Queue<T> {
  #values: T[] = []
  #ended = false
  #error: { readonly reason: unknown } | null = null
  #wake: () => void = () => {}

  /** True where nothing more comes; values that came may still have to be taken. */
  get ended(): boolean {
    return this.#ended
  }

  push(value: T): void {
    this.#values.push(value)
    this.#wake()
  }

  /** Nothing comes any more. */
  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** Ends the queue with an error, which the reader gets after the values pushed before. */
  fail(reason: unknown): void {
    this.#error ??= { reason }
    this.end()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const values = this.#values
      this.#values = []
      yield* values
      if (this.#values.length > 0) continue
      if (this.#error !== null) throw this.#error.reason
      if (this.#ended) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
