/** Runs the benchmarks, all or those named, and writes each one's section into BENCHMARKS.md: `node bench/main.ts [name …]`. */
import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { writeSection } from './parts/report.ts'

/** Run by themselves: a soak takes an hour, a bare server waits for its benchmark. */
const NOT_HERE = new Set(['main', 'soak', 'reads-bare'])

const files = (await readdir(import.meta.dirname)).filter((file) => file.endsWith('.ts'))
const names = files
  .map((file) => basename(file, '.ts'))
  .filter((name) => !NOT_HERE.has(name))
  .sort()
const asked = process.argv.slice(2)
const unknown = asked.find((name) => !names.includes(name))
if (unknown !== undefined) throw new Error(`There is no benchmark "${unknown}". There are: ${names.join(', ')}.`)
for (const name of asked.length > 0 ? asked : names) {
  const bench: unknown = await import(join(import.meta.dirname, `${name}.ts`))
  if (typeof bench !== 'object' || bench === null || !('run' in bench) || typeof bench.run !== 'function') {
    throw new Error(`bench/${name}.ts exports no run().`)
  }
  console.error(`${name} …`)
  await writeSection(name, String(await bench.run()))
}
// A child that is still ending holds nobody up.
process.exit()
