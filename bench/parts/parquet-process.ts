/** Writes records as Parquet to nowhere: `node parquet-process.ts <ours|bare> <rows>`. Prints its CPU seconds, peak of memory and bytes as JSON. */
import { ByteWriter } from 'hyparquet-writer/src/bytewriter.js'
import { ParquetWriter } from 'hyparquet-writer/src/parquet-writer.js'
import { COLUMNS, ParquetEncoder, SCHEMA } from '../../src/features/rag/export/parquet.ts'
import { recordOf } from '../../test/features/rag/export/records.ts'

const DIMENSIONS = 1_024
/** Records that an export reads at once, and rows of a group of the bare loop. */
const PAGE = 50
const GROUP = 1_000

const [encoder, count] = process.argv.slice(2)
const rows = Number(count)
const page = (first: number, size: number) => Array.from({ length: size }, (_, at) => recordOf(first + at, DIMENSIONS))

/** What the records alone cost, which both encoders are given. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function writeOurs(): number {
  const file = new ParquetEncoder()
  let bytes = file.begin().byteLength
  for (let first = 0; first < rows; first += PAGE) bytes += file.add(page(first, PAGE)).byteLength
  return bytes + file.end().byteLength
}

function writeBare(): number {
  const writer = new ByteWriter()
  const file = new ParquetWriter({ writer, schema: SCHEMA })
  for (let first = 0; first < rows; first += GROUP) {
    const records = page(first, Math.min(GROUP, rows - first))
    const columns = COLUMNS.map(([name, , read]) => ({ name, data: records.map((record) => read(record) ?? null) }))
    void file.write({
      columnData: [...columns, { name: 'values', data: records.map(({ vector }) => Array.from(vector)) }],
    })
    // As one that writes to a file does.
    writer.index = 0
  }
  void file.finish()
  return writer.offset
}

let made = cpuSeconds()
for (let first = 0; first < rows; first += PAGE) page(first, PAGE)
made = cpuSeconds() - made
const began = cpuSeconds()
const bytes = encoder === 'ours' ? writeOurs() : writeBare()
const seconds = Math.max(0.001, cpuSeconds() - began - made)
console.log(JSON.stringify({ seconds, megabytes: process.resourceUsage().maxRSS / 1024, bytes }))
