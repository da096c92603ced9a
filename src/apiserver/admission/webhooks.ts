// MutatingAdmissionWebhook and ValidatingAdmissionWebhook: programs of users that may change or refuse requests.
//
//   mutating      one after the other, by the name of the configuration and the order in it; each gets what the ones
//                 before it have made of the object
//   validating    all at once, with the object that is about to be stored
//
// - The list of webhooks is that of the configurations in the mirror, so a configuration holds from when its write
//   returns. Requests about configurations and policies are never sent, so a broken one can be removed.
// - A webhook that cannot be asked, or gives an answer of no use, fails this one request by its failurePolicy. It is
//   given its own time limit, and the caller (../extend/webhook.ts) limits its answer.
// - When a webhook has changed the object, all plugins mutate it once more, and so do those webhooks before it that wish
//   that. A webhook that was not called in the first round is not called in the second.
//
// Source: apiserver pkg/admission/plugin/webhook (generic, mutating, validating).
import { goQuote } from '../../base/go-text.ts'
import type { Log } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { StatusError } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import { DecodeError } from '../../api/schema/decode.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { Expressions } from '../../kinds/admissionregistration/expressions.ts'
import type { MutatingWebhook } from '../../kinds/admissionregistration/mutatingwebhook.ts'
import { MutatingWebhookConfiguration } from '../../kinds/admissionregistration/mutatingwebhookconfiguration.ts'
import type { ValidatingWebhook } from '../../kinds/admissionregistration/validatingwebhook.ts'
import { ValidatingWebhookConfiguration } from '../../kinds/admissionregistration/validatingwebhookconfiguration.ts'
import { Failure } from '../../cel/index.ts'
import type { Authorizer } from '../authz/authorizer.ts'
import type { Catalog } from '../catalog.ts'
import { forbidden } from '../errors.ts'
import { WebhookError, type WebhookCaller } from '../extend/webhook.ts'
import type { Storage } from '../storage.ts'
import { type Attributes, attributesOf, type Form, shownObject, takeObject } from './attributes.ts'
import { countFailOpen, countRejection, countWebhook } from './admission-metrics.ts'
import type { AdmissionPlugin } from './chain.ts'
import { conditionsMet, factsOf } from './expressions.ts'
import { isRegistration, matchingForm } from './match.ts'
import { patched } from './patched.ts'
import { answerOf, denied, InvalidAnswer, isDryRun, reviewOf, reviewVersion } from './review.ts'
import { callAgain, endRound, type Rounds, roundOf, startRound } from './rounds.ts'
import { usable } from './usable.ts'

export interface WebhookContext {
  storage: Storage
  catalog: Catalog
  authorizer: Authorizer
  caller: WebhookCaller
  random: Random
  log: Log
}

type Webhook = ValidatingWebhook | MutatingWebhook

/** One webhook with the name of its configuration. */
interface Hook<W extends Webhook = Webhook> {
  readonly configuration: string
  readonly webhook: W
}

/** A webhook that could not be asked; `failurePolicy` decides what follows. */
class CallError extends Error {
  override name = 'CallError'
}

/** The webhooks of all configurations of one kind, listed again only after a change. */
function hooksOf<W extends Webhook>(
  list: () => readonly { metadata: { name?: string }; webhooks?: readonly W[] }[],
  subscribe: (listener: () => void) => unknown,
): () => readonly Hook<W>[] {
  let hooks: readonly Hook<W>[] | undefined
  subscribe(() => (hooks = undefined))
  const name = (configuration: { metadata: { name?: string } }) => configuration.metadata.name ?? ''
  return () =>
    (hooks ??= [...list()]
      .sort((a, b) => (name(a) < name(b) ? -1 : 1))
      .flatMap(configuration =>
        (configuration.webhooks ?? []).map(webhook => ({ configuration: name(configuration), webhook })),
      ))
}

export function mutatingWebhooks(context: WebhookContext): AdmissionPlugin {
  const mirror = context.storage.mirror(MutatingWebhookConfiguration)
  const hooks = hooksOf<MutatingWebhook>(
    () => usable(MutatingWebhookConfiguration, mirror),
    listener => mirror.subscribe(listener, 'mutating webhooks'),
  )
  const rounds: Rounds<Hook> = new WeakMap()
  return {
    name: 'MutatingAdmissionWebhook',
    mutatesAll: true,
    async mutate(request) {
      if (!hooks().length) return
      const attributes = attributesOf(request, 'mutate')
      if (isRegistration(attributes)) return
      const round = roundOf(rounds, request)
      startRound(round, request)
      await mutateAll(context, hooks(), attributes, round)
      endRound(round, request)
    },
  }
}

async function mutateAll(
  context: WebhookContext,
  hooks: readonly Hook<MutatingWebhook>[],
  attributes: Attributes,
  round: ReturnType<typeof roundOf<Hook>>,
): Promise<void> {
  const isSecond = attributes.request.reinvocation?.round === 1
  for (const [index, hook] of hooks.entries()) {
    const form = await formFor(context, attributes, hook)
    if (!form || (isSecond && !round.again.has(hook))) continue
    const changed = await byPolicy(context, attributes, hook, `round_${isSecond ? 1 : 0}_index_${index}`, key =>
      mutateBy(context, attributes, hook, form, key),
    )
    if (changed) callAgain(round, attributes.request)
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') round.called.add(hook)
  }
}

/**
 * The form in which a webhook gets a request; undefined if it does not get it. Throws Forbidden when a condition cannot
 * be evaluated, unless the webhook may be skipped.
 */
async function formFor(context: WebhookContext, attributes: Attributes, hook: Hook): Promise<Form | undefined> {
  const { rules = [], matchConditions = [], failurePolicy } = hook.webhook
  const form = matchingForm(context, attributes, hook.webhook, rules)
  if (!form || !matchConditions.length) return form
  let expressions = conditions.get(hook.webhook)
  if (!expressions) conditions.set(hook.webhook, (expressions = new Expressions()))
  const met = await conditionsMet(expressions, matchConditions, await factsOf(context, attributes, form), null)
  if (met instanceof Failure && failurePolicy !== 'Ignore') {
    const { asked, name } = attributes
    throw forbidden(asked.whole, name, met.message)
  }
  return met === true ? form : undefined
}

/** The compiled conditions of webhooks. */
const conditions = new WeakMap<Webhook, Expressions>()

/** Calls one webhook, and changes the object as it answers. Returns whether that made a difference. */
async function mutateBy(
  context: WebhookContext,
  attributes: Attributes,
  hook: Hook<MutatingWebhook>,
  form: Form,
  key: string,
): Promise<boolean> {
  const { name } = hook.webhook
  const note = { configuration: hook.configuration, webhook: name }
  let mutated = false
  try {
    const object = await shownObject(attributes, form)
    const { patch } = await ask(context, attributes, hook, { form, object, mutating: true })
    if (patch === undefined || (Array.isArray(patch) && !patch.length)) return false
    if (!object)
      throw internalError(
        `admission webhook ${goQuote(name)} attempted to modify the object, which is not supported for this operation`,
      )
    await asInternal(() => takeObject(attributes, form, patched(object, patch)))
    mutated = !sameJson(object, await shownObject(attributes, form))
    annotate(attributes, `patch.webhook.admission.k8s.io/${key}`, { ...note, patch, patchType: 'JSONPatch' })
    return mutated
  } finally {
    annotate(attributes, `mutation.webhook.admission.k8s.io/${key}`, { ...note, mutated })
  }
}

export function validatingWebhooks(context: WebhookContext): AdmissionPlugin {
  const mirror = context.storage.mirror(ValidatingWebhookConfiguration)
  const hooks = hooksOf<ValidatingWebhook>(
    () => usable(ValidatingWebhookConfiguration, mirror),
    listener => mirror.subscribe(listener, 'validating webhooks'),
  )
  return {
    name: 'ValidatingAdmissionWebhook',
    async validate(request) {
      if (!hooks().length) return
      const attributes = attributesOf(request, 'validate')
      if (isRegistration(attributes)) return
      const relevant: { hook: Hook; form: Form }[] = []
      for (const hook of hooks()) {
        const form = await formFor(context, attributes, hook)
        if (form) relevant.push({ hook, form })
      }
      const results = await Promise.allSettled(
        relevant.map(({ hook, form }, index) =>
          byPolicy(context, attributes, hook, `round_0_index_${index}`, () =>
            ask(context, attributes, hook, { form, mutating: false }),
          ),
        ),
      )
      for (const result of results) if (result.status === 'rejected') throw result.reason
    },
  }
}

/** Runs the call of a webhook. If it fails, the webhook is skipped or the request fails, as the webhook says. */
async function byPolicy<T>(
  { log }: WebhookContext,
  attributes: Attributes,
  { webhook }: Hook,
  key: string,
  call: (key: string) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await call(key)
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    const message = `failed calling webhook ${goQuote(webhook.name)}: ${error.message}`
    const { name } = webhook
    const type = attributes.phase === 'mutate' ? 'admit' : 'validating'
    if (webhook.failurePolicy !== 'Ignore') {
      countRejection({ name, type, operation: attributes.request.type }, 'calling_webhook_error', 0)
      throw internalError(message)
    }
    countFailOpen(name, type)
    log.warn('a webhook is skipped', { webhook: webhook.name, why: message })
    const prefix = attributes.phase === 'mutate' ? 'mutation' : 'validating'
    note(attributes, `failed-open.${prefix}.webhook.admission.k8s.io/${key}`, webhook.name)
    if (attributes.request.operation.signal?.aborted)
      throw new StatusError('Timeout', 'Timeout: request did not complete within requested timeout')
    return undefined
  }
}

/** Asks a webhook about a request. Throws CallError when it has no answer, and the error that it answers. */
async function ask(
  { caller, random, storage }: WebhookContext,
  attributes: Attributes,
  { webhook }: Hook,
  { form, object, mutating }: { form: Form; object?: JsonObject | undefined; mutating: boolean },
): Promise<ReturnType<typeof answerOf>> {
  const { request } = attributes
  const { name, sideEffects, timeoutSeconds = 10, clientConfig } = webhook
  if (isDryRun(attributes) && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun')
    throw new StatusError('BadRequest', `admission webhook ${goQuote(name)} does not support dry run`)
  const version = reviewVersion(webhook.admissionReviewVersions)
  if (!version)
    throw new CallError(
      'could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)',
    )
  const uid = random.uuid()
  const review = await asInternal(() => reviewOf(attributes, form, { version, uid, object }))
  const options = { timeoutMs: timeoutSeconds * 1000, signal: request.operation.signal }
  let answer: ReturnType<typeof answerOf>
  const from = storage.clock.steady()
  const type = mutating ? 'admit' : 'validating'
  const count = (code: number) => {
    const tookMs = storage.clock.steady() - from
    request.operation.waited?.(tookMs)
    countWebhook({ name, type, operation: request.type, tookMs }, code)
  }
  try {
    answer = answerOf(await caller.call(clientConfig, review, options), { version, uid, mutating })
  } catch (cause) {
    count(0)
    if (cause instanceof WebhookError) throw new CallError(`failed to call webhook: ${cause.message}`, { cause })
    if (cause instanceof InvalidAnswer) throw new CallError(cause.message, { cause })
    throw cause
  }
  for (const [key, value] of Object.entries(answer.annotations)) note(attributes, `${name}/${key}`, value)
  for (const warning of answer.warnings) request.warn?.(warning)
  if (answer.allowed) {
    count(200)
    return answer
  }
  const refusal = denied(name, answer.result)
  count(refusal.code)
  throw refusal
}

/** Adds a note for an audit log. The first one under a key stays. */
function note({ request: { operation } }: Attributes, key: string, value: string): void {
  if (operation.annotations && !operation.annotations.has(key)) operation.annotations.set(key, value)
}

const annotate = (attributes: Attributes, key: string, value: object) => {
  if (attributes.request.operation.annotations) note(attributes, key, JSON.stringify(value))
}

const internalError = (message: string) =>
  new StatusError('InternalError', `Internal error occurred: ${message}`, {
    details: { causes: [{ reason: '', message }] },
  })

/** Words any failure as one of the server, which is what an object is that cannot be converted or read. */
async function asInternal<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof StatusError)) throw error
    throw internalError(error.cause instanceof DecodeError ? error.cause.message : error.message)
  }
}
