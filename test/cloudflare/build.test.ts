/** The Worker as it is built, and what an install runs: neither grows unseen. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { buildEdge, inspectBuild } from '../../scripts/build-edge.ts'

const ROOT = join(import.meta.dirname, '../..')
const Lock = z.object({
  packages: z.record(z.string(), z.object({ dev: z.boolean().optional(), hasInstallScript: z.boolean().optional() })),
})

it('a Worker weighs at most 1.5 MB gzip, starts with little code, and loads the rest when it is used', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-build-'))
  const { lines, faults } = await inspectBuild(await buildEdge(join(folder, 'worker')))
  await rm(folder, { recursive: true })
  expect(faults).toEqual([])
  expect(lines.at(-1)).toMatch(/^ *\d+ KB gzip in all; at most +1536 KB$/)
})

it('an install for users builds and downloads nothing beside packages', async () => {
  const { packages } = Lock.parse(JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')))
  const running = Object.entries(packages).flatMap(([path, { dev, hasInstallScript }]) =>
    hasInstallScript === true && dev !== true ? [path] : [],
  )
  // esbuild's looks at its own binary, which is a package; scarf's is turned off in package.json.
  expect(running).toEqual(['node_modules/@scarf/scarf', 'node_modules/esbuild'])
})
