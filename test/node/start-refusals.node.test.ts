/** What a start says of paths that hold no data, or that it may not use: one sentence that names the path, and no stack. */
import { chmod, chown, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freshFolder, runEntry } from '../support/server.ts'

let folder: string
let dataDir: string
const file = (suffix = '') => join(dataDir, `millrace.db${suffix}`)
beforeEach(async () => {
  folder = await freshFolder()
  dataDir = join(folder, 'data')
  await mkdir(dataDir, { mode: 0o700 })
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** User id that owns nothing. */
const NOBODY = 65_534
const IS_ROOT = process.getuid?.() === 0
const AS_NOBODY = IS_ROOT ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : undefined

/** Runs a start, and a command that opens the same data. @returns what the start says, which the command says too */
async function refusal(env: Readonly<Record<string, string>> = {}, runBy?: readonly string[]): Promise<string> {
  const variables = { DATA_DIR: dataDir, PORT: '0', ...env }
  const { code, output } = await runEntry([], variables, runBy)
  expect(code).toBe(1)
  // A server listens before it opens its database.
  const said = output.split('\n').filter((line) => line !== '' && !line.includes('listens on'))
  expect(said).toHaveLength(1)
  return said[0] ?? ''
}

const CASES: readonly (readonly [name: string, make: () => Promise<unknown>, says: () => string])[] = [
  ['a folder in the place of the database', () => mkdir(file()), () => `${file()} is a folder`],
  ['a folder in the place of its log', () => mkdir(file('-wal')), () => `${file('-wal')} is a folder`],
  ['a folder in the place of its shared memory', () => mkdir(file('-shm')), () => `${file('-shm')} is a folder`],
  ['a link that leads to itself', () => symlink(file(), file()), () => `${file()} leads through symbolic links`],
  [
    'a database through a file',
    async () => {
      await writeFile(join(folder, 'plain'), '')
      await symlink(join(folder, 'plain', 'millrace.db'), file())
    },
    () => `${file()} leads through a file`,
  ],
  [
    'a file in the place of the blobs',
    () => writeFile(join(dataDir, 'blobs'), '', { mode: 0o600 }),
    () => `${join(dataDir, 'blobs', '~incoming')} leads through a file`,
  ],
  [
    'a file in the place of the data folder',
    async () => {
      await rm(dataDir, { recursive: true })
      await writeFile(dataDir, '')
    },
    () => `DATA_DIR=${dataDir} is no folder`,
  ],
  [
    'a link to itself in the place of the data folder',
    async () => {
      await rm(dataDir, { recursive: true })
      await symlink(dataDir, dataDir)
    },
    () => `DATA_DIR=${dataDir} is no folder`,
  ],
]

describe('a start is refused in a sentence', () => {
  it.each(CASES)('on %s', async (_, make, says) => {
    await make()
    const said = await refusal()
    expect(said.startsWith(says()), said).toBe(true)
    expect(said).toMatch(/(Move|Remove|Make|Put).*(DATA_DIR|another).*\.$/)
  })

  it.each([
    ['empty', () => writeFile(file(), '')],
    ['missing', () => rm(file(), { force: true })],
  ])('on a log whose database is %s, and keeps the log, which SQLite would delete', async (state, make) => {
    const log = 'what was written to it'
    await writeFile(file('-wal'), log)
    await make()
    const said = await refusal()
    expect(said).toBe(
      `${file()} is ${state}, though ${file('-wal')} holds what was written to it. Put the database file back, or move its log away and restore a backup: npm run restore -- FOLDER.`,
    )
    expect(await readFile(file('-wal'), 'utf8')).toBe(log)
  })

  it('on a database that its user may not read', async () => {
    await writeFile(file(), '')
    await chmod(file(), 0)
    if (IS_ROOT) for (const path of [folder, dataDir]) await chown(path, NOBODY, NOBODY)
    expect(await refusal({}, AS_NOBODY)).toContain(`${file()} may not be read and written`)
    expect((await stat(file())).size).toBe(0)
  })

  it('on a data folder that its user may not write to', async () => {
    await chmod(folder, 0o755)
    await chmod(dataDir, 0o555)
    expect(await refusal({}, AS_NOBODY)).toContain(`DATA_DIR=${dataDir} is no folder that can be written to`)
  })

  it('on the address of a file in a folder that is not there, and on none', async () => {
    const path = join(folder, 'none', 'x.db')
    expect(await refusal({ DATABASE_URL: `file:${path}` })).toContain(`${path} can't be made or found`)
    expect(await refusal({ DATABASE_URL: 'libsql:' })).toContain("The database DATABASE_URL=libsql: can't be opened: ")
  })
})

it('a command says the same', async () => {
  await mkdir(file())
  const { code, output } = await runEntry(['keys', 'list'], { DATA_DIR: dataDir })
  expect(code).toBe(1)
  expect(output.split('\n').filter(Boolean)).toEqual([expect.stringContaining(`${file()} is a folder`)])
})
