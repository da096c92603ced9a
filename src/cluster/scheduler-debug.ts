// /debug/scheduler/decisions/NAMESPACE/NAME: what the scheduler of this process knows about a pod, as JSON. Like every
// path that is no resource it needs a nonResourceURLs rule, which administrators have.
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
    if (!scheduler) throw new StatusError('ServiceUnavailable', 'the scheduler does not run in this process')
    const body = Buffer.from(JSON.stringify(scheduler.explain(decodeURIComponent(namespace), decodeURIComponent(name))))
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(body)
    return true
  }
}
