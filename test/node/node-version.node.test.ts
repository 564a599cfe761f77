/** A Node that is too old. Of the package it is tested in test/package/. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { describeOldNode } from '../../src/drivers/node-version.js'
import { findOldNode } from '../support/programs.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const run = promisify(execFile)

const old = findOldNode()

it('is any that package.json does not allow', async () => {
  const { engines } = z
    .object({ engines: z.object({ node: z.string() }) })
    .parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')))
  const oldest = engines.node.replace('>=', '')
  expect(describeOldNode('20.20.2')).toBe(`Millrace needs Node ${oldest} or later, and this is Node 20.20.2.`)
  for (const version of ['18.0.0', '22.14.9']) expect(describeOldNode(version)).not.toBeNull()
  for (const version of [`${oldest}.0`, '22.20.1', '24.0.0', process.versions.node]) {
    expect(describeOldNode(version)).toBeNull()
  }
})

it.skipIf(old === null)('is refused by npm start in a sentence, and nothing else is printed', async () => {
  const started = run(old?.path ?? '', [join(ROOT, 'scripts', 'start.js')])
  await expect(started).rejects.toMatchObject({ code: 1, stdout: '', stderr: `${old?.sentence}\n` })
})
