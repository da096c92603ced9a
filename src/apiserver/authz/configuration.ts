// The file that chooses authorizers and their order: AuthorizationConfiguration of apiserver.config.k8s.io.
// Source: apiserver pkg/apis/apiserver (types.go, v1/defaults.go, validation).
import { parseYaml } from '../../base/yaml-file.ts'
import { type Fields, readFields } from '../../api/config-file.ts'
import { dnsSubdomainErrors } from '../../api/names.ts'
import { type Path, type Problem, root } from '../../api/path.ts'
import { durationText, parseDuration } from '../../api/time.ts'
import { throwProblemsOf } from '../authn/configuration.ts'
import { ownAuthorizers } from './chosen.ts'
import { compileCondition, type MatchCondition } from './match-conditions.ts'
import type { WebhookSettings } from './webhook.ts'

/** An authorizer as the file names it. A webhook has a kubeconfig file beside its settings. */
export type AuthorizerSpec =
  | { readonly type: (typeof ownAuthorizers)[number]; readonly name: string }
  | { readonly type: 'Webhook'; readonly name: string; readonly kubeconfig: string; readonly settings: WebhookSettings }

const versions = ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1']
const types: readonly string[] = [...ownAuthorizers, 'Webhook'].sort()
const maxConditions = 64
const maxTimeoutNanos = 30e9
const nanosPerMs = 1e6

/** Times for which answers of a webhook are kept unless something else is wanted. */
export const defaultTtls = { authorized: '5m', unauthorized: '30s' } as const

interface WebhookFields {
  /** Nanoseconds; 0 where there is none. */
  readonly timeout: number
  readonly authorizedTTL: number
  readonly unauthorizedTTL: number
  readonly cacheAuthorizedRequests: boolean
  readonly cacheUnauthorizedRequests: boolean
  readonly subjectAccessReviewVersion: string
  readonly matchConditionSubjectAccessReviewVersion: string
  readonly failurePolicy: string
  readonly connection: { readonly type: string; readonly kubeConfigFile?: string }
  readonly matchConditions: readonly string[]
}

interface AuthorizerFields {
  readonly type: string
  readonly name: string
  readonly webhook: WebhookFields | undefined
}

/**
 * Reads the text of a file. Throws a StatusError with all mistakes, each with the file and its field.
 * @param fileProblem what is wrong with a kubeconfig file, if it cannot be read
 */
export function parseAuthorization(
  text: string,
  source: string,
  fileProblem: (file: string) => string | undefined,
): readonly AuthorizerSpec[] {
  const authorizers = readFields(parseYaml(text, source), source, fields => {
    if (!versions.includes(fields.string('apiVersion', '')))
      fields.problem('apiVersion', `must be ${versions.join(' or ')}`)
    if (fields.string('kind') !== 'AuthorizationConfiguration')
      fields.problem('kind', 'must be AuthorizationConfiguration')
    const found = fields.objects('authorizers').map(readAuthorizer)
    fields.end()
    return found
  })
  const problems: Problem[] = []
  const checked = checkAuthorizers(authorizers, problems, fileProblem)
  throwProblemsOf(problems, source)
  return checked
}

function readAuthorizer(fields: Fields): AuthorizerFields {
  const webhook = fields.has('webhook') ? readWebhook(fields.object('webhook')) : undefined
  fields.raw('webhook')
  const found = { type: fields.string('type', ''), name: fields.string('name', ''), webhook }
  fields.end()
  return found
}

function readWebhook(fields: Fields): WebhookFields {
  const connection = fields.object('connectionInfo')
  const kubeConfigFile = connection.string('kubeConfigFile')
  const found = {
    timeout: duration(fields, 'timeout', ''),
    authorizedTTL: duration(fields, 'authorizedTTL', defaultTtls.authorized),
    unauthorizedTTL: duration(fields, 'unauthorizedTTL', defaultTtls.unauthorized),
    cacheAuthorizedRequests: fields.boolean('cacheAuthorizedRequests', true),
    cacheUnauthorizedRequests: fields.boolean('cacheUnauthorizedRequests', true),
    subjectAccessReviewVersion: fields.string('subjectAccessReviewVersion', ''),
    matchConditionSubjectAccessReviewVersion: fields.string('matchConditionSubjectAccessReviewVersion', ''),
    failurePolicy: fields.string('failurePolicy', ''),
    connection: { type: connection.string('type', ''), ...(kubeConfigFile !== undefined && { kubeConfigFile }) },
    matchConditions: fields.objects('matchConditions').map(condition => {
      const expression = condition.string('expression', '')
      condition.end()
      return expression
    }),
  }
  connection.end()
  fields.end()
  return found
}

/** Nanoseconds. A time of 0 counts as not given, as upstream. */
function duration(fields: Fields, name: string, otherwise: string): number {
  const text = fields.string(name, '') || otherwise
  const nanos = text ? parseDuration(text) : 0
  if (nanos === undefined) fields.problem(name, `must be a duration such as 3s, not ${text}`)
  return nanos || (parseDuration(otherwise) ?? 0)
}

function checkAuthorizers(
  authorizers: readonly AuthorizerFields[],
  problems: Problem[],
  fileProblem: (file: string) => string | undefined,
): AuthorizerSpec[] {
  const list = root.field('authorizers')
  if (!authorizers.length) problems.push(list.required('at least one authorization mode must be defined'))
  const [seenTypes, seenNames] = [new Set<string>(), new Set<string>()]
  return authorizers.flatMap(({ type, name, webhook }, i): AuthorizerSpec[] => {
    const at = list.index(i)
    const ofType = at.field('type')
    if (!type || !types.includes(type) || (seenTypes.has(type) && type !== 'Webhook')) {
      problems.push(
        !type ? ofType.required() : types.includes(type) ? ofType.duplicate(type) : ofType.notSupported(type, types),
      )
      return []
    }
    seenTypes.add(type)
    problems.push(...nameProblems(name, seenNames, at.field('name')))
    seenNames.add(name)
    const own = ownAuthorizers.find(one => one === type)
    if (own) {
      if (webhook) problems.push(at.field('webhook').invalid('non-null', 'may only be specified when type=Webhook'))
      return [{ type: own, name }]
    }
    if (webhook) return [checkWebhook(name, webhook, at, problems, fileProblem)]
    problems.push(at.field('webhook').required('required when type=Webhook'))
    return []
  })
}

function nameProblems(name: string, seen: ReadonlySet<string>, at: Path): Problem[] {
  if (!name) return [at.required()]
  if (seen.has(name)) return [at.duplicate(name)]
  const errors = dnsSubdomainErrors(name)
  return errors.length ? [at.invalid(name, `authorizer name is invalid: ${errors.join(', ')}`)] : []
}

/** As upstream, the problems of a webhook have the path of its authorizer. */
function checkWebhook(
  name: string,
  webhook: WebhookFields,
  at: Path,
  problems: Problem[],
  fileProblem: (file: string) => string | undefined,
): AuthorizerSpec {
  problems.push(...timeProblems(webhook, at), ...choiceProblems(webhook, at))
  problems.push(...connectionProblems(webhook.connection, at.field('connectionInfo'), fileProblem))
  const conditions = checkConditions(webhook.matchConditions, at.field('matchConditions'), problems)
  const kept = (nanos: number, isKept: boolean) => (isKept ? nanos / nanosPerMs : 0)
  return {
    type: 'Webhook',
    name,
    kubeconfig: webhook.connection.kubeConfigFile ?? '',
    settings: {
      name,
      timeoutMs: webhook.timeout / nanosPerMs,
      allowedMs: kept(webhook.authorizedTTL, webhook.cacheAuthorizedRequests),
      refusedMs: kept(webhook.unauthorizedTTL, webhook.cacheUnauthorizedRequests),
      version: webhook.subjectAccessReviewVersion === 'v1beta1' ? 'v1beta1' : 'v1',
      onFailure: webhook.failurePolicy === 'Deny' ? 'Deny' : 'NoOpinion',
      conditions,
    },
  }
}

function* timeProblems({ timeout, authorizedTTL, unauthorizedTTL }: WebhookFields, at: Path): Iterable<Problem> {
  if (timeout === 0) yield at.field('timeout').required()
  else if (timeout > maxTimeoutNanos || timeout < 0)
    yield at.field('timeout').invalid(durationText(timeout), 'must be > 0s and <= 30s')
  if (authorizedTTL < 0) yield at.field('authorizedTTL').invalid(durationText(authorizedTTL), 'must be > 0s')
  if (unauthorizedTTL < 0) yield at.field('unauthorizedTTL').invalid(durationText(unauthorizedTTL), 'must be > 0s')
}

function* choiceProblems(webhook: WebhookFields, at: Path): Iterable<Problem> {
  const choices = [
    ['subjectAccessReviewVersion', ['v1', 'v1beta1'], ''],
    [
      'matchConditionSubjectAccessReviewVersion',
      ['v1'],
      webhook.matchConditions.length ? 'required if match conditions are specified' : undefined,
    ],
    ['failurePolicy', ['NoOpinion', 'Deny'], ''],
  ] as const
  for (const [field, allowed, required] of choices) {
    const value = webhook[field]
    if (value) {
      if (!(allowed as readonly string[]).includes(value)) yield at.field(field).notSupported(value, allowed)
    } else if (required !== undefined) yield at.field(field).required(required)
  }
}

function* connectionProblems(
  { type, kubeConfigFile: file }: WebhookFields['connection'],
  at: Path,
  fileProblem: (file: string) => string | undefined,
): Iterable<Problem> {
  const ofFile = at.field('kubeConfigFile')
  if (!type) yield at.field('type').required()
  else if (type === 'InClusterConfig') {
    // Upstream documents that it is for other servers than kube-apiserver, which crashes on it.
    yield at.field('type').invalid(type, 'is not allowed for the API server; use KubeConfigFile')
    if (file !== undefined) yield ofFile.invalid(file, 'can only be set when type=KubeConfigFile')
  } else if (type !== 'KubeConfigFile') yield at.field('type').notSupported(type, ['InClusterConfig', 'KubeConfigFile'])
  else if (!file) yield ofFile.required()
  else if (!file.startsWith('/')) yield ofFile.invalid(file, 'must be an absolute path')
  else {
    const problem = fileProblem(file)
    if (problem !== undefined) yield ofFile.invalid(file, problem)
  }
}

function checkConditions(expressions: readonly string[], at: Path, problems: Problem[]): MatchCondition[] {
  if (expressions.length > maxConditions) {
    problems.push(at.tooMany(expressions.length, maxConditions))
    return []
  }
  return expressions.flatMap((text, i) => {
    const path = at.index(i).field('expression')
    const compiled = text.trim() && expressions.indexOf(text) === i ? compileCondition(text) : undefined
    if (compiled && !('error' in compiled)) return [compiled]
    problems.push(
      compiled
        ? compiled.isInternal
          ? path.internal(compiled.error)
          : path.invalid(text, compiled.error)
        : text.trim()
          ? path.duplicate(text)
          : path.required(),
    )
    return []
  })
}
