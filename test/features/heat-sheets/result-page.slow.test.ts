/** The page of a result as Chromium shows it on a phone without scripts, and as it prints. */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readPdfText } from '../../../src/formats/pdf-text.ts'
import { extract, resultsOf, toTheEnd } from '../../support/batches.ts'
import { CHROMIUM, launchChromium } from '../../support/chromium.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { heatSheet, SWIMMER } from '../../support/sheets.ts'

const SWIMS = 24

let server: TestServer
let browser: Browser
let url: string
beforeAll(async () => {
  if (CHROMIUM === null) return
  server = await startServer({})
  browser = await launchChromium()
  const pdfs = [{ name: 'sheet.pdf', bytes: await heatSheet({ meet: 'Millpond Open', pages: SWIMS }) }]
  const accepted = await extract(server, { swimmer: SWIMMER, pdfs })
  await toTheEnd(server, accepted)
  const { sources } = await resultsOf(server, accepted.batchId)
  url = `${server.url}/results/${sources[0]?.resultCode}`
})
afterAll(() => Promise.all([browser?.close(), server?.[Symbol.asyncDispose]()]))

describe.skipIf(CHROMIUM === null)('the page of 24 swims', () => {
  it('fits a phone, the start being the largest thing in a row', async () => {
    const context = await browser.newContext({ viewport: { width: 360, height: 740 }, javaScriptEnabled: false })
    const page = await context.newPage()
    await page.goto(url)
    const box = await page.locator('main').boundingBox()
    expect((box?.x ?? 0) + (box?.width ?? 1_000)).toBeLessThanOrEqual(360)
    const row = page.locator('.swims > li').first()
    const sizes = await Promise.all(
      ['.start', '.place', 'strong', '.facts'].map((part) =>
        row.locator(part).evaluate((element) => Number.parseFloat(getComputedStyle(element).fontSize)),
      ),
    )
    expect(sizes[0]).toBe(Math.max(...sizes))
    expect(sizes.filter((size) => size === sizes[0])).toHaveLength(1)
    expect((await row.locator('.start').innerText()).trim()).toBe('09:05')
    await context.close()
  })

  it('prints on one sheet, without buttons', async () => {
    const page = await browser.newPage()
    await page.goto(url)
    const texts: string[] = []
    for await (const { page: sheet } of readPdfText(await page.pdf({ format: 'Letter' }))) {
      texts.push(sheet.items.map(({ text }) => text).join(' '))
    }
    expect(texts).toHaveLength(1)
    expect(texts[0]).toContain('Friday, 7 March 2031')
    expect(texts[0]?.split('09:05')).toHaveLength(SWIMS + 1)
    expect(texts[0]).not.toContain('calendar')
    await page.close()
  })
})
