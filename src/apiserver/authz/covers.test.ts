// A user who may write a role because of the rights the user has must really have all rights of the role.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import type { PolicyRule } from '../../kinds/rbac/types.ts'
import type { AccessRequest } from './authorizer.ts'
import { missingRights } from './covers.ts'
import { allows } from './rbac.ts'

const verbs = ['get', 'list']
const groups = ['', 'apps']
const resources = ['pods', 'pods/log', 'jobs', 'jobs/log']
const names = ['a', 'b', '']
const urls = ['/healthz', '/healthz/etcd', '/metrics']

const some = (values: readonly string[]) => fc.subarray([...values, '*'], { minLength: 1, maxLength: 2 })
const onResources: fc.Arbitrary<PolicyRule> = fc.record(
  {
    verbs: some(verbs),
    apiGroups: some(groups),
    resources: some([...resources, '*/log']),
    resourceNames: fc.subarray(['a', 'b']),
  },
  { requiredKeys: ['verbs', 'apiGroups', 'resources'], noNullPrototype: true },
)
const onPaths: fc.Arbitrary<PolicyRule> = fc.record(
  { verbs: some(verbs), nonResourceURLs: some([...urls, '/healthz/*']) },
  { noNullPrototype: true },
)
const rules = fc.array(fc.oneof({ weight: 3, arbitrary: onResources }, { weight: 1, arbitrary: onPaths }), {
  maxLength: 3,
})

/** All requests that can be made of these words. */
const requests: AccessRequest[] = verbs.flatMap(verb => {
  const base = {
    user: { name: 'u', groups: [] },
    verb,
    group: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
  }
  return [
    ...groups.flatMap(group =>
      resources.flatMap(full => {
        const [resource = '', subresource = ''] = full.split('/')
        return names.map(name => ({ ...base, group, resource, subresource, name }))
      }),
    ),
    ...urls.map(path => ({ ...base, path })),
  ]
})

const allowed = (list: readonly PolicyRule[], request: AccessRequest) => list.some(rule => allows(rule, request))
const textOf = (list: readonly PolicyRule[]) => JSON.stringify(list)

test('no right is missing only if every request that the wanted rules allow is allowed by the held rules', () => {
  let covered = 0
  fc.assert(
    fc.property(rules, rules, (held, wanted) => {
      if (missingRights(held, wanted).length) return
      covered += wanted.length
      for (const request of requests)
        if (allowed(wanted, request)) ok(allowed(held, request), `${textOf(held)} for ${textOf(wanted)}`)
    }),
    { numRuns: 3000 },
  )
  ok(covered > 100, `only ${covered} rules were covered`)
})

test('a right that is reported missing is a part of the wanted rules and not of the held ones', () => {
  fc.assert(
    fc.property(rules, rules, (held, wanted) => {
      const missing = missingRights(held, wanted)
      deepStrictEqual(missingRights(wanted, missing), [])
      // With the missing rights added, nothing is missing.
      deepStrictEqual(missingRights([...held, ...missing], wanted), [])
      deepStrictEqual(missingRights(wanted, wanted), [])
      strictEqual(missingRights([...held, ...wanted], wanted).length, 0)
    }),
    { numRuns: 1000 },
  )
})
