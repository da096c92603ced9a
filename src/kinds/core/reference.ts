// References from one object to another.
import type { Of } from '../../api/kind.ts'
import { bool, inline, string, struct } from '../../api/schema/build.ts'

export const ObjectReference = struct(
  'core.v1.ObjectReference',
  'Points to an object of any kind.',
  {
    kind: string({ proto: 1, doc: 'Kind of the object.' }),
    namespace: string({ proto: 2, doc: 'Its namespace.' }),
    name: string({ proto: 3, doc: 'Its name.' }),
    uid: string({ proto: 4, doc: 'Its UID.' }),
    apiVersion: string({ proto: 5, doc: 'Its group and version.' }),
    resourceVersion: string({ proto: 6, doc: 'Its resource version.' }),
    fieldPath: string({ proto: 7, doc: 'A part of it, such as spec.containers{web}.' }),
  },
  { atomic: true },
)
export type ObjectReference = Of<typeof ObjectReference>

export const TypedLocalObjectReference = struct(
  'core.v1.TypedLocalObjectReference',
  'Points to an object of any kind in the same namespace.',
  {
    apiGroup: string({ proto: 1, always: true, optional: true, doc: 'Group of the object; empty for the core group.' }),
    kind: string({ proto: 2, always: true, doc: 'Kind of the object.' }),
    name: string({ proto: 3, always: true, doc: 'Name of the object.' }),
  },
  { atomic: true },
)
export type TypedLocalObjectReference = Of<typeof TypedLocalObjectReference>

export const SecretReference = struct(
  'core.v1.SecretReference',
  'Points to a Secret in any namespace.',
  {
    name: string({ proto: 1, doc: 'Name of the Secret.' }),
    namespace: string({ proto: 2, doc: 'Its namespace.' }),
  },
  { atomic: true },
)
export type SecretReference = Of<typeof SecretReference>

export const LocalObjectReference = struct(
  'core.v1.LocalObjectReference',
  'Points to an object in the same namespace.',
  {
    name: string({ proto: 1, default: '', doc: 'Name of the object.' }),
  },
  { atomic: true },
)
export type LocalObjectReference = Of<typeof LocalObjectReference>

export const ConfigMapKeySelector = struct(
  'core.v1.ConfigMapKeySelector',
  'Picks one key of a ConfigMap.',
  {
    ...inline(LocalObjectReference, 1),
    key: string({ proto: 2, always: true, doc: 'The key.' }),
    optional: bool({ proto: 3, optional: true, doc: 'True if ConfigMap or key may be missing.' }),
  },
  { atomic: true },
)
export type ConfigMapKeySelector = Of<typeof ConfigMapKeySelector>

export const SecretKeySelector = struct(
  'core.v1.SecretKeySelector',
  'Picks one key of a Secret.',
  {
    ...inline(LocalObjectReference, 1),
    key: string({ proto: 2, always: true, doc: 'The key.' }),
    optional: bool({ proto: 3, optional: true, doc: 'True if Secret or key may be missing.' }),
  },
  { atomic: true },
)
export type SecretKeySelector = Of<typeof SecretKeySelector>
