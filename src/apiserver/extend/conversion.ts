// Converts custom resources between versions by the webhook of their definition.
// Source: apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go.
import { StatusError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { sameJson } from '../../api/equal.ts'
import type { KubeObject } from '../../api/kind.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import type { Convert } from '../../kinds/custom/versions.ts'
import { WebhookError, type WebhookCaller } from './webhook.ts'

const timeoutMs = 30_000
const reviewVersions = ['v1', 'v1beta1']

/** Returns a function that converts objects by webhooks. It throws InternalError with the message of Kubernetes. */
export function webhookConversion(caller: WebhookCaller, random: Random): Convert {
  return async (definition, objects, apiVersion) => {
    const { webhook } = definition.spec.conversion ?? {}
    const from = objects[0]
    if (!webhook?.clientConfig || !from) return objects
    const fail = (why: string) =>
      new StatusError('InternalError', `conversion webhook for ${from.apiVersion}, Kind=${from.kind} failed: ${why}`)
    const version = webhook.conversionReviewVersions.find(one => reviewVersions.includes(one)) ?? 'v1'
    const uid = random.uuid()
    let answer: Json
    try {
      answer = await caller.call(
        webhook.clientConfig,
        {
          kind: 'ConversionReview',
          apiVersion: `apiextensions.k8s.io/${version}`,
          request: { uid, desiredAPIVersion: apiVersion, objects },
        },
        { timeoutMs },
      )
    } catch (error) {
      if (error instanceof WebhookError) throw fail(error.message)
      throw error
    }
    const converted = answered(answer, uid, version, fail)
    if (converted.length !== objects.length)
      throw fail(`expected ${objects.length} converted objects, got ${converted.length}`)
    return converted.map((object, i) => checked(objects[i]!, object, apiVersion, i, fail))
  }
}

type Fail = (why: string) => StatusError

/** The objects of an answer. */
function answered(answer: Json, uid: string, version: string, fail: Fail): Json[] {
  const expected = `apiextensions.k8s.io/${version}`
  if (!isObject(answer) || answer.kind !== 'ConversionReview' || answer.apiVersion !== expected) {
    const { apiVersion = '', kind = '' } = isObject(answer) ? answer : {}
    throw fail(
      `invalid response: expected ${expected}, Kind=ConversionReview, got ${JSON.stringify(apiVersion)}, Kind=${JSON.stringify(kind)}`,
    )
  }
  const { response } = answer
  if (!isObject(response)) throw fail('no response provided')
  if (response.uid !== uid)
    throw fail(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`)
  const result = isObject(response.result) ? response.result : {}
  if (result.status !== 'Success')
    throw new StatusError(
      'InternalError',
      typeof result.message === 'string' && result.message
        ? fail(result.message).message
        : fail(`invalid response.result.status "${String(result.status ?? '')}"`).message,
    )
  return Array.isArray(response.convertedObjects) ? response.convertedObjects : []
}

/** Returns the converted object with the original metadata. A webhook may change only labels and annotations of it. */
function checked(original: KubeObject, object: Json, apiVersion: string, i: number, fail: Fail): KubeObject {
  const wrong = (why: string) => fail(`invalid converted object at index ${i}: ${why}`)
  if (!isObject(object)) throw wrong('not an object')
  if (object.apiVersion !== apiVersion)
    throw wrong(`invalid groupVersion (expected ${apiVersion}, received ${String(object.apiVersion ?? '')})`)
  if (object.kind !== original.kind)
    throw wrong(`invalid kind (expected ${original.kind}, received ${String(object.kind ?? '')})`)
  const metadata = isObject(object.metadata) ? object.metadata : {}
  const before = original.metadata as JsonObject
  for (const field of ['name', 'namespace', 'uid'] as const)
    if ((metadata[field] ?? '') !== (before[field] ?? ''))
      throw wrong(
        `invalid metadata: must have the same ${field} (expected ${JSON.stringify(before[field] ?? '')}, received ${JSON.stringify(metadata[field] ?? '')})`,
      )
  const { labels, annotations } = metadata
  const kept: JsonObject = { ...before }
  delete kept.labels
  delete kept.annotations
  const next = {
    ...kept,
    ...(isObject(labels) && Object.keys(labels).length && { labels }),
    ...(isObject(annotations) && Object.keys(annotations).length && { annotations }),
  }
  return { ...object, kind: original.kind, apiVersion, metadata: sameJson(next, before) ? before : next } as KubeObject
}
