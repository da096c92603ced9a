// Events of the newer group are those of the core group with other names for some fields.
// Source: pkg/apis/events/v1/conversion.go.
import type { KubeObject, KindView } from '../../api/kind.ts'
import { Event } from '../core/event.ts'

/** Newer name, core name. */
const names = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
] as const

const toCore = new Map<string, string>(names)
const toNewer = new Map<string, string>(names.map(([newer, core]) => [core, newer]))

const renamed = (object: KubeObject, to: ReadonlyMap<string, string>): object =>
  Object.fromEntries(Object.entries(object).map(([field, value]) => [to.get(field) ?? field, value]))

const referenceFields = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath']

export const eventView: KindView = {
  of: Event,
  toStored: object => renamed(object, toCore),
  fromStored: object => renamed(object, toNewer),
  fields: {
    ...Object.fromEntries(referenceFields.map(field => [`regarding.${field}`, `involvedObject.${field}`])),
    reportingController: 'reportingComponent',
  },
}
