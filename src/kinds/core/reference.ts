// References from one object to another.
import type { Of } from '../../api/kind.ts'
import { bool, inline, string, struct } from '../../api/schema/build.ts'

export const ObjectReference = struct(
  'core.v1.ObjectReference',
  'Reference to an object of any kind, or to a part of it.',
  {
    kind: string({ proto: 1, doc: 'Kind of the referenced object.' }),
    namespace: string({ proto: 2, doc: 'Namespace of the referenced object.' }),
    name: string({ proto: 3, doc: 'Name of the referenced object.' }),
    uid: string({ proto: 4, doc: 'UID of the referenced object.' }),
    apiVersion: string({ proto: 5, doc: 'API group and version of the referenced object.' }),
    resourceVersion: string({ proto: 6, doc: 'Resource version of the referenced object.' }),
    fieldPath: string({
      proto: 7,
      doc: 'Part of the object that is meant, such as spec.containers{web}. Empty for the whole object.',
    }),
  },
  { atomic: true },
)
export type ObjectReference = Of<typeof ObjectReference>

export const TypedLocalObjectReference = struct(
  'core.v1.TypedLocalObjectReference',
  'Reference to an object of any kind in the same namespace.',
  {
    apiGroup: string({
      proto: 1,
      always: true,
      optional: true,
      doc: 'API group of the referenced object. Empty for the core group.',
    }),
    kind: string({ proto: 2, always: true, doc: 'Kind of the referenced object.' }),
    name: string({ proto: 3, always: true, doc: 'Name of the referenced object.' }),
  },
  { atomic: true },
)
export type TypedLocalObjectReference = Of<typeof TypedLocalObjectReference>

export const SecretReference = struct(
  'core.v1.SecretReference',
  'Reference to a Secret in any namespace.',
  {
    name: string({ proto: 1, doc: 'Name of the Secret.' }),
    namespace: string({ proto: 2, doc: 'Namespace of the Secret.' }),
  },
  { atomic: true },
)
export type SecretReference = Of<typeof SecretReference>

export const LocalObjectReference = struct(
  'core.v1.LocalObjectReference',
  'Reference to an object in the same namespace.',
  {
    name: string({ proto: 1, default: '', doc: 'Name of the referenced object.' }),
  },
  { atomic: true },
)
export type LocalObjectReference = Of<typeof LocalObjectReference>

export const ConfigMapKeySelector = struct(
  'core.v1.ConfigMapKeySelector',
  'Selects a key of a ConfigMap.',
  {
    ...inline(LocalObjectReference, 1),
    key: string({ proto: 2, always: true, doc: 'Key to select. Must be a valid key of a ConfigMap.' }),
    optional: bool({
      proto: 3,
      optional: true,
      doc: 'If true, the ConfigMap or its key may be missing. Defaults to false.',
    }),
  },
  { atomic: true },
)
export type ConfigMapKeySelector = Of<typeof ConfigMapKeySelector>

export const SecretKeySelector = struct(
  'core.v1.SecretKeySelector',
  'Selects a key of a Secret.',
  {
    ...inline(LocalObjectReference, 1),
    key: string({ proto: 2, always: true, doc: 'Key to select. Must be a valid key of a Secret.' }),
    optional: bool({
      proto: 3,
      optional: true,
      doc: 'If true, the Secret or its key may be missing. Defaults to false.',
    }),
  },
  { atomic: true },
)
export type SecretKeySelector = Of<typeof SecretKeySelector>
