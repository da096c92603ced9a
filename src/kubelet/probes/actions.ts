// Runs one probe of a container: a command, an HTTP GET, a TCP connection or a call of gRPC's health service.
// Source: kubernetes pkg/kubelet/prober/prober.go, pkg/probe.
import { connect } from 'node:net'
import { grpcOf } from '../cri/index.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import type { Probe } from '../../kinds/core/probe.ts'
import { type ReadContainer, onHostNetwork } from '../pod/spec.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { grpcHealth } from './grpc.ts'
import { dialWords, httpGet } from './http.ts'
import { portOf } from './ports.ts'
import type { Pod } from '../../kinds/core/pod.ts'

type ProbeResult =
  | { result: 'success'; warning?: string }
  | { result: 'failure'; output: string }
  | { result: 'unknown'; output: string }

export interface ProbeRequest {
  probe: Probe
  pod: Pod
  container: ReadContainer
  containerId: string
  podIP: string
  nodeIP: string
  runtime: Runtime
  clock: Clock
  signal: AbortSignal
}

const failure = (output: string): ProbeResult => ({ result: 'failure', output })

/** Never throws. The result of a probe that could not be run is `unknown`. */
export async function runProbe(request: ProbeRequest): Promise<ProbeResult> {
  const { probe, pod, container, clock, signal } = request
  const timeoutMs = (probe.timeoutSeconds || 1) * 1000
  const host = onHostNetwork(pod) ? request.nodeIP : request.podIP
  try {
    if (probe.exec) return await execProbe(request, timeoutMs)
    if (probe.httpGet) {
      const port = portOf(container, probe.httpGet.port)
      const answer = await httpGet({
        action: probe.httpGet,
        host: probe.httpGet.host || host,
        port,
        timeoutMs,
        clock,
        signal,
        agent: 'kube-probe/1.36',
      })
      if ('problem' in answer) return failure(answer.problem)
      const { status, body } = answer
      if (status >= 200 && status < 300) return { result: 'success' }
      // A redirect counts as success with a warning, since the container has answered.
      if (status >= 300 && status < 400)
        return { result: 'success', warning: `Probe terminated redirects, Response body: ${body}` }
      return failure(`HTTP probe failed with statuscode: ${status}`)
    }
    if (probe.tcpSocket)
      return await tcpProbe(probe.tcpSocket.host || host, portOf(container, probe.tcpSocket.port), timeoutMs, clock)
    if (probe.grpc) {
      const problem = await grpcHealth({
        host,
        port: probe.grpc.port,
        service: probe.grpc.service ?? '',
        timeoutMs,
        tls: probe.grpc.mode === 'TLS',
        signal,
      })
      return problem ? failure(problem) : { result: 'success' }
    }
    return { result: 'unknown', output: `missing probe handler for ${pod.metadata.name}:${container.name}` }
  } catch (error) {
    return { result: 'unknown', output: messageOf(error) }
  }
}

async function execProbe(
  { probe, containerId, runtime, signal }: ProbeRequest,
  timeoutMs: number,
): Promise<ProbeResult> {
  const command = probe.exec!.command ?? []
  try {
    const { exitCode, stdout, stderr } = await runtime.execSync(containerId, command, timeoutMs / 1000, signal)
    return exitCode === 0 ? { result: 'success' } : failure(Buffer.concat([stdout, stderr]).toString())
  } catch (error) {
    if (isReason(error, 'Timeout') || grpcOf(error)?.code === 'DeadlineExceeded')
      return failure(`command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`)
    throw error
  }
}

function tcpProbe(host: string, port: number, timeoutMs: number, clock: Clock): Promise<ProbeResult> {
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const done = (result: ProbeResult) => {
      cancel()
      socket.destroy()
      resolve(result)
    }
    const cancel = clock.after(timeoutMs, () => done(failure(`dial tcp ${host}:${port}: i/o timeout`)))
    socket.once('connect', () => done({ result: 'success' }))
    socket.once('error', error => done(failure(dialWords(error, { hostname: host, port: String(port) }))))
  })
}
