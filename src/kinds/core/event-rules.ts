// What an event has to say. Source: pkg/apis/core/validation/events.go (legacyValidateEvent).
import { named, type Problems, present } from '../../api/checks.ts'
import type { KubeObject } from '../../api/kind.ts'
import { dnsSubdomainErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { ObjectReference } from './reference.ts'

interface Fields {
  involvedObject: ObjectReference
  eventTime: string | null
  reportingComponent: string
  reportingInstance: string
  action?: string
  reason?: string
  message?: string
}

const maxLength = 128
const maxNoteLength = 1024

export function* validateEvent(event: KubeObject & Fields, at: Path): Problems {
  const { namespace = '' } = event.metadata
  const involved = event.involvedObject.namespace ?? ''
  // Objects without a namespace have their events in the default one.
  const fits = involved ? involved === namespace : namespace === '' || namespace === 'default'
  if (!fits) yield at.field('involvedObject', 'namespace').invalid(involved, 'does not match event.namespace')
  yield* named(dnsSubdomainErrors, namespace, at.field('namespace'))
  if (!event.eventTime) return
  yield* present(event.reportingComponent, at.field('reportingComponent'))
  yield* named(qualifiedNameErrors, event.reportingComponent, at.field('reportingComponent'))
  for (const field of ['reportingInstance', 'action', 'reason'] as const) {
    const text = event[field] ?? ''
    yield* present(text, at.field(field))
    if (text.length > maxLength) yield at.field(field).invalid('', `can have at most ${maxLength} characters`)
  }
  if ((event.message ?? '').length > maxNoteLength)
    yield at.field('message').invalid('', `can have at most ${maxNoteLength} characters`)
}
