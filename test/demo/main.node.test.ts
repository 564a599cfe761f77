/** The demo command, run to its end, and how it shows things. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { theDemoMeet } from '../../demo/meet.ts'
import { scheduleTable } from '../../demo/schedule.ts'
import { barLine, Screen } from '../../demo/screen.ts'
import { endWithTests } from '../support/end-children.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'demo', 'main.ts')

/** Only what a test sets reaches the demo. */
const ENVIRONMENT = { PATH: process.env.PATH, HOME: process.env.HOME }

let dataDir: string
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-demo-'))
})
afterAll(() => rm(dataDir, { recursive: true, force: true }))

const demo = (env: Record<string, string>) =>
  promisify(execFile)(process.execPath, [MAIN, '--once'], {
    env: { ...ENVIRONMENT, DATA_DIR: dataDir, PORT: '0', ...env },
  })

/** Entries of the psych sheet that a heat sheet has as well: one row of the schedule each. */
const ON_BOTH = 4

describe('npm run demo -- --once', () => {
  it('prints the schedule and what to try next, and ends with 0; again, the documents are known', async () => {
    const { meetName, swimmer, documents, entries } = await theDemoMeet()
    const { stdout } = await demo({})
    expect(stdout).toContain(`${meetName} · 5 documents for ${swimmer}`)
    for (const { filename } of documents)
      expect(stdout).toMatch(new RegExp(`^${filename} +█{20} 100 %  \\d events$`, 'm'))
    expect(stdout.match(/^(?:Fri|Sat|Sun) 2027-03-0[567] .*\.pdf$/gm)).toHaveLength(entries - ON_BOTH)
    expect(stdout).toMatch(/curl -N 'http:.*\/stream'/)
    expect(stdout).toMatch(/curl -F 'swimmer=Mara Lindqvist' -F 'pdfs=@.*friday-heats\.pdf' 'http:/)
    expect(stdout).toMatch(/A page to share, of friday-heats\.pdf: http:.*\/results\/[a-z0-9]{8}$/m)
    expect((await demo({})).stdout).toContain('2 events, known from before')
  })

  it('says what is wrong when the server does not start', async () => {
    const failed = demo({ PORT: 'eighty' })
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('PORT=eighty is not understood: it should be a port such as 8000'),
    })
  })
})

async function freePort(): Promise<string> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  return String(typeof address === 'object' && address !== null ? address.port : 0)
}

/** Starts the demo without `--once`; gives what it has said so far, and how to end it. */
function runDemo(env: Record<string, string>) {
  const whole = { ...ENVIRONMENT, DATA_DIR: dataDir, PORT: '0', ...env }
  const child = endWithTests(spawn(process.execPath, [MAIN], { env: whole }))
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const exit = once(child, 'close').then(([code]: (number | null)[]) => code)
  return {
    exit,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    said: async (what: RegExp) => {
      while (!what.test(said)) await sleep(20)
      return what.exec(said)?.[1] ?? ''
    },
  }
}

describe('npm run demo', () => {
  it('leaves the server running until it is told to end', async () => {
    const running = runDemo({})
    const url = await running.said(/The server is listening on (http:\S+)\. Ctrl-C stops it\./)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    running.kill('SIGINT')
    // npm passes a Ctrl-C on that the terminal has sent already.
    running.kill('SIGINT')
    expect(await running.exit).toBe(0)
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  })

  it('leaves no server behind when it is told to end in the middle', async () => {
    const port = await freePort()
    const running = runDemo({ PORT: port })
    await running.said(/waiting/)
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
    running.kill('SIGTERM')
    expect(await running.exit).toBe(0)
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
  })
})

class FakeTerminal {
  text = ''
  readonly isTTY: boolean
  readonly columns = 40
  readonly rows = 5

  constructor(isTTY: boolean) {
    this.isTTY = isTTY
  }

  write(text: string): void {
    this.text += text
  }
}

describe('the screen', () => {
  const bars = [
    { label: 'a.pdf', percent: 0, note: 'waiting' },
    { label: 'long.pdf', percent: 50, note: 'Reading page 3 of 6' },
  ]

  it('draws a bar', () => {
    expect(barLine({ label: 'a.pdf', percent: 50, note: 'Reading' }, 8)).toBe(
      'a.pdf     ██████████░░░░░░░░░░  50 %  Reading',
    )
    expect(barLine({ label: 'a', percent: 130, note: '' }, 1)).toMatch(/^a {2}█{20} 130 %$/)
  })

  it('is redrawn in place, in lines that do not wrap, and gives the cursor back', () => {
    const terminal = new FakeTerminal(true)
    const screen = new Screen(terminal)
    screen.show(bars)
    const before = terminal.text.length
    screen.show(bars)
    expect(terminal.text.slice(before).startsWith('\u001B[2A\u001B[2K')).toBe(true)
    expect(terminal.text).toContain('\u001B[2Klong.pdf  ██████████░░░░░░░░░░  50 %  R\n')
    screen.close()
    expect(terminal.text.endsWith('\u001B[?25h')).toBe(true)
  })

  it('prints a line a change where it cannot be redrawn', () => {
    const terminal = new FakeTerminal(false)
    const screen = new Screen(terminal)
    screen.show(bars)
    screen.show(bars.map((bar, i) => (i === 0 ? { ...bar, percent: 10 } : bar)))
    screen.close()
    expect(terminal.text.split('\n')).toHaveLength(4)
    expect(terminal.text).not.toContain('\u001B')
  })
})

it('sets a schedule as a table, blank where a sheet says nothing', () => {
  const source = { sequence: 1, filename: 'a.pdf', url: null, meetName: 'Meet', resultCode: 'x' }
  const event = { eventNumber: 3, eventName: 'Girls 50 Free', swimmerName: 'Ada Quill', source }
  const table = scheduleTable([
    {
      ...event,
      heatNumber: 12,
      lane: 4,
      seedTime: '29.10',
      sessionDate: '2027-03-05',
      heatStartTime: '09:05',
      round: 'A - Final',
    },
    { ...event, heatNumber: null, lane: null, rank: 2, relay: { team: 'Otters', letter: 'B', leg: 4 } },
  ])
  expect(table.split('\n').map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
    'Date | Time | Event | Heat | Lane | Seed | From',
    expect.stringMatching(/^─/),
    'Fri 2027-03-05 | 09:05 | 3 Girls 50 Free (A - Final) | 12 | 4 | 29.10 | a.pdf',
    ' | 3 Girls 50 Free (Otters B, leg 4, seeded 2) | a.pdf',
  ])
})
