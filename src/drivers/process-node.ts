/** Identity of this process among those that use the same database, and the liveness of others. */
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { ProcessVerdict } from '../ports.ts'

/**
 * Names the set of processes whose ids can be compared with this one's: on Linux those of one pid namespace of one boot of the kernel (a
 * container has a namespace of its own, where the ids of others name no process, or a different one), elsewhere those of the machine. Two servers on one volume
 * may share the host name and see different processes, so the host name alone is not enough.
 * @returns a unique name where the kernel does not report the namespace, so that no process id is compared
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

/** Difference between a process's age and the time since it signed in, in seconds, that says nothing: it may have waited, or a clock was set. */
const AGE_SLACK_S = 60

/**
 * Judges whether an earlier process of the same `processHost` still runs.
 * @param worker the process id it had, and when it signed in, in milliseconds since the epoch
 * @returns `gone` where that is certain: the kernel vouches for the host, and there is no such process, or its id is our own now, and it signed in before we began. `unsure`
 * where the id may be that of another process by now, or where the system does not report which processes share a namespace
 */
export function judgeProcess({ pid, startedAt }: { pid: number; startedAt: number }): ProcessVerdict {
  const isCertain = process.platform === 'linux'
  // A program may have several servers in it; a process that had this id before is older than this one.
  if (pid === process.pid && startedAt >= performance.timeOrigin) return 'alive'
  if (pid === process.pid) return isCertain ? 'gone' : 'unsure'
  try {
    process.kill(pid, 0)
  } catch (error) {
    // The process exists, but belongs to another user.
    const isThere = error instanceof Error && 'code' in error && error.code === 'EPERM'
    if (!isThere) return isCertain ? 'gone' : 'unsure'
  }
  return isCertain ? judgeById(pid, startedAt) : 'alive'
}

/** Looks at the process that has the id: one that has ended and is not waited for, or one that is younger than the worker, is another. */
function judgeById(pid: number, startedAt: number): ProcessVerdict {
  try {
    // Fields 3 and 22 of proc_pid_stat(5), counted after the name in parentheses: the state, and the start in ticks since boot.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return 'gone'
    const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0])
    const ageSeconds = uptime - Number(fields[19]) / TICKS_PER_SECOND
    // By two clocks, so it takes the silence of the worker as well.
    return ageSeconds + AGE_SLACK_S < (Date.now() - startedAt) / 1_000 ? 'unsure' : 'alive'
  } catch {
    return 'alive'
  }
}

/** USER_HZ, which is 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

/** Figures of this process. */
export interface NodeProcessFigures {
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly startedAt: number
  readonly eventLoopDelaySeconds: number
}

/** Watches the event loop from now on, and returns what reads the figures of this process. */
export function watchProcess(): () => NodeProcessFigures {
  const delay = monitorEventLoopDelay()
  delay.enable()
  const startedAt = Date.now() / 1_000 - process.uptime()
  return () => {
    const { user, system } = process.cpuUsage()
    const { rss, heapUsed } = process.memoryUsage()
    const eventLoopDelaySeconds = delay.max / 1e9
    delay.reset()
    return {
      cpuSeconds: (user + system) / 1e6,
      residentBytes: rss,
      heapBytes: heapUsed,
      startedAt,
      eventLoopDelaySeconds,
    }
  }
}
