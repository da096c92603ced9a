// gRPC's health service, asked once. Source: grpc.health.v1, GRPC Health Checking Protocol.
import * as grpc from '@grpc/grpc-js'
import { callUnary, grpcOf, loadDefinition } from '../grpc.ts'

const definition = {
  package: 'grpc.health.v1',
  enums: { ServingStatus: 'UNKNOWN SERVING NOT_SERVING SERVICE_UNKNOWN' },
  messages: { HealthCheckRequest: { service: 'string = 1' }, HealthCheckResponse: { status: 'ServingStatus = 1' } },
  services: { Health: { check: 'HealthCheckRequest HealthCheckResponse' } },
} as const

export interface HealthRequest {
  host: string
  port: number
  service: string
  timeoutMs: number
  tls: boolean
  signal: AbortSignal
}

/** What is wrong, or '' when the service serves. */
export async function grpcHealth({ host, port, service, timeoutMs, tls, signal }: HealthRequest): Promise<string> {
  const root = loadDefinition(definition) as unknown as {
    grpc: { health: { v1: { Health: grpc.ServiceClientConstructor } } }
  }
  const credentials = tls
    ? grpc.credentials.createSsl(null, null, null, { rejectUnauthorized: false })
    : grpc.credentials.createInsecure()
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const client = new root.grpc.health.v1.Health(address, credentials, {
    'grpc.primary_user_agent': 'kube-probe/1.36',
    'grpc.use_local_subchannel_pool': 1,
  })
  try {
    const { status } = (await callUnary(client, 'check', { service }, { timeoutMs, signal })) as { status: string }
    return status === 'SERVING' ? '' : `service unhealthy (responded with "${status}")`
  } catch (error) {
    const { code, desc } = grpcOf(error) ?? { code: '', desc: String(error) }
    if (code === 'Unimplemented')
      return `this server does not implement the grpc health protocol (grpc.health.v1.Health): ${desc}`
    if (code === 'DeadlineExceeded' || code === 'Unavailable')
      return `timeout: failed to connect service "${address}" within ${timeoutMs / 1000}s: ${desc}`
    return `error: health rpc probe failed: ${desc}`
  } finally {
    client.close()
  }
}
