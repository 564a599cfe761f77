/** Vectors as Parquet: our encoder beside a bare loop over hyparquet-writer, each in a process of its own, which measures its peak of memory. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import * as z from 'zod'

const Figures = z.object({ seconds: z.number(), megabytes: z.number(), bytes: z.int() })

/** Writes records by one encoder in a process of its own. */
async function measure(encoder: 'ours' | 'bare', rows: number): Promise<z.infer<typeof Figures>> {
  const script = join(import.meta.dirname, 'parts', 'parquet-process.ts')
  const child = spawn(process.execPath, ['--expose-gc', script, encoder, String(rows)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  await once(child, 'close')
  return Figures.parse(JSON.parse(text))
}

export async function run(): Promise<string> {
  const rows = Number(process.env.BENCH_VECTORS ?? 100_000)
  const bare = await measure('bare', rows)
  const ours = await measure('ours', rows)
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0)
  const line = (name: string, { seconds, megabytes: peak, bytes }: z.infer<typeof Figures>) =>
    `| ${name} | ${seconds.toFixed(1)} | ${peak.toFixed(0)} | ${megabytes(bytes)} |`
  return `## Vectors as Parquet

| | CPU seconds | peak memory, MB | file, MB |
| --- | --- | --- | --- |
${line('a bare loop over hyparquet-writer', bare)}
${line('exports of documents', ours)}

${rows.toLocaleString('en')} chunks with vectors of 1,024 numbers, written as Parquet: ${(bare.seconds / ours.seconds).toFixed(0)} times as fast, in
${((100 * ours.megabytes) / bare.megabytes).toFixed(0)} % of the memory.`
}
