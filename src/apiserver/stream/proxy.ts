// Finds the address of a proxied pod, Service or node. The address is read from the object, checked, and then connected
// to without another lookup. Redirects are passed to the client and not followed.
// Source: pkg/registry/core/{pod,service,node}/rest (ProxyREST), API "proxy" verbs.
import { StatusError } from '../../base/errors.ts'
import { Endpoints } from '../../kinds/core/endpoints.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Service } from '../../kinds/core/service.ts'
import { notFound } from '../errors.ts'
import type { ResourcePath } from '../http/route.ts'
import type { Storage } from '../storage.ts'
import { kubeletOf } from './target.ts'

interface ProxyTarget {
  scheme: 'http' | 'https'
  host: string
  port: number
  /** Whether it is a kubelet, which requires this server's client certificate. */
  kubelet: boolean
}

/** Splits `scheme:name:port`, of which scheme and port are optional. */
function parseName(text: string): { scheme: 'http' | 'https'; name: string; port: string } {
  const parts = text.split(':')
  const scheme = parts.length === 3 && parts[0] === 'https' ? 'https' : 'http'
  const [name = '', port = ''] = parts.length === 3 ? parts.slice(1) : parts
  return { scheme, name, port }
}

export function proxyTarget(storage: Storage, path: ResourcePath): ProxyTarget {
  const { scheme, name, port } = parseName(path.name)
  switch (path.plural) {
    case 'nodes': {
      const kubelet = kubeletOf(storage, name)
      return {
        scheme: 'https',
        ...kubelet,
        ...(port && { port: Number(port) }),
        kubelet: !port || Number(port) === kubelet.port,
      }
    }
    case 'pods': {
      const pod = storage.mirror(Pod).get(path.namespace, name)
      if (!pod) throw notFound(Pod, name)
      if (!pod.status.podIP) throw new StatusError('BadRequest', `pod ${name} does not have an address yet`)
      const declared = pod.spec.containers.flatMap(c => c.ports ?? [])
      const number = port
        ? (declared.find(p => p.name === port)?.containerPort ?? Number(port))
        : (declared[0]?.containerPort ?? 80)
      return { scheme, host: checkedAddress(pod.status.podIP), port: number, kubelet: false }
    }
    default: {
      const service = storage.mirror(Service).get(path.namespace, name)
      if (!service) throw notFound(Service, name)
      const wanted = (service.spec.ports ?? []).find(p => (port ? p.name === port || String(p.port) === port : true))
      if (!wanted)
        throw new StatusError(
          'ServiceUnavailable',
          `no service port ${JSON.stringify(port)} found for service ${JSON.stringify(name)}`,
        )
      for (const subset of storage.mirror(Endpoints).get(path.namespace, name)?.subsets ?? []) {
        const address = subset.addresses?.[0]
        const target = (subset.ports ?? []).find(p => (p.name ?? '') === (wanted.name ?? ''))
        if (address && target) return { scheme, host: checkedAddress(address.ip), port: target.port, kubelet: false }
      }
      throw new StatusError('ServiceUnavailable', `no endpoints available for service ${JSON.stringify(name)}`)
    }
  }
}

// A user who can write the status of pods, or Endpoints, must not reach services on this machine's loopback by that.
function checkedAddress(ip: string): string {
  if (/^127\.|^169\.254\.|^0\.|^::1$|^fe80:/i.test(ip)) throw new StatusError('BadRequest', `address ${ip} not allowed`)
  return ip
}
