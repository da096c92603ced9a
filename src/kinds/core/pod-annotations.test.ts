import { deepStrictEqual } from 'node:assert'
import { test } from 'node:test'
import { decode } from '../../api/schema/decode.ts'
import { takeProfiles } from './pod-annotations.ts'
import { PodSpec } from './podspec.ts'

const key = 'container.apparmor.security.beta.kubernetes.io/c'

test('containers take over the AppArmor profiles of annotations', () => {
  const runtime = { type: 'RuntimeDefault' }
  const unconfined = { type: 'Unconfined' }
  const local = { type: 'Localhost', localhostProfile: 'p' }
  const inPod = (appArmorProfile: object) => ({ securityContext: { appArmorProfile } })
  const inContainer = (appArmorProfile: object) => ({
    containers: [{ name: 'c', securityContext: { appArmorProfile } }],
  })
  const table: [annotation: string, spec: object, profile: object | undefined, warned: boolean][] = [
    ['runtime/default', {}, runtime, true],
    ['localhost/p', {}, local, true],
    // What the field could not say is left where it is.
    ['localhost/', {}, undefined, true],
    ['other', {}, undefined, true],
    // The field says it already, or something else.
    ['runtime/default', inPod(runtime), undefined, false],
    ['unconfined', inPod(runtime), unconfined, true],
    ['unconfined', inContainer(runtime), runtime, false],
    ['unconfined', { os: { name: 'windows' } }, undefined, false],
  ]
  for (const [annotation, body, profile, warned] of table) {
    const spec = decode(PodSpec, { containers: [{ name: 'c' }], ...body }, { defaults: true })
    const warnings = takeProfiles({ [key]: annotation }, spec)
    deepStrictEqual(spec.containers![0]!.securityContext?.appArmorProfile, profile, annotation)
    const text = `metadata.annotations[${key}]: deprecated since v1.30; use the "appArmorProfile" field instead`
    deepStrictEqual(warnings, warned ? [text] : [], annotation)
  }
})
