/**
 * Ends programs that tests start and that do not watch who started them, such as nginx: a shell waits at a pipe, which the kernel closes when
 * the tests are gone, however they ended. Our own servers watch by themselves, see end-with-tests.js.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'

/** Each line is every process that is to end. What has not ended two seconds after SIGTERM is killed. */
const SCRIPT = `trap '' INT TERM HUP
while read -r line; do pids=$line; done
[ -z "$pids" ] || { kill -TERM $pids; sleep 2; kill -KILL $pids; } 2>/dev/null`

const watched = new Set<number>()
let pipe: Socket | null = null

function tell(): void {
  pipe ??= startShell()
  pipe?.write(`${[...watched].join(' ')}\n`)
}

function startShell(): Socket | null {
  const shell = spawn('/bin/sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: {} })
  // It may have been killed with the machine's other processes; there is nobody left to tell then.
  for (const emitter of [shell, shell.stdin]) emitter.on('error', () => {})
  shell.unref()
  if (!(shell.stdin instanceof Socket)) return null
  return shell.stdin.unref()
}

/**
 * Has a program end with the tests.
 * @returns the program
 */
export function endWithTests<T extends ChildProcess>(child: T): T {
  const { pid } = child
  if (pid === undefined) return child
  watched.add(pid)
  tell()
  child.once('exit', () => {
    watched.delete(pid)
    tell()
  })
  return child
}
