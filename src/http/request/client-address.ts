/**
 * Determines the client address of a request. `X-Forwarded-For` is trusted only as far as trusted proxies wrote it: anyone can send one.
 */
import ipaddr from 'ipaddr.js'

/** Number of proxies in front of the server, or their addresses and networks (CIDR). */
export type TrustProxy = number | readonly string[]

/**
 * The address of the client.
 * @param peer the address of the connection; null where the runtime does not say
 * @param forwarded the header `X-Forwarded-For`
 * @returns its usual spelling; of IPv6 the network (/64) alone, because a client has as many addresses of it as it likes; `unknown`
 * where there is none
 */
export function clientAddress(peer: string | null, forwarded: string | undefined, trust: TrustProxy = 0): string {
  const hops = [...(forwarded?.split(',') ?? []), peer ?? ''].map(parse).reverse()
  let client = hops[0] ?? null
  for (const [at, hop] of hops.entries()) {
    // Stops at an unreadable entry: no known proxy wrote the entries before it.
    if (hop === null) break
    client = hop
    if (!(typeof trust === 'number' ? at < trust : isAmong(hop, trust))) break
  }
  return client === null ? 'unknown' : nameOf(client)
}

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** With or without a port, which some proxies write; null for what is no address. */
function parse(text: string): Address | null {
  const bare = text.trim().replace(/^\[(.*)\](:\d+)?$/, '$1')
  const address = /^\d+(\.\d+){3}:\d+$/.test(bare) ? bare.replace(/:\d+$/, '') : bare
  // Not `ipaddr.process` on its own: it takes "1" for 0.0.0.1.
  return ipaddr.IPv6.isValid(address) || ipaddr.IPv4.isValidFourPartDecimal(address) ? ipaddr.process(address) : null
}

function isAmong(address: Address, networks: readonly string[]): boolean {
  return networks.some((network) => {
    const [base, bits] = networkOf(network)
    return base.kind() === address.kind() && address.match(base, bits)
  })
}

function networkOf(text: string): [Address, number] {
  if (text.includes('/')) return ipaddr.parseCIDR(text)
  const address = ipaddr.process(text)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

function nameOf(address: Address): string {
  if (address.kind() === 'ipv4') return address.toString()
  const network = address.toByteArray().map((byte, at) => (at < 8 ? byte : 0))
  return `${ipaddr.fromByteArray(network).toString()}/64`
}
