// One call of gRPC's health service. Source: grpc.health.v1, GRPC Health Checking Protocol.
import * as grpc from '@grpc/grpc-js'
import { durationText } from '../../api/time.ts'
import { messageOf } from '../../base/errors.ts'
import { callUnary, clientsOf, grpcOf, timeToConnect } from '../../wire/grpc.ts'

const definition = {
  package: 'grpc.health.v1',
  enums: { ServingStatus: 'UNKNOWN SERVING NOT_SERVING SERVICE_UNKNOWN' },
  messages: { HealthCheckRequest: { service: 'string = 1' }, HealthCheckResponse: { status: 'ServingStatus = 1' } },
  services: { Health: { check: 'HealthCheckRequest HealthCheckResponse' } },
} as const

interface HealthRequest {
  host: string
  port: number
  service: string
  timeoutMs: number
  tls: boolean
  signal: AbortSignal
}

/** The message of the failed probe, or '' when the service is serving. */
export async function grpcHealth({ host, port, service, timeoutMs, tls, signal }: HealthRequest): Promise<string> {
  const Health = clientsOf(definition).Health!
  const credentials = tls
    ? grpc.credentials.createSsl(null, null, null, { rejectUnauthorized: false })
    : grpc.credentials.createInsecure()
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const client = new Health(address, credentials, {
    'grpc.primary_user_agent': 'kube-probe/1.36',
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': reconnectMs,
    'grpc.min_reconnect_backoff_ms': reconnectMs,
  })
  const within = durationText(timeoutMs * 1e6)
  try {
    const leftMs = await timeToConnect(client, timeoutMs, signal)
    if (leftMs === undefined)
      return `timeout: failed to connect service "${address}" within ${within}: context deadline exceeded`
    const { status } = (await callUnary(client, 'check', { service }, { timeoutMs: leftMs, signal })) as {
      status: string
    }
    return status === 'SERVING' ? '' : `service unhealthy (responded with "${status}")`
  } catch (error) {
    const { code, desc } = grpcOf(error) ?? { code: '', desc: String(error) }
    if (code === 'Unimplemented')
      return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${desc}`
    if (code === 'DeadlineExceeded') return `timeout: health rpc did not complete within ${within}`
    return `error: health rpc probe failed: ${messageOf(error)}`
  } finally {
    client.close()
  }
}

const reconnectMs = 100
