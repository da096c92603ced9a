// Admission: after authorization, plugins may complete an object (mutate), and may then refuse it (validate).
//
// - All plugins mutate before the object is canonical and before its kind's rules are checked. They validate after
//   that, so what one plugin sets is checked like everything that the client sent (the steps are in ../write.ts).
// - Plugins run one after the other in the order of the list (../open.ts), and the first that throws ends the request.
//   A plugin therefore sees what the earlier ones have set.
// - A write that begins again after a conflict passes admission again, with the newer object. So a plugin may see one
//   request several times.
// - A dry run passes the same plugins. One that writes or warns must look at `options.dryRun`.
// - Plugins read mirrors, which may be a moment behind the store. One that would refuse because something is missing
//   first waits for the newest state with `catchUp`.
//
// Source: kubernetes.io/docs/reference/access-authn-authz/admission-controllers.
import type { Admission, AdmissionRequest } from './request.ts'

/** A plugin implements `mutate`, `validate` or both. The name is that of the plugin in Kubernetes, if it has one. */
export type AdmissionPlugin = { name: string } & Partial<Admission>

/** Makes one admission of several plugins, which run in order. */
export function admissionChain(plugins: readonly AdmissionPlugin[]): Admission {
  return {
    async mutate(request) {
      for (const plugin of plugins) await plugin.mutate?.(request)
    },
    async validate(request) {
      for (const plugin of plugins) await plugin.validate?.(request)
    },
  }
}

/** Whether a request is about `plural` of `group` itself, not one of its subresources. */
export function isFor({ operation }: AdmissionRequest, group: string, plural: string): boolean {
  return operation.kind.group === group && operation.kind.plural === plural && operation.subresource === ''
}
