// The runtime with a containerd whose state changes later than its events announce. A gRPC server on a socket offers
// its two services; each test sets the state of its container.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { type Clock, realClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { enums, messages, services } from '../cri/definition.ts'
import { definition } from '../cri/events.ts'
import { clientsOf } from '../../wire/grpc.ts'
import { CriRuntime } from './cri.ts'
import { labelNames } from './runtime.ts'

const labels = { [labelNames.podUid]: 'uid', [labelNames.container]: 'main' }
/** Sleeps end at once, so that a test takes only the time of what it waits for. */
const hasty: Clock = { ...realClock, sleep: (_, signal) => realClock.sleep(0, signal) }

type Stream = grpc.ServerWritableStream<object, object>
type Unary = grpc.handleUnaryCall<Record<string, string>, object>

class Containerd {
  /** The state of the only container. */
  state: 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'none' = 'CONTAINER_RUNNING'
  /**
   * The next `failing` requests for the container's status fail, the `early` ones after them say that it was not started
   * yet, and the `late` ones after those that it still runs.
   */
  failing = 0
  early = 0
  late = 0
  looks = 0
  /** A subscription begins to deliver only after this number of published events. */
  deaf = 0
  readonly streams = new Set<Stream>()
  readonly #waiting = new Set<Stream>()

  readonly runtime: Record<string, Unary> = {
    ListPodSandbox: (_, answer) => answer(null, { items: [] }),
    ListContainers: (_, answer) =>
      answer(null, { containers: this.state === 'none' ? [] : [{ id: 'c', labels, state: this.#stateNow() }] }),
    ContainerStatus: (_, answer) => {
      this.looks++
      if (this.failing-- > 0) return answer({ code: grpc.status.DEADLINE_EXCEEDED, details: 'busy' })
      if (this.state === 'none') return answer({ code: grpc.status.NOT_FOUND, details: 'no such container' })
      answer(null, { status: { id: 'c', labels, state: this.#stateNow() } })
      if (this.early > 0) this.early--
      else this.late--
    },
    PodSandboxStatus: (_, answer) => answer({ code: grpc.status.NOT_FOUND, details: 'no such sandbox' }),
  }
  readonly events = {
    Publish: ((call, answer) => {
      if (this.deaf-- <= 0) for (const stream of this.#waiting) this.streams.add(stream)
      this.emit((call.request as unknown as { topic: string }).topic)
      answer(null, {})
    }) as Unary,
    Subscribe: (stream: Stream) => void this.#waiting.add(stream),
  }

  #stateNow() {
    if (this.early > 0) return 'CONTAINER_CREATED'
    return this.late > 0 ? 'CONTAINER_RUNNING' : this.state
  }

  emit(topic: string, value = new Uint8Array()): void {
    const envelope = { timestamp: { seconds: 1 }, namespace: 'k8s.io', topic, event: { typeUrl: '', value } }
    for (const stream of this.streams) stream.write(envelope)
  }

  exit(): void {
    // The first two fields of a TaskExit event of the container `c`.
    this.emit('/tasks/exit', Buffer.from('\n\x01c\x12\x01c'))
  }

  drop(): void {
    for (const stream of this.#waiting) stream.end()
    this.#waiting.clear()
    this.streams.clear()
  }
}

async function start(t: TestContext) {
  const containerd = new Containerd()
  const dir = mkdtempSync(join(tmpdir(), 'kutter-cri-'))
  const socket = join(dir, 'containerd.sock')
  const server = new grpc.Server()
  const { RuntimeService } = clientsOf({ package: 'runtime.v1', messages, enums, services })
  const { Events } = clientsOf(definition)
  server.addService(RuntimeService!.service, containerd.runtime)
  server.addService(Events!.service, containerd.events)
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    ),
  )
  const runtime = new CriRuntime({ socket, clock: hasty, log: silentLog })
  const abort = new AbortController()
  const heard: string[] = []
  let wake = () => {}
  void runtime.watch((uid, event) => {
    heard.push(`${event?.topic} ${uid}`)
    wake()
  }, abort.signal)
  t.after(async () => {
    abort.abort()
    runtime.close()
    await new Promise<void>(resolve => server.tryShutdown(() => resolve()))
    rmSync(dir, { recursive: true })
  })
  const hears = async (what: string) => {
    while (!heard.includes(what)) await new Promise<void>(resolve => (wake = resolve))
    heard.splice(0, heard.indexOf(what) + 1)
  }
  return { containerd, runtime, heard, hears }
}

const stateOf = async (runtime: Awaited<ReturnType<typeof start>>['runtime']) =>
  (await runtime.pod('uid')).containers[0]?.state

test('an exit is reported when CRI lists it, however long that takes', { timeout: 60_000 }, async t => {
  const { containerd, runtime, hears } = await start(t)
  await hears('subscribed undefined')
  containerd.state = 'CONTAINER_EXITED'
  containerd.late = 40
  containerd.exit()
  await hears('exited uid')
  assert.equal(await stateOf(runtime), 'exited')
  assert.ok(containerd.looks > 40)
})

test('the exit of a container whose start is not recorded yet is reported', { timeout: 60_000 }, async t => {
  const { containerd, runtime, hears } = await start(t)
  await hears('subscribed undefined')
  containerd.state = 'CONTAINER_EXITED'
  containerd.early = 5
  containerd.late = 5
  containerd.exit()
  await hears('exited uid')
  assert.equal(await stateOf(runtime), 'exited')
})

test('an exit is reported although calls about it fail', { timeout: 60_000 }, async t => {
  const { containerd, runtime, hears } = await start(t)
  await hears('subscribed undefined')
  await runtime.outline()
  containerd.state = 'CONTAINER_EXITED'
  containerd.failing = 20
  containerd.exit()
  await hears('exited uid')
  assert.equal(await stateOf(runtime), 'exited')
})

test('the exit of a removed container is reported to its pod', { timeout: 60_000 }, async t => {
  const { containerd, runtime, hears } = await start(t)
  await hears('subscribed undefined')
  await runtime.outline()
  containerd.state = 'none'
  containerd.exit()
  await hears('exited uid')
})

test('after subscribed, no event is missed', { timeout: 60_000 }, async t => {
  const { containerd, heard, hears } = await start(t)
  containerd.deaf = 5
  await hears('subscribed undefined')
  assert.equal(containerd.streams.size, 1)
  assert.deepEqual(heard, [])
  containerd.state = 'CONTAINER_EXITED'
  containerd.exit()
  await hears('exited uid')
  containerd.drop()
  await hears('subscribed undefined')
  containerd.exit()
  await hears('exited uid')
})

test('an outline has every pod with its parts', { timeout: 60_000 }, async t => {
  const { containerd, runtime } = await start(t)
  assert.deepEqual(await runtime.outline(), [
    { uid: 'uid', sandboxes: [], containers: [{ id: 'c', state: 'running' }] },
  ])
  containerd.state = 'none'
  assert.deepEqual(await runtime.outline(), [])
})
