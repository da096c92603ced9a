// Schemas that many kinds share: metadata, selectors, conditions, lists, and the Status that answers a failed request.
// Source: apimachinery pkg/apis/meta/v1.
import { bool, int32, int64, json, list, listByKey, map, string, struct, time } from './schema/build.ts'
import type { Of } from './schema/node.ts'

export const OwnerReference = struct(
  'meta.v1.OwnerReference',
  'Reference from an object to an owner of it. The garbage collector deletes the object after its last owner is gone.',
  {
    apiVersion: string({
      proto: 5,
      always: true,
      required: true,
      doc: 'API group and version of the owner, such as apps/v1.',
    }),
    kind: string({ proto: 1, always: true, required: true, doc: 'Kind of the owner.' }),
    name: string({
      proto: 3,
      always: true,
      required: true,
      doc: 'Name of the owner, which is in the same namespace or cluster-scoped.',
    }),
    uid: string({
      proto: 4,
      always: true,
      required: true,
      doc: 'UID of the owner. A new object with the same name has another UID and is not the owner.',
    }),
    controller: bool({
      proto: 6,
      optional: true,
      doc: 'Whether this owner is the controller that manages the object. It can be true for at most one owner. Defaults to false.',
    }),
    blockOwnerDeletion: bool({
      proto: 7,
      optional: true,
      doc: 'If true, a foreground deletion of the owner waits until this object is deleted. Defaults to false.',
    }),
  },
  { atomic: true },
)
export type OwnerReference = Of<typeof OwnerReference>

export const ManagedFieldsEntry = struct(
  'meta.v1.ManagedFieldsEntry',
  'Set of fields that one manager owns, recorded for server-side apply.',
  {
    manager: string({ proto: 1, doc: 'Name of the client or component that set the fields.' }),
    operation: string({
      proto: 2,
      doc: 'Operation that created the entry: Apply for server-side apply, Update for all other writes.',
    }),
    apiVersion: string({ proto: 3, doc: 'API group and version that the field set is written in.' }),
    time: time({ proto: 4, optional: true, doc: 'Time when a field was last added to the set, or its value changed.' }),
    fieldsType: string({ proto: 6, doc: 'Format of the field set. Only FieldsV1 is supported.' }),
    fieldsV1: json({
      proto: 7,
      optional: true,
      doc: 'Field set as a tree whose keys are f:<name> for fields, k:<keys> for list items by key, v:<value> for set members and i:<index> for positions.',
    }),
    subresource: string({
      proto: 8,
      doc: 'Subresource that the fields were written through, such as status or scale. Empty for the main resource.',
    }),
  },
)
export type ManagedFieldsEntry = Of<typeof ManagedFieldsEntry>

export const ObjectMeta = struct('meta.v1.ObjectMeta', 'Metadata that all stored objects have.', {
  name: string({
    proto: 1,
    doc: 'Name of the object, unique among objects of the same kind in its namespace. Required unless generateName is set. Cannot be changed.',
  }),
  generateName: string({
    proto: 2,
    doc: 'Prefix from which the server makes a unique name if name is empty, by appending a random suffix of five characters.',
  }),
  namespace: string({
    proto: 3,
    doc: 'Namespace of the object, within which its name is unique. Empty for cluster-scoped kinds. Cannot be changed.',
  }),
  selfLink: string({ proto: 4, doc: 'Deprecated: it is no longer set.' }),
  uid: string({
    proto: 5,
    doc: 'Unique identifier of the object among all objects that ever existed. Set by the server.',
  }),
  resourceVersion: string({
    proto: 6,
    doc: 'Opaque version of the object, set by the server at each write. An update that includes it fails with a conflict if the object has changed since.',
  }),
  generation: int64({ proto: 7, doc: 'Number that the server increments each time the desired state changes.' }),
  creationTimestamp: time({ proto: 8, doc: 'Time when the object was created. Set by the server.' }),
  deletionTimestamp: time({
    proto: 9,
    optional: true,
    doc: 'Time when the object is due to be removed, set by the server when a graceful deletion is requested. The object remains until its finalizers are gone, and the deletion cannot be canceled.',
  }),
  deletionGracePeriodSeconds: int64({
    proto: 10,
    optional: true,
    doc: 'Seconds the object has to terminate gracefully before it is removed. Set together with deletionTimestamp. May only be shortened.',
  }),
  labels: map(string({}), {
    proto: 11,
    doc: 'Label keys and values that identify and group the object. Selectors match objects by their labels.',
  }),
  annotations: map(string({}), {
    proto: 12,
    doc: 'Arbitrary keys and values that tools and controllers store with the object. They cannot be used in selectors.',
  }),
  ownerReferences: listByKey('uid', OwnerReference, {
    proto: 13,
    mergeKey: 'uid',
    doc: 'Objects that own this one. When all of them are gone, the garbage collector deletes it.',
  }),
  finalizers: list(string({}), {
    proto: 14,
    mergeKey: '',
    listType: 'set',
    doc: 'Identifiers of cleanup tasks that must finish before the object is removed. Each responsible component deletes its own entry, and no entry can be added once deletion has begun.',
  }),
  managedFields: list(ManagedFieldsEntry, {
    proto: 17,
    doc: 'Fields of the object by the manager that set them, maintained by the server for server-side apply.',
  }),
})
export type ObjectMeta = Of<typeof ObjectMeta>

export const LabelSelectorRequirement = struct(
  'meta.v1.LabelSelectorRequirement',
  'Condition on the value of one label.',
  {
    key: string({ proto: 1, always: true, required: true, doc: 'Label key that the condition applies to.' }),
    operator: string({
      proto: 2,
      always: true,
      required: true,
      doc: 'How the label is compared with values: In, NotIn, Exists or DoesNotExist.',
    }),
    values: list(string({}), {
      proto: 3,
      doc: 'Values to compare with. Required for In and NotIn, must be empty for Exists and DoesNotExist.',
    }),
  },
)
export type LabelSelectorRequirement = Of<typeof LabelSelectorRequirement>

export const LabelSelector = struct(
  'meta.v1.LabelSelector',
  'Query over the labels of objects. An object matches if it meets all of matchLabels and matchExpressions. An empty selector matches all objects, an unset one matches none.',
  {
    matchLabels: map(string({}), { proto: 1, doc: 'Labels and their exact values that an object must have.' }),
    matchExpressions: list(LabelSelectorRequirement, {
      proto: 2,
      doc: 'Conditions on labels that an object must meet, in addition to matchLabels.',
    }),
  },
  { atomic: true },
)
export type LabelSelector = Of<typeof LabelSelector>

export const Condition = struct('meta.v1.Condition', 'One aspect of the current state of an object.', {
  type: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'Type of the condition in CamelCase, such as Ready, optionally prefixed with a domain as in example.com/Ready.',
  }),
  status: string({
    proto: 2,
    always: true,
    required: true,
    enum: ['True', 'False', 'Unknown'],
    doc: 'Status of the condition: True, False or Unknown.',
  }),
  observedGeneration: int64({
    proto: 3,
    doc: 'Generation of the object that the condition was set for. If it is lower than metadata.generation, the condition is out of date.',
  }),
  lastTransitionTime: time({
    proto: 4,
    always: true,
    required: true,
    doc: 'Time when the status of the condition last changed.',
  }),
  // The API server leaves it empty in the conditions of address ranges.
  reason: string({
    proto: 5,
    always: true,
    required: true,
    mayBeEmpty: true,
    doc: 'Machine-readable reason in CamelCase for the last transition of the condition.',
  }),
  message: string({
    proto: 6,
    always: true,
    required: true,
    mayBeEmpty: true,
    doc: 'Human-readable message with details about the transition. May be empty.',
  }),
})
export type Condition = Of<typeof Condition>

export const FieldSelectorRequirement = struct(
  'meta.v1.FieldSelectorRequirement',
  'Condition on the value of one field.',
  {
    key: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Path of the field that the condition applies to, such as metadata.name.',
    }),
    operator: string({
      proto: 2,
      always: true,
      required: true,
      doc: 'How the field is compared with values: In, NotIn, Exists or DoesNotExist.',
    }),
    values: list(string({}), {
      proto: 3,
      doc: 'Values to compare with. Required for In and NotIn, must be empty for Exists and DoesNotExist.',
    }),
  },
)
export type FieldSelectorRequirement = Of<typeof FieldSelectorRequirement>

export const GroupResource = struct('meta.v1.GroupResource', 'API group and resource name, without a version.', {
  group: string({
    proto: 1,
    always: true,
    required: true,
    doc: 'API group of the resource. Empty for the core group.',
  }),
  resource: string({ proto: 2, always: true, required: true, doc: 'Plural name of the resource, such as pods.' }),
})
export type GroupResource = Of<typeof GroupResource>

const Preconditions = struct(
  'meta.v1.Preconditions',
  'Conditions that an object must meet for a deletion to be carried out.',
  {
    uid: string({ proto: 1, optional: true, doc: 'UID that the object must have.' }),
    resourceVersion: string({ proto: 2, optional: true, doc: 'Resource version that the object must have.' }),
  },
)
type Preconditions = Of<typeof Preconditions>

const typeMeta = {
  kind: string({ doc: 'Kind of the object, in CamelCase. Cannot be changed.' }),
  apiVersion: string({
    doc: 'API group and version of the object, such as apps/v1. The core group is written as the version alone, such as v1.',
  }),
}

export const DeleteOptions = struct('meta.v1.DeleteOptions', 'Options of a request to delete an object.', {
  ...typeMeta,
  gracePeriodSeconds: int64({
    proto: 1,
    optional: true,
    doc: 'Seconds the object has to terminate gracefully. 0 deletes it immediately. Defaults to the kind’s own grace period.',
  }),
  preconditions: Preconditions.field({
    proto: 2,
    doc: 'Conditions that the object must meet. If one is not met, the request fails with a conflict.',
  }),
  orphanDependents: bool({
    proto: 3,
    optional: true,
    doc: 'Deprecated: use propagationPolicy. If true, dependents are kept and lose their reference to the object. Must not be set together with propagationPolicy.',
  }),
  propagationPolicy: string({
    proto: 4,
    optional: true,
    doc: 'What happens to dependents. Orphan keeps them, Background deletes them after the object is gone, Foreground deletes them first. Defaults to the kind’s own policy.',
  }),
  dryRun: list(string({}), {
    proto: 5,
    doc: 'Stages of a dry run. The only allowed value is All: the request is fully processed, but nothing is stored.',
  }),
  ignoreStoreReadErrorWithClusterBreakingPotential: bool({
    proto: 6,
    optional: true,
    doc: 'If true, an object that is stored but can no longer be read is deleted anyway, without finalizers, preconditions or the cleanup of dependents. Defaults to false.',
  }),
})
export type DeleteOptions = Of<typeof DeleteOptions>

export const ListMeta = struct('meta.v1.ListMeta', 'Metadata of a list of objects.', {
  selfLink: string({ proto: 1, doc: 'Deprecated: it is no longer set.' }),
  resourceVersion: string({
    proto: 2,
    doc: 'Opaque version that the list was read at. A watch can start from it without missing a change.',
  }),
  continue: string({
    proto: 3,
    doc: 'Token for the next page of the list. Pass it in the continue parameter of the next request. Empty on the last page.',
  }),
  remainingItemCount: int64({
    proto: 4,
    optional: true,
    doc: 'Number of items that follow this page. Not set if the list is filtered by a selector, or if this is the last page.',
  }),
})
export type ListMeta = Of<typeof ListMeta>

const StatusCause = struct(
  'meta.v1.StatusCause',
  'One of the causes of a failure. A request can have several, for example one for each invalid field.',
  {
    reason: string({ proto: 1, doc: 'Machine-readable cause in CamelCase, such as FieldValueInvalid.' }),
    message: string({ proto: 2, doc: 'Human-readable description of the cause.' }),
    field: string({ proto: 3, doc: 'Path of the field that caused the failure, such as spec.replicas.' }),
  },
)
type StatusCause = Of<typeof StatusCause>

const StatusDetails = struct(
  'meta.v1.StatusDetails',
  'Details about the object and the causes that a Status refers to.',
  {
    name: string({ proto: 1, doc: 'Name of the object that the request was for.' }),
    group: string({ proto: 2, doc: 'API group of the object.' }),
    kind: string({ proto: 3, doc: 'Kind or resource name of the object.' }),
    uid: string({ proto: 6, doc: 'UID of the object, if it is available.' }),
    causes: list(StatusCause, { proto: 4, doc: 'Individual causes of the failure.' }),
    retryAfterSeconds: int32({
      proto: 5,
      doc: 'Seconds after which the client should repeat the request. 0 if there is no advice.',
    }),
  },
)
type StatusDetails = Of<typeof StatusDetails>

export const Status = struct(
  'meta.v1.Status',
  'Response to a request that does not return an object, such as a failed request.',
  {
    ...typeMeta,
    metadata: ListMeta.value({ proto: 1, doc: 'Metadata of a list. Always empty for a Status.' }),
    status: string({ proto: 2, doc: 'Outcome of the request: Success or Failure.' }),
    message: string({ proto: 3, doc: 'Human-readable description of the outcome.' }),
    reason: string({
      proto: 4,
      doc: 'Machine-readable reason for the outcome in CamelCase, such as NotFound or Conflict. Empty on success.',
    }),
    details: StatusDetails.field({
      proto: 5,
      doc: 'Object and causes that the outcome is about. Their meaning depends on the reason.',
    }),
    code: int32({ proto: 6, doc: 'HTTP status code of the response.' }),
  },
)
export type Status = Of<typeof Status>
