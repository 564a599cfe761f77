/** One of the processes that share a file: `node sharing-process.ts <folder> <seconds>`. Prints JSON. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import Connection from 'libsql'
import { openEngine } from './engine.ts'
import { quantile } from './report.ts'
import type { Sharer } from './sharing.ts'

const [folder = '', seconds] = process.argv.slice(2)

/** Every wait for the write lock happens at the beginning of a commit. */
const waits: number[] = []
const { exec } = Connection.prototype
Connection.prototype.exec = function (this: Connection.Database, source: string) {
  if (source !== 'BEGIN IMMEDIATE') return exec.call(this, source)
  const began = performance.now()
  try {
    return exec.call(this, source)
  } finally {
    waits.push(performance.now() - began)
  }
}

const engine = await openEngine(folder)
await engine.work(20)
const delay = monitorEventLoopDelay({ resolution: 1 })
const items = Array.from({ length: 200 }, (_, value) => ({ value }))
let batches = 0
waits.length = 0
delay.enable()
const end = performance.now() + 1_000 * Number(seconds)
for (; performance.now() < end; batches++) {
  await engine.submit(items)
  await new Promise((resolve) => setTimeout(resolve, 20))
}
delay.disable()
const seen: Sharer = {
  batches,
  jobsRun: engine.meter.rows.reduce((sum, { durations }) => sum + durations.count, 0),
  loopP99: delay.percentile(99) / 1e6,
  loopMax: delay.max / 1e6,
  waits: waits.length,
  waitP99: quantile(waits, 0.99),
  waitMax: Math.max(...waits),
}
console.log(JSON.stringify(seen))
await engine[Symbol.asyncDispose]()
process.exit(0)
