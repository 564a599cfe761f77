/** A worker in Python as tests start it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { endWithTests } from '../../support/end-children.ts'

const SCRIPTS = join(import.meta.dirname, 'python')

/** Path of a script of `python/`. */
export const scriptPath = (name: string) => join(SCRIPTS, name)

/** A process of `worker.py`. */
export class PythonWorker {
  readonly #child: ChildProcess
  #output = ''

  /** @param options of `Worker`, by their names there */
  constructor(python: string, url: string, options: object = {}) {
    this.#child = endWithTests(
      spawn(python, ['-B', scriptPath('worker.py'), url], {
        env: { OPTIONS: JSON.stringify(options) },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.#output += bytes.toString()
      })
    }
  }

  get output(): string {
    return this.#output
  }

  /** Waits until it has said something. */
  async says(text: string): Promise<void> {
    while (!this.#output.includes(text)) {
      if (this.#child.exitCode !== null) throw new Error(`The worker ended: ${this.#output}`)
      await Promise.race([once(this.#child.stdout ?? this.#child, 'data'), once(this.#child, 'exit')])
    }
  }

  /** Sends a signal, and waits for its end. @returns the exit code; null where the signal ended it */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode
    const exit = once(this.#child, 'exit')
    this.#child.kill(signal)
    await exit
    return this.#child.exitCode
  }
}
