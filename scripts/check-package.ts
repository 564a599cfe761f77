/**
 * Checks the packed package, as its users' tools will read it: `publint` its fields and files, `@arethetypeswrong/core` its types. Builds it
 * first, once for as long as the sources stay as they are.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkPackage, createPackageFromTarballData, type Problem } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { packPackage } from './build-package.ts'

/**
 * Ways of looking a module up that the package does not serve: it is ES modules alone, which Node 22 also takes by `require`, and the oldest
 * way knows no `exports`.
 */
const NOT_SERVED: ReadonlySet<string> = new Set(['node10', 'node16-cjs'])

const isServed = (problem: Problem) => !('resolutionKind' in problem && NOT_SERVED.has(problem.resolutionKind))

const folder = await mkdtemp(join(tmpdir(), 'millrace-packed-'))
try {
  const packed = new Uint8Array(await readFile(await packPackage(folder)))
  const { messages, pkg } = await publint({ pack: { tarball: packed.slice().buffer }, level: 'suggestion' })
  const types = await checkPackage(createPackageFromTarballData(packed))
  const wrongTypes = types.types === false ? ['The package has no types.'] : types.problems.filter(isServed)
  for (const message of messages) console.error(`publint: ${formatMessage(message, pkg)}`)
  for (const problem of wrongTypes) console.error('attw:', problem)
  if (messages.length + wrongTypes.length > 0) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true })
}
