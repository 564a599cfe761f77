/** Programs of the system that some tests need. Where one is absent its tests are skipped, with a line saying so; in CI that is a failure. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeOldNode } from '../../src/drivers/node-version.js'
import { endWithTests } from './end-children.ts'

const PATHS = {
  nginx: ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/opt/homebrew/bin/nginx'],
  chromium: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  ffmpeg: ['/usr/bin/ffmpeg', '/usr/local/bin/ffmpeg', '/opt/homebrew/bin/ffmpeg'],
  nchan: ['/usr/lib/nginx/modules/ngx_nchan_module.so'],
  'yt-dlp': ['/usr/bin/yt-dlp', '/usr/local/bin/yt-dlp', '/opt/homebrew/bin/yt-dlp'],
  python3: ['/usr/bin/python3', '/usr/local/bin/python3', '/opt/homebrew/bin/python3'],
} as const

/** Where a program is; null when it is absent. */
export function find(program: keyof typeof PATHS): string | null {
  const path = PATHS[program].find((candidate) => existsSync(candidate)) ?? null
  if (path === null) {
    if (process.env.CI === 'true') throw new Error(`${program} is absent, and in CI nothing is skipped.`)
    console.warn(`${program} is absent: the tests that need it are skipped.`)
  }
  return path
}

/** Finds a Node of the machine itself that is too old, and what is said of it; null, with a line that says so, where there is none. */
export function findOldNode(): { path: string; sentence: string } | null {
  for (const path of ['/usr/bin/node', '/usr/local/bin/node'].filter((candidate) => existsSync(candidate))) {
    const version = execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' }).trim()
    const sentence = describeOldNode(version)
    if (sentence !== null) return { path, sentence }
  }
  console.warn('A Node that is too old is absent: the tests that need it are skipped.')
  return null
}

/** A port nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** A running nginx. */
export class Nginx {
  readonly url: string
  readonly pid: number
  readonly #child: ChildProcess
  readonly #folder: string

  constructor(child: ChildProcess, folder: string, port: number) {
    this.#child = child
    this.pid = child.pid ?? 0
    this.#folder = folder
    this.url = `http://127.0.0.1:${port}`
  }

  /**
   * Starts one with Debian's defaults.
   * @param options.locations what its server holds
   * @param options.main directives outside `http`
   */
  static async start(path: string, options: { locations: string; main?: string; workers?: number }): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-nginx-'))
    const port = await freePort()
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`)
    await writeFile(
      join(folder, 'nginx.conf'),
      `${options.main ?? ''}
daemon off; pid ${folder}/nginx.pid; error_log stderr warn; worker_processes ${options.workers ?? 1}; ${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 16000; }
http { access_log off; ${temp.join(' ')} server { listen 127.0.0.1:${port} backlog=8192; ${options.locations} } }`,
    )
    const child = endWithTests(
      spawn(path, ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: ['ignore', 'inherit', 'inherit'] }),
    )
    const nginx = new Nginx(child, folder, port)
    for (;;) {
      const up = await fetch(nginx.url).then(
        () => true,
        () => false,
      )
      if (up) return nginx
      if (child.exitCode !== null) throw new Error('nginx did not start.')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await gone
    await rm(this.#folder, { recursive: true })
  }
}
