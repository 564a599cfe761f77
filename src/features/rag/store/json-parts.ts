/** Packs rows into JSON parameters of statements. */

/** Most characters of one JSON parameter; D1 limits a parameter to two megabytes. */
const MAX_PART_LENGTH = 900_000

/** Collects JSON values in arrays of limited length. */
export class JsonParts {
  readonly #parts: string[] = []
  #open: string[] = []
  #length = 0

  add(value: unknown): void {
    const json = JSON.stringify(value)
    if (this.#length + json.length > MAX_PART_LENGTH) this.#close()
    this.#open.push(json)
    this.#length += json.length + 1
  }

  all(): readonly string[] {
    this.#close()
    return this.#parts
  }

  #close(): void {
    if (this.#open.length > 0) this.#parts.push(`[${this.#open.join(',')}]`)
    this.#open = []
    this.#length = 0
  }
}
