// Structured logs: each line is one JSON object with time, level, message and fields.

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

/** A log that writes lines of `level` and above to `sink`. Errors among the fields are written with their stack. */
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

/** A log that writes nothing, for tests and tools. */
export const silentLog: Log = makeLog(() => {}, 'error')

/** The log of a process, on standard error. The environment variable KUTTER_LOG sets its level. */
export const stderrLog = (): Log =>
  makeLog(line => process.stderr.write(`${line}\n`), (process.env.KUTTER_LOG as Level | undefined) ?? 'info')
