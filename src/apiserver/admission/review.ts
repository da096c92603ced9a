// AdmissionReview: the question that a webhook is asked about a request, and its answer.
// Source: apiserver pkg/admission/plugin/webhook/request/admissionreview.go, errors/statuserror.go.
import { goQuote } from '../../base/go-text.ts'
import { type Reason, StatusError } from '../../base/errors.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { parseJson } from '../../wire/json.ts'
import { type Attributes, type Form, shownObject, shownOld } from './attributes.ts'

const group = 'admission.k8s.io'
const versions = ['v1', 'v1beta1']

/** The version of reviews for a webhook: the first one in its list that the server has. */
export const reviewVersion = (accepted: readonly string[] | undefined): string | undefined =>
  accepted?.find(version => versions.includes(version))

/** The question about a request, with its objects in a form. */
export async function reviewOf(
  attributes: Attributes,
  form: Form,
  { version, uid, object }: { version: string; uid: string; object?: JsonObject | undefined },
): Promise<JsonObject> {
  const { request, asked, subresource, name, namespace } = attributes
  const { user } = request.operation
  return {
    kind: 'AdmissionReview',
    apiVersion: `${group}/${version}`,
    request: {
      uid,
      kind: { ...form.kind },
      resource: { ...form.resource },
      ...(subresource && { subResource: subresource }),
      requestKind: { ...asked.kind },
      requestResource: { ...asked.resource },
      ...(subresource && { requestSubResource: subresource }),
      ...(name && { name }),
      ...(namespace && { namespace }),
      operation: request.type,
      userInfo: {
        username: user.name,
        ...(user.uid && { uid: user.uid }),
        groups: [...user.groups],
        ...(user.extra && { extra: Object.fromEntries(Object.entries(user.extra).map(([k, list]) => [k, [...list]])) }),
      },
      object: object ?? (await shownObject(attributes, form)) ?? null,
      oldObject: (await shownOld(attributes, form)) ?? null,
      dryRun: isDryRun(attributes),
      options: optionsOf(attributes),
    },
  }
}

/** Whether nothing is to be stored. The options of a deletion may say so in its body. */
export function isDryRun({ request: { operation, type } }: Attributes): boolean {
  const { options, body } = operation
  return options.dryRun === true || (type === 'DELETE' && isObject(body) && Array.isArray(body.dryRun))
}

/** The options of the request, in the form in which its operation has them. */
export function optionsOf({ request: { type, operation } }: Attributes): JsonObject | null {
  if (type === 'CONNECT') return null
  const { options, body } = operation
  const kind = { CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions' }[type]
  const dryRun: JsonObject = options.dryRun ? { dryRun: ['All'] } : {}
  if (type === 'DELETE') return { ...(isObject(body) ? body : {}), ...dryRun, kind, apiVersion: 'meta.k8s.io/v1' }
  return {
    kind,
    apiVersion: 'meta.k8s.io/v1',
    ...dryRun,
    ...(options.fieldManager && { fieldManager: options.fieldManager }),
    ...(options.fieldValidation && { fieldValidation: options.fieldValidation }),
  }
}

interface Answer {
  allowed: boolean
  result: JsonObject | undefined
  /** A JSON patch; undefined if nothing is to be changed. */
  patch: Json | undefined
  warnings: readonly string[]
  annotations: Readonly<Record<string, string>>
}

/** Why an answer is of no use. The message is a part of the one for the client. */
export class InvalidAnswer extends Error {
  override name = 'InvalidAnswer'
}

const received = (why: string) => new InvalidAnswer(`received invalid webhook response: ${why}`)

/** Reads an answer. Throws InvalidAnswer. */
export function answerOf(review: Json, expected: { version: string; uid: string; mutating: boolean }): Answer {
  const { version, uid, mutating } = expected
  const { response, apiVersion = '', kind = '' } = isObject(review) ? review : {}
  if (!isObject(response)) throw received('webhook response was absent')
  if (version === 'v1' && response.uid !== uid)
    throw received(`expected response.uid=${goQuote(uid)}, got ${goQuote(text(response.uid))}`)
  const named = apiVersion !== '' || kind !== ''
  // Old webhooks leave out the type of their answer.
  if ((version === 'v1' || named) && (apiVersion !== `${group}/${version}` || kind !== 'AdmissionReview'))
    throw received(
      `expected webhook response of ${group}/${version}, Kind=AdmissionReview, got ${text(apiVersion) || '/'}, Kind=${text(kind)}`,
    )
  if (version === 'v1') checkPatchType(response, mutating)
  const { allowed, status: result, warnings, auditAnnotations } = response
  return {
    allowed: allowed === true,
    result: isObject(result) ? result : undefined,
    patch: mutating && response.patch ? patchOf(text(response.patch)) : undefined,
    warnings: Array.isArray(warnings) ? warnings.filter(one => typeof one === 'string') : [],
    annotations: isObject(auditAnnotations)
      ? Object.fromEntries(Object.entries(auditAnnotations).map(([key, value]) => [key, text(value)]))
      : {},
  }
}

const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

/** Throws InvalidAnswer unless patch and type of patch are both there, or both absent. */
function checkPatchType({ patch, patchType }: JsonObject, mutating: boolean): void {
  const [hasPatch, hasType] = [text(patch) !== '', patchType !== undefined && patchType !== null]
  if (!mutating && hasPatch) throw received('validating webhook may not return response.patch')
  if (!mutating && hasType) throw received('validating webhook may not return response.patchType')
  if (hasPatch && !hasType) throw received('webhook returned response.patch but not response.patchType')
  if (!hasPatch && hasType) throw received('webhook returned response.patchType but not response.patch')
  if (hasType && !text(patchType)) throw received('webhook returned invalid response.patchType of ""')
  if (hasType && patchType !== 'JSONPatch')
    throw new InvalidAnswer(`unsupported patch type ${goQuote(text(patchType))}`)
}

function patchOf(base64: string): Json {
  try {
    return parseJson(Buffer.from(base64, 'base64').toString()) as Json
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidAnswer(`received undecodable patch in webhook response: ${why}`, { cause })
  }
}

const badRequest = 400

/** The error for a request that a webhook has denied, made of the Status that it has sent. */
export function denied(webhook: string, result: JsonObject | undefined): StatusError {
  const by = `admission webhook ${goQuote(webhook)} denied the request`
  const { message, reason, code, details } = result ?? {}
  const why = text(message) || text(reason)
  return new StatusError(text(reason) as Reason | '', why ? `${by}: ${why}` : `${by} without explanation`, {
    code: typeof code === 'number' && code >= badRequest && Number.isInteger(code) && code < 600 ? code : badRequest,
    ...(isObject(details) && { details }),
  })
}
