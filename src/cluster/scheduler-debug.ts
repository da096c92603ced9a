// /debug/scheduler/decisions/NAMESPACE/NAME: the last decision of this process's scheduler on a pod, as JSON. As for
// all paths that are not resources, RBAC must allow it by a rule with nonResourceURLs, which administrators have.
import { StatusError } from '../base/errors.ts'
import type { PathHandler } from '../apiserver/index.ts'
import type { Scheduler } from '../scheduler/index.ts'

export const decisionPath = (namespace: string, name: string): string =>
  `/debug/scheduler/decisions/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`

export function schedulerDebug(current: () => Scheduler | undefined): PathHandler {
  return ({ url, request, response }) => {
    const [, namespace, name] = /^\/debug\/scheduler\/decisions\/([^/]+)\/([^/]+)$/.exec(url.pathname) ?? []
    if (!namespace || !name) return false
    if (request.method !== 'GET')
      throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource')
    const scheduler = current()
    if (!scheduler) throw new StatusError('ServiceUnavailable', 'no scheduler runs in this process')
    const body = Buffer.from(JSON.stringify(scheduler.explain(decodeURIComponent(namespace), decodeURIComponent(name))))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(body)
    return true
  }
}
