/**
 * Memory of the Worker's isolate while it exports few cards and a million: what V8's heap, the runtime's objects and their buffers take, as
 * workerd's inspector counts it. The files are compared, by their hashes, with what they must be.
 */
import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ExportResult, TaskAccepted, TaskStatus } from '../src/features/cards/schemas.ts'
import { type SeededCard, seedCards } from '../test/features/cards/seed.ts'
import type { IsolateUse } from '../test/support/cloudflare/isolate-memory.ts'
import { buildWatchedWorker, openWatchedWorker, type WatchedWorker } from '../test/support/cloudflare/watched-worker.ts'
import { d1DatabaseFile, freshFolder } from '../test/support/server.ts'
import { expectedHash } from './parts/cards-expected.ts'
import { card, check } from './parts/cards-server.ts'
import { shown } from './parts/report.ts'

const FEW = 1_000
const MANY = 1_000_000
/** As many, and as much, as is also given inline. */
const INLINE = { cards: 10_000, bytesACard: 2_800 }
const FORMATS = ['json', 'csv'] as const
/** Memory that the platform gives an isolate, in MB; V8 ends the process that would need more heap. */
const MAX_MB = 128
const COLLECT_EVERY_MS = 1_000
/** V8 collects for the first time when some tens of MB have gathered, whoever left them: few cards are exported until it has. */
const TIMES_FEW = 150
const POLL_MS = 250
const MB = 1024 * 1024

type Format = (typeof FORMATS)[number]

/** Locations of a Worker's build and of its data. */
interface Place {
  readonly build: string
  readonly dataDir: string
}

/** Measures each export in a process of its own, once as V8 collects garbage by itself and once with a collection every second. */
export async function run(): Promise<string> {
  process.env.MINIFLARE_WORKERD_V8_FLAGS = `--max-heap-size=${MAX_MB}`
  const folder = await freshFolder()
  try {
    const build = join(folder, 'worker')
    await buildWatchedWorker(build)
    return report(
      await exportRows({ build, dataDir: join(folder, 'data') }),
      await inlineRow({ build, dataDir: join(folder, 'inline') }),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function exportRows(place: Place): Promise<string[]> {
  const file = await prepared(place)
  const use = new Map<string, IsolateUse>()
  for (const [from, to] of [
    [0, FEW],
    [FEW, MANY],
  ] as const) {
    seedCards(file, from, to, short)
    for (const format of FORMATS)
      use.set(
        `${format} ${to}`,
        await measured(place, (edge) => exportFile(edge, format, to), to === FEW ? TIMES_FEW : 1),
      )
  }
  return FORMATS.flatMap((format) => {
    const few = use.get(`${format} ${FEW}`)
    const many = use.get(`${format} ${MANY}`)
    if (few === undefined || many === undefined) return []
    return [
      row(`${format}, held`, few.held, many.held),
      row(`${format}, with what V8 had not collected yet`, few.most, many.most),
    ]
  })
}

/** @returns the file of its database */
async function prepared({ build, dataDir }: Place): Promise<string> {
  await (await openWatchedWorker(build, dataDir)).close()
  return d1DatabaseFile(dataDir)
}

/** Measures the most memory a fresh isolate used without forced collection, doing the work so many `times`; and what one held after doing it once. */
async function measured(
  place: Place,
  work: (edge: WatchedWorker) => Promise<void>,
  times: number,
): Promise<IsolateUse> {
  const inIsolate = async (count: number, collectEveryMs: number | null) => {
    const edge = await openWatchedWorker(place.build, place.dataDir)
    const all = async () => {
      for (let done = 0; done < count; done++) await work(edge)
    }
    try {
      return await edge.memory.during(all, collectEveryMs)
    } finally {
      await edge.close()
    }
  }
  return { most: (await inIsolate(times, null)).most, held: (await inIsolate(1, COLLECT_EVERY_MS)).held }
}

/** As in the benchmark of Node, all of them published. */
const short = (number: number): SeededCard => ({ ...card(number), privacy_level: 'BUSINESS' })
const long = (number: number): SeededCard => ({
  ...short(number),
  body: `${number}`.padEnd(INLINE.bytesACard, ' so it says'),
})

async function exported({ url }: WatchedWorker, format: Format): Promise<{ result: ExportResult; taskId: string }> {
  const asked = await fetch(`${url}/bulk/export`, {
    method: 'POST',
    body: JSON.stringify({ format, include_metadata: false }),
    headers: { 'Content-Type': 'application/json' },
  })
  const { task_id: taskId } = TaskAccepted.parse(await asked.json())
  for (;;) {
    const status = TaskStatus.parse(await (await fetch(`${url}/bulk/status/${taskId}`)).json())
    if (status.status === 'FAILURE') throw new Error(status.error)
    if (status.status === 'SUCCESS') return { result: ExportResult.parse(status.result), taskId }
    await pause(POLL_MS)
  }
}

/** Exports and downloads. */
async function exportFile(edge: WatchedWorker, format: Format, count: number): Promise<void> {
  const { result } = await exported(edge, format)
  const hash = createHash('sha256')
  const file = await fetch(new URL(result.download_url, edge.url))
  for await (const chunk of file.body ?? []) hash.update(chunk)
  check('cards exported', result.cards_exported, count)
  check('the file', hash.digest('hex'), expectedHash(format, count, short, PAGES))
}

const PAGES = 'https://mill.test/cards/'

async function inlineRow(place: Place): Promise<string> {
  const file = await prepared(place)
  const inline = (count: number) => async (edge: WatchedWorker) => {
    const { result } = await exported(edge, 'json')
    check('cards exported', result.cards_exported, count)
    const text = result.export_data ?? ''
    check('the text', createHash('sha256').update(text).digest('hex'), expectedHash('json', count, long, PAGES))
  }
  seedCards(file, 0, FEW, long)
  const few = await measured(place, inline(FEW), 1)
  seedCards(file, FEW, INLINE.cards, long)
  const many = await measured(place, inline(INLINE.cards), 1)
  return row(`json with \`export_data\`, held`, few.held, many.held)
}

function row(what: string, few: number, many: number): string {
  return `| ${what} | ${shown(few / MB)} | ${shown(many / MB)} | ${shown((many - few) / MB)} |`
}

function report(rows: readonly string[], inline: string): string {
  return `### On Cloudflare

Peak memory of the Worker's isolate alone, in MB, from the request until the file is downloaded: V8's heap, what the runtime's objects take beside it, and their buffers, as workerd's
inspector counts them at every turn of the event loop; D1 and R2, which the same process plays, are not in it. V8 was told that a heap may have ${MAX_MB} MB, as on the platform. Held is what a
collection of garbage left, every second. What V8 has not collected by itself is up to some tens of MB whatever an isolate does for long: for the few cards it is that of ${TIMES_FEW} exports in one
isolate. The cards are in D1's file beforehand, and every downloaded file has the hash that it must have.

| export as | ${shown(FEW)} cards | ${shown(MANY)} cards | more by |
| --- | ---: | ---: | ---: |
${rows.join('\n')}

| status of an ended export as | ${shown(FEW)} cards | ${shown(INLINE.cards)} cards, 32 MB | more by |
| --- | ---: | ---: | ---: |
${inline}`
}
