/**
 * Starts the built server, or runs one of its commands: `node scripts/start.js [keys | backup | restore] …`. Makes the build first where
 * there is none of the sources as they are, so that it is never stale.
 *
 * JavaScript, not TypeScript, and without a package: this runs at each start, and Node's stripper of types costs 20 MB. What old Nodes do
 * not have is imported and called after `demandNode` alone.
 */
import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import module from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { demandNode } from '../src/drivers/node-version.js'

const ROOT = join(fileURLToPath(new URL('.', import.meta.url)), '..')
/** Files that a build is made by and of, beside `src/`: npm writes the second lock when it installs. */
const INPUTS = ['scripts/start.js', 'scripts/build-node.ts', 'package-lock.json', 'node_modules/.package-lock.json']
/** Time until the functions that ran at the start are saved as V8 compiled them. */
const SAVE_COMPILED_MS = 1_000

/** @param {string} root the repository */
function inputFiles(root) {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => join(root, 'src', name))
  return [...sources, ...INPUTS.map((path) => join(root, path)).filter((path) => existsSync(path))].flatMap((path) => {
    const stats = statSync(path)
    return stats.isFile() ? { path, size: stats.size, changed: [stats.mtimeMs, stats.ctimeMs] } : []
  })
}

/**
 * Names the folder of the build of the sources as they are, by their content. Which content was seen last is remembered by size and times
 * of change of every file, so that most starts read none.
 * @param {string} root the repository
 * @returns {string} the folder, which exists once it is built
 */
export function buildFolder(root) {
  const builds = join(root, 'dist', 'node')
  const files = inputFiles(root)
  const seen = crypto.hash('sha256', JSON.stringify(files))
  const memory = join(builds, 'seen')
  const [lastSeen, lastName] = existsSync(memory) ? readFileSync(memory, 'utf8').split(' ') : []
  if (lastSeen === seen && lastName !== undefined) return join(builds, lastName)
  const contents = files.map(({ path }) => `${path.slice(root.length)} ${crypto.hash('sha256', readFileSync(path))}`)
  const name = crypto.hash('sha256', contents.join('\n')).slice(0, 16)
  try {
    mkdirSync(builds, { recursive: true })
    writeFileSync(`${memory}.${process.pid}`, `${seen} ${name}`)
    renameSync(`${memory}.${process.pid}`, memory)
  } catch {
    // A folder that can't be written to: every start reads the sources.
  }
  return join(builds, name)
}

/**
 * Tells whether a folder holds a finished build.
 * @param {string} folder
 */
export function isBuilt(folder) {
  return existsSync(join(folder, 'server.mjs'))
}

/**
 * Tells whether Node was started with a module. Like `import.meta.main`, which Node has from 24.2 on.
 * @param {string} url its `import.meta.url`
 */
export function isMain(url) {
  const [, program] = process.argv
  return program !== undefined && existsSync(program) && realpathSync(program) === fileURLToPath(url)
}

if (isMain(import.meta.url)) {
  demandNode()
  const folder = buildFolder(ROOT)
  if (!isBuilt(folder)) {
    // In a process of its own, whose memory the server does not keep.
    const build = ['--experimental-strip-types', '--no-warnings', join(ROOT, 'scripts', 'build-node.ts')]
    const { status } = spawnSync(process.execPath, build, { stdio: ['ignore', 'ignore', 'inherit'] })
    if (status !== 0) process.exit(1)
  }
  module.enableCompileCache(join(folder, 'compiled'))
  await import(pathToFileURL(join(folder, 'server.mjs')).href)
  setTimeout(module.flushCompileCache, SAVE_COMPILED_MS).unref()
}
