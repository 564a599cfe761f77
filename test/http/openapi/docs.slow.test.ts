/** The page at `/docs` in a real browser: it shows every operation, says nothing in the console, and asks nobody but its server. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { CHROMIUM, launchChromium } from '../../support/chromium.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { Contract } from './contract.ts'

const KEY = 'a-key-for-the-docs'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: KEY } })
})
afterAll(() => server[Symbol.asyncDispose]())

it('comes with a policy that lets nothing in but what the server sends', async () => {
  const policy = (await server.fetch('/docs')).headers.get('Content-Security-Policy') ?? ''
  const sources = policy.split('; ').map((part) => part.split(' '))
  expect(sources).toContainEqual(['default-src', "'none'"])
  for (const [, ...allowed] of sources) for (const one of allowed) expect(["'self'", "'none'", 'data:']).toContain(one)
  expect(sources.find(([name]) => name === 'script-src')).toEqual(['script-src', "'self'"])
})

it.each(['x.js', '..%2fpackage.json', 'swagger-ui.css.map', 'toString', 'index.html'])(
  'has no file %s',
  async (name) => {
    expect((await server.fetch(`/docs/${name}`)).status).toBe(404)
  },
)

describe.skipIf(CHROMIUM === null)('in Chromium', () => {
  async function shown(check: (page: Page) => Promise<void>) {
    const browser = await launchChromium()
    try {
      const page = await browser.newPage()
      const said: string[] = []
      const asked: string[] = []
      page.on('console', (message) => said.push(`${message.type()}: ${message.text()}`))
      page.on('pageerror', (error) => said.push(String(error)))
      page.on('request', (request) => asked.push(request.url()))
      await page.goto(`${server.url}/docs`)
      await check(page)
      const elsewhere = asked.filter((url) => !url.startsWith(server.url) && !url.startsWith('data:'))
      expect({ said, elsewhere }).toEqual({ said: [], elsewhere: [] })
      expect(asked.length).toBeGreaterThan(3)
    } finally {
      await browser.close()
    }
  }

  it('shows every operation of every surface', () =>
    shown(async (page) => {
      const { operations } = new Contract(await loadOpenApiDocument({}))
      await page
        .locator('.opblock')
        .nth(operations.length - 1)
        .waitFor()
      expect(await page.locator('.opblock').count()).toBe(operations.length)
      const titles = await page.locator('.opblock-tag').allInnerTexts()
      for (const tag of new Set(operations.map(({ tags }) => tags[0]))) expect(titles.join('\n')).toContain(tag)
      const paths = await page.locator('.opblock-summary-path').allInnerTexts()
      // Long ones are broken by zero-width spaces.
      expect(new Set(paths.map((path) => path.replace(/\u200b/g, '')))).toEqual(
        new Set(operations.map(({ path }) => path)),
      )
    }))

  it('lets a caller try one with a key, and shows what came', () =>
    shown(async (page) => {
      await page.locator('.btn.authorize').first().click()
      await page.locator('.auth-container input').first().fill(KEY)
      await page.locator('.auth-btn-wrapper .authorize').first().click()
      await page.locator('.btn-done').first().click()
      await page.locator('#operations-Batch-createBatch .opblock-summary-control').click()
      await page.locator('#operations-Batch-createBatch .try-out__btn').click()
      await page.locator('#operations-Batch-createBatch .execute').click()
      const status = page.locator('#operations-Batch-createBatch .live-responses-table .response-col_status').first()
      await status.waitFor()
      expect(await page.locator('#operations-Batch-createBatch .live-responses-table').innerText()).toMatch(
        /202[\s\S]*batchId/,
      )
    }))
})
