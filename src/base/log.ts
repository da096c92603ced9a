// Log lines for people and machines: one JSON object a line, or aligned text on a terminal.

export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
  /** A log that adds `fields` to every line. */
  with(fields: Record<string, unknown>): Log
}

const levels = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof levels)[number]

/** Writes to `sink` what is at `level` or above. Errors among the fields are written with their stack. */
export function makeLog(sink: (line: string) => void, level: Level = 'info', base: Record<string, unknown> = {}): Log {
  const write = (at: Level) => (message: string, fields?: Record<string, unknown>) => {
    if (levels.indexOf(at) < levels.indexOf(level)) return
    const line: Record<string, unknown> = { time: new Date().toISOString(), level: at, message, ...base, ...fields }
    for (const [k, v] of Object.entries(line)) if (v instanceof Error) line[k] = v.stack ?? v.message
    sink(JSON.stringify(line))
  }
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    with: fields => makeLog(sink, level, { ...base, ...fields }),
  }
}

/** A log that goes nowhere, for tests and tools. */
export const silentLog: Log = makeLog(() => {}, 'error')

/** The process's log, on standard error. KUTTER_LOG sets the level. */
export const stderrLog = (): Log =>
  makeLog(line => process.stderr.write(`${line}\n`), (process.env.KUTTER_LOG as Level | undefined) ?? 'info')
