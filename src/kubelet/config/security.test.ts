// The security settings of sandboxes and containers, as tables: a pod's settings, a container's own, and what the
// runtime is given.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from '../../base/errors.ts'
import type { Draft } from '../../api/kind.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import type { ImageSeen } from '../runtime/runtime.ts'
import { checkNonRoot, containerSecurity, sandboxSecurity } from './security.ts'

type Own = NonNullable<Draft<Container>['securityContext']>
type Pods = NonNullable<Draft<Pod>['spec']>

const imageOf = (user: Partial<Pick<ImageSeen, 'uid' | 'username'>>): ImageSeen => ({
  id: 'i',
  tags: [],
  digests: [],
  sizeBytes: 0,
  pinned: false,
  uid: undefined,
  username: '',
  ...user,
})

const podWith = (own: Own | undefined, spec: Partial<Pods> = {}): Pod =>
  podOf({
    metadata: { name: 'p', uid: 'u' },
    spec: { ...spec, containers: [{ name: 'c', image: 'x', ...(own && { securityContext: own }) }] },
  })

function securityOf(own: Own | undefined, spec: Partial<Pods> = {}, image = imageOf({}), targetId?: string) {
  const pod = podWith(own, spec)
  return containerSecurity(pod, pod.spec.containers[0]!, image, '/profiles', targetId)
}

test('a container runs as the user of its own, else of the pod’s, else of the image’s settings', () => {
  const user = { runAsUser: 5, runAsGroup: 6 }
  const image = { uid: 9 }
  const table: [what: string, own: Own | undefined, pods: object, image: Partial<ImageSeen>, runs: object][] = [
    ['root without any', undefined, {}, {}, { runAsUser: { value: 0 } }],
    ['the image', undefined, {}, image, { runAsUser: { value: 9 } }],
    ['the image’s name', undefined, {}, { username: 'www' }, { runAsUsername: 'www' }],
    ['the pod', undefined, user, image, { runAsUser: { value: 5 }, runAsGroup: { value: 6 } }],
    ['the container', { runAsUser: 1 }, user, image, { runAsUser: { value: 1 }, runAsGroup: { value: 6 } }],
    [
      'root by intent',
      { runAsUser: 0, runAsGroup: 0 },
      user,
      image,
      { runAsUser: { value: 0 }, runAsGroup: { value: 0 } },
    ],
    // The runtime refuses a group without a user.
    ['only a group, of root', undefined, { runAsGroup: 7 }, {}, { runAsUser: { value: 0 }, runAsGroup: { value: 7 } }],
    ['only a group', { runAsGroup: 7 }, {}, image, { runAsUser: { value: 9 }, runAsGroup: { value: 7 } }],
  ]
  for (const [what, own, pods, from, runs] of table) {
    const { runAsUser, runAsGroup, runAsUsername } = securityOf(own, { securityContext: pods }, imageOf(from))
    const found = {
      ...(runAsUser && { runAsUser }),
      ...(runAsGroup && { runAsGroup }),
      ...(runAsUsername && { runAsUsername }),
    }
    assert.deepEqual(found, runs, what)
  }
})

test('the groups of a container are those of its pod, the one of its volumes first', () => {
  const groups = (securityContext: Pods['securityContext']) => {
    const { supplementalGroups, supplementalGroupsPolicy } = securityOf(undefined, {
      securityContext: securityContext!,
    })
    return [supplementalGroups, supplementalGroupsPolicy]
  }
  assert.deepEqual(groups({}), [[], undefined])
  assert.deepEqual(groups({ fsGroup: 9, supplementalGroups: [3, 4] }), [[9, 3, 4], undefined])
  assert.deepEqual(groups({ supplementalGroups: [3], supplementalGroupsPolicy: 'Strict' }), [[3], 'Strict'])
  assert.deepEqual(groups({ supplementalGroups: [3], supplementalGroupsPolicy: 'Merge' }), [[3], undefined])
})

test('the seccomp profile of a container comes before that of its pod, and RuntimeDefault is the default', () => {
  const local = { type: 'Localhost', localhostProfile: 'strict.json' } as const
  const table: [what: string, own: Own, pods: Pods['securityContext'], profile: object][] = [
    ['none', {}, {}, { profileType: 'RuntimeDefault' }],
    ['none, privileged', { privileged: true }, {}, { profileType: 'Unconfined' }],
    ['the pod’s', {}, { seccompProfile: { type: 'Unconfined' } }, { profileType: 'Unconfined' }],
    [
      'its own',
      { seccompProfile: { type: 'RuntimeDefault' } },
      { seccompProfile: local },
      { profileType: 'RuntimeDefault' },
    ],
    ['a file', {}, { seccompProfile: local }, { profileType: 'Localhost', localhostRef: '/profiles/strict.json' }],
    [
      'a file, privileged',
      { privileged: true, seccompProfile: local },
      {},
      { profileType: 'Localhost', localhostRef: '/profiles/strict.json' },
    ],
  ]
  for (const [what, own, pods, profile] of table)
    assert.deepEqual(securityOf(own, { securityContext: pods! }).seccomp, profile, what)
})

test('the namespaces of a container are those that its pod shares with the node or among its containers', () => {
  const own = { network: 'POD', ipc: 'POD', pid: 'CONTAINER' }
  const table: [spec: Partial<Pods>, namespaces: object][] = [
    [{}, own],
    [{ hostNetwork: true }, { ...own, network: 'NODE' }],
    [{ hostIPC: true }, { ...own, ipc: 'NODE' }],
    [{ hostPID: true }, { ...own, pid: 'NODE' }],
    [{ shareProcessNamespace: true }, { ...own, pid: 'POD' }],
  ]
  for (const [spec, namespaces] of table) {
    assert.deepEqual(securityOf(undefined, spec).namespaceOptions, namespaces)
    assert.deepEqual(sandboxSecurity(podWith(undefined, spec), '/profiles').namespaceOptions, namespaces)
  }
  // An ephemeral container sees the processes of its target, even if the pod has them apart.
  assert.deepEqual(securityOf(undefined, {}, imageOf({}), 'other').namespaceOptions, {
    ...own,
    pid: 'TARGET',
    targetId: 'other',
  })
})

test('a privileged container sees all of /proc, and so does one that asks for it', () => {
  const masked = (own: Own) => {
    const { maskedPaths = [], readonlyPaths = [], privileged } = securityOf(own, { hostUsers: false })
    return [privileged, maskedPaths.includes('/proc/kcore'), readonlyPaths.includes('/proc/sys')]
  }
  assert.deepEqual(masked({}), [false, true, true])
  assert.deepEqual(masked({ procMount: 'Default' }), [false, true, true])
  assert.deepEqual(masked({ procMount: 'Unmasked' }), [false, false, false])
  assert.deepEqual(masked({ privileged: true }), [true, false, false])
  assert.deepEqual(masked({ privileged: false }), [false, true, true])
})

test('a container may be kept from gaining privileges, from writing its files, and from capabilities', () => {
  const kept = (own: Own) => {
    const { noNewPrivs, readonlyRootfs, capabilities } = securityOf(own)
    return { noNewPrivs, readonlyRootfs, capabilities }
  }
  assert.deepEqual(kept({}), { noNewPrivs: false, readonlyRootfs: false, capabilities: undefined })
  assert.deepEqual(
    kept({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { add: ['NET_ADMIN', 'SYS_TIME'], drop: ['ALL'] },
    }),
    {
      noNewPrivs: true,
      readonlyRootfs: true,
      capabilities: { addCapabilities: ['NET_ADMIN', 'SYS_TIME'], dropCapabilities: ['ALL'] },
    },
  )
  assert.equal(kept({ allowPrivilegeEscalation: true }).noNewPrivs, false)
  assert.deepEqual(kept({ capabilities: { add: ['KILL'] } }).capabilities, {
    addCapabilities: ['KILL'],
    dropCapabilities: [],
  })
})

test('the sandbox runs as the pod’s user, and is privileged if one of its containers is', () => {
  const sandbox = (containers: readonly Own[], spec: Partial<Pods> = {}) =>
    sandboxSecurity(
      podOf({
        metadata: { name: 'p' },
        spec: {
          ...spec,
          initContainers: containers
            .slice(1)
            .map((securityContext, i) => ({ name: `i${i}`, image: 'x', securityContext })),
          containers: [{ name: 'c', image: 'x', securityContext: containers[0]! }],
        },
      }),
      '/profiles',
    )
  assert.equal(sandbox([{}, {}]).privileged, false)
  assert.equal(sandbox([{}, { privileged: true }]).privileged, true)
  assert.deepEqual(sandbox([{ privileged: true }]).seccomp, { profileType: 'Unconfined' })
  const runs = (securityContext: NonNullable<Pods['securityContext']>) => {
    const { runAsUser, runAsGroup, supplementalGroups } = sandbox([{ runAsUser: 99 }], { securityContext })
    return [runAsUser?.value, runAsGroup?.value, supplementalGroups]
  }
  assert.deepEqual(runs({}), [undefined, undefined, undefined])
  assert.deepEqual(runs({ runAsUser: 5, runAsGroup: 6, fsGroup: 7 }), [5, 6, [7]])
  // The runtime refuses a group without a user, and the pause container has no user of its own.
  assert.deepEqual(runs({ runAsGroup: 6 }), [undefined, undefined, undefined])
})

test('a container that must not run as root starts only when it is certain that it does not', () => {
  const must = { runAsNonRoot: true }
  const breaks = /^container's runAsUser breaks non-root policy \(pod: "p_default\(u\)", container: c\)$/
  const asRoot = /^container has runAsNonRoot and image will run as root \(pod: "p_default\(u\)", container: c\)$/
  const unsure =
    /^container has runAsNonRoot and image has non-numeric user \(www\), cannot verify user is non-root \(pod: /
  const table: [what: string, own: Own, pods: Own, image: Partial<ImageSeen> | undefined, error?: RegExp][] = [
    ['not asked for', {}, {}, { uid: 0 }],
    ['asked for by the pod, refused by the container', { runAsNonRoot: false }, must, { uid: 0 }],
    ['its own user', { ...must, runAsUser: 1 }, {}, { uid: 0 }],
    ['the pod’s user', must, { runAsUser: 1 }, { uid: 0 }],
    ['the image’s user', must, {}, { uid: 1000 }],
    ['a name beside a number', must, {}, { uid: 1000, username: 'www' }],
    ['root of its own', { ...must, runAsUser: 0 }, { runAsUser: 1 }, { uid: 1 }, breaks],
    ['root of the pod', {}, { ...must, runAsUser: 0 }, { uid: 1 }, breaks],
    ['root of the image', must, {}, { uid: 0 }, asRoot],
    ['an image without a user', {}, must, {}, asRoot],
    ['no image', {}, must, undefined, asRoot],
    ['an image with a name', must, {}, { username: 'www' }, unsure],
  ]
  for (const [what, own, pods, image, error] of table) {
    const pod = podWith(own, { securityContext: pods as NonNullable<Pods['securityContext']> })
    const check = () => checkNonRoot(pod, pod.spec.containers[0]!, image && imageOf(image))
    if (!error) check()
    else
      assert.throws(
        check,
        (thrown: unknown) =>
          thrown instanceof StatusError && thrown.reason === 'Forbidden' && error.test(thrown.message),
        what,
      )
  }
})

test('SELinux options of a container are added to those of its pod, and neither is made up', () => {
  const pods = { securityContext: { seLinuxOptions: { user: 'u', level: 's0' } } }
  assert.equal(securityOf(undefined).selinuxOptions, undefined)
  const found = securityOf({ seLinuxOptions: { level: 's0:c1', type: 't' } }, pods).selinuxOptions
  assert.deepEqual(found, { user: 'u', role: '', type: 't', level: 's0:c1' })
  const sandbox = sandboxSecurity(podWith(undefined, pods), '/profiles').selinuxOptions
  assert.deepEqual(sandbox, { user: 'u', role: '', type: '', level: 's0' })
})

test('an AppArmor profile is that of the container, else that of the pod, else the runtime’s', () => {
  const of = (type: string, localhostProfile?: string) => ({ appArmorProfile: { type, localhostProfile } }) as Own
  const pods = { securityContext: of('Localhost', 'strict') }
  assert.equal(securityOf(undefined).apparmor, undefined)
  assert.deepEqual(securityOf(undefined, pods).apparmor, { profileType: 'Localhost', localhostRef: 'strict' })
  assert.deepEqual(securityOf(of('Unconfined'), pods).apparmor, { profileType: 'Unconfined', localhostRef: '' })
  assert.deepEqual(securityOf(of('RuntimeDefault')).apparmor, { profileType: 'RuntimeDefault', localhostRef: '' })
})
