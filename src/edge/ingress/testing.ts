// Ingresses, Services and what is behind them, for the tests of this room.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { Service } from '../../kinds/core/service.ts'
import type { Secret } from '../../kinds/core/secret.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { objectOf } from '../../kinds/testing.ts'
import type { Surroundings } from './config.ts'
import type { World } from './plan.ts'

/** Why tests with a real HAProxy cannot run here, or false. */
export const noHaproxy: string | false = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'].some(dir =>
  existsSync(join(dir, 'haproxy')),
)
  ? process.getuid?.() === 0
    ? false
    : 'needs root'
  : 'haproxy is not installed'

const prefix = 'nginx.ingress.kubernetes.io/'

interface Rule {
  host?: string
  /** Paths, each as `Type /path service`. */
  paths: readonly string[]
}

interface Look {
  name?: string
  namespace?: string
  rules?: readonly Rule[]
  tls?: readonly { hosts?: string[]; secretName?: string }[]
  defaultService?: string
  /** Without their prefix. */
  annotations?: Readonly<Record<string, string>>
  /** When it was made, in seconds. */
  at?: number
}

const backend = (name: string) => ({ service: { name, port: { number: 80 } } })

export function ingressOf({
  name = 'x',
  namespace = 'default',
  rules,
  tls,
  defaultService,
  annotations = {},
  at = 0,
}: Look): Ingress {
  const all = Object.entries(annotations).map(([key, value]) => [key.includes('/') ? key : prefix + key, value])
  return objectOf(Ingress, {
    metadata: {
      name,
      namespace,
      creationTimestamp: new Date(Date.UTC(2026, 0, 1) + at * 1000).toISOString(),
      annotations: Object.fromEntries(all) as Record<string, string>,
    },
    spec: {
      ingressClassName: 'kutter',
      ...(tls && { tls: tls.map(one => ({ ...one })) }),
      ...(defaultService && { defaultBackend: backend(defaultService) }),
      ...(rules && {
        rules: rules.map(({ host, paths }) => ({
          ...(host !== undefined && { host }),
          http: {
            paths: paths.map(text => {
              const [pathType = '', path = '', service = ''] = text.split(' ')
              return { pathType, path, backend: backend(service) }
            }),
          },
        })),
      }),
    },
  })
}

/** Services with these servers, each as `ip:port`. */
export function worldOf(
  services: Readonly<Record<string, readonly string[]>>,
  secrets: readonly Secret[] = [],
  httpsPort = 443,
): World {
  const nameOf = (key: string) => key.split('/')[1] ?? ''
  return {
    service: key =>
      services[nameOf(key)] &&
      objectOf(Service, { metadata: { name: nameOf(key) }, spec: { ports: [{ port: 80, protocol: 'TCP' }] } }),
    slices: key =>
      (services[nameOf(key)] ?? []).map(server => {
        const [ip = '', port] = server.split(':')
        return objectOf(EndpointSlice, {
          addressType: 'IPv4',
          endpoints: [{ addresses: [ip], conditions: { ready: true } }],
          ports: [{ name: '', port: Number(port), protocol: 'TCP' }],
        })
      }),
    secret: key => secrets.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === key),
    now: Date.UTC(2026, 0, 1),
    httpsPort,
  }
}

export const around = (dir: string, http = 1, https = 2): Surroundings => ({
  http,
  https,
  user: 'nobody',
  group: 'nogroup',
  isIPv6: false,
  threads: 1,
  emptyDir: join(dir, 'empty'),
})
