/**
 * Cards over HTTP: imports beside the bare insert of the same rows and beside a FastAPI and SQLAlchemy server that commits every 100 cards,
 * exports beside a bare loop over the same client, and the memory both take. Every run is checked by what the database holds.
 */
import { EXPORTED, exports, FORMATS, shell } from './parts/cards-export.ts'
import { importHttp, importPython, importRaw } from './parts/cards-import.ts'
import { check, inFolder, ndjson, Server } from './parts/cards-server.ts'
import { median, shown } from './parts/report.ts'

/**
 * Imports compared: how many cards, in which form, in how many rounds of each contestant in turn. The other server takes ten times as long; of
 * 100,000 cards it gets one round.
 */
const IMPORTS = [
  { count: 10_000, form: 'json', rounds: 5, pythonRounds: 5 },
  { count: 100_000, form: 'ndjson', rounds: 3, pythonRounds: 1 },
] as const
/** For the memory. */
const FEW = 1_000
const MANY = 1_000_000

const MB = 1024 * 1024
const ratio = (a: number, b: number) => (a / b).toFixed(2)

/** Runs the comparisons, each round with every contestant. */
export async function run(): Promise<string> {
  const rows = []
  for (const kind of IMPORTS) rows.push(await importRow(kind))
  return `## Cards

Imports over HTTP, from the request to the answer that says \`SUCCESS\` (${shown(IMPORTS[0].count)} as JSON, ${shown(IMPORTS[1].count)} as NDJSON): received, synced to disk, checked, hashed,
published, paid for in the ledger. Beside them the bare insert of the same rows (cards with all indexes, ledger, balance) into the same schema with the same settings, by prepared statements in one
transaction of the same library, hashes and slugs made beforehand; and FastAPI with SQLAlchemy on SQLite (WAL, \`synchronous=FULL\`), a commit every 100 cards, in two ways: each card flushed by itself,
as the original does so that one that the database refuses fails alone, and all hundred together. Everyone has imported 5,000 cards before. Cards a second, medians of ${IMPORTS[0].rounds} and ${IMPORTS[1].rounds} rounds
in turn, FastAPI's of ${IMPORTS[0].pythonRounds} and ${IMPORTS[1].pythonRounds}; cards, ledger and balance were counted afterwards.

| cards | Millrace | bare insert | ratio | FastAPI, a flush a card | FastAPI, together |
| ---: | ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}

${await exportTable()}

${await memory()}`
}

async function importRow({ count, form, rounds, pythonRounds }: (typeof IMPORTS)[number]): Promise<string> {
  const found: { http: number[]; raw: number[]; flush: number[]; together: number[] } = {
    http: [],
    raw: [],
    flush: [],
    together: [],
  }
  for (let round = 0; round < rounds; round++) {
    found.http.push(await importHttp(count, form))
    found.raw.push(await importRaw(count))
    if (round >= pythonRounds) continue
    for (const mode of ['flush', 'together'] as const) {
      const python = await importPython(count, mode)
      if (python !== null) found[mode].push(python)
    }
  }
  const http = median(found.http)
  const beside = (python: readonly number[]) =>
    python.length === 0 ? '–' : `${shown(median(python))} (${ratio(http, median(python))} times)`
  const raw = median(found.raw)
  const cells = [shown(count), shown(http), shown(raw), ratio(http, raw), beside(found.flush), beside(found.together)]
  return `| ${cells.join(' | ')} |`
}

function exportTable(): Promise<string> {
  return inFolder(async (folder) => {
    const server = await Server.start(folder)
    try {
      await server.run('/bulk/import', 'application/x-ndjson', ndjson(EXPORTED))
      const rows: string[] = []
      for (const format of FORMATS) {
        const { http, bare } = await exports(folder, server, format)
        const own = await shell(folder, `-${format}`)
        rows.push(
          `| ${format} | ${shown(http)} | ${shown(bare)} | ${ratio(http, bare)} | ${own === null ? '–' : shown(own)} |`,
        )
      }
      return `Exports of ${shown(EXPORTED)} cards, from the request to \`SUCCESS\` with the file synced to disk, beside a loop over the same client that reads pages by key and
writes the same fields to a file, and beside \`sqlite3 -json\` and \`-csv\`, which write the columns as they are. Cards a second.

| format | Millrace | bare loop | ratio | sqlite3 |
| --- | ---: | ---: | ---: | ---: |
${rows.join('\n')}`
    } finally {
      await server.end()
    }
  })
}

/** By how much a task on many cards raises the peak of memory over one on few. */
function memory(): Promise<string> {
  return inFolder(async (folder) => {
    /** The peak, in bytes, of a server of its own. */
    const peakOf = async (task: (server: Server) => Promise<void>) => {
      const server = await Server.start(folder)
      try {
        await task(server)
        return await server.peak()
      } finally {
        await server.end()
      }
    }
    const lookAtAll = async (server: Server) => {
      const result = await server.run('/bulk/export', 'application/json', JSON.stringify({ categories: ['NONE'] }))
      check('cards exported', result.cards_exported, 0)
    }
    const importing = (count: number, category?: string) =>
      peakOf(async (server) => {
        const result = await server.run('/bulk/import', 'application/x-ndjson', ndjson(count, category))
        check('cards imported', result.cards_imported, count)
      })
    const exporting = (format: string, count: number) =>
      peakOf(async (server) => {
        await lookAtAll(server)
        await server.resetPeak()
        const cards = count === FEW ? { categories: ['FEW'] } : {}
        const result = await server.run('/bulk/export', 'application/json', JSON.stringify({ format, ...cards }))
        check('cards exported', result.cards_exported, count)
      })
    const imports = [await importing(FEW, 'FEW'), await importing(MANY - FEW)]
    const few = [imports[0], await exporting('json', FEW), await exporting('csv', FEW)]
    const many = [imports[1], await exporting('json', MANY), await exporting('csv', MANY)]
    const rows = ['import of NDJSON', 'export as json', 'export as csv'].map((task, at) => {
      const [a = 0, b = 0] = [few[at], many[at]]
      return `| ${task} | ${shown(a / MB)} | ${shown(b / MB)} | ${shown((b - a) / MB)} |`
    })
    return `Peak memory of a server of its own that runs one task, in MB (\`VmHWM\`). SQLite's page cache of 64 MB is part of it. For the exports it is full beforehand: the server has
looked at all ${shown(MANY)} cards for an export that none of them matches, and the peak is that from then on.

| task | ${shown(FEW)} cards | ${shown(MANY)} cards | more by |
| --- | ---: | ---: | ---: |
${rows.join('\n')}`
  })
}
