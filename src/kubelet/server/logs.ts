// GET /containerLogs/NAMESPACE/POD/CONTAINER: the log of a container, or of the one before it, up to its present end
// or, with `follow`, as long as the container runs.
// Source: kubernetes pkg/kubelet/server (getContainerLogs), kubelet_pods.go (GetKubeletContainerLogs).
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { StatusError } from '../../base/errors.ts'
import { parseTime } from '../../api/time.ts'
import { readLog } from '../logs/read.ts'
import { findContainer } from '../pod/spec.ts'
import type { PodWorker } from '../pod/worker.ts'
import type { ContainerSeen } from '../runtime/runtime.ts'
import { findPod } from './find.ts'
import type { NodeServerOptions } from './options.ts'

export async function serveLogs(
  o: NodeServerOptions,
  [namespace = '', podName = '', container = '']: string[],
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const worker = findPod(o.workers, namespace, podName)
  if (!findContainer(worker.pod, container))
    throw new StatusError('NotFound', `container "${container}" not found in pod "${podName}"`)
  const seen = chosen(worker, podName, container, flag(query, 'previous'))
  const now = o.context.clock.now()
  const sinceSeconds = number(query, 'sinceSeconds')
  const disconnected = new AbortController()
  response.once('close', () => disconnected.abort())
  request.socket.once('close', () => disconnected.abort())
  const options = {
    follow: flag(query, 'follow'),
    timestamps: flag(query, 'timestamps'),
    tailLines: number(query, 'tailLines'),
    limitBytes: number(query, 'limitBytes'),
    sinceMs: sinceSeconds === undefined ? parseTime(query.get('sinceTime')) : now - sinceSeconds * 1000,
    stream: ({ Stdout: 'stdout', Stderr: 'stderr' } as const)[query.get('stream') ?? ''],
    signal: disconnected.signal,
  }
  const lines = readLog(seen.logPath, options, {
    running: () => worker.seen.containers.some(c => c.id === seen.id && c.state === 'running'),
    listen: changed => worker.listen(changed),
  })
  response.writeHead(200, { 'content-type': 'text/plain', ...(options.follow && { 'transfer-encoding': 'chunked' }) })
  response.flushHeaders()
  try {
    await pipeline(lines, response)
  } catch (error) {
    // After the client has disconnected, writing to it fails.
    if (!disconnected.signal.aborted) throw error
  }
}

function chosen(worker: PodWorker, pod: string, name: string, previous: boolean): ContainerSeen {
  const all = worker.seen.containers.filter(c => c.name === name && c.state !== 'created')
  const running = all[0]?.state === 'running'
  if (previous) {
    const before = running ? all[1] : (all[1] ?? (worker.plan?.waiting.has(name) ? all[0] : undefined))
    if (!before)
      throw new StatusError('BadRequest', `previous terminated container "${name}" in pod "${pod}" not found`)
    return before
  }
  const current = all[0]
  if (current) return current
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = worker.pod.status
  const status = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    s => s.name === name,
  )
  // The container has ended, and the runtime has lost it.
  if (status?.state.terminated || (!status?.state.running && status?.lastState.terminated))
    throw new StatusError('BadRequest', `container "${name}" in pod "${pod}" is terminated`)
  const reason = status?.state.waiting?.reason ?? 'ContainerCreating'
  throw new StatusError(
    'BadRequest',
    `container "${name}" in pod "${pod}" is waiting to start: ${waitWords[reason] ?? reason}`,
  )
}

const waitWords: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
}

const flag = (query: URLSearchParams, name: string) => ['true', '1'].includes(query.get(name) ?? '')

function number(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0)
    throw new StatusError('BadRequest', `${name} must be a number that is not negative`)
  return value
}
