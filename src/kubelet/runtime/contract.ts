// The contract of runtimes as a suite of tests for every implementation: unit tests run it on the simulated runtime,
// and end-to-end tests on containerd.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReason } from '../../base/errors.ts'
import { type ContainerConfig, labelNames, type PodSeen, type Runtime, type SandboxConfig } from './runtime.ts'

/** `runs`: until the container is stopped. `ends`: by itself, with exit code 3. */
type Process = 'runs' | 'ends'

interface RuntimeUnderTest {
  runtime(): Runtime
  /** Returns a sandbox on the network of the host, after everything that it needs on the node has been created. */
  sandbox(podUid: string): Promise<SandboxConfig>
  container(process: Process): ContainerConfig
  skip: string | false
}

/** Runs the suite. */
export function runtimeContract(name: string, under: RuntimeUnderTest): void {
  const check = (what: string, body: (runtime: Runtime, pod: TestPod) => Promise<void>): void =>
    void test(`${name}: ${what}`, { skip: under.skip }, async () => {
      const runtime = under.runtime()
      const pod = new TestPod(under, `contract-${++pods}`)
      try {
        await body(runtime, pod)
      } finally {
        const { sandboxes } = await runtime.pod(pod.uid)
        for (const { id } of sandboxes) await runtime.stopSandbox(id)
        for (const { id } of sandboxes) await runtime.removeSandbox(id)
      }
    })

  check('a container that ended is restarted, and all of its pod is removed with the sandbox', example)
  check('what does not exist counts as stopped and removed, and can do nothing else', missing)
  check('a stop that was aborted leaves a container that can be stopped again', aborted)
}

let pods = 0

/** The pod of a test. Its parts have the names `s`, `c0`, `c1`, in the order of their creation. */
class TestPod {
  readonly uid: string
  readonly #under: RuntimeUnderTest
  readonly #names = new Map<string, string>()

  constructor(under: RuntimeUnderTest, uid: string) {
    this.#under = under
    this.uid = uid
  }

  async sandbox(): Promise<string> {
    const config = await this.#under.sandbox(this.uid)
    const id = await this.#under.runtime().createSandbox(config, '', new AbortController().signal)
    this.#names.set(id, 's')
    return id
  }

  async container(sandboxId: string, process: Process, attempt = 0): Promise<string> {
    const labels = { [labelNames.podUid]: this.uid, [labelNames.container]: 'a' }
    const config = { ...this.#under.container(process), metadata: { name: 'a', attempt }, labels }
    const id = await this.#under.runtime().createContainer(sandboxId, config, await this.#under.sandbox(this.uid))
    this.#names.set(id, `c${attempt}`)
    return id
  }

  /** The state of the pod in the notation of the example in runtime.ts. */
  async text(): Promise<string> {
    const { sandboxes, containers }: PodSeen = await this.#under.runtime().pod(this.uid)
    const nameOf = (id: string) => this.#names.get(id) ?? id
    const s = sandboxes.map(({ id, ready }) => `${nameOf(id)}${ready ? ' ready' : ''}`)
    const c = containers.map(
      ({ id, state, exitCode }) => `${nameOf(id)} ${state}${state === 'exited' ? ` ${exitCode}` : ''}`,
    )
    return `[${s.join(', ')}] [${c.join(', ')}]`
  }
}

async function example(runtime: Runtime, pod: TestPod): Promise<void> {
  const stop = new AbortController()
  // Reads the pod at each reported exit, so that a report that is too early makes the test fail.
  const atExits: Promise<string>[] = []
  let onExit = () => {}
  let onSubscribed = () => {}
  const watching = runtime.watch((uid, event) => {
    if (event?.topic === 'subscribed') onSubscribed()
    if (uid !== pod.uid || (event && event.topic !== 'exited')) return
    atExits.push(pod.text())
    onExit()
  }, stop.signal)
  if (runtime.real) await new Promise<void>(resolve => (onSubscribed = resolve))
  try {
    const s = await pod.sandbox()
    assert.equal(await pod.text(), '[s ready] []')
    const c0 = await pod.container(s, 'ends')
    assert.equal(await pod.text(), '[s ready] [c0 created]')
    await runtime.startContainer(c0)
    const ended = '[s ready] [c0 exited 3]'
    while (!(await Promise.all(atExits)).includes(ended)) await new Promise<void>(resolve => (onExit = resolve))
    // Events of the simulated runtime have no topic, so the first one may be about the start.
    if (runtime.real) assert.equal(await atExits[0], ended)
    await assert.rejects(runtime.startContainer(c0), 'a container is started once')
    const c1 = await pod.container(s, 'runs', 1)
    await runtime.startContainer(c1)
    assert.equal(await pod.text(), '[s ready] [c1 running, c0 exited 3]')
    const outline = (await runtime.outline()).find(({ uid }) => uid === pod.uid)
    assert.deepEqual(outline?.containers.map(({ state }) => state).sort(), ['exited', 'running'])
    await runtime.stopSandbox(s)
    assert.equal(await pod.text(), '[s] [c1 exited 137, c0 exited 3]')
    await runtime.removeSandbox(s)
    assert.equal(await pod.text(), '[] []')
    assert.ok(!(await runtime.outline()).some(({ uid }) => uid === pod.uid))
  } finally {
    stop.abort()
    await watching
  }
}

async function missing(runtime: Runtime, pod: TestPod): Promise<void> {
  const s = await pod.sandbox()
  const c0 = await pod.container(s, 'runs')
  for (let times = 0; times < 2; times++) {
    await runtime.stopContainer(c0, 0)
    await runtime.removeContainer(c0)
  }
  for (const call of [
    () => runtime.startContainer(c0),
    () => runtime.updateContainer(c0, { cpuShares: 2 }),
    () => runtime.execSync(c0, ['true'], 1),
  ])
    await assert.rejects(call, error => isReason(error, 'NotFound'))
  for (let times = 0; times < 2; times++) await runtime.stopSandbox(s)
  for (let times = 0; times < 2; times++) await runtime.removeSandbox(s)
  await runtime.stopSandbox(s)
  await assert.rejects(pod.container(s, 'runs', 1), error => isReason(error, 'NotFound'))
  assert.equal(await pod.text(), '[] []')
}

async function aborted(runtime: Runtime, pod: TestPod): Promise<void> {
  const s = await pod.sandbox()
  const c0 = await pod.container(s, 'runs')
  await runtime.startContainer(c0)
  const impatient = new AbortController()
  const stopping = runtime.stopContainer(c0, 600, impatient.signal)
  impatient.abort(new Error('sooner'))
  await assert.rejects(stopping, /sooner/)
  assert.equal(await pod.text(), '[s ready] [c0 running]')
  await runtime.stopContainer(c0, 0)
  assert.equal(await pod.text(), '[s ready] [c0 exited 137]')
}
