// What a webhook may say of itself: how it is reached, what it is asked, and what its answers mean.
// Source: pkg/apis/admissionregistration/validation; apiserver pkg/util/webhook/validation.go.
import { named, type Problems, present, supported, validateSelector } from '../../api/checks.ts'
import { dns1035Errors, dnsSubdomainErrors, portErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { Expressions } from './expressions.ts'
import { defaultRules, failurePolicies, matchPolicies, validateConditions, validateRule } from './request-rules.ts'
import type { ServiceReference, WebhookClientConfig } from './types.ts'
import type { MutatingWebhook } from './mutatingwebhook.ts'
import type { ValidatingWebhook } from './validatingwebhook.ts'

type Webhook = ValidatingWebhook | MutatingWebhook

const reviewVersions = ['v1', 'v1beta1']
const sideEffects = ['None', 'NoneOnDryRun']
const maxTimeoutSeconds = 30

export function defaultWebhooks(webhooks: Mutable<readonly Webhook[]> | undefined): void {
  for (const webhook of webhooks ?? []) {
    webhook.failurePolicy ??= 'Fail'
    webhook.matchPolicy ??= 'Equivalent'
    webhook.namespaceSelector ??= {}
    webhook.objectSelector ??= {}
    webhook.timeoutSeconds ??= 10
    if (webhook.clientConfig.service) webhook.clientConfig.service.port ??= 443
    defaultRules(webhook.rules)
  }
}

export function* validateWebhooks(webhooks: readonly Webhook[] | undefined, at: Path): Problems {
  const names = new Set<string>()
  for (const [i, webhook] of (webhooks ?? []).entries()) {
    yield* validateWebhook(webhook, at.index(i))
    yield* validateReviewVersions(webhook.admissionReviewVersions ?? [], at.index(i).field('admissionReviewVersions'))
    if (webhook.name && names.has(webhook.name)) yield at.index(i).field('name').duplicate(webhook.name)
    names.add(webhook.name)
  }
}

function* validateWebhook(webhook: Webhook, at: Path): Problems {
  const { failurePolicy, matchPolicy, timeoutSeconds, sideEffects: effects } = webhook
  yield* validateFullName(webhook.name, at.field('name'))
  for (const [i, rule] of (webhook.rules ?? []).entries()) yield* validateRule(rule, at.field('rules').index(i))
  if (failurePolicy !== undefined) yield* supported(failurePolicy, failurePolicies, at.field('failurePolicy'))
  if (matchPolicy !== undefined) yield* supported(matchPolicy, matchPolicies, at.field('matchPolicy'))
  if (effects === undefined) yield at.field('sideEffects').required('must specify one of None, NoneOnDryRun')
  else yield* supported(effects, sideEffects, at.field('sideEffects'))
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > maxTimeoutSeconds))
    yield at
      .field('timeoutSeconds')
      .invalid(timeoutSeconds, `the timeout value must be between 1 and ${maxTimeoutSeconds} seconds`)
  yield* validateSelector(webhook.namespaceSelector, at.field('namespaceSelector'))
  yield* validateSelector(webhook.objectSelector, at.field('objectSelector'))
  if ('reinvocationPolicy' in webhook && webhook.reinvocationPolicy !== undefined)
    yield* supported(webhook.reinvocationPolicy, ['IfNeeded', 'Never'], at.field('reinvocationPolicy'))
  yield* validateClient(webhook.clientConfig, at.field('clientConfig'))
  yield* validateConditions(webhook.matchConditions, new Expressions(), at.field('matchConditions'))
}

function* validateFullName(name: string, at: Path): Problems {
  if (!name) return yield at.required()
  const errors = dnsSubdomainErrors(name)
  if (errors.length) yield at.invalid(name, errors.join(','))
  else if (name.split('.').length < 3)
    yield at.invalid(name, 'should be a domain with at least three segments separated by dots')
}

function* validateReviewVersions(versions: readonly string[], at: Path): Problems {
  if (!versions.length) return yield at.required(`must specify one of ${reviewVersions.join(', ')}`)
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) yield at.index(i).invalid(version, 'duplicate version')
    else yield* named(dns1035Errors, version, at.index(i))
  if (!versions.some(version => reviewVersions.includes(version)))
    yield at.invalid(versions, `must include at least one of ${reviewVersions.join(', ')}`)
}

/** A webhook is at a URL or behind a service. */
function* validateClient(client: WebhookClientConfig, at: Path): Problems {
  const { url, service } = client
  if ((url === undefined) === !service) yield at.required('exactly one of url or service is required')
  else if (url !== undefined) yield* validateUrl(url, at.field('url'))
  // Kubernetes takes the one for the other here.
  else if (service)
    yield* validateService({ ...service, name: service.namespace, namespace: service.name }, at.field('service'))
}

const form = '; desired format: https://host[/path]'

export function* validateUrl(text: string, at: Path): Problems {
  const [, scheme = '', authority = '', , query, fragment] =
    /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(text) ?? []
  const user = authority.includes('@') ? authority.slice(0, authority.lastIndexOf('@')) : undefined
  const host = authority.slice(authority.lastIndexOf('@') + 1)
  if (scheme !== 'https') yield at.invalid(scheme, `'https' is the only allowed URL scheme${form}`)
  if (!host) yield at.invalid(host, `host must be specified${form}`)
  if (user !== undefined) yield at.invalid(user, 'user information is not permitted in the URL')
  if (fragment) yield at.invalid(fragment, 'fragments are not permitted in the URL')
  if (query) yield at.invalid(query, 'query parameters are not permitted in the URL')
}

export function* validateService(service: ServiceReference, at: Path): Problems {
  const { name, namespace, path, port = 443 } = service
  yield* present(name, at.field('name'))
  yield* present(namespace, at.field('namespace'))
  for (const error of portErrors(port)) yield at.field('port').invalid(port, `port is not valid: ${error}`)
  if (path) yield* validateServicePath(path, at.field('path'))
}

function* validateServicePath(path: string, at: Path): Problems {
  if (path === '/') return
  if (path === '//') return yield at.invalid(path, 'segment[0] may not be empty')
  if (!path.startsWith('/')) yield at.invalid(path, "must start with a '/'")
  for (const [i, step] of path.slice(1).replace(/\/$/, '').split('/').entries())
    if (!step) yield at.invalid(path, `segment[${i}] may not be empty`)
    else for (const error of dnsSubdomainErrors(step)) yield at.invalid(path, `segment[${i}]: ${error}`)
}
