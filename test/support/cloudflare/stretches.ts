/** CPU time that workerd took in the stretches of measured-worker.ts: a wait for a core is no work of the Worker's. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

const SAMPLE_MS = 4
/** Samples that are kept: some minutes. */
const MAX_SAMPLES = 100_000

const Stretches = z.array(z.object({ from: z.number(), to: z.number() }))

interface Sample {
  readonly at: number
  readonly cpuMs: number
}

/** Samples the CPU time of workerd's thread, on which all isolates run. */
export class StretchMeter {
  readonly #url: URL
  readonly #file: string
  readonly #samples: Sample[] = []

  /** Begins to sample the workerd that this process started. @param url of the Worker */
  constructor(url: URL) {
    this.#url = url
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').split(' ')
    const pid = children.find((id) => id !== '' && readFileSync(`/proc/${id}/comm`, 'utf8').startsWith('workerd'))
    this.#file = `/proc/${pid}/task/${pid}/schedstat`
    setInterval(() => this.#sample(), SAMPLE_MS).unref()
  }

  /** The most CPU time of one stretch since this was last asked, in milliseconds. */
  async longestMs(): Promise<number> {
    const stretches = Stretches.parse(await (await fetch(new URL('/__stretches', this.#url))).json())
    this.#sample()
    const found = stretches.map((stretch) => this.#cpuMs(stretch))
    this.#samples.length = 0
    this.#sample()
    return Math.max(0, ...found)
  }

  #sample(): void {
    const cpuMs = Number(readFileSync(this.#file, 'utf8').split(' ')[0]) / 1e6
    if (this.#samples.length < MAX_SAMPLES) this.#samples.push({ at: Date.now(), cpuMs })
  }

  /** The CPU time from the last sample before to the first after, or all of the stretch, whichever is less. */
  #cpuMs({ from, to }: { from: number; to: number }): number {
    const first = this.#samples.findLast(({ at }) => at <= from) ?? this.#samples[0]
    const last = this.#samples.find(({ at }) => at >= to) ?? this.#samples.at(-1)
    return Math.min(to - from, (last?.cpuMs ?? 0) - (first?.cpuMs ?? 0))
  }
}
