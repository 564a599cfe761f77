/** Every point that is probed; a new one is a module and a line here. */
import { access, edgeAccess } from './points/access.ts'
import { bodies, edgeBodies } from './points/bodies.ts'
import { disk } from './points/disk.ts'
import { clocks, files } from './points/files.ts'
import { halfClosed, idleSockets } from './points/half-closed.ts'
import { edgeHeld, held } from './points/held.ts'
import { edgeLogs, logs } from './points/logs.ts'
import { owners } from './points/owners.ts'
import { pipelining } from './points/pipelining.ts'
import { edgeQuotas, quotas } from './points/quotas.ts'
import { edgeSmaller, smaller } from './points/smaller.ts'
import { edgeSockets, sockets } from './points/sockets.ts'
import { volume } from './points/volume.ts'
import type { Report } from './report.ts'

/** A kind of attack, with its probes. */
export interface Point {
  /** Short name that the table begins its rows with. */
  readonly point: string
  readonly title: string
  /** Lanes run beside each other; the points of one run one after the other, in the order of the list. */
  readonly lane: string
  run(report: Report): Promise<void>
}

export const POINTS: readonly Point[] = [
  sockets,
  edgeSockets,
  bodies,
  edgeBodies,
  pipelining,
  halfClosed,
  idleSockets,
  owners,
  disk,
  logs,
  edgeLogs,
  volume,
  quotas,
  edgeQuotas,
  files,
  clocks,
  access,
  edgeAccess,
  held,
  edgeHeld,
  // Last in their lanes: they spoil rows.
  smaller,
  edgeSmaller,
]
