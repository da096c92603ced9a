// Who may write what of ResourceClaims, and what their status may say.
import { deepStrictEqual, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { Namespace } from '../../kinds/core/namespace.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { ResourceClaimTemplate } from '../../kinds/resource/resourceclaimtemplate.ts'
import { openTestServer } from '../testing.ts'

const namespace = 'default'
const driver = 'd.example.com'
const devices = { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu', adminAccess: true } }] }
const plain = { requests: [{ name: 'r', exactly: { deviceClassName: 'gpu' } }] }
const place = { driver, pool: 'p', device: 'a' }
const onNode = {
  nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: ['n'] }] }],
}
const allocation = { devices: { results: [{ request: 'r', ...place }] }, nodeSelector: onNode }
const user = (name: string) => ({ resource: 'pods', name, uid: `uid-${name}` })
const message = (text: RegExp) => (error: Error) => text.test(error.message) || (console.error(error.message), false)

async function openWithClaim(t: Parameters<typeof openTestServer>[0]) {
  const server = await openTestServer(t)
  const { admin } = server
  await admin.create(ResourceClaim, { metadata: { name: 'c', namespace }, spec: { devices: plain } })
  const write = (client: typeof admin, status: object) =>
    client.patch(ResourceClaim, `${namespace}/c`, 'merge', { status }, { subresource: 'status' })
  return { ...server, write }
}

test('access for administration is for namespaces with the label', async t => {
  const { admin, write } = await openWithClaim(t)
  const why =
    /requests\[0\]\.adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io\/admin-access: true` label on the containing namespace/
  await rejects(admin.create(ResourceClaim, { metadata: { name: 'x', namespace }, spec: { devices } }), message(why))
  await rejects(
    admin.create(ResourceClaimTemplate, { metadata: { name: 'x', namespace }, spec: { spec: { devices } } }),
    message(why),
  )
  const results = [{ request: 'r', ...place, adminAccess: true }]
  await rejects(
    write(admin, { allocation: { devices: { results } } }),
    message(/status\.allocation\.devices\.results\[0\]\.adminAccess: Forbidden: admin access/),
  )
  const labels = { 'resource.kubernetes.io/admin-access': 'true' }
  await admin.create(Namespace, { metadata: { name: 'admins', labels } })
  await admin.create(ResourceClaim, { metadata: { name: 'x', namespace: 'admins' }, spec: { devices } })
})

test('allocations are written by the scheduler, states of devices by their driver', async t => {
  const { admin, as, write } = await openWithClaim(t)
  const driverName = 'system:serviceaccount:kube-system:driver'
  const near = as(driverName)
  const rule = (verbs: string[], resources: string[], resourceNames?: string[]) => ({
    verbs,
    apiGroups: ['resource.k8s.io'],
    resources,
    ...(resourceNames && { resourceNames }),
  })
  const grant = async (
    name: string,
    subject: { kind: string; name: string; namespace?: string },
    more: ReturnType<typeof rule>,
  ) => {
    const rules = [rule(['patch', 'update'], ['resourceclaims/status']), more]
    await admin.create(ClusterRole, { metadata: { name }, rules })
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
    await admin.create(ClusterRoleBinding, { metadata: { name }, roleRef, subjects: [subject] })
  }
  await grant(
    'driver',
    { kind: 'ServiceAccount', name: 'driver', namespace: 'kube-system' },
    rule(['arbitrary-node:patch'], ['resourceclaims/driver'], [driver]),
  )
  await grant('scheduler', { kind: 'User', name: 'system:kube-scheduler' }, rule(['patch'], ['resourceclaims/binding']))
  await rejects(
    write(near, { allocation, reservedFor: [user('a')] }),
    message(
      /status: Forbidden: changing status\.allocation or status\.reservedFor requires resource="resourceclaims\/binding", verb="patch" permission: .*cannot patch resource "resourceclaims\/binding" in API group "resource\.k8s\.io" at the cluster scope/,
    ),
  )
  const scheduler = as('system:kube-scheduler')
  await write(scheduler, { allocation, reservedFor: [user('a')] })
  await rejects(
    write(scheduler, { devices: [{ ...place, conditions: [] }] }),
    message(
      /status\.devices: Forbidden: changing status\.devices requires resource="resourceclaims\/driver", verb="\[arbitrary-node:patch\]"/,
    ),
  )
  const { status } = await write(near, { devices: [{ ...place, data: { a: 1 } }] })
  deepStrictEqual(status.devices?.[0]?.data, { a: 1 })
})

test('what a status may say', async t => {
  const { admin, write } = await openWithClaim(t)
  const refused = (status: object, text: RegExp) => rejects(write(admin, status), message(text))
  await refused(
    { reservedFor: [user('a')] },
    /status\.reservedFor: Forbidden: may not be specified when `allocated` is not set/,
  )
  const unknown = { devices: { results: [{ request: 'x', ...place }] } }
  await refused(
    { allocation: unknown },
    /results\[0\]\.request: Invalid value: "x": must be the name of a request in the claim/,
  )
  await refused(
    { allocation: { devices: { results: [{ request: 'r', ...place, driver: '_', pool: '', device: 'B' }] } } },
    /results\[0\]\.driver: Invalid value: "_".*results\[0\]\.pool: Required value.*results\[0\]\.device: Invalid value: "B"/,
  )
  await write(admin, { allocation, reservedFor: [user('a')] })
  await refused(
    { allocation: { ...allocation, devices: { results: [{ request: 'r', ...place, device: 'b' }] } } },
    /status\.allocation: Invalid value: .*: field is immutable/,
  )
  await refused(
    { devices: [{ ...place, device: 'b' }] },
    /status\.devices\[0\]: Invalid value: "d\.example\.com\/p\/b": must be an allocated device in the claim/,
  )
  await refused(
    { reservedFor: Array.from({ length: 257 }, (_, i) => user(String(i))) },
    /status\.reservedFor: Too many: 257: must have at most 256 items/,
  )
  await write(admin, { devices: [place] })
  // With the devices goes what was said of them.
  const { status } = await write(admin, { allocation: null, reservedFor: null })
  deepStrictEqual(status, {})
})
