/**
 * Times of owners by themselves and beside a hostile one, in turns: what else the machine does then falls on both, and what happens once on one
 * pair of several. Each comparison has a control, since processors that are shared make anything slower: short pieces of CPU work of two
 * threads, by themselves and beside threads that never rest, as many as there are processors.
 */
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import * as z from 'zod'

/** Most comparisons: noise makes a ratio larger far more often than smaller. */
export const TRIES = 3
/** Threads whose pieces of work are timed, pieces of each, and the CPU time of a piece, in milliseconds. */
const CONTROL = { threads: 2, pieces: 10, pieceMs: 20 }
/** Pairs of rounds. Odd, so that their median is one that was measured. */
const PAIRS = 5

/** Medians over all pairs of how many times longer it took beside. */
interface Comparison {
  /** Of the 95th percentiles of the times. */
  readonly ratio: number
  /** Of the control. */
  readonly control: number
  /** The 95th percentiles of each pair, to be printed. */
  readonly rounds: string
}

/** The work that is timed, and what it is timed beside. */
export interface Sides {
  /** Does one round of work. @returns how long each piece of it took, in milliseconds */
  times(round: string): Promise<readonly number[]>
  /** Lets the hostile owner begin. Resolves once it has taken what it can get. @returns how it is ended, and seen not to have ended before */
  attack(round: number): Promise<() => Promise<void>>
}

/** The 95th percentile. */
function p95(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.ceil(0.95 * times.length) - 1] ?? Number.NaN
}

/**
 * Compares rounds alone and beside, and prints what came of it.
 * @throws Error where each of three comparisons found it to take more than `times` what it takes alone, times what the control found
 */
export async function expectAtMost(times: number, what: string, sides: Sides): Promise<void> {
  await sides.times('warm')
  const found: string[] = []
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const { ratio, control, rounds } = await compareSides(attempt, sides)
    found.push(`${ratio.toFixed(2)} times, control ${control.toFixed(2)} (${rounds})`)
    console.log(`${what}: ${found.at(-1)}`)
    if (ratio <= times * Math.max(1, control)) return
  }
  throw new Error(`${what}: beside the hostile owner it took more than ${times} times: ${found.join('; ')}`)
}

/** Compares once. @param attempt tells its rounds from those of other attempts */
export async function compareSides(attempt: number, { times, attack }: Sides, count = PAIRS): Promise<Comparison> {
  const pairs: { alone: number; beside: number; control: number }[] = []
  for (let pair = 0; pair < count; pair++) {
    const round = attempt * count + pair
    const control = await slowdownOfSharing()
    const alone = p95(await times(`alone ${round}`))
    const end = await attack(round)
    const beside = p95(await times(`beside ${round}`))
    await end()
    pairs.push({ alone, beside, control })
  }
  const rounds = pairs.map(({ alone, beside }) => `${Math.round(alone)}/${Math.round(beside)} ms`).join(' ')
  const ratio = median(pairs.map(({ alone, beside }) => beside / alone))
  return { ratio, control: median(pairs.map(({ control }) => control)), rounds }
}

/** How many times longer short pieces of CPU work take beside threads that never rest. */
async function slowdownOfSharing(): Promise<number> {
  const alone = p95(await controlTimes())
  const busy = await Promise.all(Array.from({ length: availableParallelism() }, startBusyThread))
  const beside = p95(await controlTimes())
  await Promise.all(busy.map((thread) => thread.terminate()))
  return beside / alone
}

async function controlTimes(): Promise<number[]> {
  const thread = async () => {
    const worker = new Worker(TIMED_PIECES, { eval: true, workerData: CONTROL })
    const [times]: unknown[] = await once(worker, 'message')
    return z.array(z.number()).parse(times)
  }
  return (await Promise.all(Array.from({ length: CONTROL.threads }, thread))).flat()
}

async function startBusyThread(): Promise<Worker> {
  const worker = new Worker(`require('node:worker_threads').parentPort.postMessage('busy'); for (;;);`, { eval: true })
  await once(worker, 'message')
  return worker
}

/** A piece is a number of rounds, counted first, so that it takes longer where the thread has to wait for a processor. */
const TIMED_PIECES = `
const { parentPort, workerData: { pieces, pieceMs } } = require('node:worker_threads')
const work = (rounds) => { let sum = 0; for (let i = 0; i < rounds; i++) sum = (sum + i * i) % 1000003; return sum }
work(1e6)
const cpu = process.threadCpuUsage()
work(4e6)
const { user, system } = process.threadCpuUsage(cpu)
const rounds = Math.round(4e6 * pieceMs / ((user + system) / 1000))
const times = Array.from({ length: pieces }, () => { const began = performance.now(); work(rounds); return performance.now() - began })
parentPort.postMessage(times)
`

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
