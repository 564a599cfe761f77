/** Counts durations in buckets, as Prometheus has histograms: each bucket counts what took no longer than its bound. */
import type { Metric } from './prometheus.ts'

/** Upper bounds in seconds, from a cached answer to the longest job. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800]

export class Histogram {
  readonly #buckets = BOUNDS.map(() => 0)
  #count = 0
  #sum = 0

  /** Durations observed so far. */
  get count(): number {
    return this.#count
  }

  observe(seconds: number): void {
    const at = BOUNDS.findIndex((bound) => seconds <= bound)
    if (at >= 0) this.#buckets[at] = (this.#buckets[at] ?? 0) + 1
    this.#count++
    this.#sum += seconds
  }

  /** Its samples under labels of its own. */
  samples(labels: Readonly<Record<string, string>>): Metric['samples'] {
    let below = 0
    const buckets = BOUNDS.map((bound, at) => {
      below += this.#buckets[at] ?? 0
      return { suffix: '_bucket', labels: { ...labels, le: String(bound) }, value: below }
    })
    return [
      ...buckets,
      { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: this.#count },
      { suffix: '_sum', labels, value: this.#sum },
      { suffix: '_count', labels, value: this.#count },
    ]
  }
}
