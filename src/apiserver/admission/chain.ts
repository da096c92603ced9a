// Admission: after authorization, plugins may complete an object (mutate), and may then refuse it (validate).
//
// - All plugins mutate before the object is canonical and before its kind's rules are checked. They validate after
//   that, so what one plugin sets is checked like everything that the client sent (the steps are in ../write.ts).
// - Plugins run one after the other in the order of the list (../open.ts), and the first that throws ends the request.
//   A plugin therefore sees what the earlier ones have set.
// - When a program of a user has changed the object, all plugins mutate it once more, so that what they demand or set
//   holds for the new parts, too. Plugins must not mind a second call for the same object.
// - For DELETE and CONNECT, which store nothing, only plugins with `mutatesAll` mutate.
// - A write that begins again after a conflict passes admission again, with the newer object. So a plugin may see one
//   request several times.
// - A dry run passes the same plugins. One that writes or warns must look at `options.dryRun`.
// - Plugins read mirrors, which may be a moment behind the store. One that would refuse because something is missing
//   first waits for the newest state with `catchUp`.
//
// Source: kubernetes.io/docs/reference/access-authn-authz/admission-controllers.
import type { Clock } from '../../base/clock.ts'
import { type Observe, pluginObserver, stepObserver } from './admission-metrics.ts'
import type { Admission, AdmissionRequest, Reinvocation } from './request.ts'

/** A plugin implements `mutate`, `validate` or both. The name is that of the plugin in Kubernetes, if it has one. */
export type AdmissionPlugin = { name: string; mutatesAll?: boolean } & Partial<Admission>

/** Makes one admission of several plugins, which run in order. */
export function admissionChain(plugins: readonly AdmissionPlugin[], clock: Clock): Admission {
  const mutating = plugins.flatMap(plugin => {
    const { name, mutate, mutatesAll } = plugin
    return mutate ? [{ mutatesAll, run: mutate.bind(plugin), took: pluginObserver(name, 'admit') }] : []
  })
  const always = mutating.filter(plugin => plugin.mutatesAll)
  const validating = plugins.flatMap(plugin => {
    const { name, validate } = plugin
    return validate ? [{ run: validate.bind(plugin), took: pluginObserver(name, 'validate') }] : []
  })
  const [mutated, validated] = [stepObserver('admit'), stepObserver('validate')]
  return {
    async mutate(request) {
      const reinvocation: Reinvocation = { round: 0, wanted: false }
      const next = Object.assign(request, { reinvocation })
      const stored = request.type === 'CREATE' || request.type === 'UPDATE'
      await runAll(stored ? mutating : always, next, mutated, clock)
      if (!reinvocation.wanted) return
      reinvocation.round = 1
      await runAll(stored ? mutating : always, next, mutated, clock)
    },
    validate: request => runAll(validating, request, validated, clock),
  }
}

interface Step {
  readonly run: Admission['mutate']
  readonly took: Observe
}

/** Calls plugins in order. The end of one is the begin of the next, so that the clock is read once for each. */
async function runAll(steps: readonly Step[], request: AdmissionRequest, took: Observe, clock: Clock): Promise<void> {
  const began = clock.steady()
  let from = began
  let current: Step | undefined
  try {
    for (current of steps) {
      const waiting = current.run(request)
      if (waiting) await waiting
      const now = clock.steady()
      current.took(request.type, false, now - from)
      from = now
    }
    took(request.type, false, from - began)
  } catch (error) {
    current?.took(request.type, true, clock.steady() - from)
    took(request.type, true, clock.steady() - began)
    throw error
  }
}

/** Whether a request is about `plural` of `group` itself, not one of its subresources. */
export function isFor({ operation }: AdmissionRequest, group: string, plural: string): boolean {
  return operation.kind.group === group && operation.kind.plural === plural && operation.subresource === ''
}
