// References from one object to another.
import type { Of } from '../../api/kind.ts'
import { bool, inline, string, struct } from '../../api/schema/build.ts'

export const ObjectReference = struct('core.v1.ObjectReference', '', {
  kind: string({ proto: 1 }),
  namespace: string({ proto: 2 }),
  name: string({ proto: 3 }),
  uid: string({ proto: 4 }),
  apiVersion: string({ proto: 5 }),
  resourceVersion: string({ proto: 6 }),
  fieldPath: string({ proto: 7 }),
})
export type ObjectReference = Of<typeof ObjectReference>

export const TypedLocalObjectReference = struct('core.v1.TypedLocalObjectReference', '', {
  apiGroup: string({ proto: 1, optional: true }),
  kind: string({ proto: 2, always: true }),
  name: string({ proto: 3, always: true }),
})
export type TypedLocalObjectReference = Of<typeof TypedLocalObjectReference>

export const SecretReference = struct('core.v1.SecretReference', '', {
  name: string({ proto: 1 }),
  namespace: string({ proto: 2 }),
})
export type SecretReference = Of<typeof SecretReference>

export const LocalObjectReference = struct('core.v1.LocalObjectReference', '', {
  name: string({ proto: 1, default: '' }),
})
export type LocalObjectReference = Of<typeof LocalObjectReference>

export const ConfigMapKeySelector = struct('core.v1.ConfigMapKeySelector', '', {
  ...inline(LocalObjectReference, 1),
  key: string({ proto: 2, always: true }),
  optional: bool({ proto: 3, optional: true }),
})
export type ConfigMapKeySelector = Of<typeof ConfigMapKeySelector>

export const SecretKeySelector = struct('core.v1.SecretKeySelector', '', {
  ...inline(LocalObjectReference, 1),
  key: string({ proto: 2, always: true }),
  optional: bool({ proto: 3, optional: true }),
})
export type SecretKeySelector = Of<typeof SecretKeySelector>
