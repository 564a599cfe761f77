/** Identity of this process among those that use the same database, and the liveness of others. */
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * Names the processes whose ids mean the same to this one: on Linux those of one pid namespace of one boot of the kernel (a container has
 * a namespace of its own, where another's ids name nothing or somebody else), elsewhere those of the machine. Two servers on one volume
 * may share the host name and see different processes, so the host name alone is not enough.
 * @returns a name that nobody else has where the kernel does not tell, so that no process id is compared
 */
export function processHost(): string {
  if (process.platform !== 'linux') return hostname()
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${hostname()} ${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return `${hostname()} ${randomUUID()}`
  }
}

/**
 * Tells whether an earlier process of the same `processHost` still runs.
 * @param pid the process id it had; our own id was given to us after it had ended
 */
export function isProcessAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Someone else's process is there, but not ours to signal.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
