// Where audits begin: at a request of HTTP, and at an operation of a client in this process, such as a controller.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AnyKind } from '../../api/kind.ts'
import type { Operation, Serve, User } from '../../api/operation.ts'
import { requestOf } from '../../api/rest.ts'
import { statusOf } from '../errors.ts'
import type { RequestUrl } from '../http/call.ts'
import type { ResourcePath } from '../http/route.ts'
import { verbOfMethod } from '../http/verbs.ts'
import { type Auditor, type AuditTrail, newAuditId } from './auditor.ts'
import type { AuditAttributes } from './policy.ts'

/** Limit of addresses that headers may name. */
const maxAddresses = 16

/** Begins the audit of a request, whose user has been authenticated. */
export function auditRequest(
  auditor: Auditor,
  request: Pick<IncomingMessage, 'method' | 'url' | 'headers'>,
  connection: Duplex,
  about: { auditId: string; user: User; url: RequestUrl; path: ResourcePath | undefined },
): AuditTrail | undefined {
  const { auditId, user, url, path } = about
  const { headers } = request
  return auditor.begin({
    auditId,
    uri: () => request.url ?? '/',
    attributes: attributesOf(user, request.method ?? 'GET', url, path),
    apiVersion: path?.version ?? '',
    sourceIPs: addressesOf(headers, connection),
    userAgent: String(headers['user-agent'] ?? ''),
  })
}

function attributesOf(user: User, method: string, url: RequestUrl, path: ResourcePath | undefined): AuditAttributes {
  if (!path)
    return {
      user,
      verb: method.toLowerCase(),
      path: url.pathname,
      group: '',
      resource: '',
      subresource: '',
      namespace: '',
      name: '',
    }
  const verb = verbOfMethod(method, path)
  const watches = verb === 'list' && /^(1|t|true)$/i.test(url.searchParams.get('watch') ?? '')
  const { group, plural, subresource, namespace, name } = path
  return { user, verb: watches ? 'watch' : verb, group, resource: plural, subresource, namespace, name }
}

/** Source: apimachinery pkg/util/net/http.go (SourceIPs). */
function addressesOf(headers: IncomingMessage['headers'], connection: Duplex): string[] {
  const { remoteAddress = '' } = connection as Duplex & { remoteAddress?: string }
  const forwarded = String(headers['x-forwarded-for'] ?? '').split(',')
  const all = [...forwarded, String(headers['x-real-ip'] ?? ''), remoteAddress.replace(/^::ffff:/, '')]
  const valid = all.map(text => text.trim()).filter(text => text.length <= 45 && /^[\da-f.:]+$/i.test(text))
  return [...new Set(valid)].slice(-maxAddresses)
}

/** A `serve` for clients in this process whose operations are audited like requests. */
export const auditedServe =
  (auditor: Auditor | undefined, serve: Serve): Serve =>
  operation => {
    const trail = auditor && beginOperation(auditor, operation)
    return trail ? follow(trail, operation, serve) : serve(operation)
  }

async function follow(trail: AuditTrail, operation: Operation, serve: Serve): ReturnType<Serve> {
  trail.sent(operation)
  try {
    const result = await serve({ ...operation, annotations: trail.annotations })
    if (result.type === 'watch') trail.started(200)
    else {
      trail.answered(result)
      trail.complete(result.type === 'object' && result.created ? 201 : 200)
    }
    return result
  } catch (error) {
    const status = statusOf(error)
    trail.failed(status)
    trail.complete(Number(status.code ?? 500))
    throw error
  }
}

function beginOperation(auditor: Auditor, operation: Operation): AuditTrail | undefined {
  const { user, verb, kind, subresource, namespace, name, userAgent = '' } = operation
  const attributes = { user, verb, group: kind.group, resource: kind.plural, subresource, namespace, name }
  return auditor.begin({
    auditId: newAuditId(undefined),
    uri: () => requestOf(operation).path,
    attributes,
    apiVersion: versionOf(kind),
    sourceIPs: ['127.0.0.1'],
    userAgent,
  })
}

const versionOf = ({ apiVersion }: AnyKind) => apiVersion.slice(apiVersion.indexOf('/') + 1)
