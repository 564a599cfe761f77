/** Probes and what they came to: runs each with a time limit, measures the server meanwhile, and prints one table. */
import { scaled, scaledCpu } from './limits.ts'
import type { Server, Target } from './server.ts'
import { startWatch, type Watch } from './watch.ts'

/** Verdict of a probe. */
export type Verdict = 'pass' | 'FAIL' | 'skipped'

/** A row of the table. */
export interface Row {
  readonly point: string
  readonly name: string
  readonly expected: string
  readonly measured: string
  /** Peak resident memory of the server process in MB; null where there is no such process. */
  readonly peakMb: number | null
  /** Longest wait for `GET /healthz` in ms, CPU time the server used during one, and the wait for an idle server; null where nobody asked. */
  readonly stallMs: number | null
  readonly cpuMs: number | null
  readonly idleMs: number | null
  readonly verdict: Verdict
}

/** Thrown by a probe whose promise does not hold; the message is what was measured instead. */
export class Fault extends Error {}
/** Thrown by a probe that this machine cannot run; the message is the reason. */
export class Skip extends Error {}

/** Fails the probe unless `holds`. */
export function demand(holds: boolean, measured: string): asserts holds {
  if (!holds) throw new Fault(measured)
}

/** A probe: its name, the promise, and its limits. */
export interface ProbeOptions {
  readonly name: string
  readonly expected: string
  /** Limit on the whole probe on a quiet machine, in ms. @default 60,000 */
  readonly withinMs?: number
  /** Limit on the server's peak resident memory in MB. @default no limit */
  readonly maxMb?: number
  /** Limit on CPU time in ms that the server uses while `/healthz` waits: others who use the machine make waits longer, and not that. @default no limit */
  readonly maxStallMs?: number
}

/** Limit on the CPU time for which a request makes `/healthz` wait: generous, because cores differ. */
export const STALL_MS = 500
/** Limit on the memory of a server process that the project promises. */
export const MEMORY_MB = 512
const PROBE_MS = 60_000

/** Collects the rows of a run. */
export class Report {
  readonly rows: Row[] = []
  readonly #watch: Promise<Watch>
  readonly #until: number

  /** @param limitMs limit on the whole run; probes that would begin later fail */
  constructor(limitMs: number) {
    this.#watch = startWatch()
    this.#until = Date.now() + scaled(limitMs)
  }

  /** Runs one probe against a server of `target`, which is watched meanwhile. */
  async probe(
    point: string,
    target: Target,
    options: ProbeOptions,
    run: (server: Server) => Promise<string>,
  ): Promise<void> {
    const { name, expected } = options
    const row = { point, name: target.runtime === 'node' ? name : `${name} (workerd)`, expected }
    if (this.#isLate(row)) return
    let server: Server
    try {
      server = await target.server()
    } catch (error) {
      this.#add({ ...row, ...NO_FIGURES, measured: messageOf(error), verdict: 'FAIL' })
      return
    }
    const measured = await this.#measured(server, options, run)
    this.#add({ ...row, ...measured })
    if (measured.verdict === 'FAIL') await target.discard()
  }

  /** Runs one probe that starts what it needs by itself. */
  async alone(point: string, options: ProbeOptions, run: () => Promise<string>): Promise<void> {
    const row = { point, name: options.name, expected: options.expected }
    if (this.#isLate(row)) return
    this.#add({ ...row, ...NO_FIGURES, ...(await outcome(run, options.withinMs ?? PROBE_MS)) })
  }

  /** Adds a row for probes that could not be run because something around them threw. */
  broken(point: string, name: string, error: unknown): void {
    const measured = `the probes could not be run: ${messageOf(error).slice(0, 300)}`
    this.#add({ point, name, expected: 'they run', ...NO_FIGURES, measured, verdict: 'FAIL' })
  }

  #isLate(row: Pick<Row, 'point' | 'name' | 'expected'>): boolean {
    if (Date.now() <= this.#until) return false
    this.#add({ ...row, ...NO_FIGURES, measured: 'not run: no time left', verdict: 'FAIL' })
    return true
  }

  /** Runs a probe while the server is watched from another process. */
  async #measured(server: Server, options: ProbeOptions, run: (server: Server) => Promise<string>) {
    const watch = await this.#watch
    server.resetPeak()
    const window = watch.open(server)
    const { measured, verdict } = await outcome(() => run(server), options.withinMs ?? PROBE_MS)
    const { stallMs, cpuMs, idleMs } = await window.close()
    const peakMb = server.peakMb()
    const faults: string[] = []
    if (server.exit !== null) faults.push(`the process ended: ${server.exit}`)
    if (options.maxMb !== undefined && peakMb !== null && peakMb > options.maxMb) faults.push(`${peakMb} MB`)
    if (options.maxStallMs !== undefined && Math.min(stallMs, cpuMs) > scaledCpu(options.maxStallMs))
      faults.push(`/healthz waited ${stallMs} ms, ${cpuMs} of them CPU time of the server`)
    const told = verdict === 'pass' && faults.length > 0 ? [measured, ...faults] : [...faults, measured]
    return {
      measured: told.join('; '),
      peakMb,
      stallMs,
      cpuMs,
      idleMs,
      verdict: faults.length > 0 && verdict !== 'skipped' ? 'FAIL' : verdict,
    } as const
  }

  #add(row: Row): void {
    this.rows.push(row)
    console.error(`${row.verdict.padEnd(7)} ${row.point.padStart(4)}  ${row.name}: ${row.measured}`)
  }

  /** Ends what watched. */
  async close(): Promise<void> {
    await (await this.#watch).end()
  }
}

const NO_FIGURES = { peakMb: null, stallMs: null, cpuMs: null, idleMs: null }

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

async function outcome(run: () => Promise<string>, limitMs: number): Promise<{ measured: string; verdict: Verdict }> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Fault(`no end within ${limitMs / 1_000} s, scaled`)), scaled(limitMs))
  const work = run()
  // It may fail after its time is over, when nobody waits for it any more.
  work.catch(() => {})
  try {
    return { measured: await Promise.race([work, late.promise]), verdict: 'pass' }
  } catch (error) {
    return { measured: messageOf(error).split('\n')[0] ?? '', verdict: error instanceof Skip ? 'skipped' : 'FAIL' }
  } finally {
    clearTimeout(timer)
  }
}

/** The table, as Markdown, and the closing line. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map(({ point, name, expected, measured, peakMb, stallMs, cpuMs, idleMs, verdict }) => [
    point,
    name,
    expected,
    measured.slice(0, 160),
    peakMb === null ? '' : `${peakMb}`,
    stallMs === null ? '' : `${stallMs} (${cpuMs}, ${idleMs})`,
    verdict,
  ])
  const head = ['point', 'probe', 'expected', 'measured', 'peak MB', '/healthz ms (CPU, idle)', 'verdict']
  const widths = head.map((title, at) => Math.max(title.length, ...cells.map((row) => row[at]?.length ?? 0)))
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...cells.map(line)].join('\n')
}

/** How many rows have each verdict. */
export function countsOf(rows: readonly Row[]): Readonly<Record<Verdict, number>> {
  const count = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict).length
  return { pass: count('pass'), FAIL: count('FAIL'), skipped: count('skipped') }
}
