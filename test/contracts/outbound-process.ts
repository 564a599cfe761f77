/**
 * Two outbound services in one process: tells its parent their addresses, of the guarded one first, and ends with it. To the guarded one no name
 * is known but `inside.example.org`, which is this machine.
 */
import { startOutbound } from '../../scripts/edge-outbound.ts'
import { createLookup } from '../../src/drivers/dns-lookup.ts'
import { startDnsServer } from '../drivers/dns-servers.ts'

const dns = await startDnsServer((name) => (name === 'inside.example.org' ? { A: ['127.0.0.1'] } : 'unknown'))
const guarded = await startOutbound({ lookup: createLookup({ servers: [dns.address] }) })
const open = await startOutbound({ allowPrivate: true })
process.on('disconnect', () => process.exit())
process.send?.(`${guarded} ${open}`)
