/** The server's log on Node: lines of JSON by pino, on standard error. */
import { type DestinationStream, pino } from 'pino'
import { describeErrors } from '../formats/describe-error.ts'
import type { Log } from '../ports.ts'

/**
 * Makes the log. Errors among the fields are written with their causes and without what a failed statement was to store.
 * @param level entries below it are left out: `fatal` … `debug`, or `silent`
 * @param redact takes secrets out of a line
 * @param destination where lines go; default: standard error
 */
export function createPinoLog(
  level: string,
  redact: (line: string) => string,
  destination: DestinationStream = pino.destination(2),
): Log {
  return pino(
    {
      level,
      hooks: { streamWrite: redact },
      formatters: { log: describeErrors },
      // Described already; pino's own serializer would copy whatever an error carries.
      serializers: { err: (described: unknown) => described },
    },
    destination,
  )
}
