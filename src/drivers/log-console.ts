/** The server's log as lines of JSON on the console, which is where Cloudflare collects them. The fields are pino's, so that one log reader serves both runtimes. */
import { describeErrors } from '../formats/describe-error.ts'
import { withoutStatementValues } from '../formats/statement-text.ts'
import type { Log } from '../ports.ts'

/** Pino's numbers. */
const LEVELS: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 }

type Fields = Readonly<Record<string, unknown>>

/**
 * Makes the log. Never throws, whatever the fields hold.
 * @param level entries below it are left out: `trace` … `fatal`; anything else, such as `silent`, leaves all out
 * @param write takes a line; default: the console's method of that level
 */
export function createConsoleLog(
  level: string,
  write: (level: 'info' | 'warn' | 'error', line: string) => void = (name, line) => console[name](line),
): Log {
  const least = LEVELS[level] ?? Number.POSITIVE_INFINITY
  const say = (name: 'info' | 'warn' | 'error') => (fields: Fields, msg: string) => {
    const number = LEVELS[name] ?? 0
    if (number < least) return
    write(name, lineOf({ level: number, time: Date.now() }, fields, msg))
  }
  return { info: say('info'), warn: say('warn'), error: say('error') }
}

function lineOf(head: Fields, fields: Fields, msg: string): string {
  try {
    return JSON.stringify({ ...head, ...describeErrors(fields), msg }, plain)
  } catch (error) {
    // A circle, or a getter that throws. That something happened is worth more than what its fields were.
    return JSON.stringify({ ...head, unwritable: withoutStatementValues(String(error)), msg })
  }
}

/** Replaces a value that JSON has no form for (a bigint), and shortens a text that is too long. */
function plain(_: string, value: unknown): unknown {
  if (typeof value === 'string' && value.length > LONGEST) return `${value.slice(0, LONGEST)}…`
  return typeof value === 'bigint' ? String(value) : value
}

/** No text of an entry is longer: Cloudflare cuts a line at 256 KB, and what is cut is no JSON any more. */
const LONGEST = 8_000
