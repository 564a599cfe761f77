/** Runs the benchmarks, all or those named, and writes each one's section into BENCHMARKS.md: `node bench/main.ts [name …]`. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

const REPORT = join(import.meta.dirname, '..', 'BENCHMARKS.md')

/** Puts a section between its markers; at the end where it has none yet. */
function place(report: string, name: string, section: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const block = `${begin}\n${section.trim()}\n${end}`
  const from = report.indexOf(begin)
  const to = report.indexOf(end)
  if (from === -1 || to === -1) return `${report.trimEnd()}\n\n${block}\n`
  return report.slice(0, from) + block + report.slice(to + end.length)
}

const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith('.ts') && file !== 'main.ts')
const names = files.map((file) => basename(file, '.ts')).sort()
const asked = process.argv.slice(2)
const unknown = asked.find((name) => !names.includes(name))
if (unknown !== undefined) throw new Error(`There is no benchmark "${unknown}". There are: ${names.join(', ')}.`)
for (const name of asked.length > 0 ? asked : names) {
  const bench: unknown = await import(join(import.meta.dirname, `${name}.ts`))
  if (typeof bench !== 'object' || bench === null || !('run' in bench) || typeof bench.run !== 'function') {
    throw new Error(`bench/${name}.ts exports no run().`)
  }
  console.error(`${name} …`)
  const section = String(await bench.run())
  const report = await readFile(REPORT, 'utf8').catch(() => '# Benchmarks\n')
  await writeFile(REPORT, place(report, name, section))
}
// A child that is still ending holds nobody up.
process.exit()
