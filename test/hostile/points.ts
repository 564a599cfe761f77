/** Every point that is probed; a new one is a module and a line here. */
import { access } from './points/access.ts'
import { bodies, edgeBodies } from './points/bodies.ts'
import { disk } from './points/disk.ts'
import { clocks, files } from './points/files.ts'
import { halfClosed, idleSockets } from './points/half-closed.ts'
import { held } from './points/held.ts'
import { logs } from './points/logs.ts'
import { owners } from './points/owners.ts'
import { pipelining } from './points/pipelining.ts'
import { quotas } from './points/quotas.ts'
import { smaller } from './points/smaller.ts'
import { sockets } from './points/sockets.ts'
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
  bodies,
  edgeBodies,
  pipelining,
  halfClosed,
  idleSockets,
  owners,
  disk,
  logs,
  volume,
  quotas,
  files,
  clocks,
  access,
  smaller,
  held,
]
