import { execFile } from 'node:child_process'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer } from '../support/server.ts'
import { buildClient } from './build.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '..', '..')

let built: Awaited<ReturnType<typeof buildClient>>
beforeAll(async () => {
  built = await buildClient()
})
afterAll(() => built[Symbol.asyncDispose]())

describe('the built client', () => {
  it.each([
    ['createClient', 6_500],
    [
      'createClient, cardsClient, chunksClient, documentsClient, resourcesClient, schedulesClient, secretsClient, sharedResultsClient, webhooksClient, ApiError, isErrorOf',
      9_500,
    ],
  ])('has, of %s, at most %i bytes, minified and compressed', async (names, most) => {
    const { outputFiles } = await build({
      stdin: { contents: `export { ${names} } from './client/index.js'`, resolveDir: built.folder },
      ...{ bundle: true, minify: true, format: 'esm', platform: 'neutral', write: false },
    })
    const size = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).byteLength
    expect(size).toBeGreaterThan(1_000)
    expect(size).toBeLessThanOrEqual(most)
  })

  it('is modules that load nothing but each other', async () => {
    const names = (await readdir(join(built.folder, 'client'))).filter((name) => name.endsWith('.js'))
    expect(names).toContain('index.js')
    const reachable = [...names.map((name) => `./${name}`), '../backoff.js']
    for (const name of [...names, '../backoff.js']) {
      const text = await readFile(join(built.folder, 'client', name), 'utf8')
      for (const [, target] of text.matchAll(/from '([^']+)'/g)) expect(reachable).toContain(target)
    }
  })

  it('runs in plain Node', async () => {
    await using server = await startServer()
    const script = `
      import { createClient } from ${JSON.stringify(join(built.folder, 'client', 'index.js'))}
      const client = createClient({ baseUrl: ${JSON.stringify(server.url)} })
      const types = []
      for await (const { type } of client.follow(await client.create({ operation: 'echo', items: [{}] }))) types.push(type)
      console.log(types.filter((type) => type !== 'job_progress').join())`
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script])
    expect(stdout.trim()).toBe('batch_started,job_completed,batch_completed')
  })

  it('brings types that a strict program is checked against', async () => {
    const folder = join(built.folder, 'program')
    await mkdir(folder)
    // The types of the wire are inferred from schemas, so they name the library of the schemas.
    await symlink(join(ROOT, 'node_modules'), join(built.folder, 'node_modules'))
    const program = (event: string) => `
      import { ApiError, createClient } from '../client/index.js'
      const client = createClient({ baseUrl: '' })
      for await (const event of client.follow('id')) {
        if (event.type === 'job_failed') event.errorCode satisfies string
        if (event.type === 'batch_completed') event.status satisfies 'completed' | 'partial' | 'failed' | 'cancelled'
        if (event.type === '${event}') event.batch.totalJobs satisfies number
      }
      new ApiError('X', 'y').retryAfter satisfies number | undefined`
    await writeFile(join(folder, 'right.ts'), program('resync'))
    await writeFile(join(folder, 'wrong.ts'), program('no_such_event'))
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
    const options = [
      '--ignoreConfig',
      '--strict',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      '',
      '--lib',
    ]
    const check = (name: string) =>
      run(process.execPath, [tsc, ...options, 'es2022,dom,dom.iterable,dom.asynciterable', join(folder, name)])
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await check('right.ts')
    await expect(check('wrong.ts')).rejects.toMatchObject({ stdout: expect.stringContaining('no_such_event') })
  })
})
