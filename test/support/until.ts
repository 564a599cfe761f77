/** Polls for what a test from outside gets no event of. Apart from fixture.ts, which loads the engine. */
import { scaled } from './time-limits.ts'

/** Waits until `look` gives something else than null or undefined. */
export async function until<T>(look: () => Promise<T | null | undefined>, ms = scaled(120_000)): Promise<T> {
  const end = Date.now() + ms
  for (;;) {
    const seen = await look()
    if (seen !== null && seen !== undefined) return seen
    if (Date.now() > end) throw new Error(`Waited ${ms} ms in vain.`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
