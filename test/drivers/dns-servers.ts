/** DNS servers on loopback for tests: one that answers from a list, and one that never answers. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** What a server answers for a name: addresses; `none` for no address of that family; `unknown` for no such name; `silent` for nothing at all. */
export type DnsAnswer =
  | { readonly A?: readonly string[] | 'silent'; readonly AAAA?: readonly string[] | 'silent' }
  | 'unknown'
  | 'silent'

/** A server that listens. */
export interface DnsServer extends AsyncDisposable {
  /** For `DNS_SERVERS`. */
  readonly address: string
  /** Names asked for so far, one a question. */
  readonly asked: readonly string[]
}

const TYPE_A = 1
const TYPE_AAAA = 28

/** Starts a DNS server. @param answer default: silent for every name */
export async function startDnsServer(answer: (name: string) => DnsAnswer = () => 'silent'): Promise<DnsServer> {
  const socket = createSocket('udp4')
  const asked: string[] = []
  socket.on('message', (query, from) => {
    const { name, type, end } = parseQuestion(query)
    asked.push(name)
    reply(socket, from, query.subarray(0, end), type, answer(name))
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked,
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  }
}

/** Reads the one question of a query (RFC 1035, section 4.1.2). */
function parseQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 }
}

function reply(socket: Socket, to: RemoteInfo, question: Buffer, type: number, answer: DnsAnswer): void {
  if (answer === 'silent') return
  const found = answer === 'unknown' ? [] : type === TYPE_A ? answer.A : type === TYPE_AAAA ? answer.AAAA : []
  if (found === 'silent') return
  const head = Buffer.from(question)
  head.writeUInt16BE(answer === 'unknown' ? 0x8183 : 0x8180, 2)
  head.writeUInt16BE(found?.length ?? 0, 6)
  head.writeUInt32BE(0, 8)
  const records = (found ?? []).map((address) => record(type, address))
  socket.send(Buffer.concat([head, ...records]), to.port, to.address)
}

/** A record of the name asked for (a pointer to it), good for no time. */
function record(type: number, address: string): Buffer {
  const data = type === TYPE_A ? Buffer.from(address.split('.').map(Number)) : bytesOfIpv6(address)
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0xc00c, 0)
  head.writeUInt16BE(type, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(data.length, 10)
  return Buffer.concat([head, data])
}

function bytesOfIpv6(address: string): Buffer {
  const [before = '', after = ''] = address.split('::')
  const groups = (part: string) => part.split(':').filter((group) => group !== '')
  const zeros = 8 - groups(before).length - groups(after).length
  const all = [...groups(before), ...Array.from({ length: zeros }, () => '0'), ...groups(after)]
  const bytes = Buffer.alloc(16)
  for (const [i, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i)
  return bytes
}
