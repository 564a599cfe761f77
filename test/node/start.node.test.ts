/** Starting: a wrong value stops the start with a sentence that names it, and nothing else. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endWithTests } from '../support/end-children.ts'
import { freshFolder, runEntry, startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

let folder: string
let running: TestServer
beforeAll(async () => {
  folder = await freshFolder()
  running = await startServer()
})
afterAll(() => running[Symbol.asyncDispose]())

/** What a start that is refused says. */
async function refusal(env: Record<string, string>): Promise<string> {
  const { code, output } = await runEntry([], { DATA_DIR: folder, PORT: '0', ...env })
  expect(code).toBe(1)
  expect(output.trim().split('\n')).toHaveLength(1)
  return output
}

describe('the start', () => {
  it.each([
    [{ PORT: 'http' }, /PORT=http .*a port such as 8000/],
    [{ PORT: '8000;3001' }, /PORT=8000;3001 .*8000,3001/],
    [{ PORT: '70000' }, /PORT=70000 .*65535/],
    [{ HOST: '203.0.113.7' }, /HOST=203\.0\.113\.7 PORT=0 cannot be listened on/],
    [
      { HOST: '0.0.0.0', MILLRACE_AUTH: 'open' },
      /MILLRACE_AUTH=open is only for this machine.*HOST=127\.0\.0\.1.*MILLRACE_AUTH=keys/,
    ],
    [{ HOST: '::', MILLRACE_AUTH: 'open' }, /MILLRACE_AUTH=open is only for this machine/],
    [{ MILLRACE_AUTH: 'none' }, /MILLRACE_AUTH=none .*open or keys/],
    [{ CONCURRENCY: '0' }, /CONCURRENCY=0 .*a whole number from 1 to 1000/],
    [{ CONCURRENCY_RESERVE: '-1' }, /CONCURRENCY_RESERVE=-1 .*a whole number from 0 to 1000/],
    [{ MAX_STREAMS_PER_OWNER: '0' }, /MAX_STREAMS_PER_OWNER=0 .*a whole number from 1/],
    [{ CONCURRENCY: '1.5' }, /CONCURRENCY=1\.5 .*a whole number from 1 to 1000/],
    [{ CONCURRENCY: 'many' }, /CONCURRENCY=many .*a whole number from 1 to 1000/],
    [{ DNS_SERVERS: 'dns.example.com' }, /DNS_SERVERS=dns\.example\.com .*addresses of DNS servers/],
    [{ DNS_SERVERS: '10.0.0.2,10.0.0.3:0' }, /DNS_SERVERS=10\.0\.0\.2,10\.0\.0\.3:0 .*addresses of DNS servers/],
    [{ DNS_SERVERS: '010.0.0.2' }, /DNS_SERVERS=010\.0\.0\.2 .*addresses of DNS servers/],
    [{ MAX_FETCHES_PER_OWNER: '0' }, /MAX_FETCHES_PER_OWNER=0 .*a whole number from 1 to 1000/],
    [{ MAX_BYTES_PER_OWNER: '10GB' }, /MAX_BYTES_PER_OWNER=10GB .*bytes, such as 10000000000, or 0 for no quota/],
    [{ MAX_UPLOAD_BYTES: '1GB' }, /MAX_UPLOAD_BYTES=1GB .*a whole number of bytes from 1/],
    [{ MAX_DOCUMENT_CPU_SECONDS: '0.5' }, /MAX_DOCUMENT_CPU_SECONDS=0\.5 .*seconds from 1 to 3600/],
    [{ RETENTION_DAYS: '-1' }, /RETENTION_DAYS=-1 .*days/],
    [{ RETENTION_DAYS: 'ever' }, /RETENTION_DAYS=ever .*days/],
    [{ PUBLIC_URL: 'millrace.example.com' }, /PUBLIC_URL=millrace\.example\.com .*https:/],
    [{ DATABASE_URL: 'postgres://x' }, /DATABASE_URL=postgres:\/\/x .*file: or libsql:/],
    [{ CORS_ORIGINS: 'https://app.example.com/' }, /CORS_ORIGINS=https:\/\/app\.example\.com\/ .*without a path/],
    [{ MILLRACE_ALLOW_PRIVATE_URLS: 'yes' }, /MILLRACE_ALLOW_PRIVATE_URLS=yes .*0 or 1/],
    [{ LOG_LEVEL: 'loud' }, /LOG_LEVEL=loud .*info/],
    [{ JWKS_URL: 'id.example.com' }, /JWKS_URL=id\.example\.com .*https:/],
    [{ JWKS_URL: 'file:///etc/keys.json' }, /JWKS_URL=file:.* .*https:/],
    [{ RATE_LIMITS: 'batch.create' }, /RATE_LIMITS=batch\.create .*batch\.create=100.*bulk\.import/],
    [{ RATE_LIMITS: 'batch.create=0' }, /RATE_LIMITS=batch\.create=0 .*a list such as/],
    [{ RATE_LIMITS: 'batch.create=1.5' }, /RATE_LIMITS=batch\.create=1\.5 .*a list such as/],
    [{ RATE_LIMITS: 'batch.create=5,cards=7' }, /RATE_LIMITS=batch\.create=5,cards=7 .*the classes are/],
    [{ TRUST_PROXY: 'yes' }, /TRUST_PROXY=yes .*the number of proxies/],
    [{ TRUST_PROXY: '-1' }, /TRUST_PROXY=-1 .*the number of proxies/],
    [{ TRUST_PROXY: '10.0.0.0/33' }, /TRUST_PROXY=10\.0\.0\.0\/33 .*the number of proxies/],
    [{ TRUST_PROXY: '10.0.0.1,proxy.local' }, /TRUST_PROXY=.*the number of proxies/],
    [{ HOST: '192.0.2.1', MILLRACE_AUTH: 'open' }, /MILLRACE_AUTH=open is only for this machine/],
    [
      { PUBLIC_URL: 'https://millrace.example.com', MILLRACE_AUTH: 'open' },
      /MILLRACE_AUTH=open is only for this machine.*PUBLIC_URL/,
    ],
    [{ TRUST_PROXY: '1', MILLRACE_AUTH: 'open' }, /MILLRACE_AUTH=open is only for this machine.*TRUST_PROXY/],
    [{ MILLRACE_API_KEY: 'correct horse battery' }, /MILLRACE_API_KEY=… .*without blanks/],
    [{ MILLRACE_API_KEY: 'schlüssel-123' }, /MILLRACE_API_KEY=… .*ASCII/],
    [
      { JWKS_URL: 'https://u:pw@id.example.com/keys' },
      /JWKS_URL=https:\/\/…@id\.example\.com\/keys .*without a user name/,
    ],
    [
      { DATABASE_URL: 'postgres://u:pw@h/db?authToken=SEKRIT' },
      /DATABASE_URL=postgres:\/\/…@h\/db\?authToken=… .*file:/,
    ],
  ])('with %o is refused', async (env, sentence) => {
    expect(await refusal(env)).toMatch(sentence)
  })

  it.each([
    ['MILLRACE_API_KEY', 'hunter2', /at least 8 characters/],
    ['SIGNING_KEY', 'too-short', /at least 32 characters/],
  ])('with a short %s is refused without repeating it', async (name, value, sentence) => {
    const said = await refusal({ [name]: value })
    expect(said).toMatch(sentence)
    expect(said).toContain(name)
    expect(said).not.toContain(value)
  })

  it('does not repeat the password in an address that is wrong', async () => {
    const said = await refusal({ DATABASE_URL: 'postgres://me:hunter2@db.example.com/x' })
    expect(said).toContain('DATABASE_URL')
    expect(said).not.toContain('hunter2')
  })

  it('on a port that is taken is refused', async () => {
    expect(await refusal({ PORT: String(running.port) })).toMatch(
      new RegExp(`PORT=${running.port} is taken by another program`),
    )
  })

  it('in a data folder that is a file is refused', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    expect(await refusal({ DATA_DIR: file })).toMatch(/DATA_DIR=.*file is no folder/)
  })

  it('counts empty values as absent, and listens on every port of a list', async () => {
    await using server = await startServer({ env: { HOST: '', CONCURRENCY: '', PORT: '0, 0' } })
    while ([...server.output.matchAll(/listens on/g)].length < 2)
      await new Promise((resolve) => setTimeout(resolve, 10))
    const ports = [...server.output.matchAll(/listens on (\S+)/g)].map(([, url]) => url ?? '')
    for (const url of ports) expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect(new Set(ports).size).toBe(2)
  })
})

it('npm start hands SIGTERM on: when npm is told to stop, the server stops', async () => {
  const { PATH, HOME } = process.env
  const env = { PATH, HOME, PORT: '0', DATA_DIR: join(folder, 'npm') }
  const cwd = join(import.meta.dirname, '..', '..')
  const npm = endWithTests(spawn('npm', ['start'], { cwd, env, stdio: ['ignore', 'pipe', 'ignore'] }))
  let said = ''
  npm.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const url = await until(async () => /listens on (http:\S+)/.exec(said)?.[1])
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  // Its output ends with the last process that writes to it.
  const ended = once(npm.stdout, 'close')
  npm.kill('SIGTERM')
  await ended
  await expect(fetch(`${url}/healthz`)).rejects.toThrow()
})
