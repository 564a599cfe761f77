/** Whose address counts: what a client sends of itself is believed only where a trusted proxy wrote it down. */
import { describe, expect, it } from 'vitest'
import { clientAddress, type TrustProxy } from '../../src/http/request/client-address.ts'

describe('the address of a client', () => {
  it.each<[what: string, peer: string | null, forwarded: string | undefined, trust: TrustProxy, address: string]>([
    ['is that of the connection', '203.0.113.7', undefined, 0, '203.0.113.7'],
    ['is not what the client says', '203.0.113.7', '198.51.100.1', 0, '203.0.113.7'],
    ['is what one proxy saw', '10.0.0.1', '198.51.100.1', 1, '198.51.100.1'],
    ['is not what was made up before one proxy', '10.0.0.1', '192.0.2.66, 198.51.100.1', 1, '198.51.100.1'],
    ['is what the first of two proxies saw', '10.0.0.1', '192.0.2.66, 198.51.100.1, 10.0.0.2', 2, '198.51.100.1'],
    ['is that of the proxy where it says nothing', '10.0.0.1', undefined, 1, '10.0.0.1'],
    ['is that of the proxy where it says nonsense', '10.0.0.1', '198.51.100.1, unknown', 1, '10.0.0.1'],
    ['stops at nonsense between proxies', '10.0.0.1', '198.51.100.1, x, 10.0.0.2', 5, '10.0.0.2'],
    [
      'is the first that no listed proxy has',
      '10.0.0.1',
      '192.0.2.66, 198.51.100.1, 10.9.9.9',
      ['10.0.0.0/8'],
      '198.51.100.1',
    ],
    [
      'is that of the connection where it is no listed proxy',
      '203.0.113.7',
      '198.51.100.1',
      ['10.0.0.0/8'],
      '203.0.113.7',
    ],
    ['is the farthest where all are listed', '10.0.0.1', '10.0.0.3, 10.0.0.2', ['10.0.0.0/8'], '10.0.0.3'],
    ['goes by single addresses too', '::1', '198.51.100.1', ['127.0.0.1', '::1'], '198.51.100.1'],
    ['is of IPv4 however the socket writes it', '::ffff:203.0.113.7', undefined, 0, '203.0.113.7'],
    ['is matched however the socket writes it', '::ffff:10.0.0.1', '198.51.100.1', ['10.0.0.0/8'], '198.51.100.1'],
    ['has no port', '10.0.0.1', '198.51.100.1:4711', 1, '198.51.100.1'],
    ['has no brackets', '10.0.0.1', '[2001:db8:1:2::5]:4711', 1, '2001:db8:1:2::/64'],
    ['is one for a whole network of IPv6', '2001:db8:1:2:aaaa::1', undefined, 0, '2001:db8:1:2::/64'],
    ['is no number', '10.0.0.1', '1', 1, '10.0.0.1'],
    ['is unknown where nothing tells', null, '198.51.100.1', 0, 'unknown'],
    ['is unknown where the proxy itself is', null, '198.51.100.1', 1, 'unknown'],
  ])('%s', (_, peer, forwarded, trust, address) => {
    expect(clientAddress(peer, forwarded, trust)).toBe(address)
  })
})
