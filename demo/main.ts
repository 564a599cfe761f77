/**
 * The demo: starts the server, makes a meet with invented swimmers, submits its documents for one of them, shows how they
 * come along, prints the merged schedule. With `documents`, a handbook is made and asked a question instead. Leaves the server running; with
 * `--once` it stops, for tests.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BatchEvent, BatchStatus } from '../src/features/batches/follow-schemas.ts'
import { DemoClient, DemoError } from './client.ts'
import { runDocuments } from './documents.ts'
import { type DemoMeet, theDemoMeet } from './meet.ts'
import { scheduleTable } from './schedule.ts'
import { type Bar, Screen } from './screen.ts'
import { startServer } from './server.ts'

/** The document that is shown how to go on with. */
const ONE = 'friday-heats.pdf'

const say = (text: string) => console.log(text)

/** Puts the meet's documents where a person can look at them. */
async function keepDocuments({ documents }: DemoMeet, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  await Promise.all(documents.map(({ filename, bytes }) => writeFile(join(folder, filename), bytes)))
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`

/** A bar as an event changes it. */
function moved(bar: Bar, event: BatchEvent): Bar {
  if (event.type === 'job_progress')
    return { ...bar, percent: event.progressPercent, note: event.progressMessage || bar.note }
  if (event.type === 'job_failed') return { ...bar, note: `failed: ${event.errorMessage}` }
  if (event.type !== 'job_completed') return bar
  const known = event.cached === true ? ', known from before' : ''
  return { ...bar, percent: 100, note: `${plural(Number(event.eventCount), 'event')}${known}` }
}

/** Follows a batch on the screen until it has ended. */
async function watch(client: DemoClient, streamUrl: string, jobs: BatchStatus['jobs']): Promise<void> {
  const bars = new Map(
    jobs.map(({ sequence, filename }): [number, Bar] => [
      sequence,
      { label: filename ?? '', percent: 0, note: 'waiting' },
    ]),
  )
  const screen = new Screen(process.stdout)
  screen.show([...bars.values()])
  try {
    await client.follow(streamUrl, (event) => {
      if (!('sequence' in event) || typeof event.sequence !== 'number') return
      const bar = bars.get(event.sequence)
      if (bar) bars.set(event.sequence, moved(bar, event))
      screen.show([...bars.values()])
    })
  } finally {
    screen.close()
  }
}

/** The whole round on a server that answers. Throws DemoError when a document failed. */
async function run(client: DemoClient, folder: string): Promise<void> {
  const meet = await theDemoMeet()
  await keepDocuments(meet, folder)
  say(`\n${meet.meetName} · ${plural(meet.documents.length, 'document')} for ${meet.swimmer}\n`)
  const { batchId, streamUrl } = await client.submit(meet.swimmer, meet.documents)
  const { jobs } = await client.status(batchId)
  await watch(client, streamUrl, jobs)
  const { batch, jobs: ended } = await client.status(batchId)
  const { events, warnings, sources } = await client.results(batchId)
  say(`\n${scheduleTable(events)}\n`)
  for (const warning of warnings) say(`Note: ${warning}`)
  const code = sources.find(({ filename }) => filename === ONE)?.resultCode
  sayNext(client, { batchId, streamUrl, swimmer: meet.swimmer, folder, code })
  const failed = ended.filter(({ status }) => status !== 'completed')
  if (batch.status !== 'completed') {
    const told = failed.map(({ filename, error }) => `${filename}: ${error ?? 'not finished'}`)
    throw new DemoError(`The batch ended as ${batch.status}.\n${told.join('\n')}`)
  }
  // An entry of the psych sheet stands behind each round of its event.
  const behind = new Set(
    events.flatMap(({ eventNumber, otherSources = [] }) =>
      otherSources.map(({ filename }) => `${eventNumber} ${filename}`),
    ),
  )
  const entries = events.length + behind.size
  if (entries !== meet.entries) {
    throw new DemoError(
      `${meet.swimmer} has ${meet.entries} entries in these documents, but ${entries} were found. Please report this.`,
    )
  }
}

/** Prints what to try next. */
function sayNext(
  client: DemoClient,
  made: { batchId: string; streamUrl: string; swimmer: string; folder: string; code: string | undefined },
): void {
  const path = join(made.folder, ONE)
  const page = made.code === undefined ? '' : `\nA page to share, of ${ONE}: ${client.url(`/results/${made.code}`)}\n`
  say(`
The documents are in ${made.folder}. Try next:

  curl -N '${client.url(made.streamUrl)}'
  curl '${client.url(`/api/batch/${made.batchId}/results`)}'
  curl -F 'swimmer=${made.swimmer}' -F 'pdfs=@${path}' '${client.url('/api/batch/extract')}'
${page}`)
}

/** Runs the demo. Resolves with the exit code. */
async function main({ once, documents }: { once: boolean; documents: boolean }): Promise<number> {
  const dataDir = process.env.DATA_DIR || '.millrace'
  const server = await startServer(dataDir)
  try {
    await server.answers()
    const gone = server.ended.then((code) => {
      throw new DemoError(`The server ended with code ${code} in the middle of the demo. Start it again.`)
    })
    const folder = join(dataDir, 'demo')
    const round = documents ? runDocuments(server.url, folder) : run(new DemoClient(server.url), folder)
    await Promise.race([round, gone])
  } catch (error) {
    // Told twice, it would not end in order.
    if (server.interrupted) return server.ended
    await server.stop()
    throw error
  }
  if (once) return server.stop()
  say(`The server is listening on ${server.url}. Ctrl-C stops it.`)
  server.show()
  return server.ended
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , ...words] = process.argv
  const options = { once: words.includes('--once'), documents: words.includes('documents') }
  const code = await main(options).catch((error: unknown) => {
    console.error(error instanceof DemoError ? `\n${error.message}` : error)
    return 1
  })
  // A stream that is tried again and again would keep the process alive.
  process.exit(code)
}
