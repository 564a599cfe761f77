/** Packs the package and has npm install it into an empty folder, in which programs and examples are then run. */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod'
import { packPackage } from '../../scripts/build-package.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)
const TARBALL = 'millrace.tgz'

const Facts = z.looseObject({ dev: z.boolean().optional() })
const Lock = z.object({ packages: z.record(z.string(), Facts) })

/** A folder in which the packed file is installed. */
export interface Installed extends AsyncDisposable {
  readonly folder: string
  /** Name of the packed file. */
  readonly tarball: string
  /** Writes a file of a program. */
  write(name: string, text: string): Promise<void>
  /** Copies an example. @returns its folder */
  example(name: string): Promise<string>
  /** Runs Node in the folder. @throws with what it printed where it fails */
  node(...args: string[]): Promise<{ stdout: string; stderr: string }>
}

/**
 * Makes the lock of an installation of the package alone: its dependencies, of the versions that the repository has, which npm's cache holds
 * since the repository was installed.
 */
async function lockOf(manifest: string): Promise<string> {
  const { packages } = Lock.parse(JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')))
  const own = z.looseObject({}).parse(JSON.parse(await readFile(manifest, 'utf8')))
  const needed = Object.entries(packages).filter(
    ([path, { dev = false }]) => path.startsWith('node_modules/') && !dev && path !== 'node_modules/millrace',
  )
  const { version, dependencies, bin, engines, peerDependencies, peerDependenciesMeta } = own
  const facts = { version, dependencies, bin, engines, peerDependencies, peerDependenciesMeta }
  return JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': { dependencies: { millrace: `file:${TARBALL}` } },
      ...Object.fromEntries(needed),
      'node_modules/millrace': { ...facts, resolved: `file:${TARBALL}` },
    },
  })
}

/** Links packages that are not installed from those of the repository: what programs use beside the package (wrangler, Vite, React …). */
async function linkTools(from: string, to: string): Promise<void> {
  const there = new Set(await readdir(to).catch(() => []))
  for (const name of await readdir(from)) {
    if (name.startsWith('.')) continue
    if (!there.has(name)) await symlink(join(from, name), join(to, name))
    else if (name.startsWith('@')) await linkTools(join(from, name), join(to, name))
  }
}

/** Builds, packs and installs the package. */
export async function installPackage(): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-package-'))
  const packed = await packPackage(folder)
  const tarball = packed.slice(folder.length + 1)
  await rename(packed, join(folder, TARBALL))
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ type: 'module', private: true, dependencies: { millrace: `file:${TARBALL}` } }),
  )
  await writeFile(join(folder, 'package-lock.json'), await lockOf(join(ROOT, 'package.json')))
  await run('npm', ['ci', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder })
  await linkTools(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return {
    folder,
    tarball,
    write: (name, text) => writeFile(join(folder, name), text),
    async example(name) {
      const copy = join(folder, name)
      await cp(join(ROOT, 'examples', name), copy, { recursive: true })
      await symlink(join(folder, 'node_modules'), join(copy, 'node_modules'))
      return copy
    },
    node: (...args) => run(process.execPath, args, { cwd: folder }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}
