/** Fan-out: one event, then ten due together, to 1,000 and 5,000 clients, beside other servers in the same run with the same clients. */
import { fork } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { storm } from '../test/live/storm.ts'
import { answer, type Contestant, contestants, cpuOf, end } from './parts/contestants.ts'

const SIZES = [
  { clients: 1_000, single: 60, ten: 20 },
  { clients: 5_000, single: 20, ten: 8 },
]
const WARM_UP = 8
const WARM_UP_CLIENTS = 500

const Arrived = z.object({ arrivals: z.array(z.number()), faults: z.int() })

interface Measured {
  /** Deliveries a second, by the median round. */
  rate: number
  p50: number
  p99: number
  /** Microseconds of the server's CPU. */
  cpu: number
  /** Milliseconds it took to write the events down, by the median round; 0 where nothing is kept. */
  kept: number
}

interface Row {
  name: string
  clients: number
  single: Measured
  ten: Measured
  /** Bytes a connection. */
  memory: number
  faults: number
}

/** The clients, in a process of their own. */
class Clients {
  readonly #child = fork(join(import.meta.dirname, 'parts', 'fan-out-client.ts'))

  async connect(url: string, clients: number): Promise<void> {
    const connected = answer(this.#child)
    this.#child.send({ connect: url, clients })
    await connected
  }

  /** Gets ready for the event `target`; the returned promise resolves when everyone has it. */
  async expect(target: number): Promise<() => Promise<z.infer<typeof Arrived>>> {
    const ready = answer(this.#child)
    this.#child.send({ expect: target })
    await ready
    const report = answer(this.#child)
    return async () => Arrived.parse(await report)
  }

  close(): Promise<void> {
    return end(this.#child)
  }
}

const median = (list: readonly number[]) => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0

async function measure(server: Contestant, clients: number, rounds: { single: number; ten: number }): Promise<Row> {
  // What the first connections make a server load is not what a connection costs.
  const first = new Clients()
  await first.connect(server.url, WARM_UP_CLIENTS)
  await first.close()
  const before = await server.memory()
  const crowd = new Clients()
  try {
    await crowd.connect(server.url, clients)
    const memory = ((await server.memory()) - before) / clients
    let sent = 1
    let faults = 0
    const repeat = async (times: number, count: number): Promise<Measured> => {
      const spans: number[] = []
      const waits: number[] = []
      const commits: number[] = []
      const cpu = cpuOf(server.pid)
      for (let round = 0; round < times; round++) {
        sent += count
        const arrived = await crowd.expect(sent)
        const { at, kept } = await server.emit(count)
        commits.push(kept)
        const report = await arrived()
        if (report.arrivals.length !== clients * count) faults++
        faults += report.faults
        const delays = report.arrivals.map((arrival) => arrival - at)
        spans.push(Math.max(...delays.slice(-1)))
        for (const delay of delays) waits.push(delay)
      }
      const used = cpuOf(server.pid) - cpu
      const sorted = waits.toSorted((a, b) => a - b)
      return {
        rate: (clients * count * 1_000) / median(spans),
        p50: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
        p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
        cpu: used / (times * count * clients),
        kept: median(commits),
      }
    }
    await repeat(WARM_UP, 1)
    const single = await repeat(rounds.single, 1)
    await repeat(WARM_UP / 2, 10)
    const ten = await repeat(rounds.ten, 10)
    return { name: server.name, clients, single, ten, memory, faults }
  } finally {
    await crowd.close()
  }
}

const whole = (value: number) => Math.round(value).toLocaleString('en')

function table(rows: readonly Row[], kind: 'single' | 'ten'): string {
  const head =
    '| server | clients | deliveries/s | p50 ms | p99 ms | server CPU µs a delivery | memory kB a connection |\n|---|---|---|---|---|---|---|\n'
  return (
    head +
    rows
      .map((row) => {
        const { rate, p50, p99, cpu } = row[kind]
        const cells = [whole(rate), p50.toFixed(1), p99.toFixed(1), cpu.toFixed(1), (row.memory / 1_024).toFixed(1)]
        return `| ${row.name} | ${whole(row.clients)} | ${cells.join(' | ')} |\n`
      })
      .join('')
  )
}

/** What the goals come to. */
function ratios(rows: readonly Row[]): string {
  const lines: string[] = []
  for (const { clients } of SIZES) {
    const of = (name: string) => rows.find((row) => row.clients === clients && row.name.startsWith(name))
    const [ours, bare, nchan] = [of('Millrace'), of('bare'), of('nchan')]
    if (ours === undefined || bare === undefined) continue
    const speed = (ours.single.rate / bare.single.rate).toFixed(2)
    const memory = (ours.memory / bare.memory).toFixed(2)
    const past = nchan === undefined ? '' : `, ten together ${(ours.ten.rate / nchan.ten.rate).toFixed(2)} of nchan`
    lines.push(
      `- ${whole(clients)} clients: one event at a time ${speed} of the bare server${past}, memory ${memory} of the bare server.`,
    )
  }
  return lines.join('\n')
}

/** Measures, and words it. Fails where an event was lost, doubled or out of order. */
export async function run(): Promise<string> {
  const rows: Row[] = []
  for (const { clients, ...rounds } of SIZES) {
    for (const start of contestants()) {
      await using server = await start()
      const row = await measure(server, clients, rounds)
      if (row.faults > 0) throw new Error(`${row.name} lost, doubled or reordered events.`)
      rows.push(row)
      console.error(JSON.stringify(row))
    }
  }
  const began = performance.now()
  const weather = await storm({ clients: 40, events: 20_000 })
  const commit = median(rows.filter(({ name }) => name === 'Millrace').map(({ single }) => single.kept))
  const seconds = (performance.now() - began) / 1_000
  if (weather.faults.length > 0) throw new Error(weather.faults[0])
  return `## Following live: fan-out

Server and clients are separate processes on one machine with ${cpus().length} cores; every delivery is checked for loss, doubling and order. Times run from when
an event is there to be told of until it arrives: for Millrace from the notice that follows its commit, so that they hold the read from the database; the other
servers keep nothing. CPU holds the commit too. Writing one event to disk (\`synchronous=FULL\`) took ${commit.toFixed(1)} ms by the median.
Deliveries a second are by the median round, from the beginning to the last client's arrival. Memory is heap and buffers after garbage collection, for nginx what is resident.

One event at a time:

${table(rows, 'single')}
Ten events due together (Millrace: one commit; nchan: ten publications in one write):

${table(rows, 'ten')}
${ratios(rows)}
- ${whole(weather.deliveries)} deliveries to 40 clients over ${whole(weather.connections)} connections, with ${whole(weather.published)} notices of which 30 % were dropped and 21 % doubled, all
  shuffled and some wrong: none lost, doubled or out of order, in ${seconds.toFixed(1)} s.
`
}
