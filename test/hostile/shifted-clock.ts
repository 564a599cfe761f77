/**
 * Loaded into a server before it starts: sets its clock forward by `CLOCK_SHIFT_DAYS`, at once or, with `CLOCK_SHIFT_ON_SIGNAL`, on SIGUSR2.
 * Timers go on as they were, as they do when a machine's clock is set.
 */
const DAY_MS = 24 * 60 * 60 * 1_000
const RealDate = Date
const shiftMs = Number(process.env.CLOCK_SHIFT_DAYS ?? 0) * DAY_MS
let addedMs = process.env.CLOCK_SHIFT_ON_SIGNAL === undefined ? shiftMs : 0

const now = () => RealDate.now() + addedMs

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args) => Reflect.construct(target, args.length === 0 ? [now()] : args),
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
})

process.on('SIGUSR2', () => {
  addedMs = shiftMs
})
