// The shared vocabulary of all objects: their metadata, selectors, conditions, lists, and the Status that
// answers a request that failed. Source: apimachinery pkg/apis/meta/v1.
import { bool, int32, int64, json, list, listByKey, map, string, struct, time } from './schema/build.ts'
import type { Of } from './schema/node.ts'

export const OwnerReference = struct(
  'meta.v1.OwnerReference',
  'Points from an object to one that owns it; when the last owner goes, the object goes.',
  {
    apiVersion: string({ proto: 5, always: true, required: true, doc: 'Group and version of the owner.' }),
    kind: string({ proto: 1, always: true, required: true, doc: 'Kind of the owner.' }),
    name: string({ proto: 3, always: true, required: true, doc: 'Name of the owner.' }),
    uid: string({
      proto: 4,
      always: true,
      required: true,
      doc: 'UID of the owner: a new object of the same name is another owner.',
    }),
    controller: bool({ proto: 6, optional: true, doc: 'True for the one owner that manages the object.' }),
    blockOwnerDeletion: bool({
      proto: 7,
      optional: true,
      doc: 'Foreground deletion of the owner waits for this object.',
    }),
  },
  { atomic: true },
)
export type OwnerReference = Of<typeof OwnerReference>

export const ManagedFieldsEntry = struct('meta.v1.ManagedFieldsEntry', 'Which fields one manager set, and how.', {
  manager: string({ proto: 1, doc: 'Name of the program that set the fields.' }),
  operation: string({ proto: 2, doc: 'Apply, or Update for every other way of writing.' }),
  apiVersion: string({ proto: 3, doc: 'Version the field set is written in.' }),
  time: time({ proto: 4, optional: true, doc: 'When the set last changed.' }),
  fieldsType: string({ proto: 6, doc: 'Always FieldsV1.' }),
  fieldsV1: json({ proto: 7, optional: true, doc: 'The set of fields as a tree of f:name, k:{key} and v:value.' }),
  subresource: string({ proto: 8, doc: 'The subresource written through, if any.' }),
})
export type ManagedFieldsEntry = Of<typeof ManagedFieldsEntry>

export const ObjectMeta = struct('meta.v1.ObjectMeta', 'What every stored object has.', {
  name: string({ proto: 1, doc: 'Unique within the kind and namespace; cannot change.' }),
  generateName: string({ proto: 2, doc: 'A prefix the server completes to a unique name when name is empty.' }),
  namespace: string({ proto: 3, doc: 'The namespace the name is unique in; empty for cluster-scoped kinds.' }),
  selfLink: string({ proto: 4, doc: 'Obsolete; never set.' }),
  uid: string({ proto: 5, doc: 'Unique over all objects of all time; set by the server.' }),
  resourceVersion: string({
    proto: 6,
    doc: 'The revision of the last write. Send it back to write only if nobody else did since.',
  }),
  generation: int64({ proto: 7, doc: 'Counts changes of the desired state; set by the server.' }),
  creationTimestamp: time({ proto: 8, doc: 'When the object was created; set by the server.' }),
  deletionTimestamp: time({
    proto: 9,
    optional: true,
    doc: 'When the object will be gone; set by the server when deletion was asked for.',
  }),
  deletionGracePeriodSeconds: int64({
    proto: 10,
    optional: true,
    doc: 'Seconds given to end in order; set with deletionTimestamp.',
  }),
  labels: map(string({}), { proto: 11, doc: 'Keys and values that selectors look at.' }),
  annotations: map(string({}), { proto: 12, doc: 'Keys and values that tools keep here; nothing selects on them.' }),
  ownerReferences: listByKey('uid', OwnerReference, {
    proto: 13,
    mergeKey: 'uid',
    doc: 'Objects this one belongs to.',
  }),
  finalizers: list(string({}), {
    proto: 14,
    mergeKey: '',
    listType: 'set',
    doc: 'The object stays until each of these has been removed.',
  }),
  managedFields: list(ManagedFieldsEntry, { proto: 17, doc: 'Who set which field; kept by the server.' }),
})
export type ObjectMeta = Of<typeof ObjectMeta>

export const LabelSelectorRequirement = struct('meta.v1.LabelSelectorRequirement', 'One condition on a label.', {
  key: string({ proto: 1, always: true, required: true, doc: 'The label.' }),
  operator: string({ proto: 2, always: true, required: true, doc: 'In, NotIn, Exists or DoesNotExist.' }),
  values: list(string({}), { proto: 3, doc: 'Values for In and NotIn.' }),
})
export type LabelSelectorRequirement = Of<typeof LabelSelectorRequirement>

export const LabelSelector = struct(
  'meta.v1.LabelSelector',
  'Selects objects by their labels: all conditions must hold; an empty one selects everything.',
  {
    matchLabels: map(string({}), { proto: 1, doc: 'Labels that must have exactly these values.' }),
    matchExpressions: list(LabelSelectorRequirement, { proto: 2, doc: 'Further conditions.' }),
  },
  { atomic: true },
)
export type LabelSelector = Of<typeof LabelSelector>

export const Condition = struct('meta.v1.Condition', 'One aspect of an object’s state.', {
  type: string({ proto: 1, always: true, required: true, doc: 'What the condition is about.' }),
  status: string({
    proto: 2,
    always: true,
    required: true,
    enum: ['True', 'False', 'Unknown'],
    doc: 'Whether it holds.',
  }),
  observedGeneration: int64({ proto: 3, doc: 'The generation the status was computed for.' }),
  lastTransitionTime: time({ proto: 4, always: true, required: true, doc: 'When the status last changed.' }),
  // The server's own range controller leaves it empty.
  reason: string({ proto: 5, always: true, required: true, mayBeEmpty: true, doc: 'One CamelCase word why.' }),
  message: string({
    proto: 6,
    always: true,
    required: true,
    mayBeEmpty: true,
    doc: 'The same for people.',
  }),
})
export type Condition = Of<typeof Condition>

export const FieldSelectorRequirement = struct('meta.v1.FieldSelectorRequirement', 'One condition on a field.', {
  key: string({ proto: 1, always: true, required: true, doc: 'The field.' }),
  operator: string({ proto: 2, always: true, required: true, doc: 'In, NotIn, Exists or DoesNotExist.' }),
  values: list(string({}), { proto: 3, doc: 'Values for In and NotIn.' }),
})
export type FieldSelectorRequirement = Of<typeof FieldSelectorRequirement>

export const GroupResource = struct('meta.v1.GroupResource', 'A resource without its version.', {
  group: string({ proto: 1, always: true, required: true, doc: 'Its group; empty for the core group.' }),
  resource: string({ proto: 2, always: true, required: true, doc: 'Its plural name.' }),
})
export type GroupResource = Of<typeof GroupResource>

const Preconditions = struct('meta.v1.Preconditions', 'What must be true of the object for it to be deleted.', {
  uid: string({ proto: 1, optional: true, doc: 'It has this UID.' }),
  resourceVersion: string({ proto: 2, optional: true, doc: 'It has this resource version.' }),
})
type Preconditions = Of<typeof Preconditions>

const typeMeta = {
  kind: string({ doc: 'The kind of this object.' }),
  apiVersion: string({ doc: 'The group and version of this object’s schema.' }),
}

export const DeleteOptions = struct('meta.v1.DeleteOptions', 'How to delete.', {
  ...typeMeta,
  gracePeriodSeconds: int64({ proto: 1, optional: true, doc: 'Seconds to end in order; 0 is at once.' }),
  preconditions: Preconditions.field({ proto: 2, doc: 'What must be true of the object.' }),
  orphanDependents: bool({ proto: 3, optional: true, doc: 'Old form of propagationPolicy.' }),
  propagationPolicy: string({ proto: 4, optional: true, doc: 'Orphan, Background or Foreground.' }),
  dryRun: list(string({}), { proto: 5, doc: 'All: check everything, store nothing.' }),
  ignoreStoreReadErrorWithClusterBreakingPotential: bool({
    proto: 6,
    optional: true,
    doc: 'True to delete an object that cannot be read; what it held on to is not cleaned up.',
  }),
})
export type DeleteOptions = Of<typeof DeleteOptions>

export const ListMeta = struct('meta.v1.ListMeta', 'What a list says of itself.', {
  selfLink: string({ proto: 1 }),
  resourceVersion: string({ proto: 2, doc: 'The revision the list is of; watch from here.' }),
  continue: string({ proto: 3, doc: 'Where the next page starts; empty on the last.' }),
  remainingItemCount: int64({ proto: 4, optional: true, doc: 'How many items come after this page.' }),
})
export type ListMeta = Of<typeof ListMeta>

const StatusCause = struct('meta.v1.StatusCause', 'One thing that was wrong.', {
  reason: string({ proto: 1 }),
  message: string({ proto: 2 }),
  field: string({ proto: 3 }),
})
type StatusCause = Of<typeof StatusCause>

const StatusDetails = struct('meta.v1.StatusDetails', 'What a Status is about.', {
  name: string({ proto: 1 }),
  group: string({ proto: 2 }),
  kind: string({ proto: 3 }),
  uid: string({ proto: 6 }),
  causes: list(StatusCause, { proto: 4 }),
  retryAfterSeconds: int32({ proto: 5 }),
})
type StatusDetails = Of<typeof StatusDetails>

export const Status = struct('meta.v1.Status', 'The answer to a request that has no object to return.', {
  ...typeMeta,
  metadata: ListMeta.value({ proto: 1 }),
  status: string({ proto: 2, doc: 'Success or Failure.' }),
  message: string({ proto: 3 }),
  reason: string({ proto: 4 }),
  details: StatusDetails.field({ proto: 5 }),
  code: int32({ proto: 6, doc: 'The HTTP code.' }),
})
export type Status = Of<typeof Status>
