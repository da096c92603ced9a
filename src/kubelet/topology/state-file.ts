// The file in which a manager keeps what it gave to containers, so that a new kubelet gives nothing twice.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/** What containers have: by the uid of the pod, and the name of the container. */
type Entries<T> = ReadonlyMap<string, ReadonlyMap<string, T>>

interface StateFile<T> {
  readonly path: string
  readonly policyName: string
  /** For messages, such as `the static policy`. */
  readonly policy: string
  /** Reads what a container has. Throws for anything else. */
  read(value: unknown): T
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Nothing if there is no file. Throws when it is damaged. */
export function readState<T>({ path, policyName, policy, read }: StateFile<T>): Map<string, Map<string, T>> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return new Map()
    throw error
  }
  const isNot = () => stateFault(path, `it is not the state of ${policy}`)
  let state: unknown
  try {
    state = JSON.parse(text)
  } catch {
    throw isNot()
  }
  if (!isObject(state) || state.policyName !== policyName || !isObject(state.entries)) throw isNot()
  return new Map(
    Object.entries(state.entries).map(([uid, containers]) => {
      if (!isObject(containers)) throw isNot()
      return [uid, new Map(Object.entries(containers).map(([name, value]) => [name, read(value)]))]
    }),
  )
}

export const stateFault = (path: string, why: string): Error =>
  new Error(`${path}: ${why}; remove the file once no pod runs on the node`)

/**
 * Replaces the file, so that one that was written in part is never read. It is small, and written seldom.
 * @param more what stands beside the entries
 */
export function writeState<T>(
  { path, policyName }: Pick<StateFile<T>, 'path' | 'policyName'>,
  entries: Entries<T>,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const plain = Object.fromEntries(Array.from(entries, ([uid, of]) => [uid, Object.fromEntries(of)]))
  writeFileSync(`${path}.new`, JSON.stringify({ policyName, ...more, entries: plain }), { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}
