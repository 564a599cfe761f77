/** Tabs of a real browser that follow batches with the built client. */
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { ClientOptions } from '../../src/client/index.ts'
import { launchChromium } from '../support/chromium.ts'
import { scaled } from '../support/time-limits.ts'
import { buildClient } from './build.ts'
import { listen } from './proxy.ts'

/** An event as a page was told it, and where its stream stood. */
export interface Told {
  readonly id: number
  readonly type: string
}

interface Task {
  readonly client: Omit<ClientOptions, 'fetch' | 'apiKey'> & { readonly apiKey?: string }
  readonly batchId: string
  readonly lastEventId?: number
}

const FOLLOW = `
  import { createClient } from '/client/index.js'
  export async function follow({ client, batchId, lastEventId }, tell) {
    const stream = createClient(client).follow(batchId, { lastEventId })
    for await (const { type } of stream) if (type !== 'job_progress') tell({ id: stream.lastEventId, type })
  }`
const WORKER = `
  import { follow } from '/follow.js'
  onmessage = ({ data }) => follow(data, postMessage)`
const PAGE = `<!doctype html><title>Millrace</title><script type="module">
  import { follow } from '/follow.js'
  const told = []
  window.told = () => told
  window.follow = (task) => { follow(task, (event) => told.push(event)).catch((error) => told.push({ id: -1, type: String(error) })) }
  window.followInWorker = (task) => {
    const worker = new Worker('/worker.js', { type: 'module' })
    worker.onmessage = ({ data }) => told.push(data)
    worker.postMessage(task)
  }
</script>`

/** Serves the page and the built client on a loopback origin. */
async function serve(folder: string): Promise<{ origin: string; close: () => void }> {
  const own: Record<string, string> = { '/follow.js': FOLLOW, '/worker.js': WORKER }
  const server = createServer(async (request, response) => {
    const path = request.url ?? '/'
    if (path === '/') return response.writeHead(200, { 'Content-Type': 'text/html' }).end(PAGE)
    const text = own[path] ?? (await readFile(join(folder, path)).catch(() => null))
    if (text === null) return response.writeHead(404).end()
    return response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(text)
  })
  return { origin: await listen(server), close: () => server.close() }
}

/** A tab. */
export class Tab {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
  }

  /** Begins to follow a batch. */
  async follow(task: Task, where: 'page' | 'worker' = 'page'): Promise<void> {
    const name = where === 'page' ? 'follow' : 'followInWorker'
    await this.page.waitForFunction('window.follow !== undefined')
    await this.page.evaluate(`window.${name}(${JSON.stringify(task)})`)
  }

  /** What it was told so far. */
  told(): Promise<Told[]> {
    return this.page.evaluate('window.told()')
  }

  /** Waits until it was told so many events. */
  async has(count: number): Promise<Told[]> {
    await this.page.waitForFunction(`window.told().length >= ${count}`, undefined, { timeout: scaled(50_000) })
    return this.told()
  }

  /** Waits until it was told the end. */
  async ended(): Promise<Told[]> {
    await this.page.waitForFunction(`window.told().at(-1)?.type === 'batch_completed'`, undefined, {
      timeout: scaled(50_000),
    })
    return this.told()
  }

  /**
   * Stops its script where it stands, as browsers do with pages long out of sight; its locks and connections stay.
   * @returns lets it go on
   */
  async freeze(): Promise<() => Promise<void>> {
    const session = await this.page.context().newCDPSession(this.page)
    await session.send('Debugger.enable')
    const paused = new Promise<void>((resolve) => session.once('Debugger.paused', () => resolve()))
    await session.send('Debugger.pause')
    await paused
    return async () => {
      await session.send('Debugger.resume')
      await session.send('Debugger.disable')
    }
  }
}

/** A browser whose tabs are all of one origin. */
export class TestBrowser {
  readonly #browser: Browser
  readonly #context: BrowserContext
  readonly #origin: string
  readonly #close: () => Promise<void>

  private constructor(browser: Browser, context: BrowserContext, origin: string, close: () => Promise<void>) {
    this.#browser = browser
    this.#context = context
    this.#origin = origin
    this.#close = close
  }

  static async start(): Promise<TestBrowser> {
    const built = await buildClient()
    const { origin, close } = await serve(built.folder)
    const browser = await launchChromium()
    return new TestBrowser(browser, await browser.newContext(), origin, async () => {
      close()
      await built[Symbol.asyncDispose]()
    })
  }

  async tab(): Promise<Tab> {
    const page = await this.#context.newPage()
    await page.goto(this.#origin)
    return new Tab(page)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
    await this.#close()
  }
}
