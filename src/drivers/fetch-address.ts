/**
 * Which URLs and addresses a caller may have fetched. Pure, so that every Fetcher asks the same rules: on Node they are
 * asked of the URL, of each redirect and of the address connected to; where the platform does the name look-up
 * (Workers), of the URL and each redirect.
 */
import ipaddr from 'ipaddr.js'
import { MillraceError } from '../errors.ts'

/** Rules of an installation about the URLs that may be requested. */
export interface UrlPolicy {
  /** Lifts the rule about addresses, and about the names that stand for them, alone. For tests and closed networks. */
  readonly allowPrivate?: boolean | undefined
}

/**
 * Names that mean this machine or this network, never the web, and the names clouds give to their metadata services.
 * RFC 6761 (localhost), RFC 6762 (local; its appendix G: intranet, private, corp, home, lan), RFC 8375 (home.arpa),
 * RFC 7686 (onion), ICANN's resolution 2024.07.29.06 (internal). Each includes its subdomains.
 */
const LOCAL_NAMES = [
  'localhost',
  'localdomain',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'home.arpa',
  'onion',
  'metadata.goog',
  'metadata.tencentyun.com',
]

/**
 * Ports from 1024 up that speak something a crafted GET could be mistaken for: the upper part of the "bad ports" that
 * browsers refuse (WHATWG Fetch, "port blocking"). Its lower part is covered by refusing all below 1024 but 80 and 443.
 */
const BAD_PORTS: ReadonlySet<number> = new Set([
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
])

/** Addresses in public space that mean the machine's own host: Azure's platform service (wire server, DHCP, DNS). */
const PLATFORM_ADDRESSES: ReadonlySet<string> = new Set(['168.63.129.16'])

/** Global unicast (RFC 4291; IANA has assigned nothing public outside it). What is not inside is refused unseen. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

/** The well-known prefix behind which IPv6-only networks reach IPv4 (RFC 6052): judged by the IPv4 address it carries. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96')

/** @returns the error every refusal throws; `message` must not name an address that was looked up */
export function refusal(message: string): MillraceError {
  return new MillraceError('URL_NOT_ALLOWED', message)
}

/** @returns the refusal of an address or name that is not on the public internet. Says nothing about where it led. */
export function privateRefusal(): MillraceError {
  return refusal('This link leads to a private or reserved network address. Only public web addresses are fetched.')
}

/**
 * Reads a URL that a caller named and applies every rule that needs no name look-up.
 * @param raw as the caller wrote it
 * @returns the URL as the WHATWG parser understands it, which is what must be connected to
 * @throws MillraceError URL_NOT_ALLOWED: not a URL, not http(s), a user name or password in it, a port that is not the
 * web's, or a host that is private in whatever spelling
 */
export function checkUrl(raw: string, policy: UrlPolicy = {}): URL {
  const url = URL.parse(raw)
  if (url === null)
    throw refusal('This is not a complete web address. It should look like https://example.org/file.pdf')
  return checkParsed(url, policy)
}

/**
 * Applies the same rules to the target of a redirect. From https to http is refused as well: an https link promises that the
 * file cannot be changed in transit; a caller who accepts less can send the http link.
 * @param from the URL that answered with a redirect
 * @param location its Location header, relative or not
 * @throws MillraceError URL_NOT_ALLOWED
 */
export function checkRedirect(from: URL, location: string, policy: UrlPolicy = {}): URL {
  const url = URL.parse(location, from)
  if (url === null) throw refusal('The website forwards this link to something that is not a web address.')
  const checked = checkParsed(url, policy)
  if (from.protocol === 'https:' && checked.protocol === 'http:') {
    throw refusal('The website forwards this secure link (https) to one that is not (http).')
  }
  return checked
}

/** @returns the port a URL connects to, the scheme's own when it names none */
export function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

/** @returns true for a port that is meant for all who can reach its address */
export function isWebPort(port: number): boolean {
  return port === 80 || port === 443
}

/** @returns the host without the brackets of an IPv6 address */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}

/**
 * Checks if an address is on the public internet. By exclusion for IPv4 (IANA IPv4 Special-Purpose Address Registry, kept
 * by ipaddr.js: private, loopback, link-local with the metadata services, shared, reserved, test, multicast …); for IPv6
 * only global unicast, without the blocks of the IANA IPv6 registry and without tunnels that carry an IPv4 address.
 * @param address an IPv4 or IPv6 address; anything else, a zone (`%eth0`) included, is not public
 */
export function isPublicAddress(address: string): boolean {
  if (address.includes('%') || !ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv4) return isPublicIpv4(parsed)
  if (parsed.isIPv4MappedAddress() || parsed.match(NAT64)) {
    return isPublicIpv4(new ipaddr.IPv4(parsed.toByteArray().slice(12)))
  }
  return parsed.match(GLOBAL_IPV6) && parsed.range() === 'unicast' && !isIsatap(parsed)
}

/** @returns one spelling for an address, so that two can be compared; null when it is none */
export function canonicalAddress(address: string): string | null {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : null
}

function isPublicIpv4(address: ipaddr.IPv4): boolean {
  return address.range() === 'unicast' && !PLATFORM_ADDRESSES.has(address.toString())
}

/** An interface identifier that carries an IPv4 address through ISATAP (RFC 5214, section 6.1). */
function isIsatap(address: ipaddr.IPv6): boolean {
  const [high, low] = [address.parts[4], address.parts[5]]
  return (high === 0x0000 || high === 0x0200) && low === 0x5efe
}

function checkParsed(url: URL, policy: UrlPolicy): URL {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw refusal('Only links that begin with https:// or http:// are fetched.')
  }
  if (url.username !== '' || url.password !== '') {
    throw refusal('This link has a user name or password in it. Only links that open without a sign-in are fetched.')
  }
  const port = portOf(url)
  if (!isWebPort(port) && (port < 1024 || BAD_PORTS.has(port))) {
    throw refusal(`This link names port ${port}, which is not one that websites use.`)
  }
  if (policy.allowPrivate !== true && isPrivateHost(bareHost(url))) throw privateRefusal()
  return url
}

/**
 * The parser has already turned decimal, octal, hex, short, percent-encoded and full-width spellings of IPv4 into four
 * numbers, but a host with two dots at its end is a name to it, so addresses are recognized again without them.
 */
function isPrivateHost(host: string): boolean {
  const name = host.toLowerCase().replace(/\.+$/, '')
  if (ipaddr.isValid(name)) return !isPublicAddress(name)
  // A name of one label is found, if at all, through the search list of the network we are in.
  return !name.includes('.') || LOCAL_NAMES.some((local) => name === local || name.endsWith(`.${local}`))
}
