/** BENCHMARKS.md: a section a benchmark, each between markers of its name, and what they were run on. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'

const ROOT = join(import.meta.dirname, '..', '..')
const REPORT = join(ROOT, 'BENCHMARKS.md')

/** Puts a section into the report: in place of the one it had, else at the end. */
export async function writeSection(name: string, section: string): Promise<void> {
  const report = await readFile(REPORT, 'utf8').catch(() => '# Benchmarks\n')
  const withMachine = report.includes('<!-- machine -->')
    ? report
    : report.replace('# Benchmarks\n', `# Benchmarks\n\n${block('machine', '')}\n`)
  await writeFile(REPORT, place(place(withMachine, 'machine', machine()), name, section))
}

function place(report: string, name: string, section: string): string {
  const from = report.indexOf(`<!-- ${name} -->`)
  const end = `<!-- /${name} -->`
  const to = report.indexOf(end)
  if (from === -1 || to === -1) return `${report.trimEnd()}\n\n${block(name, section)}\n`
  return report.slice(0, from) + block(name, section) + report.slice(to + end.length)
}

function block(name: string, section: string): string {
  return `<!-- ${name} -->\n${section.trim()}\n<!-- /${name} -->`
}

function machine(): string {
  const [cpu] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  const redis = /v=(\S+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1]
  const versions = ['@libsql/client', 'hono', 'drizzle-orm', 'bullmq', 'ioredis'].map(
    (name) => `${name} ${version(name)}`,
  )
  return `Run on ${cpus().length} cores (${cpu?.model.trim()}), ${memory} GB of memory, ${process.platform}; Node ${process.version}, Redis ${redis}, ${versions.join(', ')}.
\`node bench/main.ts [name …]\` runs them anew.`
}

function version(name: string): string {
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'),
  )
  return version
}

/** The value that `share` (0 to 1) of the values do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN
}

export const median = (values: readonly number[]) => quantile(values, 0.5)

/** `12,345`, or `1.23` for what is small. */
export function shown(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}
