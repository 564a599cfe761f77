/** A page of a list; iterating it continues through the pages that follow. */
export class Page<T, C extends string | number> {
  readonly items: readonly T[]
  /** Value of `cursor` that reads the next page; null on the last. */
  readonly next: C | null
  readonly #load: (cursor: C) => Promise<Page<T, C>>

  constructor(items: readonly T[], next: C | null, load: (cursor: C) => Promise<Page<T, C>>) {
    this.items = items
    this.next = next
    this.#load = load
  }

  /** The entries of this page and of all after it, fetched as they are needed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    yield* this.items
    for (let next = this.next; next !== null; ) {
      const page = await this.#load(next)
      yield* page.items
      next = page.next
    }
  }
}
