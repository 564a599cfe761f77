/** Fan-out: one event, then ten due together, to 1,000 and 5,000 clients, beside other servers in the same run with the same clients. */
import { fork } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { storm } from '../test/live/storm.ts'
import { answer, type Contestant, contestants, cpuOf, end } from './parts/contestants.ts'

const SIZES = [
  { clients: 1_000, single: 50, ten: 20 },
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

/** One server with its clients. */
class Match {
  readonly server: Contestant
  readonly memory: number
  readonly #clients: number
  readonly #crowd: Clients
  #sent = 1
  faults = 0
  #spans: number[] = []
  #waits: number[] = []
  #commits: number[] = []
  #cpu = 0

  constructor(server: Contestant, crowd: Clients, clients: number, memory: number) {
    this.server = server
    this.#crowd = crowd
    this.#clients = clients
    this.memory = memory
  }

  /** Connects the clients, and looks at what they cost. */
  static async prepare(server: Contestant, clients: number): Promise<Match> {
    // Memory for what the first connections make a server load is no part of the cost of a connection.
    const first = new Clients()
    await first.connect(server.url, WARM_UP_CLIENTS)
    await first.close()
    const before = await server.memory()
    const crowd = new Clients()
    await crowd.connect(server.url, clients)
    return new Match(server, crowd, clients, ((await server.memory()) - before) / clients)
  }

  /** Sends `count` events and waits until everyone has them. */
  async round(count: number): Promise<void> {
    this.#sent += count
    const arrived = await this.#crowd.expect(this.#sent)
    const cpu = cpuOf(this.server.pid)
    const { at, kept } = await this.server.emit(count)
    const report = await arrived()
    this.#cpu += cpuOf(this.server.pid) - cpu
    this.faults += report.faults + Math.abs(report.arrivals.length - this.#clients * count)
    const delays = report.arrivals.map((arrival) => arrival - at)
    this.#commits.push(kept)
    this.#spans.push(delays.at(-1) ?? 0)
    for (const delay of delays) this.#waits.push(delay)
  }

  /** Summarizes the rounds since the last call. */
  take(): Measured {
    const waits = this.#waits.toSorted((a, b) => a - b)
    const perRound = waits.length / Math.max(1, this.#spans.length)
    const measured = {
      rate: (perRound * 1_000) / median(this.#spans),
      p50: waits[Math.floor(waits.length * 0.5)] ?? 0,
      p99: waits[Math.floor(waits.length * 0.99)] ?? 0,
      cpu: this.#cpu / waits.length,
      kept: median(this.#commits),
    }
    this.#spans = []
    this.#waits = []
    this.#commits = []
    this.#cpu = 0
    return measured
  }

  async close(): Promise<void> {
    await this.#crowd.close()
    await this.server[Symbol.asyncDispose]()
  }
}

/** Rounds of all servers in turn, so that whatever else the machine does falls on all alike. */
async function turns(matches: readonly Match[], rounds: number, count: number): Promise<Measured[]> {
  for (let round = 0; round < rounds + WARM_UP; round++) {
    if (round === WARM_UP) for (const match of matches) match.take()
    for (const match of matches) await match.round(count)
  }
  return matches.map((match) => match.take())
}

async function compare({ clients, ...rounds }: (typeof SIZES)[number]): Promise<Row[]> {
  const matches: Match[] = []
  try {
    for (const start of contestants()) matches.push(await Match.prepare(await start(), clients))
    const single = await turns(matches, rounds.single, 1)
    const ten = await turns(matches, rounds.ten, 10)
    const none = { rate: 0, p50: 0, p99: 0, cpu: 0, kept: 0 }
    return matches.map(({ server, memory, faults }, index) => {
      if (faults > 0) throw new Error(`${server.name} lost, doubled or reordered events.`)
      return { name: server.name, clients, single: single[index] ?? none, ten: ten[index] ?? none, memory }
    })
  } finally {
    for (const match of matches) await match.close()
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

/** Lists the ratios that the goals are about: Millrace's results relative to the bare server's and nchan's. */
function ratios(rows: readonly Row[]): string {
  const lines: string[] = []
  for (const { clients } of SIZES) {
    const of = (name: string) => rows.find((row) => row.clients === clients && row.name.startsWith(name))
    const [ours, bare, nchan] = [of('Millrace'), of('bare'), of('nchan')]
    if (ours === undefined || bare === undefined) continue
    const speed = (ours.single.rate / bare.single.rate).toFixed(2)
    const memory = (ours.memory / bare.memory).toFixed(2)
    const cost = (ours.single.cpu / bare.single.cpu).toFixed(2)
    const past = nchan === undefined ? '' : `, ten together ${(ours.ten.rate / nchan.ten.rate).toFixed(2)} of nchan`
    lines.push(
      `- ${whole(clients)} clients: one event at a time ${speed} of the bare server's speed at ${cost} of its CPU${past}, memory ${memory} of the bare server's.`,
    )
  }
  return lines.join('\n')
}

/** Measures, and words it. Fails where an event was lost, doubled or out of order. */
export async function run(): Promise<string> {
  const rows: Row[] = []
  for (const size of SIZES) rows.push(...(await compare(size)))
  const began = performance.now()
  const weather = await storm({ clients: 40, events: 20_000 })
  const commit = median(rows.filter(({ name }) => name === 'Millrace').map(({ single }) => single.kept))
  const seconds = (performance.now() - began) / 1_000
  if (weather.faults.length > 0) throw new Error(weather.faults[0])
  return `## Following live: fan-out

Servers and clients are separate processes, and the servers take turns, on one machine with ${cpus().length} cores; every delivery is checked for loss, doubling and order. Times run from when
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
