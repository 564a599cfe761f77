/** The servers whose fan-out is compared, each in a process of its own, and how what they use is read. */
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { find, Nginx } from '../../test/support/programs.ts'

/** A server under measurement. */
export interface Contestant extends AsyncDisposable {
  readonly name: string
  readonly url: string
  readonly pid: number
  /**
   * Sends the next `count` events, due together. Answers with when they were there to be told of, in milliseconds since the epoch, and how
   * long it took to write them down before that.
   */
  emit(count: number): Promise<{ at: number; kept: number }>
  /** Bytes it holds: heap and buffers after garbage collection where there is such a thing, else what is resident. */
  memory(): Promise<number>
}

const Started = z.object({ url: z.string() })
const Collected = z.object({ heap: z.number() })
const Emitted = z.object({ at: z.number(), asked: z.number() })

/** The next message of a child process. */
export function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error('The process has ended.'))
    child.once('exit', onExit)
    child.once('message', (message) => {
      child.off('exit', onExit)
      resolve(message)
    })
  })
}

/** Ends a child process. */
export async function end(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}

async function startNode(kind: string, name: string): Promise<Contestant> {
  const child = fork(join(import.meta.dirname, 'fan-out-server.ts'), [kind], { execArgv: ['--expose-gc'] })
  const { url } = Started.parse(await answer(child))
  return {
    name,
    url,
    pid: child.pid ?? 0,
    async emit(count) {
      const emitted = answer(child)
      child.send({ emit: count })
      const { at, asked } = Emitted.parse(await emitted)
      return { at, kept: at - asked }
    },
    async memory() {
      // Memory of closed connections is released over several turns of the event loop.
      for (let round = 0; ; round++) {
        const collected = answer(child)
        child.send({ collect: true })
        const { heap } = Collected.parse(await collected)
        if (round === 3) return heap
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
    },
    [Symbol.asyncDispose]: () => end(child),
  }
}

const NCHAN = `
  location = /follow { nchan_subscriber eventsource; nchan_channel_id c; nchan_subscriber_first_message newest; }
  location = /publish { nchan_publisher; nchan_channel_id c; nchan_message_buffer_length 100; }`

async function startNchan(nginx: string, module: string): Promise<Contestant> {
  const server = await Nginx.start(nginx, { locations: NCHAN, main: `load_module ${module};` })
  const { port } = new URL(server.url)
  const socket: Socket = connect({ host: '127.0.0.1', port: Number(port) })
  let answers = 0
  let look: () => void = () => {}
  socket.on('data', (bytes) => {
    answers += bytes.toString('latin1').split('HTTP/1.1 20').length - 1
    look()
  })
  let n = 0
  const emit = async (count: number) => {
    let requests = ''
    for (let sent = 0; sent < count; sent++) {
      n++
      const body = JSON.stringify({
        type: 'job_completed',
        batchId: '01989898-0000-7000-8000-000000000000',
        at: '2026-01-01T00:00:00.000Z',
        n,
        filler: '',
      })
      requests += `POST /publish HTTP/1.1\r\nHost: x\r\nX-EventSource-Event: job_completed\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    }
    const at = performance.timeOrigin + performance.now()
    // One connection, one write: they come in together and stay in order.
    socket.write(requests)
    const due = n
    await new Promise<void>((resolve) => {
      look = () => {
        if (answers >= due) resolve()
      }
      look()
    })
    return { at, kept: 0 }
  }
  await emit(1)
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ')
  return {
    name: 'nchan (nginx, C)',
    url: `${server.url}/follow`,
    pid: Number(children[0]),
    emit,
    memory: () => Promise.resolve(residentOf(Number(children[0]))),
    async [Symbol.asyncDispose]() {
      socket.destroy()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Returns functions that start each server, Millrace first; nchan only where it is installed. */
export function contestants(): (() => Promise<Contestant>)[] {
  const [nginx, module] = [find('nginx'), find('nchan')]
  return [
    () => startNode('millrace', 'Millrace'),
    () => startNode('bare', 'bare `node:http`'),
    () => startNode('hono', 'Hono `streamSSE`'),
    () => startNode('better-sse', 'better-sse'),
    ...(nginx === null || module === null ? [] : [() => startNchan(nginx, module)]),
  ]
}

/** CPU time of a process so far, in microseconds. Linux counts it in hundredths of a second. */
export function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

/** Resident memory of a process in bytes. */
function residentOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4_096
}
