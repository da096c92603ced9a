// Which claims a pod has, whether it may use them, and which devices its containers get.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { claimsOf, driversFor, hasClaims, isForRequest, usesOf } from './pod-claims.ts'

type Owners = NonNullable<NonNullable<Draft<ResourceClaim>['metadata']>['ownerReferences']>

const podWith = (spec: Partial<Draft<Pod>['spec']>, status: Draft<Pod>['status'] = {}) =>
  podOf({
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: { containers: [{ name: 'c', image: 'i' }], ...spec },
    status,
  })

test('a pod has the claims that it names, those made for it, and the one of its extended resources', () => {
  const pod = podWith(
    {
      resourceClaims: [
        { name: 'a', resourceClaimName: 'shared' },
        { name: 'b', resourceClaimTemplateName: 't' },
        { name: 'c', resourceClaimTemplateName: 'none needed' },
        { name: 'd', resourceClaimName: 'shared' },
      ],
    },
    {
      resourceClaimStatuses: [{ name: 'b', resourceClaimName: 'p-b-1' }, { name: 'c' }],
      extendedResourceClaimStatus: { resourceClaimName: 'p-extended', requestMappings: [] },
    },
  )
  assert.deepEqual(claimsOf(pod), [
    { name: 'shared', isOwned: false },
    { name: 'p-b-1', isOwned: true },
    { name: 'p-extended', isOwned: false },
  ])
  assert.equal(hasClaims(pod), true)
  assert.equal(hasClaims(podWith({})), false)
})

test('a claim that is not made yet, and one that is nothing, are errors', () => {
  const of = (entry: object) => claimsOf(podWith({ resourceClaims: [{ name: 'a', ...entry }] }))
  assert.throws(() => of({ resourceClaimTemplateName: 't' }), /^Error: pod "n\/p": ResourceClaim not created yet$/)
  assert.throws(() => of({}), /pod "n\/p", spec.resourceClaim "a": none of the supported fields are set$/)
})

test('a pod may use an allocated claim that is reserved for it, and is its own if it was made for it', () => {
  const pod = podWith({})
  const claim = (status: Draft<ResourceClaim>['status'], ownerReferences: Owners = []) =>
    objectOf(ResourceClaim, {
      metadata: { name: 'c', namespace: 'n', uid: 'cu', ownerReferences },
      spec: {},
      status,
    })
  const reservedFor = [{ resource: 'pods', name: 'p', uid: 'u' }]
  const result = (driver: string) => ({ request: 'r', driver, pool: 'p', device: 'd' })
  const allocation = { devices: { results: [result('a.io'), result('b.io'), result('a.io')] } }
  const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'u', controller: true }
  assert.deepEqual(driversFor(pod, claim({ allocation, reservedFor }), false), ['a.io', 'b.io'])
  assert.deepEqual(driversFor(pod, claim({ allocation: { devices: {} }, reservedFor }), false), [])
  assert.deepEqual(driversFor(pod, claim({ allocation, reservedFor }, [owner]), true), ['a.io', 'b.io'])
  const table: [Draft<ResourceClaim>['status'], Owners, boolean, RegExp][] = [
    [{ reservedFor }, [], false, /^Error: ResourceClaim c: not allocated$/],
    [{ allocation }, [], false, /^Error: pod p \(u\) is not allowed to use ResourceClaim c \(cu\)$/],
    [
      { allocation, reservedFor: [{ resource: 'pods', name: 'p', uid: 'another' }] },
      [],
      false,
      /is not allowed to use ResourceClaim/,
    ],
    [
      { allocation, reservedFor },
      [{ ...owner, uid: 'another' }],
      true,
      /^Error: ResourceClaim n\/c was not created for pod n\/p \(pod is not owner\)$/,
    ],
    [{ allocation, reservedFor }, [{ ...owner, controller: false }], true, /pod is not owner/],
  ]
  for (const [status, owners, isOwned, why] of table)
    assert.throws(() => driversFor(pod, claim(status, owners), isOwned), why)
})

test('a container uses what it names, and what its extended resources are mapped to', () => {
  const pod = podWith(
    {
      resourceClaims: [
        { name: 'a', resourceClaimName: 'one' },
        { name: 'b', resourceClaimTemplateName: 't' },
      ],
      containers: [
        {
          name: 'c',
          image: 'i',
          resources: {
            claims: [{ name: 'a' }, { name: 'b', request: 'gpu' }],
            requests: {
              'example.com/gpu': '1',
              'example.com/none': '0',
              'deviceclass.resource.kubernetes.io/nic': '1',
            },
          },
        },
        { name: 'other', image: 'i' },
      ],
    },
    {
      resourceClaimStatuses: [{ name: 'b', resourceClaimName: 'p-b-1' }],
      extendedResourceClaimStatus: {
        resourceClaimName: 'p-extended',
        requestMappings: [
          { containerName: 'c', resourceName: 'example.com/gpu', requestName: 'container-0-request-0' },
          { containerName: 'c', resourceName: 'example.com/none', requestName: 'container-0-request-1' },
          { containerName: 'c', resourceName: 'deviceclass.resource.kubernetes.io/nic', requestName: 'nic' },
          { containerName: 'other', resourceName: 'example.com/gpu', requestName: 'container-1-request-0' },
        ],
      },
    },
  )
  const [container, other] = pod.spec.containers
  assert.deepEqual(usesOf(pod, container!), [
    { claim: 'one', request: '', shownAs: 'claim:a' },
    { claim: 'p-b-1', request: 'gpu', shownAs: 'claim:b/gpu' },
    { claim: 'p-extended', request: 'container-0-request-0', shownAs: undefined },
    { claim: 'p-extended', request: 'nic', shownAs: undefined },
  ])
  assert.deepEqual(usesOf(pod, other!), [])
})

test('a device is for the requests that its driver names, with or without the subrequest', () => {
  const table: [string[], string, boolean][] = [
    [['gpu'], '', true],
    [[], 'gpu', true],
    [['gpu'], 'gpu', true],
    [['nic', 'gpu'], 'gpu', true],
    [['gpu'], 'gp', false],
    [['gpu'], 'gpu/large', true],
    [['gpu/large'], 'gpu', true],
    [['gpu/large'], 'gpu/large', true],
    [['gpu/large'], 'gpu/small', false],
  ]
  for (const [names, request, expected] of table)
    assert.equal(isForRequest(names, request), expected, `${names.join()} for ${request}`)
})
