/**
 * `npm run hostile`: what a stranger, a neighbour or a full disk can do to a server, tried from outside on real servers, and a table of what
 * it came to. Ends with 1 where a promise of SECURITY.md does not hold. Loopback only, in temporary folders, under five minutes.
 * `npm run hostile -- WORD …` runs the probes of points whose number or title is WORD.
 */

import { POINTS, type Point } from './points.ts'
import { countsOf, Report, tableOf } from './report.ts'
import { endAll } from './server.ts'
import { endTargets } from './targets.ts'

/** Limit on the whole run; a probe that would begin later fails. */
const RUN_MS = 4.7 * 60_000

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    endAll()
    process.exit(130)
  })
}
process.on('exit', endAll)
process.on('unhandledRejection', (error) => {
  console.error(error)
  process.exit(1)
})

function asked(words: readonly string[]): readonly Point[] {
  if (words.length === 0) return POINTS
  const found = POINTS.filter(({ point, title }) => words.includes(point) || words.includes(title))
  if (found.length > 0) return found
  throw new Error(
    `No point is called so. There are: ${POINTS.map(({ point, title }) => `${point} (${title})`).join(', ')}.`,
  )
}

const began = Date.now()
const points = asked(process.argv.slice(2))
const report = new Report(RUN_MS)
/** Probes of one lane run one after the other: those that measure are not to disturb each other. */
const lanes = Map.groupBy(points, ({ lane }) => lane)
await Promise.all(
  [...lanes.values()].map(async (lane) => {
    for (const point of lane) {
      // A point that fails as a whole is a fault of the runner, and no reason to leave out the others.
      await point.run(report).catch((error: unknown) => report.broken(point.point, point.title, error))
    }
  }),
)
await report.close()
await endTargets()
const order = POINTS.map(({ point }) => point)
const rows = report.rows.toSorted((a, b) => order.indexOf(a.point) - order.indexOf(b.point))
const { pass, FAIL, skipped } = countsOf(rows)
console.log(tableOf(rows))
const seconds = Math.round((Date.now() - began) / 1_000)
console.log(`\n${rows.length} probes in ${seconds} s: ${pass} passed, ${FAIL} failed, ${skipped} skipped`)
process.exit(FAIL === 0 && pass > 0 ? 0 : 1)
