// The images of a node over a simulated runtime: pull policies, credentials, back-off, the line in which pulls wait,
// and the events and reasons that users see.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle, VirtualClock } from '../base/clock.ts'
import { makeLog } from '../base/log.ts'
import { podOf } from '../kinds/testing.ts'
import { type ImageRequest, Images } from './images.ts'
import { StartFailure } from './pod/start-failure.ts'
import type { AuthConfig, ImageSeen, Runtime } from './runtime/runtime.ts'
import { type SimulatedOptions, SimulatedRuntime } from './runtime/simulated.ts'

const secretFor = (registry: string, username: string) =>
  JSON.stringify({ auths: { [registry]: { username, password: 'p' } } })

function nodeWith(options: Partial<SimulatedOptions> = {}, others: Partial<Runtime> = {}) {
  const clock = new VirtualClock()
  const runtime = Object.assign(new SimulatedRuntime({ clock, ...options }), others)
  const pulls: string[] = []
  const pull = runtime.pullImage.bind(runtime)
  runtime.pullImage = (name, auth, sandbox, signal) => {
    pulls.push(auth ? `${name} as ${auth.username}` : name)
    return pull(name, auth, sandbox, signal)
  }
  const images = new Images(
    runtime,
    clock,
    makeLog(() => {}, 'warn'),
  )
  const events: string[] = []
  const ensure = (image: string, more: Partial<ImageRequest> & { uid?: string } = {}) => {
    const { uid = 'u', ...request } = more
    return images.ensure({
      pod: podOf({ metadata: { name: 'p', uid }, spec: {} }),
      image,
      pullPolicy: 'IfNotPresent',
      sandbox: {},
      pullSecrets: async () => [],
      event: (type, reason, message) => void events.push(`${type} ${reason} ${message}`),
      signal: new AbortController().signal,
      ...request,
    })
  }
  /** The reason and message with which it fails. */
  const problem = (image: string, more: Parameters<typeof ensure>[1] = {}) =>
    ensure(image, more).then(
      () => 'none',
      (error: unknown) => (error instanceof StartFailure ? `${error.reason}: ${error.message}` : `thrown: ${error}`),
    )
  return { clock, runtime, images, events, pulls, ensure, problem }
}
const full = (name: string) => `docker.io/library/${name}`

test('the policy says whether an image is pulled', async () => {
  const table: [
    policy: string | undefined,
    image: string,
    there: boolean,
    outcome: 'pulled' | 'present' | 'refused',
  ][] = [
    ['IfNotPresent', 'x:1', false, 'pulled'],
    ['IfNotPresent', 'x:1', true, 'present'],
    ['Always', 'x:1', false, 'pulled'],
    ['Always', 'x:1', true, 'pulled'],
    ['Never', 'x:1', true, 'present'],
    ['Never', 'x:1', false, 'refused'],
    // Without a policy the tag decides, as the API server would have done.
    [undefined, 'x:latest', true, 'pulled'],
    [undefined, 'x', true, 'pulled'],
    [undefined, 'x:1', true, 'present'],
  ]
  for (const [policy, image, there, outcome] of table) {
    const whole = full(image.includes(':') ? image : `${image}:latest`)
    const node = nodeWith({ images: there ? [whole] : [] })
    const found = await node.problem(image, { pullPolicy: policy })
    const what = `${policy} ${image} ${there}`
    assert.deepEqual(node.pulls, outcome === 'pulled' ? [whole] : [], what)
    const refusal = 'ErrImageNeverPull: Container image "x:1" is not present with pull policy of Never'
    assert.equal(found, outcome === 'refused' ? refusal : 'none', what)
  }
})

test('a pull and an image that is there are reported in the words of Kubernetes', async () => {
  const node = nodeWith({ behave: () => ({ pullMs: 1500 }) })
  const first = node.ensure('x:1')
  await settle()
  await node.clock.forward(1500)
  assert.deepEqual(await first, { image: await node.runtime.image(full('x:1')), ref: `sha256:${full('x:1')}` })
  await node.ensure('x:1')
  assert.deepEqual(node.events, [
    'Normal Pulling Pulling image "x:1"',
    'Normal Pulled Successfully pulled image "x:1" in 1.5s (1.5s including waiting). Image size: 0 bytes.',
    'Normal Pulled Container image "x:1" already present on machine and can be accessed by the pod',
  ])
})

test('a name that is none is refused without asking the runtime', async () => {
  const node = nodeWith()
  const why = `Failed to apply default image tag "Bad Name": couldn't parse image name "Bad Name": invalid reference format`
  assert.equal(await node.problem('Bad Name'), `InvalidImageName: ${why}`)
  assert.deepEqual(node.events, [`Warning InspectFailed ${why}`])
  assert.deepEqual(node.pulls, [])
})

test('a pull that failed is not tried again before its back-off is over, which doubles up to five minutes', async () => {
  const node = nodeWith({ behave: () => ({ pullError: 'no such image' }) })
  assert.equal(await node.problem('x:1'), 'ErrImagePull: no such image')
  assert.equal(await node.problem('x:1'), 'ImagePullBackOff: Back-off pulling image "x:1": ErrImagePull: no such image')
  const waits: number[] = []
  for (let tried = 1; tried < 8; tried++) {
    let seconds = 0
    while (node.pulls.length === tried) {
      await node.clock.forward(1000)
      seconds++
      await node.problem('x:1')
    }
    waits.push(seconds)
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300])
  assert.equal(
    node.events.filter(e => e.startsWith('Warning Failed Failed to pull image "x:1": no such image')).length,
    8,
  )
})

test('the error says how long to wait', async () => {
  const node = nodeWith({ behave: () => ({ pullError: 'no such image' }) })
  const retryMs = () =>
    node.ensure('x:1').then(
      () => undefined,
      (error: StartFailure) => error.retryMs,
    )
  // First the status shows ErrImagePull for a while.
  assert.equal(await retryMs(), 3000)
  await node.clock.forward(4000)
  assert.equal(await retryMs(), 6000)
})

test('the failures of a pod are its own, and a success or its end forgets them', async () => {
  let error: string | undefined = 'away'
  const node = nodeWith({ behave: () => (error ? { pullError: error } : {}) })
  await node.problem('x:1')
  assert.match(await node.problem('x:1'), /^ImagePullBackOff/)
  assert.match(await node.problem('x:1', { uid: 'other' }), /^ErrImagePull/)
  assert.match(await node.problem('y:1'), /^ErrImagePull/)
  node.images.forget('u')
  assert.match(await node.problem('x:1'), /^ErrImagePull/)
  assert.match(await node.problem('x:1', { uid: 'other' }), /^ImagePullBackOff/)
  error = undefined
  await node.clock.forward(10_000)
  assert.equal(await node.problem('x:1'), 'none')
  error = 'away'
  // The next failure is a first one again.
  assert.match(await node.problem('x:1', { pullPolicy: 'Always' }), /^ErrImagePull/)
  await node.clock.forward(10_000)
  assert.match(await node.problem('x:1', { pullPolicy: 'Always' }), /^ErrImagePull/)
})

test('every credential that covers the image is tried, and none when there is none', async () => {
  const accepted = new Set<string>()
  const pullImage = async (name: string, auth: AuthConfig | undefined) => {
    if (auth && accepted.has(auth.username ?? '')) return `sha256:${name}`
    throw new Error(`denied for ${auth?.username ?? 'nobody'}`)
  }
  const node = nodeWith({}, { pullImage })
  const pullSecrets = async () => [
    secretFor('r.io', 'one'),
    secretFor('r.io/team', 'two'),
    secretFor('other.io', 'three'),
  ]
  assert.equal(await node.problem('r.io/team/x:1', { pullSecrets }), 'ErrImagePull: denied for one')
  assert.deepEqual(node.pulls.splice(0), ['r.io/team/x:1 as two', 'r.io/team/x:1 as one'])
  accepted.add('one')
  assert.equal(await node.problem('r.io/team/x:1', { pullSecrets, uid: 'other' }), 'none')
  assert.equal(await node.problem('r.io/x:1', {}), 'ErrImagePull: denied for nobody')
})

test('pulls run one after the other, and one whose pod ends gives its turn to the next', async () => {
  const node = nodeWith({ behave: () => ({ pullMs: 1000 }) })
  const abort = new AbortController()
  const ends: string[] = []
  const note = (name: string, promise: Promise<unknown>) =>
    promise.then(
      () => ends.push(name),
      (error: Error) => ends.push(`${name} ${error.message}`),
    )
  const all = [
    note('a', node.ensure('a:1')),
    note('b', node.ensure('b:1', { uid: 'b', signal: abort.signal })),
    note('c', node.ensure('c:1', { uid: 'c' })),
  ]
  await settle()
  assert.deepEqual(node.pulls, [full('a:1')])
  abort.abort(new Error('the pod ends'))
  await settle()
  assert.deepEqual(ends, ['b the pod ends'])
  await node.clock.forward(2000)
  await Promise.all(all)
  assert.deepEqual(ends, ['b the pod ends', 'a', 'c'])
  assert.deepEqual(node.pulls, [full('a:1'), full('c:1')])
  // The time in the event says how much of it was waiting.
  assert.ok(node.events.some(e => e.includes('"c:1" in 1s (2s including waiting)')))
  // An abort is no failure of the image.
  assert.ok(!node.events.some(e => e.startsWith('Warning')))
})

test('an image that was loaded by hand is used when its registry does not answer', async () => {
  const loaded: ImageSeen = {
    id: 'sha256:loaded',
    tags: [full('x:1')],
    digests: [],
    sizeBytes: 1,
    pinned: true,
    uid: undefined,
    username: '',
  }
  let answers = false
  const node = nodeWith(
    {},
    {
      image: async () => loaded,
      pullImage: async () => {
        if (!answers) throw new Error('no route to host')
        return 'sha256:pulled'
      },
    },
  )
  assert.equal((await node.ensure('x:1', { pullPolicy: 'Always' })).ref, 'sha256:loaded')
  assert.deepEqual(node.events, [
    'Normal Pulled Container image "x:1" already present on machine and can be accessed by the pod',
  ])
  answers = true
  assert.equal((await node.ensure('x:1', { pullPolicy: 'Always' })).ref, 'sha256:pulled')
  assert.equal((await node.ensure('x:1', { pullPolicy: 'Never' })).ref, 'sha256:loaded')
})
