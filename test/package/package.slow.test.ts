/** The packed file, installed into an empty folder by npm: what it holds, and the programs that use it, the examples among them. */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { createClient } from '../../src/client/index.ts'
import { launchChromium } from '../support/chromium.ts'
import { openCloudflareServer } from '../support/cloudflare/server.ts'
import { findOldNode } from '../support/programs.ts'
import { scaled } from '../support/time-limits.ts'
import { type Installed, installPackage } from './pack.ts'

const run = promisify(execFile)
const old = findOldNode()

const EXAMPLES = ['thumbnails', 'hono-app', 'worker', 'page'] as const
const Manifest = z.object({ dependencies: z.record(z.string(), z.string()) })

let app: Installed
beforeAll(async () => {
  app = await installPackage()
}, scaled(300_000))
afterAll(() => app[Symbol.asyncDispose]())

const packageFolder = () => join(app.folder, 'node_modules', 'millrace')
const Exports = z.object({
  exports: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.string())])),
  bin: z.record(z.string(), z.string()),
})

const OPERATION = `
  import * as z from 'zod'
  import { defineOperation, NonRetryableError } from 'millrace'
  export const double = defineOperation({
    name: 'double',
    item: z.object({ n: z.number(), waitMs: z.number().default(0) }),
    result: z.object({ twice: z.number() }),
    async run({ n, waitMs }, ctx) {
      if (n === 0) throw new NonRetryableError('Nothing to double.')
      for (let percent = 0; percent < 100; percent += 20) {
        ctx.progress(percent, 'Doubling')
        await new Promise((resolve) => setTimeout(resolve, waitMs / 5))
      }
      return { twice: 2 * n }
    },
  })`

/** Starts a program that says where it listens. */
async function listening(folder: string, args: string[]) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, PORT: '0', DATA_DIR: join(folder, 'data') }
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const [url = ''] = /http:\/\/\S+/.exec(String((await lines.next()).value)) ?? []
  return {
    url,
    end: async () => {
      child.kill('SIGTERM')
      const [code] = await ended
      return code
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

const CHECKS = {
  ...{ strict: true, noEmit: true, skipLibCheck: true, allowImportingTsExtensions: true, jsx: 'react-jsx' },
  ...{ module: 'nodenext', target: 'es2024', types: ['node'] },
  lib: ['es2024', 'dom', 'dom.iterable', 'dom.asynciterable'],
}

/** Checks the types of files. @throws with the errors in `stdout` */
async function checkTypes(...include: string[]): Promise<void> {
  await app.write('tsconfig.json', JSON.stringify({ compilerOptions: CHECKS, include }))
  await app.node('node_modules/typescript/bin/tsc', '-p', '.')
}

describe('the packed package', () => {
  it('holds every file that it names, and no tests or sources', async () => {
    const { exports, bin } = Exports.parse(JSON.parse(await readFile(join(packageFolder(), 'package.json'), 'utf8')))
    const targets = [
      ...Object.values(exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target))),
      ...Object.values(bin),
    ]
    expect(targets.length).toBeGreaterThan(10)
    for (const target of targets) await access(join(packageFolder(), target))
    const names = await readdir(packageFolder(), { recursive: true })
    expect(names.filter((name) => /(^|\/)(test|src|bench|demo)\//.test(name) || name.includes('.test.'))).toEqual([])
    expect(names.filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))).toEqual([])
  })

  it('is used by a program in TypeScript on Node, whose types are checked', async () => {
    await app.write('double.ts', OPERATION)
    const program = (field: string) => `
      import { createMillrace } from 'millrace'
      import { createClient } from 'millrace/client'
      import { double } from './double.ts'
      const millrace = await createMillrace({ operations: [double], dataDir: './data' })
      const client = createClient({ baseUrl: 'http://localhost', fetch: async (url, init) => millrace.app.request(url, init) })
      const batch = await client.create(double, [{ n: 21 }, { n: 0 }])
      for await (const event of millrace.follow(batch)) {
        if (event.type === 'job_completed') console.log(event.result?.${field})
        if (event.type === 'job_failed') console.log(event.errorMessage)
      }
      await millrace.close()`
    await app.write('right.ts', program('twice'))
    await app.write('wrong.ts', program('thrice'))
    const { stdout } = await app.node('right.ts')
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['42', 'Nothing to double.']))
    await checkTypes('right.ts')
    await expect(checkTypes('wrong.ts')).rejects.toMatchObject({ stdout: expect.stringContaining('thrice') })
  })

  it('starts the server by its command', async () => {
    await using server = await listening(app.folder, ['node_modules/.bin/millrace'])
    expect(await (await fetch(`${server.url}/healthz`)).json()).toMatchObject({ status: 'ok' })
  })

  it.skipIf(old === null)('says under an old Node which one it needs', async () => {
    const node = (...args: string[]) => run(old?.path ?? '', args, { cwd: app.folder })
    const command = node('node_modules/millrace/dist/package/node/millrace.mjs')
    await expect(command).rejects.toMatchObject({ code: 1, stdout: '', stderr: `${old?.sentence}\n` })
    await app.write(
      'old.mjs',
      "import { createMillrace } from 'millrace'\ncreateMillrace().catch(({ message }) => console.log(message))",
    )
    expect((await node('old.mjs')).stdout).toBe(`${old?.sentence}\n`)
  })

  it('has a hook of at most 2 kB, minified and compressed', async () => {
    const { outputFiles } = await build({
      stdin: { contents: "export { useBatch } from 'millrace/react'", resolveDir: app.folder },
      ...{ bundle: true, minify: true, format: 'esm', platform: 'neutral', external: ['react'], write: false },
    })
    const size = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).byteLength
    expect(size).toBeGreaterThan(500)
    expect(size).toBeLessThanOrEqual(2_000)
  })
})

describe('the examples', () => {
  const folders: Record<string, string> = {}
  beforeAll(async () => {
    for (const name of EXAMPLES) folders[name] = await app.example(name)
  })
  const folderOf = (name: (typeof EXAMPLES)[number]) => folders[name] ?? ''

  it('are right by their types, and install the file that is packed', async () => {
    await checkTypes(...EXAMPLES)
    for (const name of EXAMPLES) {
      const { dependencies } = Manifest.parse(JSON.parse(await readFile(join(folderOf(name), 'package.json'), 'utf8')))
      expect(dependencies.millrace).toBe(`file:../../${app.tarball}`)
    }
  })

  it('thumbnails: makes one of each picture, and says what is none', async () => {
    const photos = join(folderOf('thumbnails'), 'photos')
    await mkdir(photos)
    for (const [name, width] of [
      ['wide.jpg', 900],
      ['small.png', 100],
    ] as const) {
      await sharp({ create: { width, height: 60, channels: 3, background: 'teal' } }).toFile(join(photos, name))
    }
    await writeFile(join(photos, 'broken.png'), 'no picture')
    const { stdout } = await run(process.execPath, ['thumbnails.ts', 'photos', 'made'], { cwd: folderOf('thumbnails') })
    expect(stdout).toMatch(/wide\.webp: \d+ bytes/)
    expect(stdout).toContain('broken.png: Input file contains unsupported image format')
    expect(stdout).toMatch(/2 of 3, \d+ bytes/)
    expect((await sharp(join(folderOf('thumbnails'), 'made', 'wide.webp')).metadata()).width).toBe(320)
  })

  it('hono-app: makes the batch of its own route once, followed by the mounted API, and ends on SIGTERM', async () => {
    await using server = await listening(folderOf('hono-app'), ['server.ts'])
    const post = (orders: unknown) =>
      fetch(`${server.url}/invoices/2031-01`, { method: 'POST', body: JSON.stringify(orders) })
    expect((await post([{ customer: 'Mill & Co', cents: -1 }])).status).toBe(400)
    const orders = [
      { customer: 'Mill & Co', cents: 1_250 },
      { customer: 'Weir Ltd', cents: 900 },
    ]
    expect([(await post(orders)).status, (await post(orders)).status]).toEqual([202, 200])
    const client = createClient({ baseUrl: server.url })
    const ended = []
    for await (const event of client.follow('invoices-2031-01')) {
      if (event.type === 'batch_completed') ended.push(event.status, event.tallies)
    }
    expect(ended).toEqual(['completed', { cents: 2_150 }])
    const { items } = await client.items('invoices-2031-01', { set: 'succeeded' })
    expect(items[1]?.result).toEqual({ number: '2031-01-2', total: 'Weir Ltd owes 9.00' })
    expect(await (await fetch(server.url)).text()).toContain('/invoices/')
    expect(await server.end()).toBe(0)
  })

  it('worker: is bundled by wrangler, and runs its operation in workerd', async () => {
    const folder = folderOf('worker')
    const out = join(folder, 'out')
    const wrangler = ['node_modules/wrangler/bin/wrangler.js', 'deploy', '--dry-run', '--outdir', out]
    await app.node(...wrangler, '--config', join(folder, 'wrangler.toml'))
    const variables = { MILLRACE_API_KEY: 'a-key-for-these-tests' }
    const { server, url } = await openCloudflareServer({
      build: out,
      dataDir: join(folder, 'data'),
      port: 0,
      variables,
    })
    try {
      const client = createClient({ baseUrl: url.origin, apiKey: variables.MILLRACE_API_KEY })
      const batch = await client.create({ operation: 'fingerprint', items: [{ text: 'one' }, { text: '' }] })
      const told = []
      for await (const event of client.follow(batch)) {
        if (event.type === 'job_completed') told.push(event.result)
        if (event.type === 'job_failed') told.push(event.errorMessage)
        if (event.type === 'batch_completed') told.push(event.tallies)
      }
      expect(told).toHaveLength(3)
      expect(told).toContainEqual({ sha256: createHash('sha256').update('one').digest('hex') })
      expect(told).toContain('There is nothing to fingerprint.')
      expect(told.at(-1)).toEqual({ characters: 3 })
    } finally {
      await server.dispose()
    }
  })

  it(
    'page: follows a batch on a page that Vite built, goes on after a reload, and where streams do not come through',
    async () => {
      const folder = folderOf('page')
      await app.node('node_modules/vite/bin/vite.js', 'build', folder)
      await using server = await listening(folder, ['server.ts'])
      const browser = await launchChromium()
      try {
        const page = await browser.newPage()
        page.setDefaultTimeout(scaled(60_000))
        await page.goto(server.url)
        await page.click('button')
        await page.waitForFunction('((bar) => bar?.value > 0 && bar.value < 1)(document.querySelector("progress"))')
        const shown = async () => {
          await page.waitForFunction(`document.querySelector('output')?.textContent === 'partial: 3 of 3'`)
          return page.locator('li').allTextContents()
        }
        const first = await shown()
        expect(first).toEqual(['{"words":2}', '{"words":6}', 'An empty line has no words.'])
        await page.reload()
        expect(await shown()).toEqual(first)
        // Streams that do not come through: it polls.
        await page.addInitScript(
          'window.EventSource = class extends EventTarget { constructor() { super(); setTimeout(() => this.onerror?.()) } close() {} }',
        )
        await page.reload()
        expect(await shown()).toEqual(first)
      } finally {
        await browser.close()
      }
    },
    scaled(180_000),
  )
})
