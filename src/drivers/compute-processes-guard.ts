/**
 * Sees to it that no process outlives the one that started it, even where that one is killed and the others are in a loop that never
 * looks at its channel: a shell that waits at a pipe, which the kernel closes when the other end dies. POSIX has no other way that needs
 * no native code; Linux's PR_SET_PDEATHSIG can't be asked for from Node.
 */
import { spawn } from 'node:child_process'
import { Socket } from 'node:net'

/** Each line is every process that is to be killed at the end. */
const SCRIPT = `trap '' INT TERM HUP
while read -r line; do pids=$line; done
[ -z "$pids" ] || kill -KILL $pids`

/** Kills the processes that it watches when this process ends, for any reason. */
export class Guard {
  readonly #stdin: Socket | null

  /** Starts the shell. Without one at /bin/sh (Windows, images without a shell), it guards nothing. */
  constructor() {
    const shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: {} })
    shell.on('error', () => {})
    shell.stdin.on('error', () => {})
    shell.unref()
    this.#stdin = shell.stdin instanceof Socket ? shell.stdin : null
    this.#stdin?.unref()
  }

  /** Sets the processes to watch; replaces those set before. */
  watch(pids: readonly number[]): void {
    this.#stdin?.write(`${pids.join(' ')}\n`)
  }

  /** Guards no more. */
  end(): void {
    this.#stdin?.end('\n')
  }
}
