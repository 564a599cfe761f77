/** Faults of the network between us and a foreign server, and what each is in words for the person who sent a link. */
import { MillraceError } from '../errors.ts'
import type { NetworkFault } from '../ports.ts'

const LINK_WORDS: Readonly<Record<NetworkFault, string>> = {
  'unknown name': 'There is no website under the name in this link. Check it for typing errors.',
  'name service': 'The name in this link could not be looked up just now. Try again later.',
  refused: 'The website refused the connection. Try again later.',
  certificate: 'The security certificate of the website could not be verified.',
  reset: 'The connection broke off before the whole file had arrived. Try again later.',
  lost: 'The website refused the connection or broke it off. Try again later, or send the file itself.',
  garbled: 'The website answered with something that could not be understood.',
  unreachable:
    'The website could not be reached. Check the link for typing errors, try again later, or send the file itself.',
}

/** Makes the error of a fault. Addresses stay in `cause`, which no client sees. */
export function networkError(fault: NetworkFault, cause: unknown): MillraceError {
  return new MillraceError('NETWORK_ERROR', LINK_WORDS[fault], { cause, details: { fault } })
}
