/** The commands at the head of docs/documents.md, as somebody would paste them. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../../support/server.ts'

const PAGE = join(import.meta.dirname, '../../../docs/documents.md')

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

/** The commands of the page's first block, one by one. */
async function readCommands(): Promise<string[]> {
  const [, block = ''] = /```bash\n([\s\S]*?)```/.exec(await readFile(PAGE, 'utf8')) ?? []
  return block.split(/\n(?=curl )/).map((command) => command.trim())
}

describe('The documented example', () => {
  it('stores a note, finds it by a question, and takes a file', async () => {
    const [setting = '', begin = '', status = '', search = '', upload = '', ...rest] = await readCommands()
    expect([setting.startsWith('API=http://localhost:8000/'), rest]).toEqual([true, []])
    await writeFile(join(server.dataDir, 'handbook.pdf'), '%PDF-1.4 of a kind')
    const run = async (command: string) => {
      const script = `${setting.replace('http://localhost:8000', server.url)}\n${command}`
      const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: server.dataDir })
      return JSON.parse(stdout)
    }
    expect(await run(begin)).toMatchObject({ success: true, job_id: 'notes-1' })
    await expect.poll(async () => (await run(status)).status, { timeout: 30_000 }).toBe('completed')
    expect((await run(search)).results).toMatchObject([{ text: 'The pump in the cellar is serviced every March.' }])
    expect(await run(upload)).toMatchObject({ success: true, documents: [{ filename: 'handbook.pdf' }] })
  })
})
