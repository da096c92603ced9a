// Admission: after authorization, plugins may complete an object (mutate) and then may refuse it (validate).
// Source: kubernetes.io/docs/reference/access-authn-authz/admission-controllers.
import type { Admission, AdmissionRequest } from './request.ts'

/** A plugin implements one step or both. */
export type AdmissionPlugin = { name: string } & Partial<Admission>

/** Runs plugins in order. */
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
